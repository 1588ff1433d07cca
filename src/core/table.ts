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

/** For people: in what another host's table differs from ours. */
export function describeDifference(table: SafetyTable, theirs: Uint8Array): string {
  const ours = summaryOf(table)
  const other: Digest = {
    lease: read(theirs, 0, LEASE_BYTES),
    drift: read(theirs, LEASE_BYTES, DRIFT_BYTES),
    hosts: read(theirs, LEASE_BYTES + DRIFT_BYTES, HOSTS_BYTES),
  }
  const said: string[] = []
  if (ours.lease !== other.lease) said.push(`lease ${other.lease} ms (here ${ours.lease} ms)`)
  if (ours.drift !== other.drift) said.push(`drift ${percent(other)} (here ${percent(ours)})`)
  if (ours.hosts !== other.hosts) said.push(`other ids or votes (here ${hostsText(table)})`)
  return said.join(', ')
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
