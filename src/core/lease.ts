import { after, before, NEVER, type Duration, type Instant } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import type { Votes } from './view.ts'

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
  /** Send time of the newest heartbeat that a majority has echoed; our own echo needs no network. */
  #confirmed: Instant = before(0 as Instant, NEVER as unknown as Duration)

  constructor(self: HostId, votes: Votes, duration: Duration) {
    this.#self = self
    this.#votes = votes
    this.#duration = duration
  }

  get duration(): Duration {
    return this.#duration
  }

  /** When the lease ends, unless it is renewed. A host that is a majority by itself needs no echo. */
  end(now: Instant): Instant {
    if (this.#votes.isMajority([this.#self])) return after(now, this.#duration)
    return after(this.#confirmed, this.#duration)
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
    const newestFirst = [...this.#echoed].sort(([, a], [, b]) => b - a)
    const hosts: HostId[] = [this.#self]
    for (const [host, at] of newestFirst) {
      hosts.push(host)
      if (!this.#votes.isMajority(hosts)) continue
      this.#confirmed = at
      return
    }
  }

  /** A new incarnation has been promised nothing. */
  forget(): void {
    this.#echoed.clear()
    this.#confirmed = before(0 as Instant, NEVER as unknown as Duration)
  }
}
