import type { Random } from '../lib/random.ts'
import {
  after,
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  scaled,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import type { HostId } from './clock.ts'
import { ahead } from './fingerprint.ts'
import type { Votes } from './view.ts'

const LONG_AGO = toInstant(-Infinity)

/** Hosts of a higher rank hesitate no longer than this one. */
const RANK_MAX = 2

/** Rounds that fail make the next wait up to this power of two longer. */
const FAILURES_MAX = 4

/** A pause is up to so many times as long as the shortest. */
const PAUSES_MAX = 4

/** A round is two exchanges with a majority, and a disk may be at work already as either comes. */
const ROUND_EXCHANGES = 3

/** What took longer was no disk, but an outage: that says nothing of the next round. */
const EXCHANGE_MAX: Duration = milliseconds(5000)

/** For so long it counts how slow a majority was. */
const EXCHANGE_REMEMBERED: Duration = milliseconds(60_000)

/** Rounds whose answers are still noted once they have been given up. */
const ROUNDS_NOTED = 8

/** A round of this host, and who has answered its PREPARE. */
type Noted = { readonly start: Instant; readonly answered: Set<HostId> }

/**
 * When this host begins a round of the register of views, and how long it goes on with it. Paxos
 * promises no progress while proposers outbid each other (Lamport, Paxos Made Simple, 2001, §2.4):
 * so they take turns, at random, and give each other's rounds the time that theirs have taken.
 */
export class Contention {
  readonly #self: HostId
  readonly #votes: Votes
  readonly #heartbeat: Duration
  readonly #suspect: Duration
  readonly #random: Random
  #roundEnd: Instant = NEVER
  /** When to propose; `undefined` while there is nothing to propose. */
  #next: Instant | undefined
  /** Until when the round of another host, in which we have a part, is left alone. */
  #yieldUntil: Instant = LONG_AGO
  /** A view was decided since: whoever was at work has done. */
  #isDecided = false
  /** Rounds of ours in a row that came to nothing. */
  #failures = 0
  /** By the counters of their ballots. */
  readonly #noted = new Map<number, Noted>()
  /** How long a majority has taken to answer; longer times are forgotten by halves. */
  #exchange: Duration = milliseconds(0)
  #exchangedAt: Instant = LONG_AGO

  constructor(
    self: HostId,
    votes: Votes,
    timing: { readonly heartbeat: Duration; readonly suspect: Duration },
    random: Random,
  ) {
    this.#self = self
    this.#votes = votes
    this.#heartbeat = timing.heartbeat
    this.#suspect = timing.suspect
    this.#random = random
  }

  /** When the round under way is given up; NEVER where none is. */
  get roundEnd(): Instant {
    return this.#roundEnd
  }

  /** Whether a round of ours is waited for. */
  get isUnderWay(): boolean {
    return this.#roundEnd !== NEVER
  }

  /** When to propose; NEVER while there is nothing to propose. */
  get due(): Instant {
    if (this.#next === undefined) return NEVER
    return toInstant(Math.max(this.#next, this.#yieldUntil))
  }

  /** There is nothing to propose, or nobody to whom it could be: nobody is expected to answer. */
  rest(): void {
    this.#next = undefined
    this.#noted.clear()
  }

  /** All is as wanted. */
  settle(): void {
    this.rest()
    this.#failures = 0
  }

  /**
   * There is something to propose. Those who notice together do not duel: the one with the lowest id
   * of these candidates goes first, the others as soon as it might have failed.
   */
  want(now: Instant, candidates: readonly HostId[]): void {
    if (this.#next !== undefined) return
    const rank = Math.min(candidates.filter(host => host < this.#self).length, RANK_MAX)
    const hesitation = scaled(this.#heartbeat, (rank + this.#random.fraction() / 2) / 6)
    this.#next = after(now, hesitation)
  }

  /** This host begins a round, with a ballot of this counter. */
  begin(now: Instant, counter: number): void {
    this.#next = after(now, this.#backoff(now))
    this.#roundEnd = after(now, this.#limit(now))
    this.#noted.set(counter, { start: now, answered: new Set() })
    for (const oldest of this.#noted.keys()) {
      if (this.#noted.size <= ROUNDS_NOTED) break
      this.#noted.delete(oldest)
    }
  }

  /** This host has answered a round of ours, also one that was given up: so long does that take. */
  answered(now: Instant, counter: number, from: HostId): void {
    const noted = this.#noted.get(counter)
    if (noted === undefined) return
    noted.answered.add(from)
    if (!this.#votes.isMajority(noted.answered)) return
    this.#noted.delete(counter)
    const took = elapsed(noted.start, now)
    if (took > EXCHANGE_MAX) return
    this.#exchange = milliseconds(Math.max(took, this.#exchangeBy(now) / 2))
    this.#exchangedAt = now
  }

  /** A majority has answered: the round has as much time again, also if it had been given up. */
  goOn(now: Instant): void {
    this.#roundEnd = after(now, this.#limit(now))
  }

  /** Channels to a host are new: whatever it was asked before is lost. */
  reopened(now: Instant): void {
    if (this.isUnderWay) this.#roundEnd = earliest(this.#roundEnd, after(now, this.#suspect))
  }

  /** No round of ours is waited for any more. */
  end(): void {
    this.#roundEnd = NEVER
  }

  /** Our round has come to nothing. */
  fail(now: Instant): void {
    this.#roundEnd = NEVER
    this.#failures = Math.min(this.#failures + 1, FAILURES_MAX)
    this.#next = after(now, this.#backoff(now))
  }

  /** Another host is at work on the same: to outbid it at once would only throw its work away. */
  yieldTo(now: Instant, host: HostId): void {
    if (host === this.#self) return
    this.#yieldUntil = after(now, this.#backoff(now))
    this.#isDecided = false
  }

  /** A view was decided. What is left of the wait gives its members time to be heard by all. */
  decided(now: Instant): void {
    this.#failures = 0
    this.#isDecided = true
    const heard = after(now, scaled(this.#heartbeat, PAUSES_MAX))
    this.#yieldUntil = earliest(this.#yieldUntil, heard)
    if (this.#next !== undefined) this.#next = earliest(this.#next, heard)
  }

  /** A member has left: that is certain, and nobody need be heard first. */
  hurry(): void {
    if (this.#isDecided) this.#yieldUntil = LONG_AGO
  }

  /** Our own clock or process has stood still, perhaps: nobody was slow. */
  forget(): void {
    this.#noted.clear()
  }

  fingerprint(now: Instant): unknown {
    const noted = [...this.#noted].map(
      ([counter, { start, answered }]) => [counter, [now - start, new Set(answered)]] as const,
    )
    return [
      [this.#failures, this.#exchangeBy(now), this.#isDecided, new Map(noted)],
      ahead(now, after(this.#exchangedAt, EXCHANGE_REMEMBERED)),
      [this.#roundEnd, this.#next ?? NEVER, this.#yieldUntil].map(instant => ahead(now, instant)),
    ]
  }

  #limit(now: Instant): Duration {
    const limit = scaled(this.#suspect, 2 ** this.#failures)
    return milliseconds(Math.max(limit, scaled(this.#exchangeBy(now), ROUND_EXCHANGES)))
  }

  #exchangeBy(now: Instant): Duration {
    const isRecent = elapsed(this.#exchangedAt, now) < EXCHANGE_REMEMBERED
    return isRecent ? this.#exchange : milliseconds(0)
  }

  /** At random, and longer with each failure, or where a majority is slow to answer. */
  #backoff(now: Instant): Duration {
    const least = Math.max(scaled(this.#heartbeat, 2 ** this.#failures), this.#exchangeBy(now))
    return milliseconds((1 + (PAUSES_MAX - 1) * this.#random.fraction()) * least)
  }
}
