import type { LamportClock } from './clock.ts'

/** How far ahead the ceiling is raised, and how near the clock comes before it is raised again. */
const BLOCK = 65_536
const MARGIN = 32_768

/**
 * How high the clock may go before more has to be made durable. At boot it starts at the ceiling, so
 * that no time is used twice; a block ahead, so that a lock writes nothing.
 */
export class Ceiling {
  readonly #clock: LamportClock
  readonly #isEnforced: boolean
  #durable: number
  #asked: number

  /** @param durable what was read back at the start */
  constructor(clock: LamportClock, durable: number, isEnforced: boolean) {
    this.#clock = clock
    this.#durable = durable
    this.#asked = durable
    this.#isEnforced = isEnforced
  }

  /** Whether a message or a request with this time may leave this host, or be granted. */
  allows(time: number): boolean {
    return !this.#isEnforced || time < this.#durable
  }

  /** A ceiling to be made durable, where the clock has come near the last one that was asked for. */
  raise(): number | undefined {
    if (this.#clock.time + MARGIN < this.#asked) return undefined
    this.#asked = Math.max(this.#asked, this.#clock.time) + BLOCK
    return this.#asked
  }

  fingerprint(): unknown {
    return { ceilings: [this.#durable, this.#asked] }
  }

  raised(ceiling: number): void {
    this.#durable = Math.max(this.#durable, ceiling)
  }
}
