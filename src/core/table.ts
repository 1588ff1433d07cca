import { hashOf } from '../lib/hash.ts'
import { scaled, type Duration } from '../lib/time.ts'
import type { HostId } from './clock.ts'

/** What safety rests on: it must be the same on all hosts. Addresses and names need not be. */
export type SafetyTable = {
  readonly hosts: readonly { readonly id: HostId; readonly votes: number }[]
  readonly timing: { readonly lease: Duration; readonly drift: number }
}

/** Lease in milliseconds, 3 bytes; drift in hundredths of a percent, 2; a hash of the hosts, 3. */
const LEASE_BYTES = 3
const DRIFT_BYTES = 2
const HOSTS_BYTES = 3
const DRIFT_UNITS = 10_000

/** A line of a handshake: id, 10 bits; votes, 7; hosts in all, 7. */
const ID_BITS = 10
const ID_MASK = 0x3ff
const VOTES_MASK = 0x7f
const COUNT_SHIFT = 17
const COUNT_MAX = 127

/** Only what the table says of a configuration that says more. */
export function tableOf({ hosts, timing }: SafetyTable): SafetyTable {
  const sorted = [...hosts].sort((a, b) => a.id - b.id)
  const { lease, drift } = timing
  return { hosts: sorted.map(({ id, votes }) => ({ id, votes })), timing: { lease, drift } }
}

/** Whether two tables allow the same and forbid the same. */
export function isSameTable(a: SafetyTable, b: SafetyTable): boolean {
  const isSameTiming = a.timing.lease === b.timing.lease && a.timing.drift === b.timing.drift
  return isSameTiming && hostsText(a) === hostsText(b)
}

/**
 * How long after its last vote under this table a lease may go on, by any clock: the lease, and what
 * two clocks can drift apart in it.
 */
export function graceOf({ timing }: Pick<SafetyTable, 'timing'>): Duration {
  return scaled(timing.lease, 1 + 4 * timing.drift)
}

type Digest = { readonly lease: number; readonly drift: number; readonly hosts: number }

/**
 * Eight bytes that differ where tables differ, and tell in what. They guard against mistakes, not
 * against attackers. The cluster's name is compared elsewhere.
 */
export function digestOf(table: SafetyTable): Uint8Array {
  const { lease, drift, hosts } = summaryOf(table)
  const digest = new Uint8Array(LEASE_BYTES + DRIFT_BYTES + HOSTS_BYTES)
  let at = 0
  for (const [value, bytes] of [
    [lease, LEASE_BYTES],
    [drift, DRIFT_BYTES],
    [hosts, HOSTS_BYTES],
  ] as const) {
    for (let i = 0; i < bytes; i++) digest[at++] = value >>> (8 * i)
  }
  return digest
}

/**
 * The lines of a table, 24 bits each: id, votes, and how many hosts there are, as far as 127. A
 * handshake has room for one, so that a host whose table differs says where, line by line. The one of
 * `first` comes first: a mistake is about it most often.
 */
export function linesOf({ hosts: all }: SafetyTable, first?: HostId): number[] {
  const hosts = [...all].sort((a, b) => Number(b.id === first) - Number(a.id === first))
  const count = Math.min(hosts.length, COUNT_MAX)
  return hosts.map(({ id, votes }) => id | (votes << ID_BITS) | (count << COUNT_SHIFT))
}

/** For people: where each line is in our hosts.yml. */
export type Places = ReadonlyMap<string, string>

/**
 * For people: in what another host's table differs from ours, as far as its lines have come.
 *
 * @param places of `lease`, of `drift` and of `host 7`, where the file names them
 */
export function describeDifference(
  table: SafetyTable,
  theirs: Uint8Array,
  lines: Iterable<number> = [],
  places: Places = new Map(),
): string {
  const ours = summaryOf(table)
  const other: Digest = {
    lease: read(theirs, 0, LEASE_BYTES),
    drift: read(theirs, LEASE_BYTES, DRIFT_BYTES),
    hosts: read(theirs, LEASE_BYTES + DRIFT_BYTES, HOSTS_BYTES),
  }
  const here = (text: string, place: string): string => {
    const where = places.get(place)
    return where === undefined ? `(here ${text})` : `(here ${text}, ${where})`
  }
  const said: string[] = []
  if (ours.lease !== other.lease) {
    said.push(`lease ${other.lease} ms ${here(`${ours.lease} ms`, 'lease')}`)
  }
  if (ours.drift !== other.drift) {
    said.push(`drift ${percent(other)} ${here(percent(ours), 'drift')}`)
  }
  if (ours.hosts === other.hosts) return said.join(', ')
  const differing = differingLines(table, lines, here)
  if (differing.length > 0) said.push(...differing)
  else said.push(`other ids or votes (here ${hostsText(table)})`)
  return said.join(', ')
}

function differingLines(
  { hosts }: SafetyTable,
  lines: Iterable<number>,
  here: (text: string, place: string) => string,
): string[] {
  const theirs = new Map<HostId, number>()
  let count = COUNT_MAX
  for (const line of lines) {
    if (line === 0) continue
    theirs.set(line & ID_MASK, (line >>> ID_BITS) & VOTES_MASK)
    count = line >>> COUNT_SHIFT
  }
  const said: string[] = []
  for (const [id, votes] of [...theirs].sort(([a], [b]) => a - b)) {
    const own = hosts.find(host => host.id === id)
    if (own === undefined) said.push(`a host ${id} (here there is none)`)
    else if (own.votes !== votes) {
      said.push(`votes: ${votes} for host ${id} ${here(`votes: ${own.votes}`, `host ${id}`)}`)
    }
  }
  const hasAll = count < COUNT_MAX && theirs.size >= count
  for (const { id, votes } of hasAll ? hosts : []) {
    if (!theirs.has(id)) said.push(`no host ${id} ${here(`votes: ${votes}`, `host ${id}`)}`)
  }
  return said
}

function summaryOf(table: SafetyTable): Digest {
  const { lease, drift } = table.timing
  return {
    lease: Math.round(lease) & 0xff_ffff,
    drift: Math.round(drift * DRIFT_UNITS) & 0xffff,
    hosts: hashOf(hostsText(table)) & 0xff_ffff,
  }
}

function hostsText({ hosts }: SafetyTable): string {
  const sorted = [...hosts].sort((a, b) => a.id - b.id)
  return sorted.map(({ id, votes }) => `${id}: ${votes}`).join(', ')
}

function percent({ drift }: Digest): string {
  return `${drift / 100} %`
}

function read(bytes: Uint8Array, from: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[from + i] ?? 0)
  return value
}
