import { monotonicNow } from '../control/monotonic.ts'
import { TIMEOUT_MS_MAX } from '../lib/time.ts'

/**
 * When each of many things is over, by the monotonic clock. One timer is for all, and is not moved for
 * each: most are taken away long before, and when it fires it is set for what there is then. It keeps
 * no process alive.
 */
export class Deadlines<T> {
  readonly #over: (thing: T, now: number) => void
  readonly #deadlines = new Map<T, number>()
  #timer: NodeJS.Timeout | undefined
  #timerAt = Infinity

  /** @param over called once for each that is over */
  constructor(over: (thing: T, now: number) => void) {
    this.#over = over
  }

  set(thing: T, deadline: number): void {
    this.#deadlines.set(thing, deadline)
    if (deadline < this.#timerAt) this.#wakeAt(deadline)
  }

  delete(thing: T): void {
    this.#deadlines.delete(thing)
  }

  #wakeAt(deadline: number): void {
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    const wait = Math.max(1, Math.ceil(deadline - monotonicNow()))
    this.#timer = setTimeout(() => this.#wake(), Math.min(wait, TIMEOUT_MS_MAX)).unref()
  }

  #wake(): void {
    const now = monotonicNow()
    this.#timerAt = Infinity
    try {
      // What is taken away or put off meanwhile is not over.
      for (const [thing, deadline] of this.#deadlines) {
        if (deadline > now) continue
        this.#deadlines.delete(thing)
        this.#over(thing, now)
      }
    } finally {
      let next = Infinity
      for (const deadline of this.#deadlines.values()) next = Math.min(next, deadline)
      if (next < this.#timerAt) this.#wakeAt(next)
    }
  }
}
