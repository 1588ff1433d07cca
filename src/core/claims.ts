import { after, earliest, milliseconds, NEVER, type Duration, type Instant } from '../lib/time.ts'
import { assert } from '../lib/assert.ts'
import type { Token } from './clock.ts'
import type { Mutex } from './mutex.ts'

/** The driver's name of an acquire. */
export type ClaimId = number

/** What a client asks for. */
export type Wanted = {
  readonly names: readonly string[]
  readonly limit: number
  /** `undefined`: for ever; 0: only if nothing precedes. */
  readonly wait: Duration | undefined
  readonly info: string
}

/** What a client says of a lock that this host's last incarnation granted to it. */
export type Adoption = {
  readonly token: Token
  readonly names: readonly string[]
  /** When it stops, by this host's clock. */
  readonly until: Instant
}

export type ClaimsOutput = {
  granted(id: ClaimId, token: Token): void
  refused(id: ClaimId, reason: ClaimRefusal, detail: string): void
  cancelled(id: ClaimId, wasGranted: boolean): void
  /** So many requests precede this one. */
  queued(id: ClaimId, position: number): void
  /** Whether the clock has room below its durable ceiling. */
  mayStamp(): boolean
  /** For people: why a request that nothing precedes has not entered. */
  explain(now: Instant, token: Token | undefined): string
}

export type ClaimRefusal = 'not-acquired' | 'not-held' | 'no-majority' | 'busy' | 'leaving'

type Claim = {
  readonly id: ClaimId
  readonly wanted: Wanted
  /** When to give up. */
  readonly deadline: Instant
  /** From its timestamp on. */
  token: Token | undefined
  /** What its client was told last. */
  position: number
  /** It is for a lock of this host's last incarnation: its token was there before. */
  readonly isAdoption: boolean
}

const LEAVING = 'this host is leaving: its lamportd is being stopped'

const ENDED = 'the lock has ended with the last lamportd of this host'

/** Requests of clients that one host carries at a time. */
const CLAIMS_MAX = 50_000

/** Positions are told at once, and then no more often than this. */
const POSITION_INTERVAL = milliseconds(1000)

/** What the clients of this host have asked for, from the command to the grant and the release. */
export class Claims {
  readonly #mutex: Mutex
  readonly #output: ClaimsOutput
  /** How long a try-lock may wait for the answer that it needs. */
  readonly #answerWait: Duration
  readonly #claims = new Map<ClaimId, Claim>()
  readonly #byToken = new Map<Token, Claim>()
  /** Those without a timestamp, in the order they came. */
  readonly #unstamped = new Set<Claim>()
  /** Those for a lock of the last incarnation, until this one knows of its ghost. */
  readonly #unadopted = new Set<Claim>()
  /** Try-locks that are not settled. */
  readonly #tries = new Set<Claim>()
  #nextDeadline: Instant = NEVER
  #nextReport: Instant = NEVER
  #isLeaving = false

  constructor(mutex: Mutex, answerWait: Duration, output: ClaimsOutput) {
    this.#mutex = mutex
    this.#answerWait = answerWait
    this.#output = output
  }

  get deadline(): Instant {
    return earliest(this.#nextDeadline, this.#nextReport)
  }

  acquire(now: Instant, id: ClaimId, wanted: Wanted): void {
    if (this.#isLeaving) {
      this.#output.refused(id, 'leaving', LEAVING)
      return
    }
    if (this.#claims.size >= CLAIMS_MAX) {
      this.#output.refused(id, 'busy', `this host already carries ${CLAIMS_MAX} requests`)
      return
    }
    const deadline = wanted.wait === undefined ? NEVER : this.#giveUp(now, wanted.wait)
    const state = { token: undefined, position: 0, isAdoption: false }
    const claim: Claim = { id, wanted, deadline, ...state }
    this.#claims.set(id, claim)
    this.#unstamped.add(claim)
    if (wanted.wait === 0) this.#tries.add(claim)
    this.#nextDeadline = earliest(this.#nextDeadline, deadline)
    this.settle(now)
  }

  /** A lock that was granted to this client before, whose time is not over yet. */
  adopt(now: Instant, id: ClaimId, { token, names, until }: Adoption): void {
    if (this.#isLeaving) {
      this.#output.refused(id, 'leaving', LEAVING)
      return
    }
    const wanted: Wanted = { names, limit: 1, wait: undefined, info: '' }
    const claim: Claim = { id, wanted, deadline: until, token, position: 0, isAdoption: true }
    this.#claims.set(id, claim)
    this.#unadopted.add(claim)
    this.#nextDeadline = earliest(this.#nextDeadline, until)
    this.settle(now)
  }

  /** Withdraws whatever has become of it; a claim that has ended is left alone. */
  cancel(now: Instant, id: ClaimId): void {
    const claim = this.#claims.get(id)
    if (claim === undefined) return
    const wasGranted = claim.token !== undefined && this.#mutex.isHeld(claim.token)
    this.#end(now, claim)
    this.#output.cancelled(id, wasGranted)
  }

  /** False: no client of this host holds that. */
  release(now: Instant, token: Token): boolean {
    const claim = this.#byToken.get(token)
    if (claim === undefined || !this.#mutex.isHeld(token)) return false
    this.#end(now, claim)
    return true
  }

  /** From the mutex: the lock is ours no longer. */
  lost(token: Token): void {
    const claim = this.#byToken.get(token)
    if (claim === undefined) return
    this.#byToken.delete(token)
    this.#claims.delete(claim.id)
  }

  /** From the mutex: this request has lost its timestamp, and gets another. */
  unstamped(token: Token): void {
    const claim = this.#byToken.get(token)
    if (claim === undefined) return
    this.#byToken.delete(token)
    if (claim.isAdoption) {
      this.#unadopted.add(claim)
      return
    }
    claim.token = undefined
    this.#unstamped.add(claim)
  }

  /** This host goes: whoever waits is refused, now and from now on. */
  leave(now: Instant): void {
    this.#isLeaving = true
    for (const claim of [...this.#claims.values()]) {
      if (claim.token !== undefined && this.#mutex.isHeld(claim.token)) continue
      // Its client may go on until its time is over: no RELEASE says that it has stopped.
      if (claim.isAdoption && claim.token !== undefined) this.#mutex.disown(claim.token)
      this.#end(now, claim)
      this.#output.refused(claim.id, 'leaving', LEAVING)
    }
  }

  /** From the mutex: this request has entered. */
  entered(token: Token): void {
    // Absent while it is being stamped: then `settle` sees that it is held.
    const claim = this.#byToken.get(token)
    if (claim !== undefined) this.#grant(claim, token)
  }

  /** After anything that may have changed the queue: stamps what may be, answers try-locks. */
  settle(now: Instant): void {
    if (this.#unstamped.size > 0 && this.#mutex.mayStamp) {
      for (const claim of this.#unstamped) {
        if (!this.#output.mayStamp()) break
        this.#stamp(now, claim)
      }
    }
    if (this.#unadopted.size > 0 && this.#mutex.mayEnter(now)) {
      for (const claim of this.#unadopted) this.#begin(now, claim)
    }
    // What precedes is known only to one who could enter: without a majority it may be long gone.
    if (this.#tries.size === 0 || !this.#mutex.mayEnter(now)) return
    for (const claim of this.#tries) {
      const { token } = claim
      if (token !== undefined && this.#mutex.isKeptOut(token)) this.#decline(now, claim)
    }
  }

  tick(now: Instant): void {
    if (now >= this.#nextDeadline) {
      this.#nextDeadline = NEVER
      for (const claim of [...this.#claims.values()]) {
        if (claim.token !== undefined && this.#mutex.isHeld(claim.token)) continue
        if (now >= claim.deadline) this.#expire(now, claim)
        else this.#nextDeadline = earliest(this.#nextDeadline, claim.deadline)
      }
    }
    if (now >= this.#nextReport) this.#report(now)
  }

  fingerprint(now: Instant): unknown {
    return [...this.#claims.values()].map(({ id, token, deadline }) => [
      { id, token },
      deadline - now,
      this.#tries.size,
    ])
  }

  #giveUp(now: Instant, wait: Duration): Instant {
    return after(now, wait === 0 ? this.#answerWait : wait)
  }

  #stamp(now: Instant, claim: Claim): void {
    const { names, limit, info } = claim.wanted
    const isTry = this.#tries.has(claim) && this.#mutex.mayEnter(now)
    if (isTry && !this.#mutex.wouldAdmit(names, limit)) {
      this.#decline(now, claim)
      return
    }
    this.#unstamped.delete(claim)
    const token = this.#mutex.request(now, { names, limit, info })
    claim.token = token
    this.#byToken.set(token, claim)
    if (this.#mutex.isHeld(token)) {
      this.#grant(claim, token)
      return
    }
    this.#nextReport = earliest(this.#nextReport, after(now, POSITION_INTERVAL))
    this.#tellPosition(claim)
  }

  #begin(now: Instant, claim: Claim): void {
    const { id, token, wanted } = claim
    assert(token !== undefined, 'whoever adopts knows the token')
    this.#unadopted.delete(claim)
    if (now < claim.deadline && !this.#byToken.has(token)) {
      this.#byToken.set(token, claim)
      if (this.#mutex.adopt(now, token, wanted.names)) return
      this.#byToken.delete(token)
    }
    this.#claims.delete(id)
    this.#output.refused(id, 'not-held', ENDED)
  }

  #grant(claim: Claim, token: Token): void {
    this.#tries.delete(claim)
    this.#output.granted(claim.id, token)
  }

  #decline(now: Instant, claim: Claim): void {
    this.#end(now, claim)
    this.#output.refused(claim.id, 'not-acquired', 'another request precedes this one')
  }

  #expire(now: Instant, claim: Claim): void {
    const { token } = claim
    if (claim.isAdoption) {
      this.#end(now, claim)
      this.#output.refused(claim.id, 'not-held', ENDED)
      return
    }
    const entry = token === undefined ? undefined : this.#mutex.queue.find(token)
    const precedes = entry !== undefined && !this.#mutex.queue.isAdmitted(entry)
    const why = this.#output.explain(now, token)
    const canKnow = this.#mutex.mayEnter(now)
    this.#end(now, claim)
    if (canKnow && precedes) {
      this.#output.refused(claim.id, 'not-acquired', 'the wait ended and other requests precede')
    } else {
      this.#output.refused(claim.id, 'no-majority', why)
    }
  }

  #end(now: Instant, claim: Claim): void {
    this.#claims.delete(claim.id)
    this.#unstamped.delete(claim)
    this.#tries.delete(claim)
    const isUnknown = this.#unadopted.delete(claim)
    if (claim.token === undefined || isUnknown) return
    this.#byToken.delete(claim.token)
    if (this.#mutex.isOwn(claim.token)) this.#mutex.release(now, claim.token)
  }

  #report(now: Instant): void {
    this.#nextReport = NEVER
    for (const claim of this.#byToken.values()) {
      if (claim.token === undefined || this.#mutex.isHeld(claim.token)) continue
      this.#tellPosition(claim)
      this.#nextReport = after(now, POSITION_INTERVAL)
    }
  }

  #tellPosition(claim: Claim): void {
    const entry = claim.token === undefined ? undefined : this.#mutex.queue.find(claim.token)
    if (entry === undefined) return
    const position = this.#mutex.queue.position(entry)
    if (position === claim.position) return
    claim.position = position
    this.#output.queued(claim.id, position)
  }
}
