import { TextDecoder } from 'node:util'
import type { HostId } from '../core/clock.ts'
import { HOST_ID_LIMIT } from '../core/clock.ts'
import { VALUES_BYTES_MAX, VARIABLES_MAX, type VariableLimits } from '../core/variables.ts'
import type { Duration } from '../lib/time.ts'
import { milliseconds, scaled } from '../lib/time.ts'
import type { NodeConfig } from '../node.ts'
import type { Place } from './address.ts'
import { formatAddress, parseLiteral, parsePlace, unreachableReason } from './address.ts'
import type { Field, Mistake } from './config-fields.ts'
import { Fields } from './config-fields.ts'
import { FILE_FIELDS, HOST_FIELDS, keysOf, LIMITS_FIELDS, TIMING_FIELDS } from './hosts-fields.ts'

/** One line of `hosts:`. */
export type HostLine = {
  readonly id: HostId
  readonly name: string
  readonly place: Place
  readonly port: number
  readonly votes: number
  /** A literal that this host binds in place of its own address. */
  readonly bind: string | undefined
}

/** How much a host carries at most; what is beyond is refused. */
export type Limits = {
  /** Clients of a small box: cron jobs and a few services, with one or two connections each. */
  readonly connections: number
  /** Requests under way and locks held, of one connection. */
  readonly requests: number
  readonly variables: VariableLimits
}

/** A hosts.yml without a mistake. */
export type HostsFile = {
  readonly cluster: string
  /** As written: relative to the file. */
  readonly key: string | undefined
  readonly timing: NodeConfig['timing']
  readonly limits: Limits
  /** In the order of their ids. */
  readonly hosts: readonly HostLine[]
  /** For people: the lines of what hosts compare, such as `line 7` of `host 2` or `lease`. */
  readonly places: ReadonlyMap<string, string>
}

/** hosts.yml of a handful of boxes; beyond this it is some other file. */
const FILE_BYTES_MAX = 256 * 1024
const HOSTS_MAX = HOST_ID_LIMIT - 1
const PORT = { low: 1, high: 65_535 }

const FILE_KEYS = keysOf(FILE_FIELDS)
const HOST_KEYS = keysOf(HOST_FIELDS)
const TIMING_KEYS = keysOf(TIMING_FIELDS)
const LIMITS_KEYS = keysOf(LIMITS_FIELDS)
const HOST_EXAMPLE = '- { id: 1, name: kitchen, address: 192.168.1.21 }'

const CONNECTIONS_MAX = 1024
const REQUESTS_MAX = 10_000
const MIB = 1024 * 1024

const DEFAULT_PORT = 7411
const HEARTBEAT = milliseconds(150)
const SUSPECT = milliseconds(1200)
const LEASE = milliseconds(2000)
const DRIFT = 0.02

/** Above this many hosts each sends its heartbeats less often, so that their sum stays bounded. */
const HOSTS_UNSTRETCHED_MAX = 15
const STRETCHED_HEARTBEAT_PER_HOST = milliseconds(10)
/** One lost heartbeat, or two, must not look like a dead host. */
const HEARTBEATS_MIN = 3

/** Reads the text of a hosts.yml: what it says, or every mistake in it, in the order of the text. */
export function parseHosts(
  bytes: Uint8Array,
): HostsFile | { readonly mistakes: readonly Mistake[] } {
  const text = decodeText(bytes)
  if (typeof text !== 'string') return { mistakes: [text] }
  const fields = new Fields(text)
  const hosts = fields.mistakes.length > 0 ? undefined : new HostsReader(fields).read()
  if (hosts === undefined || fields.mistakes.length > 0) return { mistakes: fields.mistakes }
  return hosts
}

/** `FILE:LINE:COLUMN: what is wrong (what to write instead)`. */
export function formatMistake(file: string, mistake: Mistake): string {
  return `${file}:${mistake.line}:${mistake.column}: ${mistake.text}`
}

/** What a node is told: literal addresses at once, names when they are resolved. */
export function nodeConfig(file: HostsFile, self: HostLine, about?: string): NodeConfig {
  return {
    places: file.places,
    limits: file.limits.variables,
    ...(about === undefined ? {} : { about }),
    cluster: file.cluster,
    self: self.id,
    timing: file.timing,
    hosts: file.hosts.map(({ id, name, place, port, votes }) => ({
      id,
      name,
      address: place.type === 'literal' ? { ip: place.ip, port } : undefined,
      votes,
    })),
  }
}

function decodeText(bytes: Uint8Array): string | Mistake {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  if (bytes.length > FILE_BYTES_MAX) {
    const text = `the file has ${bytes.length} bytes, at most ${FILE_BYTES_MAX} are read`
    return { line: 1, column: 1, text: `${text} (is it the right one?)` }
  }
  try {
    return decoder.decode(bytes)
  } catch {
    const line = firstLineNotUtf8(bytes, decoder)
    return { line, column: 1, text: 'this line is not UTF-8 (save the file as UTF-8)' }
  }
}

function firstLineNotUtf8(bytes: Uint8Array, decoder: TextDecoder): number {
  let line = 1
  for (let from = 0; from < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, from)
    const end = newline === -1 ? bytes.length : newline
    try {
      decoder.decode(bytes.subarray(from, end))
    } catch {
      return line
    }
    from = end + 1
  }
  return line
}

/** One host as far as it could be read: a mistake in one field does not hide those of others. */
type Draft = { -readonly [Key in keyof HostLine]: HostLine[Key] | undefined }

class HostsReader {
  readonly #fields: Fields
  /** Who has an id, a name, an address and a port: and in which line. */
  readonly #taken = new Map<string, number>()
  readonly #places = new Map<string, string>()
  #family: { readonly family: 4 | 6; readonly line: number } | undefined

  constructor(fields: Fields) {
    this.#fields = fields
  }

  read(): HostsFile | undefined {
    const { root } = this.#fields
    if (root.node === undefined) {
      this.#fields.wrong(0, 'the file is empty (write cluster: and hosts:)')
      return undefined
    }
    const file = this.#fields.map(root, 'the file', FILE_KEYS)
    if (file === undefined) return undefined
    const cluster = this.#cluster(file.get('cluster'), root.at)
    const port = this.#optionalInteger(file.get('port'), 'port', PORT, DEFAULT_PORT)
    const key = this.#key(file.get('key'))
    const hosts = this.#hosts(file.get('hosts'), root.at, port)
    const timing = this.#timing(file.get('timing'), hosts?.length ?? 0)
    const limits = this.#limits(file.get('limits'))
    if (cluster === undefined || hosts === undefined) return undefined
    return { cluster, key, timing, limits, hosts, places: this.#places }
  }

  #cluster(field: Field | undefined, at: number): string | undefined {
    if (field === undefined) {
      this.#fields.wrong(at, 'cluster is missing (write cluster: and a name, such as workshop)')
      return undefined
    }
    const name = this.#fields.text(field, 'cluster', 'workshop')
    if (name === undefined || /^[a-z\d-]{1,63}$/.test(name)) return name
    const advice = '(write 1 to 63 of a-z, 0-9 and -)'
    this.#fields.wrong(field.at, `cluster ${JSON.stringify(name)} is not a cluster name ${advice}`)
    return undefined
  }

  #key(field: Field | undefined): string | undefined {
    return field && this.#fields.text(field, 'key', 'cluster.key')
  }

  #hosts(field: Field | undefined, at: number, port: number): readonly HostLine[] | undefined {
    if (field === undefined) {
      this.#fields.wrong(at, `hosts is missing (write hosts: and a line a host: ${HOST_EXAMPLE})`)
      return undefined
    }
    const items = this.#fields.list(field, 'hosts', HOST_EXAMPLE)
    if (items === undefined) return undefined
    if (items.length === 0 || items.length > HOSTS_MAX) {
      const count = items.length === 0 ? 'empty' : `${items.length} hosts long`
      this.#fields.wrong(field.at, `hosts is ${count} (write 1 to ${HOSTS_MAX} hosts)`)
      return undefined
    }
    const drafts = items.map(item => this.#host(item, port))
    const hosts = drafts.filter(draft => draft !== undefined)
    if (hosts.length === items.length && hosts.every(host => host.votes === 0)) {
      const advice = '(leave votes: out, or give one host at least 1)'
      this.#fields.wrong(field.at, `all hosts have 0 votes: no majority is possible ${advice}`)
    }
    return hosts.sort((a, b) => a.id - b.id)
  }

  #host(item: Field, defaultPort: number): HostLine | undefined {
    const host = this.#fields.map(item, 'a host', HOST_KEYS)
    if (host === undefined) return undefined
    const draft: Draft = {
      id: this.#id(host.get('id'), item.at),
      name: this.#name(host.get('name'), item.at),
      place: this.#place(host.get('address'), item.at),
      port: this.#optionalInteger(host.get('port'), 'port', PORT, defaultPort),
      votes: this.#optionalInteger(host.get('votes'), 'votes', { low: 0, high: 100 }, 1),
      bind: this.#bind(host.get('bind')),
    }
    if (draft.place !== undefined) {
      const { place, port } = draft
      const text = formatAddress(place.type === 'literal' ? place.ip : place.name, port ?? 0)
      const advice = 'give each host an address, or a port: of its own'
      this.#claim(host.get('port') ?? host.get('address') ?? item, 'address', text, advice)
    }
    const { id, name, place, port, votes, bind } = draft
    if (id !== undefined) this.#places.set(`host ${id}`, `line ${this.#fields.line(item.at)}`)
    if (id === undefined || name === undefined || place === undefined) return undefined
    return { id, name, place, port: port ?? defaultPort, votes: votes ?? 1, bind }
  }

  #id(field: Field | undefined, at: number): HostId | undefined {
    if (field === undefined) {
      this.#fields.wrong(at, 'id is missing (write id: and a number, unique and never used before)')
      return undefined
    }
    const id = this.#fields.integer(field, 'id', { low: 1, high: HOSTS_MAX })
    const advice = 'give each host an id of its own, one never used before'
    if (id !== undefined) this.#claim(field, 'id', String(id), advice)
    return id
  }

  #name(field: Field | undefined, at: number): string | undefined {
    if (field === undefined) {
      this.#fields.wrong(at, 'name is missing (write name: and what you call this host)')
      return undefined
    }
    const name = this.#fields.text(field, 'name', 'kitchen')
    if (name === undefined) return undefined
    if (!/^[a-z\d]([a-z\d._-]{0,61}[a-z\d])?$/i.test(name) || /^\d+$/.test(name)) {
      const advice = '(write 1 to 63 letters, digits, ".", "_" and "-", not digits alone)'
      this.#fields.wrong(field.at, `name ${JSON.stringify(name)} is not a host name ${advice}`)
      return undefined
    }
    this.#claim(field, 'name', name, 'give each host a name of its own')
    return name
  }

  #place(field: Field | undefined, at: number): Place | undefined {
    if (field === undefined) {
      const advice = '(write address: and an IPv4 or IPv6 address or a host name)'
      this.#fields.wrong(at, `address is missing ${advice}`)
      return undefined
    }
    const text = this.#fields.text(field, 'address', '192.168.1.21')
    if (text === undefined) return undefined
    const place = parsePlace(text)
    if ('wrong' in place) {
      this.#fields.wrong(field.at, place.wrong)
      return undefined
    }
    if (place.type === 'name') return place
    const reason = unreachableReason(place.ip)
    if (reason !== undefined) {
      const advice = "(write the host's own address)"
      this.#fields.wrong(field.at, `address ${text} ${reason} ${advice}`)
      return undefined
    }
    this.#oneFamily(field, `address ${text}`, place.family)
    return place
  }

  #bind(field: Field | undefined): string | undefined {
    const text = field && this.#fields.text(field, 'bind', '0.0.0.0')
    if (field === undefined || text === undefined) return undefined
    const literal = parseLiteral(text)
    if (literal === undefined) {
      const advice = '(write an IPv4 or IPv6 address of that host; 0.0.0.0 or :: is all of them)'
      this.#fields.wrong(field.at, `bind ${JSON.stringify(text)} is not an address ${advice}`)
      return undefined
    }
    this.#oneFamily(field, `bind ${text}`, literal.family)
    return literal.ip
  }

  #oneFamily(field: Field, what: string, family: 4 | 6): void {
    this.#family ??= { family, line: this.#fields.line(field.at) }
    if (this.#family.family === family) return
    const first = `that of line ${this.#family.line} is IPv${this.#family.family}`
    this.#fields.wrong(
      field.at,
      `${what} is IPv${family}, ${first} (write all addresses in one family)`,
    )
  }

  #claim(field: Field, what: string, value: string, advice: string): void {
    const key = `${what} ${value.toLowerCase()}`
    const first = this.#taken.get(key)
    if (first === undefined) this.#taken.set(key, this.#fields.line(field.at))
    else this.#fields.wrong(field.at, `${what} ${value} is taken in line ${first} (${advice})`)
  }

  #timing(field: Field | undefined, hosts: number): NodeConfig['timing'] {
    const given = field && this.#fields.map(field, 'timing', TIMING_KEYS)
    for (const [key, { at }] of given ?? []) {
      this.#places.set(key, `line ${this.#fields.line(at)}`)
    }
    const heartbeatField = given?.get('heartbeat')
    const stretch =
      heartbeatField === undefined && hosts > HOSTS_UNSTRETCHED_MAX
        ? scaled(STRETCHED_HEARTBEAT_PER_HOST, hosts) / HEARTBEAT
        : 1
    const duration = (what: string, low: number, high: number): Duration | undefined => {
      const range = { low: milliseconds(low), high: milliseconds(high) }
      const found = given?.get(what)
      return found && this.#fields.duration(found, what, range)
    }
    const heartbeat = duration('heartbeat', 5, 60_000) ?? scaled(HEARTBEAT, stretch)
    const suspect = duration('suspect', 15, 3_600_000) ?? scaled(SUSPECT, stretch)
    const lease = duration('lease', 15, 3_600_000) ?? scaled(LEASE, stretch)
    for (const [what, length] of Object.entries({ suspect, lease })) {
      const least = Math.round(heartbeat * HEARTBEATS_MIN * 1000) / 1000
      if (length >= least) continue
      const at = given?.get(what) ?? heartbeatField ?? { at: 0 }
      const advice = `write ${what}: ${least}ms or more, or a shorter heartbeat:`
      const text = `${what} ${length}ms is under ${HEARTBEATS_MIN} heartbeats of ${heartbeat}ms`
      this.#fields.wrong(at.at, `${text} (${advice})`)
    }
    const driftField = given?.get('drift')
    const drift = driftField && this.#fields.percentage(driftField, 'drift', 20)
    return { heartbeat, suspect, lease, drift: drift ?? DRIFT }
  }

  #limits(field: Field | undefined): Limits {
    const given = field && this.#fields.map(field, 'limits', LIMITS_KEYS)
    const limit = (what: string, most: number): number =>
      this.#optionalInteger(given?.get(what), what, { low: 1, high: most }, most)
    return {
      connections: limit('connections', CONNECTIONS_MAX),
      requests: limit('requests', REQUESTS_MAX),
      variables: {
        names: limit('variables', VARIABLES_MAX),
        bytes: limit('values', VALUES_BYTES_MAX / MIB) * MIB,
      },
    }
  }

  #optionalInteger(
    field: Field | undefined,
    what: string,
    range: { low: number; high: number },
    otherwise: number,
  ): number {
    return (field && this.#fields.integer(field, what, range)) ?? otherwise
  }
}
