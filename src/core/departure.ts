import { after, milliseconds, NEVER, type Instant } from '../lib/time.ts'

/** How long LEAVE may take to be acknowledged, and how often that is looked at. */
const LEAVE_WAIT = milliseconds(500)
const LOOK_AGAIN = milliseconds(5)

export type DepartureOutput = {
  readonly isHolding: () => boolean
  /** The clients have gone, or their time is over: RELEASE what is left, and say LEAVE. */
  sayLeave(): void
  /** Whether everything that was said has been acknowledged. */
  readonly isHeard: () => boolean
  left(): void
}

/** The end of a host: first its holders go, then it says LEAVE, then it is gone. */
export class Departure {
  readonly #output: DepartureOutput
  #phase: 'waiting' | 'saying' | 'gone' = 'waiting'
  #deadline: Instant

  /** @param until when the last client must have stopped */
  constructor(until: Instant, output: DepartureOutput) {
    this.#deadline = until
    this.#output = output
  }

  get isOver(): boolean {
    return this.#phase === 'gone'
  }

  /** LEAVE has been said. */
  get hasSpoken(): boolean {
    return this.#phase !== 'waiting'
  }

  fingerprint(): unknown {
    return this.#phase
  }

  deadline(now: Instant): Instant {
    if (this.#phase === 'gone') return NEVER
    return this.#phase === 'saying' ? after(now, LOOK_AGAIN) : this.#deadline
  }

  tick(now: Instant): void {
    if (this.#phase === 'waiting') {
      if (this.#output.isHolding() && now < this.#deadline) return
      this.#output.sayLeave()
      this.#phase = 'saying'
      this.#deadline = after(now, LEAVE_WAIT)
    } else if (this.#phase === 'saying' && (this.#output.isHeard() || now >= this.#deadline)) {
      this.#phase = 'gone'
      this.#output.left()
    }
  }
}

/** Why whoever holds a lock of a host that leaves has lost it. */
export const LEAVING = { cause: 'leaving', reason: 'this host is leaving' } as const
