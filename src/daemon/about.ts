import { ABOUT_MAX } from '../core/about.ts'
import { formatAddress } from './address.ts'
import type { HostsFile } from './config.ts'

/** What hosts tell each other of themselves: people see at once where two boxes differ. */
export type About = {
  /** Of the lamportd package. */
  readonly version: string
  readonly heartbeat: number
  readonly suspect: number
  readonly hosts: readonly {
    readonly id: number
    readonly name: string
    readonly address: string
  }[]
}

/** Of this host. */
export function aboutSelf({ hosts, timing }: HostsFile, version: string): About {
  const { heartbeat, suspect } = timing
  return {
    version,
    heartbeat,
    suspect,
    hosts: hosts.map(({ id, name, place, port }) => {
      const where = place.type === 'literal' ? place.ip : place.name
      return { id, name, address: formatAddress(where, port) }
    }),
  }
}

/** As it is sent; of a file with too many long names the release alone. */
export function aboutText(about: About): string {
  const text = JSON.stringify(about)
  return text.length <= ABOUT_MAX ? text : JSON.stringify({ ...about, hosts: [] })
}

/** Most hosts send the same text, and whoever asks for `status` asks again. */
const parsed = new Map<string, About | undefined>()

/** Texts that are remembered; each has 96 KiB at most. */
const PARSED_MAX = 16

/** Reads what another host sent; undefined where it is of some other form. */
export function parseAbout(text: string): About | undefined {
  if (parsed.has(text)) return parsed.get(text)
  if (parsed.size >= PARSED_MAX) parsed.clear()
  const about = parse(text)
  parsed.set(text, about)
  return about
}

function parse(text: string): About | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value) || !Array.isArray(value.hosts)) return undefined
  const { version, heartbeat, suspect } = value
  if (typeof version !== 'string' || typeof heartbeat !== 'number') return undefined
  if (typeof suspect !== 'number') return undefined
  const hosts: About['hosts'][number][] = []
  for (const host of value.hosts as unknown[]) {
    if (!isRecord(host)) return undefined
    const { id, name, address } = host
    if (typeof id !== 'number' || typeof name !== 'string' || typeof address !== 'string')
      return undefined
    hosts.push({ id, name, address })
  }
  return { version, heartbeat, suspect, hosts }
}

/**
 * In what another host's hosts.yml differs from ours, one text a line of the file. What safety rests
 * on is the same, or there would be no session.
 */
export function differencesOf(own: About, other: About, places: HostsFile['places']): string[] {
  const here = (text: string, place: string): string => {
    const where = places.get(place)
    return where === undefined ? `here ${text}` : `here ${text}, ${where}`
  }
  const said: string[] = []
  for (const key of ['heartbeat', 'suspect'] as const) {
    if (own[key] === other[key]) continue
    said.push(`${key} ${other[key]} ms (${here(`${own[key]} ms`, key)})`)
  }
  const others = new Map(other.hosts.map(host => [host.id, host]))
  for (const line of others.size === 0 ? [] : own.hosts) {
    const theirs = others.get(line.id)
    for (const key of ['name', 'address'] as const) {
      if (theirs === undefined || theirs[key] === line[key]) continue
      const ours = here(line[key], `host ${line.id}`)
      said.push(`${key} ${theirs[key]} for host ${line.id} (${ours})`)
    }
  }
  return said
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
