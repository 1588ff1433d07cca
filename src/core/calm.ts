import { after, earliest, elapsed, NEVER, scaled, toInstant } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import { ahead } from './fingerprint.ts'
import type { Sign } from './hearing.ts'

/** How much rarer heartbeats are in a calm. */
const STRETCH = 2

/** So many of the rarer ones as well fit into `suspect` and into `lease`, or there are none. */
const FIT_MIN = 3

/** Nothing has been missed for so many heartbeats. */
const CALM_AFTER = 32

/** One that comes after so many times its interval: the one before was lost, or a host is hard pressed. */
const LATE = 1.5

/** How soon all hear of it where a host begins to hear another, in heartbeats: many come together. */
const SOON = 0.1

const LONG_AGO = toInstant(-Infinity)

type CalmTiming = {
  readonly heartbeat: Duration
  readonly suspect: Duration
  readonly lease: Duration
}

/** What the last heartbeat of a host said, and when it came. */
type Word = {
  readonly incarnation: number
  readonly stamp: number
  readonly at: Instant
  /** The next one is sent within this. */
  readonly within: Duration
  readonly isCalm: boolean
}

/**
 * When heartbeats are sent: half as often while no lock is held or waited for, and no heartbeat
 * was missed by this host, nor, as they say, by any that is connected. A gap or a request ends that
 * everywhere within a heartbeat or two, long before anybody is suspected.
 */
export class Calm {
  readonly #self: HostId
  readonly #timing: CalmTiming
  readonly #isPossible: boolean
  readonly #words = new Map<HostId, Word>()
  #since: Instant = LONG_AGO
  #isCalm = false
  #isRare = false
  /** When the last ones were sent, to all. */
  #beatAt: Instant = LONG_AGO
  /** Somebody waits for the next ones: then they are sent. */
  #soonAt: Instant = NEVER

  constructor(self: HostId, timing: CalmTiming) {
    this.#self = self
    this.#timing = timing
    const least = scaled(timing.heartbeat, STRETCH * FIT_MIN)
    this.#isPossible = least <= timing.suspect && least <= timing.lease
  }

  /** This host has missed nothing. */
  get isCalm(): boolean {
    return this.#isCalm
  }

  /** The next heartbeat comes later than `heartbeat` after the last. */
  get isRare(): boolean {
    return this.#isRare
  }

  /** When the next heartbeats are due. */
  get due(): Instant {
    return earliest(after(this.#beatAt, this.#interval(this.#isRare)), this.#soonAt)
  }

  /** The next ones are waited for. */
  hasten(now: Instant): void {
    this.#soonAt = earliest(this.#soonAt, after(now, scaled(this.#timing.heartbeat, SOON)))
  }

  /** Something is going on, or went wrong. */
  disturb(now: Instant): void {
    this.#since = now
    this.#isCalm = false
    this.#isRare = false
  }

  /** A heartbeat of a host to which there are channels. */
  hear(now: Instant, from: HostId, sign: Sign): void {
    const { incarnation, stamp, isCalm, isRare, heard } = sign
    const before = this.#words.get(from)
    const isSame = before?.incarnation === incarnation
    if (isSame && stamp <= before.stamp) return
    const isLate = !isSame || stamp - before.stamp > LATE * before.within
    if (isLate || !heard.includes(this.#self)) this.disturb(now)
    if (!isCalm) this.#isRare = false
    const within = this.#interval(isRare)
    this.#words.set(from, { incarnation, stamp, at: now, within, isCalm })
  }

  forget(host: HostId): void {
    this.#words.delete(host)
  }

  /** Heartbeats are about to be sent to these: is it calm? */
  beat(now: Instant, hosts: readonly HostId[]): void {
    this.#beatAt = now
    this.#soonAt = NEVER
    if (!this.#isPossible) return
    const words = hosts.map(host => this.#words.get(host))
    const isMissed = (word: Word | undefined): boolean =>
      word === undefined || elapsed(word.at, now) > LATE * word.within
    if (words.some(isMissed)) this.disturb(now)
    this.#isCalm = elapsed(this.#since, now) >= CALM_AFTER * this.#timing.heartbeat
    this.#isRare = this.#isCalm && words.every(word => word?.isCalm)
  }

  fingerprint(now: Instant): unknown {
    const calm = [now - this.#since, this.#isCalm, this.#isRare, this.#words]
    return [ahead(now, this.due), this.#isPossible ? calm : undefined]
  }

  #interval(isRare: boolean): Duration {
    return scaled(this.#timing.heartbeat, isRare ? STRETCH : 1)
  }
}
