import { after, earliest, milliseconds, NEVER, scaled } from '../lib/time.ts'

import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { KeyName } from './seal.ts'

/** Keys are used so long, give or take a tenth. */
const USED: Duration = milliseconds(15 * 60_000)
const USED_JITTER = 0.1
/** When the key file has a new first key, sessions get it within this time. */
const CHANGED_WITHIN: Duration = milliseconds(10_000)
/** Far from the limit of Poly1305 (RFC 9001 §6.6: 2^36), and far more than any accident. */
const FAILURES_MAX = 2 ** 20

/** When the session with one peer is due for new keys, apart from the numbers of its packets. */
export class Renewal {
  readonly #random: Random
  #at: Instant = NEVER
  /** The first key of the key file is another than that of the session. */
  #isChanging = false

  constructor(random: Random) {
    this.#random = random
  }

  get at(): Instant {
    return this.#at
  }

  /** The session has new keys. `first`: the key that they should come from. */
  adopted(now: Instant, name: KeyName | undefined, first: KeyName | undefined): void {
    const factor = this.#random.between(1 - USED_JITTER, 1 + USED_JITTER)
    this.#at = after(now, scaled(USED, factor))
    if (name === first) this.#isChanging = false
    // The peer called with another key at the same time, and its call counted.
    if (this.#isChanging) this.#soon(now)
  }

  /** The key file has changed. */
  changed(now: Instant, name: KeyName | undefined, first: KeyName | undefined): void {
    this.#isChanging = name !== first
    if (this.#isChanging) this.#soon(now)
  }

  /** A packet did not open, the how-manieth under these keys. True: that is beyond any accident. */
  failed(now: Instant, failures: number): boolean {
    if (failures !== FAILURES_MAX) return false
    this.#at = earliest(this.#at, now)
    return true
  }

  #soon(now: Instant): void {
    const wait = milliseconds(this.#random.between(0, CHANGED_WITHIN))
    this.#at = earliest(this.#at, after(now, wait))
  }
}
