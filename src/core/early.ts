import type { HostId } from './clock.ts'
import type { MutexMessage } from './message.ts'

/** A message of a view that this host has not installed yet. */
export type Early = {
  readonly from: HostId
  readonly incarnation: number
  readonly message: MutexMessage
}

/** More than members of a view send before the others have it. */
const EARLY_MAX = 100_000

/** Messages of later views, which wait for their install. */
export class EarlyMessages {
  #waiting: Early[] = []

  /** False: there are too many, and this host has fallen too far behind. */
  keep(early: Early): boolean {
    if (this.#waiting.length >= EARLY_MAX) return false
    this.#waiting.push(early)
    return true
  }

  /** All of them, in the order they came; those of still later views are kept again. */
  take(): readonly Early[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }

  fingerprint(): unknown {
    return this.#waiting
  }
}
