import test from 'ava'
import fc from 'fast-check'

import { milliseconds } from '../../src/lib/time.ts'
import {
  DATAGRAM_MAX,
  decodeFrames,
  DGRAM_MAX,
  HEADER_SIZE,
  isAcknowledged,
  PacketWriter,
  SEGMENT_MAX,
  TAG_SIZE,
} from '../../src/transport/packet.ts'

import type { AckFrame, Frame, SegmentFrame } from '../../src/transport/packet.ts'

const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

const ack: fc.Arbitrary<Frame> = fc.record({
  type: fc.constant('ack' as const),
  largest: u32,
  delay: fc.nat(0xffff).map(units => milliseconds(units * 0.008)),
  window: fc.nat(0xffff).map(kibibytes => kibibytes * 1024),
  bitmap: bytes(32),
})

const segment: fc.Arbitrary<Frame> = fc
  .record({
    type: fc.constant('segment' as const),
    channel: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const),
    seq: fc.oneof(u32, fc.constantFrom(0, 1, 2, 0xffff_ffff)),
    isBegin: fc.boolean(),
    isEnd: fc.boolean(),
    total: u32,
    data: bytes(400),
  })
  // Only the first segment of several tells the total.
  .map(frame => (frame.isBegin && !frame.isEnd ? frame : { ...frame, total: frame.data.length }))

const close: fc.Arbitrary<Frame> = fc.record({
  type: fc.constant('close' as const),
  reason: fc.nat(255),
  next: fc.tuple(u32, u32, u32, u32),
})

const frame: fc.Arbitrary<Frame> = fc.oneof(
  ack,
  segment,
  close,
  fc.constant({ type: 'ping' as const }),
  fc.constant({ type: 'ack-now' as const }),
  fc.constant({ type: 'ack-later' as const }),
  fc.record({ type: fc.constant('datagram' as const), data: bytes(300) }),
)

function write(writer: PacketWriter, frames: readonly Frame[]): readonly Frame[] {
  const written: Frame[] = []
  for (const each of frames) {
    const room = writer.room
    if ('data' in each && each.data.length + 11 > room) break
    if (room < 50) break
    written.push(each)
    switch (each.type) {
      case 'ack':
        writer.ack(each)
        break
      case 'segment':
        writer.segment(each)
        break
      case 'ping':
        writer.ping()
        break
      case 'ack-now':
        writer.ackNow()
        break
      case 'ack-later':
        writer.ackLater()
        break
      case 'datagram':
        writer.datagram(each.data)
        break
      case 'close':
        writer.close(each)
        break
    }
  }
  return written
}

test('frames come out as they went in', t => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), frames => {
      const writer = new PacketWriter()
      writer.begin(0xabcdef, 0x12345678)
      const written = write(writer, frames)
      t.deepEqual(decodeFrames(writer.bytes.slice(HEADER_SIZE, writer.length)), written)
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('any bytes are decoded, to frames or to a reason', t => {
  fc.assert(
    fc.property(bytes(200), noise => {
      const frames = decodeFrames(noise)
      return 'malformed' in frames ? frames.malformed.length > 0 : frames.length <= noise.length
    }),
    { numRuns: 5000 },
  )
  t.deepEqual(decodeFrames(Uint8Array.of(0, 0, 2)), [{ type: 'ping' }])
})

test('a packet cut short anywhere is malformed or has fewer frames', t => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), frames => {
      const writer = new PacketWriter()
      writer.begin(1, 1)
      const written = write(writer, frames)
      const whole = writer.bytes.slice(HEADER_SIZE, writer.length)
      for (let length = 0; length < whole.length; length++) {
        const decoded = decodeFrames(whole.subarray(0, length))
        if (!('malformed' in decoded) && decoded.length >= written.length) return false
      }
      return true
    }),
  )
  t.pass()
})

test('a lone segment of 100 bytes takes 106, the next in its channel 2 more than its data', t => {
  const writer = new PacketWriter()
  writer.begin(1, 1)
  const shape = { type: 'segment', channel: 0, isBegin: true, isEnd: true, total: 0 } as const
  writer.segment({ ...shape, seq: 7, data: new Uint8Array(100) })
  t.is(writer.length, HEADER_SIZE + 106)
  writer.segment({ ...shape, seq: 8, data: new Uint8Array(100) })
  t.is(writer.length, HEADER_SIZE + 106 + 102)
  writer.segment({ ...shape, seq: 9, data: new Uint8Array(256) })
  t.is(writer.length, HEADER_SIZE + 106 + 102 + 259)
  writer.segment({ ...shape, channel: 1, seq: 0, data: new Uint8Array(10) })
  t.is(writer.length, HEADER_SIZE + 106 + 102 + 259 + 16)
})

test('the largest segment, and the largest datagram, fit beside the longest ACK', t => {
  const longest: AckFrame = {
    type: 'ack',
    largest: 1,
    delay: milliseconds(0),
    window: 0,
    bitmap: new Uint8Array(32),
  }
  const largest: SegmentFrame = {
    type: 'segment',
    channel: 3,
    seq: 1,
    isBegin: true,
    isEnd: false,
    total: 2000,
    data: new Uint8Array(SEGMENT_MAX),
  }
  const writer = new PacketWriter()
  writer.begin(1, 1)
  writer.ack(longest)
  writer.ackNow()
  writer.segment(largest)
  t.is(writer.length + TAG_SIZE, DATAGRAM_MAX)
  writer.begin(1, 1)
  writer.ack(longest)
  writer.ping()
  writer.datagram(new Uint8Array(DGRAM_MAX))
  t.is(writer.length + TAG_SIZE, DATAGRAM_MAX)
  t.throws(() => writer.ping(), { message: /fits into the datagram/ })
})

test('an ACK tells of the largest and of each bit, and of nothing beyond', t => {
  const frame: AckFrame = {
    type: 'ack',
    largest: 10,
    delay: milliseconds(0),
    window: 0,
    bitmap: Uint8Array.of(0b101),
  }
  const told = [11, 10, 9, 8, 7, 6, 1, 0].map(number => isAcknowledged(frame, number))
  t.deepEqual(told, [false, true, true, false, true, false, false, false])
})
