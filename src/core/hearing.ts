import {
  after,
  before,
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import type { HostId } from './clock.ts'
import { HostSet } from './host-set.ts'
import { Pace } from './pace.ts'

/** What one host says of itself, unasked, to each other host; it carries no Lamport time. */
export type Heartbeat = {
  readonly incarnation: number
  /** The sender's own monotonic clock when it sent this. */
  readonly stamp: number
  /** Newest stamp of the receiver's present incarnation that the sender heard and may answer. */
  readonly echo: number | undefined
  /** Number of the newest view that the sender has installed. */
  readonly view: number
  /** Whom the sender has heard within `suspect`. */
  readonly heard: readonly HostId[]
  /** The sender has missed no heartbeat for long, that it knew of, and knows of no lock. */
  readonly isCalm: boolean
  /** Its next heartbeat comes later than `heartbeat` after this one. */
  readonly isRare: boolean
  /** Of the values of variables that the sender knows to have been chosen. */
  readonly digest: number
  /** Whether the sender's disk has accepted all of them, and the view, as they were chosen. */
  readonly whole: boolean
}

/** What membership says in a heartbeat, and hears; the rest is of variables. */
export type Sign = Omit<Heartbeat, 'digest' | 'whole'>

type Voice = {
  incarnation: number
  /** The first one that was heard in our own life. */
  readonly first: number
  /** When the last heartbeat came. */
  last: Instant
  /** Since when they have come without a gap. */
  since: Instant
  stamp: number
  /** Number of the newest view that it has installed. */
  view: number
  heard: HostSet
  /** Of its clock, beside ours. */
  pace: Pace
}

const LONG_AGO = toInstant(-Infinity)

const NOBODY = new HostSet([])

/** How often a host may be excluded before its return is made to wait, and for how long at most. */
const EXCLUSIONS_REMEMBERED = 60_000 as Duration
const PROBATION_MAX = 20_000 as Duration

/** Who is heard, since when, and whom they hear: the failure detector. */
export class Hearing {
  readonly #self: HostId
  readonly #suspect: Duration
  readonly #voices = new Map<HostId, Voice>()
  /** Incarnations that have left: whatever arrives later, they are gone. */
  readonly #left = new Map<HostId, number>()
  readonly #exclusions = new Map<HostId, Instant[]>()
  /** What `deadline` said last, while nothing of that has changed since. */
  #deadline: Instant = LONG_AGO

  constructor(self: HostId, suspect: Duration) {
    this.#self = self
    this.#suspect = suspect
  }

  /** Takes a heartbeat in; true where it changed who hears whom. */
  hear(now: Instant, from: HostId, heartbeat: Sign): boolean {
    const { incarnation, stamp, view } = heartbeat
    this.#deadline = LONG_AGO
    const voice = this.#voices.get(from)
    if (voice !== undefined && incarnation < voice.incarnation) return false
    const heard = new HostSet(heartbeat.heard)
    if (voice === undefined || voice.incarnation !== incarnation) {
      const pace = new Pace()
      pace.hear(now, stamp)
      const first = voice?.first ?? incarnation
      this.#voices.set(from, {
        incarnation,
        first,
        last: now,
        since: now,
        stamp,
        view,
        heard,
        pace,
      })
      return true
    }
    const wasSilent = elapsed(voice.last, now) >= this.#suspect
    const changed = wasSilent || !heard.equals(voice.heard)
    if (wasSilent) voice.since = now
    voice.last = now
    if (stamp <= voice.stamp) return wasSilent
    // Newest only: what overtook it on the way has said more.
    voice.stamp = stamp
    voice.pace.hear(now, stamp)
    voice.view = view
    voice.heard = heard
    return changed
  }

  /** This host did not listen for so long, so who was heard before is not to blame for silence. */
  excuse(now: Instant, lag: Duration): void {
    this.#deadline = LONG_AGO
    for (const voice of this.#voices.values()) {
      const silence = elapsed(voice.last, now)
      if (silence - lag >= this.#suspect) continue
      voice.last = before(now, milliseconds(Math.max(0, silence - lag)))
    }
  }

  /** How much faster the clock of a host runs than ours, where that can be told. */
  drift(host: HostId): number | undefined {
    return this.#voices.get(host)?.pace.drift
  }

  /** Our own clock has stood still, perhaps: what it said of others says nothing now. */
  forgetPaces(): void {
    for (const voice of this.#voices.values()) voice.pace = new Pace()
  }

  /** The stamp to echo to a host, if this incarnation of it was heard. */
  stampOf(host: HostId, incarnation: number): number | undefined {
    const voice = this.#voices.get(host)
    return voice?.incarnation === incarnation ? voice.stamp : undefined
  }

  /** The incarnation that was heard last, or 0. */
  incarnationOf(host: HostId): number {
    return this.#voices.get(host)?.incarnation ?? 0
  }

  lastHeard(host: HostId): Instant | undefined {
    return this.#voices.get(host)?.last
  }

  /** This incarnation has said that it goes. */
  leave(host: HostId, incarnation: number): void {
    this.#left.set(host, Math.max(incarnation, this.#left.get(host) ?? 0))
  }

  hasLeft(host: HostId, incarnation: number): boolean {
    return incarnation <= (this.#left.get(host) ?? 0)
  }

  /** Hosts heard within `suspect`, with their incarnations; without ourselves. */
  heard(now: Instant): Map<HostId, number> {
    const heard = new Map<HostId, number>()
    for (const [host, voice] of this.#voices) {
      if (elapsed(voice.last, now) >= this.#suspect) continue
      if (this.hasLeft(host, voice.incarnation)) continue
      heard.set(host, voice.incarnation)
    }
    return heard
  }

  /** The newest view that somebody who hears us too, and so will tell us, has installed; or 0. */
  newestView(now: Instant): number {
    let newest = 0
    for (const { last, view, heard } of this.#voices.values()) {
      if (elapsed(last, now) < this.#suspect && heard.has(this.#self)) {
        newest = Math.max(newest, view)
      }
    }
    return newest
  }

  /** Whom a host hears, as far as it is heard itself. */
  heardBy(now: Instant, host: HostId): HostSet {
    const isHeard = ({ last }: Voice): boolean => elapsed(last, now) < this.#suspect
    if (host === this.#self)
      return new HostSet([...this.#voices].filter(([, voice]) => isHeard(voice)).map(([id]) => id))
    const voice = this.#voices.get(host)
    return voice !== undefined && isHeard(voice) ? voice.heard : NOBODY
  }

  /**
   * A view without this incarnation has been installed, though it did not leave. Where it was never
   * heard here, this host was away itself (a power cut of the whole site): that is held against nobody.
   */
  excluded(now: Instant, host: HostId, incarnation: number): void {
    const first = this.#voices.get(host)?.first
    if (first === undefined || incarnation < first) return
    const times = (this.#exclusions.get(host) ?? []).filter(
      time => elapsed(time, now) < EXCLUSIONS_REMEMBERED,
    )
    times.push(now)
    this.#exclusions.set(host, times)
  }

  /**
   * When this host may be let in again: one that keeps coming and going is made to wait, so that it
   * does not stop the others each time.
   */
  admissible(now: Instant, host: HostId): Instant {
    const times = this.#exclusions.get(host) ?? []
    const count = times.filter(time => elapsed(time, now) < EXCLUSIONS_REMEMBERED).length
    const voice = this.#voices.get(host)
    if (count === 0 || voice === undefined) return now
    const wait = Math.min(this.#suspect * 2 ** (count - 1), PROBATION_MAX)
    return after(voice.since, wait as Duration)
  }

  /** Whether this host has to wait before it is let in again. */
  isOnProbation(now: Instant, host: HostId): boolean {
    const times = this.#exclusions.get(host) ?? []
    return times.some(time => elapsed(time, now) < EXCLUSIONS_REMEMBERED)
  }

  /** When somebody who is heard now will be silent for too long. */
  deadline(now: Instant): Instant {
    if (this.#deadline > now) return this.#deadline
    this.#deadline = NEVER
    for (const voice of this.#voices.values()) {
      const silent = after(voice.last, this.#suspect)
      if (silent > now) this.#deadline = earliest(this.#deadline, silent)
    }
    return this.#deadline
  }

  fingerprint(now: Instant): unknown {
    const voices = [...this.#voices].map(
      ([host, { incarnation, first, last, since, stamp, view, heard }]) =>
        [
          host,
          [incarnation, first, now - last, now - since, now - stamp, view, new Set(heard.ids)],
        ] as const,
    )
    const exclusions = [...this.#exclusions].map(
      ([host, times]) => [host, times.map(time => now - time)] as const,
    )
    return [new Map(voices), this.#left, new Map(exclusions)]
  }
}
