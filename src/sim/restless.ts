import { assert } from '../lib/assert.ts'
import type { Instant } from '../lib/time.ts'

/** A tick may leave more to do at once, though never for so long. */
const TICKS_MAX = 1000

/**
 * Looks that a host has done at a tick what was due. One with a deadline that stays behind its clock
 * would keep its processor busy for nothing, and here stop the time.
 */
export class RestlessCheck {
  #ticks = 0

  /** The host was given a tick at `reading`, and now says when the next one is due. */
  ticked(reading: Instant, deadline: Instant): void {
    this.#ticks = deadline <= reading ? this.#ticks + 1 : 0
    assert(
      this.#ticks < TICKS_MAX,
      'what is due by time is done by a tick, and not due again at once',
    )
  }
}
