import { before, elapsed, scaled, toInstant, type Instant } from '../lib/time.ts'
import type { Lease } from './lease.ts'

/** `until` is the lease's end less this share of the lease, because stopping takes time. */
const UNTIL_MARGIN = 1 / 20

/** A renewal is told when it is worth this share of the lease. */
const RENEWAL_SHARE = 1 / 8

/** What holders are told of the lease that their locks rest on. */
export class Renewal {
  readonly #lease: Lease
  /** The `until` that they were told last. */
  #told: Instant = toInstant(-Infinity)

  constructor(lease: Lease) {
    this.#lease = lease
  }

  /** By when a holder must have stopped, unless it hears of a renewal. */
  until(now: Instant): Instant {
    return before(this.#lease.end(now), scaled(this.#lease.duration, UNTIL_MARGIN))
  }

  /** A grant has told the one holder that there is. */
  granted(now: Instant): void {
    this.#told = this.until(now)
  }

  /** A new `until`, where it has grown by enough to be worth a line. */
  renewed(now: Instant): Instant | undefined {
    const until = this.until(now)
    if (until <= now) return undefined
    if (elapsed(this.#told, until) < this.#lease.duration * RENEWAL_SHARE) return undefined
    this.#told = until
    return until
  }

  fingerprint(now: Instant): unknown {
    return this.#told - now
  }
}
