import { after, earliest, NEVER, toInstant, type Duration, type Instant } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import type { Votes } from './view.ts'

const LONG_AGO = toInstant(-Infinity)

/**
 * Until when this host may believe its locks: `lease` after the send time of the newest heartbeat
 * that hosts with a majority of votes, itself included, have echoed (Gray and Cheriton, SOSP 1989).
 * Only this host's own clock is read.
 */
export class Lease {
  readonly #self: HostId
  readonly #votes: Votes
  readonly #duration: Duration
  /** Newest of our stamps that each other host has echoed. */
  readonly #echoed = new Map<HostId, Instant>()
  /** Our own echo needs no network, and is given up to here: to itself a host is like any other. */
  #echoedBySelf: Instant = NEVER
  /** Stamps up to here have been echoed by a majority; NEVER where this host alone is one. */
  #confirmed: Instant = LONG_AGO

  constructor(self: HostId, votes: Votes, duration: Duration) {
    this.#self = self
    this.#votes = votes
    this.#duration = duration
    this.#confirm()
  }

  get duration(): Duration {
    return this.#duration
  }

  /** When the lease ends, unless it is renewed. */
  end(now: Instant): Instant {
    return after(earliest(this.#confirmed, now), this.#duration)
  }

  isValid(now: Instant): boolean {
    return now < this.end(now)
  }

  /** A host has answered the heartbeat that we sent at `stamp`. */
  echo(now: Instant, from: HostId, stamp: Instant): void {
    // From before a restart of our clock, or from nowhere: it proves nothing.
    if (stamp > now) return
    if (stamp <= (this.#echoed.get(from) ?? -Infinity)) return
    this.#echoed.set(from, stamp)
    this.#confirm()
  }

  /** Our own acceptor has accepted a view with our incarnation in it, or none yet. */
  allowSelf(): void {
    this.#echoedBySelf = NEVER
    this.#confirm()
  }

  /**
   * Our own acceptor has accepted a view without our incarnation: it counts among those by whom that
   * view may be decided, so it must not go on echoing us either.
   */
  refuseSelf(now: Instant): void {
    this.#echoedBySelf = earliest(this.#echoedBySelf, now)
    this.#confirm()
  }

  /** A new incarnation has been promised nothing. */
  forget(): void {
    this.#echoed.clear()
    this.#confirm()
  }

  fingerprint(now: Instant): unknown {
    return {
      echoed: new Map([...this.#echoed].map(([host, at]) => [host, now - at])),
      self: now - this.#echoedBySelf,
    }
  }

  #confirm(): void {
    const newestFirst = [...this.#echoed, [this.#self, this.#echoedBySelf] as const].sort(
      ([, a], [, b]) => b - a,
    )
    let votes = 0
    this.#confirmed = LONG_AGO
    for (const [host, at] of newestFirst) {
      votes += this.#votes.of([host])
      if (2 * votes <= this.#votes.total) continue
      this.#confirmed = at
      return
    }
  }
}
