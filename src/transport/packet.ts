import { assert } from '../lib/assert.ts'
import { milliseconds } from '../lib/time.ts'
import { readU16, readU24, readU32, writeU16, writeU24, writeU32 } from './bytes.ts'

import type { Duration } from '../lib/time.ts'
import type { ChannelId } from './endpoint.ts'
import type { Seq } from './seq.ts'

/** What any path carries unfragmented: QUIC's minimum (RFC 9000 §14). */
export const DATAGRAM_MAX = 1200

/** Type, receiver index, packet number: in clear, and covered by the tag. */
export const HEADER_SIZE = 8

/** What proves a packet whole, at its end. */
export const TAG_SIZE = 16

/** The first byte of a datagram. */
export const PacketType = { hello: 0x01, helloAck: 0x02, cookie: 0x03, data: 0x10 } as const

/** Packet numbers that are in use; a sender has new keys long before. */
export const PACKET_NUMBER_MAX = 0x7fff_ffff

/** An ACK tells of this many packets before the largest, at most. */
export const ACK_SPAN_MAX = 256

const ACK_SIZE = 10
const ACK_SIZE_MAX = ACK_SIZE + ACK_SPAN_MAX / 8
const CLOSE_SIZE = 18

/** Type, seq, total, length of the longest form of a SEG. */
export const SEGMENT_OVERHEAD_MAX = 11

/** A segment fits into a datagram again when it is sent again beside the longest ACK and ACKNOW. */
export const SEGMENT_MAX: number =
  DATAGRAM_MAX - HEADER_SIZE - TAG_SIZE - ACK_SIZE_MAX - 1 - SEGMENT_OVERHEAD_MAX

/** A payload of `sendDatagram` fits beside the longest ACK and a PING. */
export const DGRAM_MAX: number = DATAGRAM_MAX - HEADER_SIZE - TAG_SIZE - ACK_SIZE_MAX - 1 - 3

const FrameType = {
  pad: 0x00,
  ack: 0x01,
  ping: 0x02,
  ackNow: 0x03,
  close: 0x04,
  dgram: 0x05,
  ackLater: 0x06,
}

/** A packet with ACKLATER is acknowledged after this, if nothing takes its ACK along before. */
export const ACK_LATER: Duration = milliseconds(50)

const SEGMENT = 0x40
const SEGMENT_BEGIN = 0x20
const SEGMENT_END = 0x10
const SEGMENT_SEQ = 0x02
const SEGMENT_LONG = 0x01

/** Delays are told in these. */
const DELAY_UNIT_MS = 0.008

export type AckFrame = {
  readonly type: 'ack'
  /** The largest packet number received. */
  readonly largest: number
  /** How long ago that was. */
  readonly delay: Duration
  /** Bytes of segments that may be on their way. */
  readonly window: number
  /** Bit k: `largest` − 1 − k was received too. Beyond the end nothing is said. */
  readonly bitmap: Uint8Array
}

export type SegmentFrame = {
  readonly type: 'segment'
  readonly channel: ChannelId
  readonly seq: Seq
  readonly isBegin: boolean
  readonly isEnd: boolean
  /** Length of the whole payload; told by its first segment. */
  readonly total: number
  readonly data: Uint8Array
}

export type Frame =
  | AckFrame
  | SegmentFrame
  | { readonly type: 'ping' }
  | { readonly type: 'ack-now' }
  | { readonly type: 'ack-later' }
  | { readonly type: 'datagram'; readonly data: Uint8Array }
  | CloseFrame

export type CloseFrame = {
  readonly type: 'close'
  readonly reason: number
  /** For each channel, the first segment that was not delivered. */
  readonly next: readonly [Seq, Seq, Seq, Seq]
}

export type Malformed = { readonly malformed: string }

type Decoding = { readonly frames: Frame[]; readonly seqs: [number, number, number, number] }

/**
 * Takes the inside of a packet apart. Segments and datagrams share its memory. Whatever the bytes
 * are, it does not throw.
 */
export function decodeFrames(bytes: Uint8Array): readonly Frame[] | Malformed {
  const decoding: Decoding = { frames: [], seqs: [-1, -1, -1, -1] }
  let at = 0
  while (at < bytes.length) {
    const next = decodeFrame(decoding, bytes, at)
    if (typeof next === 'string') return { malformed: next }
    at = next
  }
  return decoding.frames
}

/** Where the next frame begins, or what is wrong. */
function decodeFrame(decoding: Decoding, bytes: Uint8Array, at: number): number | string {
  const type = bytes[at] as number
  if ((type & 0xc0) === SEGMENT) return decodeSegment(decoding, bytes, at)
  switch (type) {
    case FrameType.pad:
      return at + 1
    case FrameType.ack:
      return decodeAck(decoding, bytes, at)
    case FrameType.ping:
      decoding.frames.push({ type: 'ping' })
      return at + 1
    case FrameType.ackNow:
      decoding.frames.push({ type: 'ack-now' })
      return at + 1
    case FrameType.ackLater:
      decoding.frames.push({ type: 'ack-later' })
      return at + 1
    case FrameType.dgram: {
      if (at + 3 > bytes.length) return 'a DGRAM ends early'
      const end = at + 3 + readU16(bytes, at + 1)
      if (end > bytes.length) return 'a DGRAM ends early'
      decoding.frames.push({ type: 'datagram', data: bytes.subarray(at + 3, end) })
      return end
    }
    case FrameType.close: {
      if (at + CLOSE_SIZE > bytes.length) return 'a CLOSE ends early'
      const next = (channel: ChannelId): Seq => readU32(bytes, at + 2 + 4 * channel)
      decoding.frames.push({
        type: 'close',
        reason: bytes[at + 1] as number,
        next: [next(0), next(1), next(2), next(3)],
      })
      return at + CLOSE_SIZE
    }
    default:
      return `no frame has the type ${type}`
  }
}

function decodeAck({ frames }: Decoding, bytes: Uint8Array, at: number): number | string {
  if (at + ACK_SIZE > bytes.length) return 'an ACK ends early'
  const length = bytes[at + 9] as number
  const end = at + ACK_SIZE + length
  if (length > ACK_SPAN_MAX / 8) return 'an ACK is too long'
  if (end > bytes.length) return 'an ACK ends early'
  frames.push({
    type: 'ack',
    largest: readU32(bytes, at + 1),
    delay: milliseconds(readU16(bytes, at + 5) * DELAY_UNIT_MS),
    window: readU16(bytes, at + 7) * 1024,
    bitmap: bytes.subarray(at + ACK_SIZE, end),
  })
  return end
}

function decodeSegment({ frames, seqs }: Decoding, bytes: Uint8Array, at: number): number | string {
  const type = bytes[at] as number
  const channel = ((type >>> 2) & 3) as ChannelId
  const isBegin = (type & SEGMENT_BEGIN) !== 0
  const isEnd = (type & SEGMENT_END) !== 0
  const hasSeq = (type & SEGMENT_SEQ) !== 0
  const isLong = (type & SEGMENT_LONG) !== 0
  const hasTotal = isBegin && !isEnd
  const start = at + 1 + (hasSeq ? 4 : 0) + (hasTotal ? 4 : 0) + (isLong ? 2 : 1)
  if (start > bytes.length) return 'a SEG ends early'
  const length = isLong ? readU16(bytes, start - 2) : (bytes[start - 1] as number)
  const end = start + length
  if (end > bytes.length) return 'a SEG ends early'
  const previous = seqs[channel]
  if (!hasSeq && previous < 0) return 'the first SEG of a channel has no seq'
  const seq = hasSeq ? readU32(bytes, at + 1) : (previous + 1) >>> 0
  const total = hasTotal ? readU32(bytes, at + 1 + (hasSeq ? 4 : 0)) : length
  seqs[channel] = seq
  const data = bytes.subarray(start, end)
  frames.push({ type: 'segment', channel, seq, isBegin, isEnd, total, data })
  return end
}

/** What a data packet says in clear. */
export function readIndex(bytes: Uint8Array): number {
  return readU24(bytes, 1)
}

/** The packet number in the header of a data packet. */
export function readNumber(bytes: Uint8Array): number {
  return readU32(bytes, 4)
}

/** Whether the number is among those that an ACK tells of. */
export function isAcknowledged(ack: AckFrame, number: number): boolean {
  if (number >= ack.largest) return number === ack.largest
  const bit = ack.largest - 1 - number
  if (bit >= ack.bitmap.length * 8) return false
  return (((ack.bitmap[bit >>> 3] as number) >>> (bit & 7)) & 1) === 1
}

const SLAB_SIZE = 32 * 1024

/** Puts one data packet together after another, in one buffer that is used for all. */
export class PacketWriter {
  readonly bytes: Uint8Array = new Uint8Array(DATAGRAM_MAX)
  readonly #seqs: [number, number, number, number] = [-1, -1, -1, -1]
  #length = HEADER_SIZE
  /** Memory of its own for each datagram would cost more than all the rest of sending it. */
  #slab = new Uint8Array(SLAB_SIZE)
  #used = 0

  /** Starts a packet; its room is what a datagram holds without the tag. */
  begin(index: number, number: number): void {
    this.bytes[0] = PacketType.data
    writeU24(this.bytes, 1, index)
    writeU32(this.bytes, 4, number)
    this.#length = HEADER_SIZE
    this.#seqs.fill(-1)
  }

  /** Where the tag goes. */
  get length(): number {
    return this.#length
  }

  get room(): number {
    return DATAGRAM_MAX - TAG_SIZE - this.#length
  }

  /** A copy of the first `length` bytes that is left alone from now on. */
  take(length: number): Uint8Array {
    if (this.#used + length > SLAB_SIZE) {
      this.#slab = new Uint8Array(SLAB_SIZE)
      this.#used = 0
    }
    const start = this.#used
    this.#used += length
    this.#slab.set(length === DATAGRAM_MAX ? this.bytes : this.bytes.subarray(0, length), start)
    return this.#slab.subarray(start, start + length)
  }

  ack(ack: AckFrame): void {
    const at = this.#claim(ACK_SIZE + ack.bitmap.length)
    this.bytes[at] = FrameType.ack
    writeU32(this.bytes, at + 1, ack.largest)
    writeU16(this.bytes, at + 5, Math.min(0xffff, Math.round(ack.delay / DELAY_UNIT_MS)))
    writeU16(this.bytes, at + 7, Math.min(0xffff, Math.floor(ack.window / 1024)))
    this.bytes[at + 9] = ack.bitmap.length
    this.bytes.set(ack.bitmap, at + ACK_SIZE)
  }

  ping(): void {
    this.bytes[this.#claim(1)] = FrameType.ping
  }

  ackNow(): void {
    this.bytes[this.#claim(1)] = FrameType.ackNow
  }

  ackLater(): void {
    this.bytes[this.#claim(1)] = FrameType.ackLater
  }

  datagram(data: Uint8Array): void {
    const at = this.#claim(3 + data.length)
    this.bytes[at] = FrameType.dgram
    writeU16(this.bytes, at + 1, data.length)
    this.bytes.set(data, at + 3)
  }

  close(frame: CloseFrame): void {
    const at = this.#claim(CLOSE_SIZE)
    this.bytes[at] = FrameType.close
    this.bytes[at + 1] = frame.reason
    frame.next.forEach((seq, channel) => writeU32(this.bytes, at + 2 + 4 * channel, seq))
  }

  /** Bytes that a segment with this much data takes here. */
  segmentSize(channel: ChannelId, seq: Seq, length: number, hasTotal: boolean): number {
    const hasSeq = this.#seqs[channel] < 0 || (this.#seqs[channel] + 1) >>> 0 !== seq
    return 1 + (hasSeq ? 4 : 0) + (hasTotal ? 4 : 0) + (length > 0xff ? 2 : 1) + length
  }

  segment(frame: SegmentFrame): void {
    const { channel, seq, isBegin, isEnd, data } = frame
    const hasTotal = isBegin && !isEnd
    const hasSeq = this.#seqs[channel] < 0 || (this.#seqs[channel] + 1) >>> 0 !== seq
    const isLong = data.length > 0xff
    let at = this.#claim(this.segmentSize(channel, seq, data.length, hasTotal))
    this.bytes[at++] =
      SEGMENT |
      (isBegin ? SEGMENT_BEGIN : 0) |
      (isEnd ? SEGMENT_END : 0) |
      (channel << 2) |
      (hasSeq ? SEGMENT_SEQ : 0) |
      (isLong ? SEGMENT_LONG : 0)
    if (hasSeq) {
      writeU32(this.bytes, at, seq)
      at += 4
    }
    if (hasTotal) {
      writeU32(this.bytes, at, frame.total)
      at += 4
    }
    if (isLong) writeU16(this.bytes, at, data.length)
    else this.bytes[at] = data.length
    this.bytes.set(data, at + (isLong ? 2 : 1))
    this.#seqs[channel] = seq
  }

  #claim(size: number): number {
    assert(size <= this.room, 'what is written fits into the datagram')
    const at = this.#length
    this.#length += size
    return at
  }
}
