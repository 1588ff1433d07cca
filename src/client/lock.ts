import type { Socket } from 'node:net'
import { monotonicNow } from '../control/monotonic.ts'
import type { AcquireResult, LeaseParams, LockMode } from '../control/protocol.ts'
import { LateSignal } from './abort.ts'
import { Deadlines } from './deadlines.ts'
import { LamportError } from './error.ts'

/** A lock that is held: until `release`, until it is lost, or until the client is closed. */
export type Lock = {
  readonly names: readonly string[]
  readonly mode: LockMode
  /** The fencing token: grows with every grant of a name. Let the resource check it. */
  readonly token: number
  /**
   * By when its holder must have stopped: CLOCK_MONOTONIC milliseconds (`process.hrtime`); renewals
   * move it. `null` where the daemon gives no lease.
   */
  readonly until: number | null
  /** How far a renewal reaches, or `null` where the daemon gives no lease. */
  readonly leaseMs: number | null
  /** Aborted when the lock is no longer ours, with a `LamportError` that says why. Final. */
  readonly lost: AbortSignal
  /** Asks the clock: right even where timers had no chance to run. */
  readonly isHeld: boolean
  /** Lets go, and resolves when the daemon has. Never rejects: what is lost is let go. */
  release(): Promise<void>
  /**
   * A second connection that holds this lock too, to be handed to a child process: the lock lives
   * until `release`, or until this client and everyone who has the socket are gone.
   */
  anchor(): Promise<Socket>
  [Symbol.asyncDispose](): Promise<void>
}

const READY = Promise.resolve()

/** What a lock needs of the client that it came from. */
export type LockOwner = {
  release(lock: HeldLock): Promise<void>
  anchor(token: number): Promise<Socket>
}

/** How the end of a lock's story came about. */
type State = 'stale' | 'held' | 'lost' | 'released'

/** The client's side of a granted lock: its deadline by this machine's own clock. */
export class HeldLock implements Lock {
  readonly names: readonly string[]
  readonly mode: LockMode
  readonly token: number
  #owner: LockOwner
  readonly #lost = new LateSignal()
  readonly #over = new LateSignal()
  readonly #ready: Promise<void>
  #keeper: number | undefined
  #settle: { resolve(): void; reject(error: LamportError): void } | undefined
  #state: State
  #until: number | null
  #leaseMs: number | null

  constructor(
    owner: LockOwner,
    names: readonly string[],
    mode: LockMode,
    grant: AcquireResult,
    now: number,
  ) {
    this.#owner = owner
    this.names = names
    this.mode = mode
    this.token = grant.token
    this.#until = grant.until
    this.#leaseMs = grant.leaseMs
    this.#state = grant.until === null || grant.until > now ? 'held' : 'stale'
    this.#ready =
      this.#state === 'held'
        ? READY
        : new Promise<void>((resolve, reject) => (this.#settle = { resolve, reject }))
    this.#arm(now)
  }

  get until(): number | null {
    return this.#until
  }

  get leaseMs(): number | null {
    return this.#leaseMs
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Aborted when it is lost, or released. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  get isHeld(): boolean {
    return this.#state === 'held' && !this.#isPast(monotonicNow())
  }

  /**
   * Resolves once the lock may be relied on. A grant that was read after its `until` (this process
   * was stopped, the machine slept) counts for nothing until a renewal gives it a new one; where
   * none comes within a lease, it rejects.
   */
  get ready(): Promise<void> {
    return this.#ready
  }

  /** A renewal counts if it was read in time, and if what it renews still ran. */
  renew(lease: LeaseParams, now: number): void {
    if (this.#state === 'held' && this.#isPast(now)) {
      this.lose(expired(this.names))
      return
    }
    if (lease.until <= now || (this.#state !== 'held' && this.#state !== 'stale')) return
    this.#until = lease.until
    this.#leaseMs = lease.leaseMs
    this.#state = 'held'
    this.#settle?.resolve()
    this.#arm(now)
  }

  /** The next lamportd has taken it over. Where it is held no more, that one is told so. */
  goOn(owner: LockOwner, { until, leaseMs }: AcquireResult): void {
    this.#owner = owner
    if (this.#state !== 'held' || this.#isPast(monotonicNow())) {
      if (this.#state === 'held') this.lose(expired(this.names))
      void owner.release(this)
      return
    }
    this.#until = until
    this.#leaseMs = leaseMs
    this.#arm(monotonicNow())
  }

  /** The lock is gone; whoever holds this hears of it once. */
  lose(reason: LamportError): void {
    if (this.#state === 'lost' || this.#state === 'released') return
    const wasStale = this.#state === 'stale'
    this.#state = 'lost'
    deadlines.delete(this)
    if (wasStale) this.#settle?.reject(reason)
    this.#lost.abort(reason)
    this.#over.abort(reason)
  }

  async release(): Promise<void> {
    if (this.#state === 'released') return
    this.#state = 'released'
    deadlines.delete(this)
    this.#over.abort()
    // Of a lost one, too: by the daemon's clock it may still be ours, and a daemon that leaves waits
    // for its holders to have stopped.
    await this.#owner.release(this)
  }

  /** The process that it is for, once that is known. */
  get keeper(): number | undefined {
    return this.#keeper
  }

  keepFor(pid: number): void {
    this.#keeper = pid
  }

  anchor(): Promise<Socket> {
    return this.#owner.anchor(this.token)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  #isPast(now: number): boolean {
    return this.#until !== null && now >= this.#until
  }

  #arm(now: number): void {
    const deadline = this.#state === 'stale' ? now + (this.#leaseMs ?? 0) : this.#until
    if (deadline === null) deadlines.delete(this)
    else deadlines.set(this, deadline)
  }
}

/** Of all locks of this process that are held. */
const deadlines = new Deadlines<HeldLock>(lock => lock.lose(expired(lock.names)))

function expired(names: readonly string[]): LamportError {
  const what = `the lock ${names.join(' ')} was not renewed in time`
  return new LamportError('expired', `${what} (lamportd or this process was held up, or cut off)`)
}

/**
 * It is for this process: after a restart of lamportd there are no anchors, and if the client is
 * killed then, the lock lives until that process has ended.
 */
export function keepFor(lock: Lock, pid: number): void {
  if (lock instanceof HeldLock) lock.keepFor(pid)
}

/** Why work that was done under a lock may have met with others. */
export function lostMeanwhile(lock: Lock): LamportError {
  const reason: unknown = lock.lost.reason
  if (reason instanceof LamportError) return reason
  const what = `the lock ${lock.names.join(' ')} ran out while its work went on`
  return new LamportError('expired', `${what} (leave the event loop time to breathe)`)
}
