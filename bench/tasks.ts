import { fileURLToPath } from 'node:url'

import type { Load } from './schedule.ts'

export type TransportName = 'lamportd' | 'tcp' | 'udx' | 'dgram'

/** The program of a host. */
export const HOST_PROGRAM: string = fileURLToPath(new URL('host.js', import.meta.url))

/** What the benchmark tells a host to do. */
export type Task =
  /** Send by the clock, whatever has become of what was sent before. */
  | { readonly type: 'send'; readonly kind: 'lone' | 'request'; readonly load: Load }
  /** On each of so many pairs one request after the other. */
  | { readonly type: 'rounds'; readonly pairs: number; readonly durationMs: number }
  /** One long message after the other, until told to stop. */
  | { readonly type: 'bulk'; readonly isOn: boolean }
  /** Wait for so many messages since the last time, and tell of them. */
  | { readonly type: 'collect'; readonly count: number; readonly patienceMs: number }

/** What a host answers. */
export type Report = {
  /** Messages sent by a task. */
  readonly sent: number
  /** From the instant when each message was due, and from the call that sent it. */
  readonly latencies: Float64Array
  readonly fromSend: Float64Array
  /** How long each long message took, there and its receipt back. */
  readonly bulk: readonly number[]
  /** Messages that were damaged, doubled, or not in their turn. */
  readonly wrong: number
}
