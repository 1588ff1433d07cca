import { uptime } from 'node:os'
import { monotonicNow } from '../control/monotonic.ts'
import { elapsed, milliseconds, type Instant } from '../lib/time.ts'

/** Both clocks, read as nearly at once as this process can. */
export type ClockPair = { readonly monotonic: Instant; readonly bootMs: number }

/** A difference that no reading of two clocks explains: the machine slept, or a clock jumped. */
const JUMP = milliseconds(300)

/** A reading is not worth more often, and one that took longer than this is not worth anything. */
const READ_EVERY = milliseconds(5)
const READ_MAX = milliseconds(20)

/** The monotonic clock, and the one that goes on counting while the machine sleeps. */
export function bootTime(): ClockPair | undefined {
  const monotonic = monotonicNow()
  const bootMs = uptime() * 1000
  return elapsed(monotonic, monotonicNow()) < READ_MAX ? { monotonic, bootMs } : undefined
}

/**
 * Notices that the machine slept: monotonic time stood still, so that a lease looks valid though the
 * others have long gone on.
 */
export class SleepDetector {
  readonly #read: () => ClockPair | undefined
  #last: ClockPair | undefined
  #nextRead: Instant | undefined

  constructor(read: () => ClockPair | undefined) {
    this.#read = read
  }

  /** Whether it slept since this was asked last. */
  wasAsleep(now: Instant): boolean {
    if (this.#nextRead !== undefined && now < this.#nextRead) return false
    this.#nextRead = (now + READ_EVERY) as Instant
    const pair = this.#read()
    if (pair === undefined) return false
    const before = this.#last
    this.#last = pair
    if (before === undefined) return false
    const jump = pair.bootMs - before.bootMs - elapsed(before.monotonic, pair.monotonic)
    return Math.abs(jump) > JUMP
  }
}
