import { assert } from '../lib/assert.ts'
import { SEGMENT_MAX, SEGMENT_OVERHEAD_MAX } from './packet.ts'
import { advance, distance } from './seq.ts'

import type { Instant } from '../lib/time.ts'
import type { ChannelId } from './endpoint.ts'
import type { SegmentFrame } from './packet.ts'
import type { SentPacket } from './epoch.ts'
import type { Seq } from './seq.ts'

/** The largest payload of `send`. */
export const PAYLOAD_MAX: number = 1024 * 1024

/** Neither side has segments so far from the first one missing. */
export const REORDER_MAX = 1024

/** A longer payload is not cut just to fill up the rest of a datagram with less than this. */
const CUT_MIN = 128

/** A piece of a payload, from its first transmission until it is acknowledged. */
export type Segment = {
  readonly channel: ChannelId
  readonly seq: Seq
  readonly payload: Uint8Array
  readonly start: number
  readonly end: number
  readonly ack: AckWish
  /** Transmitted last at. */
  sentAt: Instant
  /** The last packet that carried it. */
  carrier: SentPacket | undefined
  /** Packets in flight that carry it. */
  copies: number
  isAcknowledged: boolean
  /** Waits to be sent again. */
  isLost: boolean
}

/**
 * What the ACK of a payload may wait for (docs/protocol.md, *Answers*): nothing; where it goes with the
 * ACK of what it answers, that the peer says more; in any case that the peer says something.
 */
export type AckWish = 'prompt' | 'answer' | 'lenient'

type Waiting = { readonly payload: Uint8Array; readonly ack: AckWish }

/** First in, first out, without moving the rest at each step. */
class Fifo<T> {
  #items: T[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  at(index: number): T | undefined {
    return this.#items[this.#head + index]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): void {
    assert(this.size > 0, 'only what is there is taken out')
    this.#head++
    if (this.#head === this.#items.length) this.#items.length = 0
    else if (this.#head < 64 || this.#head * 2 < this.#items.length) return
    else this.#items.splice(0, this.#head)
    this.#head = 0
  }
}

/** The sending end of one channel: cuts payloads into segments and keeps them until acknowledged. */
export class SendChannel {
  readonly id: ChannelId
  readonly #waiting = new Fifo<Waiting>()
  /** How much of the first payload that waits has been cut off. */
  #offset = 0
  #next: Seq
  readonly #unacknowledged = new Fifo<Segment>()
  readonly #lost = new Fifo<Segment>()
  /** Payloads of which something is not acknowledged. */
  payloads = 0
  /** Bytes of payloads not acknowledged. */
  bytes = 0

  constructor(id: ChannelId, first: Seq) {
    this.id = id
    this.#next = first
  }

  push(payload: Uint8Array, ack: AckWish = 'prompt'): void {
    assert(payload.length <= PAYLOAD_MAX, 'a payload has at most 1 MiB')
    this.#waiting.push({ payload, ack })
    this.payloads++
    this.bytes += payload.length
  }

  /** Whether there is something that no packet has carried yet. */
  get hasUnsent(): boolean {
    return this.#waiting.size > 0
  }

  /** Whether a segment could be cut. */
  get hasNew(): boolean {
    return this.#waiting.size > 0 && this.#unacknowledged.size < REORDER_MAX
  }

  /** Cuts the next segment, if one goes into so much room. */
  cut(room: number): Segment | undefined {
    const first = this.#waiting.at(0)
    if (first === undefined || !this.hasNew) return undefined
    const { payload } = first
    const start = this.#offset
    const rest = payload.length - start
    const space = Math.min(room - SEGMENT_OVERHEAD_MAX, SEGMENT_MAX)
    // What one datagram holds is not torn apart: then it would rest on the luck of two.
    const isWhole = rest <= space
    if (!isWhole && (payload.length <= SEGMENT_MAX || space < CUT_MIN)) return undefined
    const end = isWhole ? payload.length : start + space
    const segment = newSegment(this.id, this.#next, first, start, end)
    this.#next = advance(this.#next, 1)
    this.#unacknowledged.push(segment)
    if (end < payload.length) {
      this.#offset = end
    } else {
      this.#waiting.shift()
      this.#offset = 0
    }
    return segment
  }

  /** The first segment that waits to be sent again. */
  get firstLost(): Segment | undefined {
    for (;;) {
      const segment = this.#lost.at(0)
      if (segment === undefined || (segment.isLost && !segment.isAcknowledged)) return segment
      this.#lost.shift()
    }
  }

  lost(segment: Segment): void {
    if (segment.isLost) return
    segment.isLost = true
    this.#lost.push(segment)
  }

  /** The segments that are not acknowledged, oldest first, with some among them that are. */
  unacknowledged(index: number): Segment | undefined {
    return this.#unacknowledged.at(index)
  }

  acknowledge(segment: Segment): void {
    assert(!segment.isAcknowledged, 'a segment is acknowledged once')
    segment.isAcknowledged = true
    this.bytes -= segment.end - segment.start
    for (;;) {
      const first = this.#unacknowledged.at(0)
      if (first?.isAcknowledged !== true) return
      if (first.end === first.payload.length) this.payloads--
      this.#unacknowledged.shift()
    }
  }
}

function newSegment(
  channel: ChannelId,
  seq: Seq,
  { payload, ack }: Waiting,
  start: number,
  end: number,
): Segment {
  return {
    channel,
    seq,
    payload,
    start,
    end,
    ack,
    sentAt: 0 as Instant,
    carrier: undefined,
    copies: 0,
    isAcknowledged: false,
    isLost: false,
  }
}

/** What became of a segment that came in; a text is the peer's breach of the protocol. */
export type Reception = 'in-order' | 'early' | 'duplicate' | { readonly violation: string }

/** The receiving end of one channel: puts segments in order and payloads together. */
export class ReceiveChannel {
  #next: Seq
  readonly #early = new Map<Seq, SegmentFrame>()
  #payload: Uint8Array | undefined
  #filled = 0
  /** Bytes of segments that came before their turn. */
  earlyBytes = 0

  constructor(first: Seq) {
    this.#next = first
  }

  /** The first segment that was not delivered. */
  get next(): Seq {
    return this.#next
  }

  /** Whether there is a place for it: else its packet is to be treated as never received. */
  accepts(seq: Seq): boolean {
    return distance(this.#next, seq) < REORDER_MAX
  }

  /** Takes a segment; `deliver` says whether to go on. */
  receive(frame: SegmentFrame, deliver: (payload: Uint8Array) => boolean): Reception {
    const ahead = distance(this.#next, frame.seq)
    assert(ahead < REORDER_MAX, 'only what is accepted is received')
    if (ahead < 0 || this.#early.has(frame.seq)) return 'duplicate'
    if (ahead > 0) {
      // A copy: what is kept shall neither hold on to the whole datagram nor change with it.
      this.#early.set(frame.seq, { ...frame, data: frame.data.slice() })
      this.earlyBytes += frame.data.length
      return 'early'
    }
    let due = frame
    for (;;) {
      this.#next = advance(this.#next, 1)
      const payload = this.#append(due)
      if (typeof payload === 'string') return { violation: payload }
      if (payload !== undefined && !deliver(payload)) break
      const following = this.#early.get(this.#next)
      if (following === undefined) break
      this.#early.delete(this.#next)
      this.earlyBytes -= following.data.length
      due = following
    }
    return 'in-order'
  }

  /** The payload that is now complete, `undefined` if it is not, or what is wrong. */
  #append({ isBegin, isEnd, total, data }: SegmentFrame): Uint8Array | string | undefined {
    if (isBegin !== (this.#payload === undefined)) return 'a payload does not begin where it should'
    if (isBegin && isEnd) return data
    if (isBegin) {
      if (total > PAYLOAD_MAX) return `a payload of ${total} bytes is too long`
      this.#payload = new Uint8Array(total)
      this.#filled = 0
    }
    const payload = this.#payload
    assert(payload !== undefined, 'a payload was begun')
    if (this.#filled + data.length > payload.length) return 'a payload is longer than was said'
    payload.set(data, this.#filled)
    this.#filled += data.length
    if (!isEnd) return undefined
    if (this.#filled < payload.length) return 'a payload is shorter than was said'
    this.#payload = undefined
    return payload
  }
}
