import { elapsed, toInstant } from '../lib/time.ts'

import type { Instant } from '../lib/time.ts'

const WINDOW_INITIAL = 16
const WINDOW_MAX = 64
const WINDOW_AFTER_LOSS_MIN = 8
const WINDOW_AFTER_TIMEOUTS = 4

/** How many datagrams may be in flight to one peer: what its socket's buffer is sure to hold. */
export class CongestionWindow {
  #size = WINDOW_INITIAL
  #slowStartUntil = WINDOW_MAX
  /** Losses of what was sent before this are answered already. */
  #reducedAt: Instant = toInstant(-Infinity)

  get size(): number {
    return Math.floor(this.#size)
  }

  /** One datagram was acknowledged while the window was what held us up. */
  grow(): void {
    this.#size += this.#size < this.#slowStartUntil ? 1 : 1 / this.#size
    this.#size = Math.min(this.#size, WINDOW_MAX)
  }

  /** A datagram sent at `sentAt` is lost. At most one step down each round trip. */
  reduce(now: Instant, sentAt: Instant): void {
    if (elapsed(this.#reducedAt, sentAt) < 0) return
    this.#reducedAt = now
    this.#size = Math.min(this.#size, Math.max(this.#size * 0.85, WINDOW_AFTER_LOSS_MIN))
    this.#slowStartUntil = this.#size
  }

  /** All has arrived: whatever comes next begins as gently as the first (RFC 9002 §7.8). */
  rest(): void {
    this.#size = Math.min(this.#size, WINDOW_INITIAL)
  }

  /** Nothing comes back at all. */
  collapse(): void {
    if (this.#size <= WINDOW_AFTER_TIMEOUTS) return
    this.#slowStartUntil = Math.max(this.#size / 2, WINDOW_AFTER_LOSS_MIN)
    this.#size = WINDOW_AFTER_TIMEOUTS
  }
}
