import { openSync, readSync } from 'node:fs'
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

/**
 * Reads the monotonic clock, and the one that goes on counting while the machine sleeps. os.uptime()
 * is the latter, but opens its file each time, which takes four times as long.
 */
export function createBootClock(): () => ClockPair | undefined {
  const text = Buffer.alloc(64)
  const file = openUptime()
  const readMs = (file: number): number =>
    Number.parseFloat(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0))) * 1000
  return () => {
    const monotonic = monotonicNow()
    const bootMs = file === undefined ? uptime() * 1000 : readMs(file)
    return elapsed(monotonic, monotonicNow()) < READ_MAX ? { monotonic, bootMs } : undefined
  }
}

/** Undefined where there is no /proc. */
function openUptime(): number | undefined {
  try {
    return openSync('/proc/uptime', 'r')
  } catch {
    return undefined
  }
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
