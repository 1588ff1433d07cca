import { after, milliseconds } from '../lib/time.ts'

import type { Duration, Instant } from '../lib/time.ts'

/** What timers of user space are good for. */
const GRANULARITY_MS = 1
/** A peer promises to acknowledge at the latest after this. */
const ACK_DELAY_MAX_MS = 2
const FLOOR_MIN_MS = 3
const FLOOR_MAX_MS = 50
/** So many acknowledgements in a row without a needless retransmission lower the floor again. */
const CLEAN_ACKS = 200
const MIN_RTT_KEPT: Duration = milliseconds(300_000)
const PTO_MAX_MS = 1000

/**
 * How long the way to a peer and back takes, and what follows from it. RFC 9002 §5 and §6, with
 * constants for a LAN: there a single lost message costs 4 ms instead of TCP's 200.
 */
export class Rtt {
  #srtt: number
  #rttvar: number
  #latest: number
  #min: number
  #minAt: Instant
  #floor = FLOOR_MIN_MS
  #clean = 0

  /** The first sample comes from the handshake: no data runs without one. */
  constructor(now: Instant, first: Duration) {
    this.#srtt = first
    this.#rttvar = first / 2
    this.#latest = first
    this.#min = first
    this.#minAt = now
  }

  get smoothed(): Duration {
    return milliseconds(this.#srtt)
  }

  /** The share of a round trip that is spent in queues, as far as that can be told. */
  get queueing(): number {
    return 1 - this.#min / Math.max(this.#srtt, this.#latest)
  }

  /** A packet was acknowledged `rtt` after it was sent; the peer says that it waited `delay`. */
  sample(now: Instant, rtt: Duration, delay: Duration): void {
    if (rtt < this.#min || now > after(this.#minAt, MIN_RTT_KEPT)) {
      this.#min = rtt
      this.#minAt = now
    }
    const sample = rtt - delay >= this.#min ? rtt - delay : rtt
    this.#latest = sample
    this.#rttvar += (Math.abs(this.#srtt - sample) - this.#rttvar) / 4
    this.#srtt += (sample - this.#srtt) / 8
  }

  /** When to probe: RFC 9002 §6.2.1, doubled for each probe that brought nothing, at most 1 s. */
  pto(backoff: number): Duration {
    const variance = Math.max(4 * this.#rttvar, GRANULARITY_MS)
    const pto = Math.max(this.#floor, this.#srtt + variance + ACK_DELAY_MAX_MS)
    return milliseconds(Math.min(pto * 2 ** Math.min(backoff, 10), PTO_MAX_MS))
  }

  /** A packet sent so long before one that was acknowledged is lost: RFC 9002 §6.1.2. */
  get lossDelay(): Duration {
    const threshold = (9 / 8) * Math.max(this.#srtt, this.#latest)
    return milliseconds(Math.max(threshold, GRANULARITY_MS))
  }

  /** What is unacknowledged for so long rides again with whatever is sent anyway. */
  get overdue(): Duration {
    return milliseconds(this.#srtt + 4 * this.#rttvar + ACK_DELAY_MAX_MS)
  }

  /** A retransmission was needless: be slower (the idea of Eifel, RFC 3522). */
  spurious(): void {
    this.#clean = 0
    this.#floor = Math.min(this.#floor * 1.5, FLOOR_MAX_MS)
  }

  /** An acknowledgement came without a needless retransmission before it. */
  clean(): void {
    if (++this.#clean < CLEAN_ACKS) return
    this.#clean = 0
    this.#floor = Math.max(this.#floor * 0.9, FLOOR_MIN_MS)
  }
}
