import { after, earliest, elapsed, NEVER, scaled, toInstant } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import { ahead } from './fingerprint.ts'
import type { Sign } from './hearing.ts'

/** How much rarer heartbeats are in a calm. */
const STRETCH = 2

/**
 * So many heartbeats as often as ever fit into `suspect` and into `lease`, or there are no rarer ones:
 * when one is missed, enough are left before anybody is suspected; and an echo may take two rare ones.
 */
const SUSPECT_MIN = 8
const LEASE_MIN = 10

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

/** What the last heartbeat of a host said. */
type Word = {
  readonly incarnation: number
  readonly stamp: number
  /** The next one is sent within this. */
  readonly within: Duration
  /** From then on that one is missed. */
  readonly overdueAt: Instant
  readonly isCalm: boolean
}

/**
 * When heartbeats are sent: half as often while no lock is held or waited for, and no heartbeat
 * was missed by this host, nor, as they say, by any that is heard. A gap, a silence or a request ends
 * that here at once, and at the others with the next heartbeat, long before anybody is suspected.
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
    const { heartbeat, suspect, lease } = timing
    const isFit = scaled(heartbeat, SUSPECT_MIN) <= suspect
    this.#isPossible = isFit && scaled(heartbeat, LEASE_MIN) <= lease
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
    const due = earliest(after(this.#beatAt, this.#interval(this.#isRare)), this.#soonAt)
    return this.#isRare ? earliest(due, this.#overdueAt) : due
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
    const overdueAt = after(now, scaled(within, LATE))
    this.#words.set(from, { incarnation, stamp, within, overdueAt, isCalm })
  }

  forget(host: HostId): void {
    this.#words.delete(host)
  }

  /**
   * Heartbeats are about to be sent.
   *
   * @param heard the hosts that are heard: nobody watches over one that is silent for good
   */
  beat(now: Instant, heard: readonly HostId[]): void {
    this.#beatAt = now
    this.#soonAt = NEVER
    if (!this.#isPossible) return
    for (const host of this.#words.keys()) if (!heard.includes(host)) this.#words.delete(host)
    if (this.#words.size < heard.length || now >= this.#overdueAt) this.disturb(now)
    this.#isCalm = elapsed(this.#since, now) >= CALM_AFTER * this.#timing.heartbeat
    this.#isRare = this.#isCalm && [...this.#words.values()].every(({ isCalm }) => isCalm)
  }

  fingerprint(now: Instant): unknown {
    if (!this.#isPossible) return ahead(now, this.due)
    const calmAt = after(this.#since, scaled(this.#timing.heartbeat, CALM_AFTER))
    const words = [...this.#words].map(
      ([host, { incarnation, stamp, within, overdueAt, isCalm }]) =>
        [host, [incarnation, now - stamp, within, ahead(now, overdueAt), isCalm]] as const,
    )
    const calm = [ahead(now, calmAt), this.#isCalm, this.#isRare, new Map(words)]
    return [ahead(now, this.due), calm]
  }

  /** When the first of them will have missed one. */
  get #overdueAt(): Instant {
    let first = NEVER
    for (const { overdueAt } of this.#words.values()) first = earliest(first, overdueAt)
    return first
  }

  #interval(isRare: boolean): Duration {
    return scaled(this.#timing.heartbeat, isRare ? STRETCH : 1)
  }
}
