import { after, milliseconds, toInstant } from '../lib/time.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Urgency } from './endpoint.ts'

/** What is sent `soon` waits so long for something that takes it along. */
const SOON: Duration = milliseconds(1)
const NOT_AT_ALL: Instant = toInstant(-Infinity)

/** How long payloads to one peer that no packet has carried yet may wait for one that must go. */
export class Patience {
  #until: Instant = NOT_AT_ALL
  /** What waits is something that nobody wants for now: nothing else waits with that. */
  #isWhenever = false

  /** When they go by themselves; in the past where they do not wait. */
  get until(): Instant {
    return this.#until
  }

  /** @param isFirst nothing else waits */
  sent(now: Instant, urgency: Urgency, isFirst: boolean): void {
    if (urgency === 'now' || (urgency === 'along' && (isFirst || this.#isWhenever))) {
      this.#until = NOT_AT_ALL
    } else if (isFirst) {
      this.#until = after(now, SOON)
      this.#isWhenever = urgency === 'whenever'
    }
  }

  /** Who may not send yet, when the time is over, waits for an ACK, and no longer for the time. */
  tick(now: Instant): void {
    if (this.#until <= now) this.#until = NOT_AT_ALL
  }
}
