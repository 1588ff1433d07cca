import { monotonicNow } from '../control/monotonic.ts'

/** From 50 ms on, twice as long each time: a restart takes no longer than it must. */
const PAUSE_MIN_MS = 50

/** For whoever waits for a lock while lamportd is away, this is what a restart costs at most. */
const PAUSE_MAX_MS = 1000

/** The pauses between two attempts: they grow, up to a bound. */
export class Pauses {
  readonly #msMax: number
  #ms = PAUSE_MIN_MS
  #last = monotonicNow()

  constructor(msMax: number = PAUSE_MAX_MS) {
    this.#msMax = msMax
  }

  /** Resolves after the next one, or at `giveUpAt`; rejects with the reason of a signal. */
  async next(giveUpAt: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const now = monotonicNow()
    // What has worked for a while is another attempt than the ones before.
    if (now - this.#last > 2 * PAUSE_MAX_MS) this.#ms = PAUSE_MIN_MS
    this.#last = now
    const ms = Math.min(this.#ms, giveUpAt - now)
    this.#ms = Math.min(2 * this.#ms, this.#msMax)
    await pause(ms, signals)
  }
}

function pause(ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      for (const signal of signals) signal?.removeEventListener('abort', end)
      const aborted = signals.find(signal => signal?.aborted === true)
      if (aborted === undefined) resolve()
      else reject(aborted.reason as Error)
    }
    const timer = setTimeout(end, ms)
    for (const signal of signals) signal?.addEventListener('abort', end)
    if (signals.some(signal => signal?.aborted === true)) end()
  })
}
