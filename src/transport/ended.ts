import { after, elapsed, milliseconds, NEVER } from '../lib/time.ts'
import { remember } from './doubles.ts'
import { decodeFrames } from './packet.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { CloseFrame } from './packet.ts'
import type { Epoch } from './epoch.ts'
import type { Incarnation } from './seal.ts'

/** Packets for a session that has ended are answered by CLOSE so long. */
const KEPT: Duration = milliseconds(5000)
const CLOSE_SPACE: Duration = milliseconds(10)
const EPOCHS_MAX = 8
/** Pairs of incarnations that are remembered; far more than one life of a host sees. */
const PAIRS_MAX = 1024

/** Keys of a session that is no more. */
export type EndedEpoch = {
  readonly epoch: Epoch
  /** What late packets are answered with, if they are. */
  readonly close: CloseFrame | undefined
  readonly expires: Instant
  closedAt: Instant
}

/**
 * Sessions with one peer that have ended. The two incarnations never have another: what was sent
 * and not delivered is lost, and neither side may take the rest for the whole.
 */
export class EndedSessions {
  readonly #pairs = new Set<string>()
  readonly #epochs: EndedEpoch[] = []
  readonly #release: (index: number) => void

  /** `release`: an index leads to nothing any more. */
  constructor(release: (index: number) => void) {
    this.#release = release
  }

  has(pair: string): boolean {
    return this.#pairs.has(pair)
  }

  add(pair: string): void {
    remember(this.#pairs, pair, PAIRS_MAX)
  }

  /** Keeps keys for a while, for a peer that has not heard of the end. */
  keep(now: Instant, epoch: Epoch, close: CloseFrame | undefined): EndedEpoch {
    const ended: EndedEpoch = { epoch, close, expires: after(now, KEPT), closedAt: now }
    this.#epochs.push(ended)
    if (this.#epochs.length > EPOCHS_MAX) this.#forget()
    return ended
  }

  /** The CLOSE that answers these frames, if one does. */
  answer(now: Instant, ended: EndedEpoch, bytes: Uint8Array): CloseFrame | undefined {
    if (ended.close === undefined || elapsed(ended.closedAt, now) < CLOSE_SPACE) return undefined
    const frames = decodeFrames(bytes)
    // Two sides that both know of the end do not go on telling each other.
    if ('malformed' in frames || frames.some(({ type }) => type === 'close')) return undefined
    ended.closedAt = now
    return ended.close
  }

  get deadline(): Instant {
    return this.#epochs[0]?.expires ?? NEVER
  }

  tick(now: Instant): void {
    while (this.deadline <= now) this.#forget()
  }

  /** Forgets all keys. */
  clear(): void {
    while (this.#epochs.length > 0) this.#forget()
  }

  #forget(): void {
    const first = this.#epochs.shift()
    if (first === undefined) return
    this.#release(first.epoch.index)
    first.epoch.keys.forget()
  }
}

/** Our incarnation and the peer's: what a session is between. */
export function pairOf(ours: Incarnation, theirs: Incarnation): string {
  return `${ours.counter} ${theirs.counter} ${theirs.life}`
}
