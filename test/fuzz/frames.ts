import { assert } from '../../src/lib/assert.ts'
import { milliseconds } from '../../src/lib/time.ts'
import {
  DATAGRAM_MAX,
  decodeFrames,
  HEADER_SIZE,
  PacketWriter,
} from '../../src/transport/packet.ts'

import type { Frame, Malformed } from '../../src/transport/packet.ts'
import type { Target } from './engine.ts'

export type DecodeFrames = (bytes: Uint8Array) => readonly Frame[] | Malformed

/** Insides of packets, as a sender of ours makes them. */
export function framesAsSent(): readonly Uint8Array[] {
  const made: Uint8Array[] = []
  const make = (write: (writer: PacketWriter) => void): void => {
    const writer = new PacketWriter()
    writer.begin(1, 1)
    write(writer)
    made.push(writer.bytes.slice(HEADER_SIZE, writer.length))
  }
  const ack = { type: 'ack', delay: milliseconds(1), window: 65536 } as const
  const lone = { type: 'segment', isBegin: true, isEnd: true, total: 0 } as const
  const data = (length: number): Uint8Array => new Uint8Array(length).fill(length)
  make(writer => writer.ping())
  make(writer => writer.ackNow())
  make(writer => writer.ackLater())
  make(writer => writer.ack({ ...ack, largest: 0, bitmap: data(0) }))
  make(writer => {
    writer.ack({ ...ack, largest: 9, bitmap: data(2) })
    for (let seq = 0; seq < 3; seq++) writer.segment({ ...lone, channel: 0, seq, data: data(20) })
    writer.segment({ ...lone, channel: 1, seq: 0, data: data(300) })
  })
  make(writer => {
    const shape = { type: 'segment', channel: 3, total: 2000 } as const
    writer.segment({ ...shape, seq: 0, isBegin: true, isEnd: false, data: data(500) })
    writer.segment({ ...shape, seq: 1, isBegin: false, isEnd: false, data: data(400) })
  })
  make(writer => {
    const shape = { type: 'segment', channel: 3, seq: 2, isBegin: false, isEnd: true } as const
    writer.segment({ ...shape, total: 0, data: data(1100) })
  })
  make(writer => {
    writer.datagram(data(40))
    writer.ack({ ...ack, largest: 300, bitmap: data(32) })
    writer.ping()
  })
  make(writer => writer.close({ type: 'close', reason: 4, next: [0, 1, 2, 0xffff_ffff] }))
  return made
}

/** The frame decoder: any bytes are frames or a reason, within their bounds, and written the same. */
export function framesTarget(decode: DecodeFrames = decodeFrames): Target {
  const writer = new PacketWriter()
  return {
    name: 'frames',
    sources: /\/transport\/(packet|bytes)\.js$/,
    lengthMax: DATAGRAM_MAX,
    seeds: framesAsSent(),
    take(input) {
      const frames = decode(input)
      if ('malformed' in frames) {
        assert(frames.malformed.length > 0, 'a reason is told')
        return
      }
      assert(frames.length <= input.length, 'a frame takes a byte at least')
      let held = 0
      for (const frame of frames) held += checkFrame(frame)
      assert(held <= input.length, 'no frame has more data than there is')
      if (input.length > writer.bytes.length - 24) return
      writer.begin(1, 1)
      for (const frame of frames) if (!rewrite(writer, frame)) return
      const again = decode(writer.bytes.subarray(HEADER_SIZE, writer.length))
      assert(
        !('malformed' in again) && sameFrames(frames, again),
        'what is read is written the same',
      )
    },
  }
}

function checkFrame(frame: Frame): number {
  switch (frame.type) {
    case 'ack':
      assert(frame.bitmap.length <= 32, 'an ACK tells of 256 packets at most')
      return frame.bitmap.length
    case 'segment':
    case 'datagram':
      return frame.data.length
    case 'ping':
    case 'ack-now':
    case 'ack-later':
    case 'close':
      return 0
  }
}

/** False: it takes more room in our own form than in the one it came in. */
function rewrite(writer: PacketWriter, frame: Frame): boolean {
  if (writer.room < 42) return false
  switch (frame.type) {
    case 'ack':
      writer.ack(frame)
      return true
    case 'segment':
      if (frame.data.length + 11 > writer.room) return false
      writer.segment(frame)
      return true
    case 'datagram':
      if (frame.data.length + 3 > writer.room) return false
      writer.datagram(frame.data)
      return true
    case 'ping':
      writer.ping()
      return true
    case 'ack-now':
      writer.ackNow()
      return true
    case 'ack-later':
      writer.ackLater()
      return true
    case 'close':
      writer.close(frame)
      return true
  }
}

function sameFrames(some: readonly Frame[], others: readonly Frame[]): boolean {
  return some.length === others.length && some.every((frame, i) => isSame(frame, others[i]))
}

function isSame(one: Frame, two: Frame | undefined): boolean {
  if (one.type !== two?.type) return false
  switch (one.type) {
    case 'ack':
      return (
        two.type === 'ack' &&
        one.largest === two.largest &&
        one.delay === two.delay &&
        one.window === two.window &&
        Buffer.compare(one.bitmap, two.bitmap) === 0
      )
    case 'segment':
      return (
        two.type === 'segment' &&
        one.channel === two.channel &&
        one.seq === two.seq &&
        one.isBegin === two.isBegin &&
        one.isEnd === two.isEnd &&
        one.total === two.total &&
        Buffer.compare(one.data, two.data) === 0
      )
    case 'datagram':
      return two.type === 'datagram' && Buffer.compare(one.data, two.data) === 0
    case 'close':
      return (
        two.type === 'close' && one.reason === two.reason && one.next.join() === two.next.join()
      )
    case 'ping':
    case 'ack-now':
    case 'ack-later':
      return true
  }
}
