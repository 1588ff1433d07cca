import { after, earliest, elapsed, milliseconds, NEVER, toInstant } from '../lib/time.ts'
import { ACK_LATER, ACK_SPAN_MAX } from './packet.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { AckFrame } from './packet.ts'

const WORDS = 64
/** The ring forgets a word at a time. */
const REPLAY_SPAN = 32 * (WORDS - 1)
/** A lone packet is acknowledged after this, if nothing else takes the ACK along. */
const ACK_DELAY: Duration = milliseconds(1)
/** So many get one at once; large ones, whose sender may be waiting for room, when there are two. */
const UNACKNOWLEDGED_MAX = 4
const LARGE_UNACKNOWLEDGED_MAX = 2
/** Of data, in all that wait: then they are large. */
const LARGE_BYTES = 1000

/** How soon a packet wants to be acknowledged. */
export type Ask = 'nothing' | 'ack' | 'ack-now' | 'ack-later'

/**
 * The packet numbers received under one set of keys: against replays (RFC 6479), and to decide when
 * an ACK is sent and what it says.
 */
export class Received {
  readonly #bits = new Uint32Array(WORDS)
  #largest = -1
  #largestAt: Instant = toInstant(0)
  #unacknowledged = 0
  #unacknowledgedBytes = 0
  #isUrgent = false
  #deadline: Instant = NEVER
  /** No ACK need tell of packets before this: one that did so was itself acknowledged. */
  #reportFrom = 0
  /** Rises when a packet comes late: then an older ACK has not told everything up to its largest. */
  #generation = 0

  /** Whether this packet is none that was handled before. */
  isFresh(number: number): boolean {
    if (number > this.#largest) return true
    if (this.#largest - number >= REPLAY_SPAN) return false
    return !this.#has(number)
  }

  /**
   * Notes a fresh packet. Its frames ask for an ACK or not, perhaps at once, perhaps some time.
   *
   * @param bytes of data in it
   */
  add(now: Instant, number: number, ask: Ask, bytes: number): void {
    const isNext = number === this.#largest + 1
    if (number > this.#largest) {
      this.#forget(number)
      this.#largest = number
      this.#largestAt = now
    } else {
      this.#generation++
      this.#reportFrom = Math.min(this.#reportFrom, number)
    }
    const word = (number >>> 5) & (WORDS - 1)
    this.#bits[word] = (this.#bits[word] as number) | (1 << (number & 31))
    if (ask === 'nothing') return
    this.#unacknowledged++
    this.#unacknowledgedBytes += bytes
    const isLarge = this.#unacknowledgedBytes >= LARGE_BYTES
    const most = isLarge ? LARGE_UNACKNOWLEDGED_MAX : UNACKNOWLEDGED_MAX
    if (ask === 'ack-now' || !isNext || this.#unacknowledged >= most) this.urge()
    else if (!this.#isUrgent) {
      const delay = ask === 'ack-later' ? ACK_LATER : ACK_DELAY
      this.#deadline = earliest(this.#deadline, after(now, delay))
    }
  }

  /** The next ACK does not wait. */
  urge(): void {
    this.#isUrgent = true
    this.#deadline = NEVER
  }

  /** Something that asks for an ACK has none yet: it rides along with what is sent. */
  get isPending(): boolean {
    return this.#unacknowledged > 0 || this.#isUrgent
  }

  /** An ACK is to be sent now, even alone. */
  isDue(now: Instant): boolean {
    return this.#isUrgent || this.#deadline <= now
  }

  /** When a waiting ACK becomes due. */
  get deadline(): Instant {
    return this.#deadline
  }

  /** What an ACK sent now says. */
  report(now: Instant, window: number): AckFrame {
    const span = Math.max(0, Math.min(ACK_SPAN_MAX, this.#largest - this.#reportFrom))
    const bitmap = new Uint8Array((span + 7) >>> 3)
    for (let bit = 0; bit < span; bit++) {
      if (this.#has(this.#largest - 1 - bit)) {
        bitmap[bit >>> 3] = (bitmap[bit >>> 3] as number) | (1 << (bit & 7))
      }
    }
    const delay = elapsed(this.#largestAt, now)
    return { type: 'ack', largest: this.#largest, delay, window, bitmap }
  }

  /** An ACK is on its way. The result goes to `confirm` if the packet with it is acknowledged. */
  reported(): Report {
    this.#unacknowledged = 0
    this.#unacknowledgedBytes = 0
    this.#isUrgent = false
    this.#deadline = NEVER
    return { largest: this.#largest, generation: this.#generation }
  }

  /** The peer has seen this report. */
  confirm({ largest, generation }: Report): void {
    if (generation !== this.#generation) return
    this.#reportFrom = Math.max(this.#reportFrom, largest + 1)
  }

  #has(number: number): boolean {
    const word = this.#bits[(number >>> 5) & (WORDS - 1)] as number
    return ((word >>> (number & 31)) & 1) === 1
  }

  /** Clears the words that the ring reuses for numbers up to this one. */
  #forget(number: number): void {
    const last = number >>> 5
    const first = this.#largest < 0 ? 0 : (this.#largest >>> 5) + 1
    for (let word = Math.max(first, last - WORDS + 1); word <= last; word++) {
      this.#bits[word & (WORDS - 1)] = 0
    }
  }
}

/** What an ACK that was sent told of. */
export type Report = { readonly largest: number; readonly generation: number }
