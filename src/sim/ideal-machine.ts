import type { HostId } from '../core/clock.ts'
import type { Lsn, StoreEntry } from '../core/command.ts'
import type { HostConfig } from '../core/host.ts'
import type { Rules } from '../core/rules.ts'
import type { Random } from '../lib/random.ts'
import type { Duration } from '../lib/time.ts'
import type { RestlessCheck } from './restless.ts'
import type { End } from './wires.ts'

/** What a hosts.yml says in this world. */
export type WorldTable = Pick<HostConfig, 'hosts' | 'timing'>

/** How long things take in a world of ideal channels, in milliseconds of true time. */
export type IdealOptions = {
  readonly hosts: HostConfig['hosts']
  readonly timing: HostConfig['timing']
  readonly rules: Rules
  readonly random: Random
  /** Of a message, drawn for each. */
  readonly delayMs: () => number
  /** From one try to open a session to the next. */
  readonly handshakeMs: () => number
  /** Of a write to the disk of this host until it is synced; Infinity: not before `sync`. */
  readonly syncMs: (host: HostId) => number
  readonly heartbeatLoss: number
}

/** What a client asks for in this world. */
export type Asked = {
  readonly names: readonly string[]
  readonly limit: number
  readonly wait?: Duration | undefined
}

/** One machine: what survives a crash, and the host that runs on it at present. */
export type Machine = End & {
  /** Its hosts.yml; what runs has read it when it came up. */
  table: WorldTable
  /** The table with which its host came up. */
  running: WorldTable
  /** Of its clock, against true time. */
  readonly rate: number
  readonly offset: number
  disk: Map<string, Uint8Array>
  isPaused: boolean
  /** What came while it was paused. */
  late: (() => void)[]
  /** Batches that are not durable. */
  unsynced: { readonly lsn: Lsn; readonly entries: readonly StoreEntry[] }[]
  wakeAt: number
  readonly restless: RestlessCheck
}
