import { elapsed, milliseconds, type Duration, type Instant } from '../lib/time.ts'

/** Of the heartbeats of so long, the one that was on its way for the shortest time counts. */
const WINDOW: Duration = milliseconds(10_000)

/** What is older says how fast the clock was, and not how fast it is: ten minutes. */
const WINDOWS_MAX = 60

/** Fewer say more about the network than about the clock. */
const WINDOWS_MIN = 3

type Window = { readonly at: Instant; lag: number }

/**
 * How fast another host's clock runs, by ours. Its heartbeats carry its own time: how far that stays
 * behind our time is the way of the heartbeat, never less than the shortest way, and beside it only
 * what the two clocks drift apart.
 */
export class Pace {
  readonly #windows: Window[] = []
  #startedAt: Instant | undefined

  /** A heartbeat that was sent at `stamp` by the clock of its sender. */
  hear(now: Instant, stamp: number): void {
    const lag = now - stamp
    const last = this.#windows.at(-1)
    if (last === undefined || this.#startedAt === undefined) {
      this.#startedAt = now
      this.#windows.push({ at: now, lag })
    } else if (elapsed(this.#startedAt, now) >= WINDOW) {
      this.#startedAt = now
      this.#windows.push({ at: now, lag })
      if (this.#windows.length > WINDOWS_MAX + 1) this.#windows.shift()
    } else if (lag < last.lag) this.#windows.splice(-1, 1, { at: now, lag })
  }

  /** 0.001: that clock runs a thousandth faster than ours. Undefined until that can be told. */
  get drift(): number | undefined {
    // The last window is still open.
    const [first, last] = [this.#windows[0], this.#windows.at(-2)]
    if (this.#windows.length <= WINDOWS_MIN || first === undefined || last === undefined) {
      return undefined
    }
    return (first.lag - last.lag) / elapsed(first.at, last.at)
  }
}
