import type { Lsn, StoreEntry } from '../core/command.ts'
import type { HostConfig } from '../core/host.ts'
import type { End } from './wires.ts'

/** What a hosts.yml says in this world. */
export type WorldTable = Pick<HostConfig, 'hosts' | 'timing'>

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
}
