import { elapsed, milliseconds, type Duration, type Instant } from '../lib/time.ts'

/** What is over sooner need not be told: each first start waits for the other hosts a moment. */
const PATIENCE: Duration = milliseconds(3000)

/** Tells people once what a host waits for, when it has done so for a while. */
export class Waiting {
  #text: string | undefined
  #since: Instant | undefined
  #isTold = false

  /** What it waits for now; what there is to tell, if anything. */
  notice(now: Instant, text: string | undefined): string | undefined {
    if (text !== this.#text) {
      this.#text = text
      this.#since = now
      this.#isTold = false
    }
    const isDue = this.#since !== undefined && elapsed(this.#since, now) >= PATIENCE
    if (text === undefined || this.#isTold || !isDue) return undefined
    this.#isTold = true
    return text
  }
}
