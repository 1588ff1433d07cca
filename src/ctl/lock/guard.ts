import type { Lock } from '../../client/client.ts'
import { monotonicNow } from '../../control/monotonic.ts'

/** Where the daemon gives no lease, a command has this long after the signal. */
const GRACE_MS = 500

/** What must be done when the lock is lost. */
export type GuardOutput = {
  /** Ask it to stop; `killMs` from now it is made to. */
  stop(reason: string, killMs: number): void
  /** Its time is over. `reason` is given where there was no time to ask. */
  kill(reason: string | undefined): void
}

/**
 * Watches a lock's deadline by this machine's own clock, whatever becomes of the daemon. A command
 * is asked to stop a grace before `until` and killed at `until`; every wake-up asks the clock again,
 * for a process that was stopped meanwhile wakes up too late for the first.
 */
export class Guard {
  readonly #lock: Lock
  readonly #graceMs: number | undefined
  readonly #output: GuardOutput
  #phase: 'watching' | 'stopping' | 'killed' | 'over' = 'watching'
  /** Once stopping: final, as the loss is. */
  #killAt = Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(lock: Lock, graceMs: number | undefined, output: GuardOutput) {
    this.#lock = lock
    this.#graceMs = graceMs
    this.#output = output
    // Expelled, the daemon left or is gone: nothing will renew this lease.
    lock.lost.addEventListener('abort', this.check)
    process.on('SIGCONT', this.check)
    this.check()
  }

  /** When it is made to stop, once it was asked to. */
  get killAt(): number {
    return this.#killAt
  }

  /** The command has ended. Whether the lock was lost while it ran. */
  end(): boolean {
    const until = this.#lock.until
    const wasLost = this.#phase !== 'watching' || (until !== null && monotonicNow() >= until)
    this.#phase = 'over'
    clearTimeout(this.#timer)
    this.#lock.lost.removeEventListener('abort', this.check)
    process.off('SIGCONT', this.check)
    return wasLost
  }

  /** Looks at the clock and does what is due. */
  readonly check = (): void => {
    const now = monotonicNow()
    if (this.#phase === 'watching' && (this.#lock.lost.aborted || now >= this.#stopAt())) {
      this.#lose(now)
    } else if (this.#phase === 'stopping' && now >= this.#killAt) {
      this.#phase = 'killed'
      this.#output.kill(undefined)
    }
    this.#arm()
  }

  #lose(now: number): void {
    this.#killAt = this.#endOf(now)
    const reason: unknown = this.#lock.lost.reason
    const why = reason instanceof Error ? reason.message : `the lease of ${this.#names()} ran out`
    if (now >= this.#killAt) {
      this.#phase = 'killed'
      this.#output.kill(why)
    } else {
      this.#phase = 'stopping'
      this.#output.stop(why, this.#killAt - now)
    }
  }

  #stopAt(): number {
    return this.#lock.until === null ? Infinity : this.#lock.until - this.#marginMs()
  }

  /** A loss that is told early moves the signal to now, but never the end to later. */
  #endOf(now: number): number {
    const graceMs = this.#graceMs ?? this.#quarterMs()
    return this.#lock.until === null ? now + graceMs : this.#stopAt() + graceMs
  }

  /** A longer grace than a quarter of the lease ends after `until`: renewals come no earlier. */
  #marginMs(): number {
    return Math.min(this.#graceMs ?? Infinity, this.#quarterMs())
  }

  #quarterMs(): number {
    return this.#lock.leaseMs === null ? GRACE_MS : this.#lock.leaseMs / 4
  }

  #names(): string {
    return this.#lock.names.join(' ')
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#phase === 'killed' || this.#phase === 'over') return
    const at = this.#phase === 'watching' ? this.#stopAt() : this.#killAt
    if (at === Infinity) return
    this.#timer = setTimeout(this.check, Math.max(1, Math.ceil(at - monotonicNow())))
  }
}
