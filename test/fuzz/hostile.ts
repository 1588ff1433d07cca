import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { milliseconds } from '../../src/lib/time.ts'
import { toHex } from '../../src/transport/bytes.ts'
import {
  HEADER_SIZE,
  PacketType,
  PacketWriter,
  readIndex,
  readNumber,
  TAG_SIZE,
} from '../../src/transport/packet.ts'
import { answerIndex, clusterHash } from '../../src/transport/seal.ts'
import { addressOf } from '../helpers/pair.ts'

import type { ChannelId } from '../../src/transport/endpoint.ts'
import type { HelloHeader, Introduction, Keys, Seal, SentHello } from '../../src/transport/seal.ts'
import type { World } from '../helpers/pair.ts'
import type { CreateSeal } from './seals.ts'

type Four = [number, number, number, number]

const NOTHING = new Uint8Array(256)

/** Host 2 of a world: it has the keys, and whatever it likes in its packets. */
export class Hostile {
  readonly #world: World
  readonly #random: Random
  readonly #seal: Seal
  readonly #writer = new PacketWriter()
  #incarnation = 5
  #life = '0000000000000000'
  #keys: Keys | undefined
  #index = 0
  #next = 0
  #hello: SentHello | undefined
  /** The number of host 1's last packet under these keys, or -1. */
  #largest = -1
  readonly #seqs: [number, number, number, number] = [0, 0, 0, 0]

  constructor(world: World, seed: number, createSeal: CreateSeal) {
    this.#world = world
    this.#random = new Random(seed)
    this.#seal = createSeal(seed + 1000)
    world.host(2).crash()
    world.intercept = ({ to, from, bytes }) => {
      if (to !== 2) return from === 2
      if (from === 1) this.#receive(bytes)
      return true
    }
  }

  /** Makes sure that host 1 has a session with it, in another incarnation if one has ended. */
  connect(): void {
    const world = this.#world
    const host = world.host(1)
    if (host.up.has(2)) return
    this.#incarnation++
    this.#life = toHex(this.#random.bytes(8))
    for (let i = 0; i < 100 && !host.up.has(2); i++) {
      this.#hello = this.#seal.call(this.#header, this.#introduction)
      host.endpoint.receive(world.now, addressOf(2), this.#hello.bytes.slice())
      world.run(i === 0 ? 12 : 260, () => host.up.has(2))
    }
    assert(host.up.has(2), 'a host with another incarnation has a session again')
  }

  /** A packet with this inside, under the present keys. */
  send(inside: Uint8Array): void {
    const { bytes } = this.#writer
    const number = this.#begin()
    const length = Math.min(inside.length, bytes.length - HEADER_SIZE - TAG_SIZE)
    bytes.set(inside.subarray(0, length), HEADER_SIZE)
    this.#finish(number, HEADER_SIZE + length)
  }

  /** A packet of frames in proper form, in which these bytes choose what they say. */
  say(choices: Uint8Array): void {
    const number = this.#begin()
    const writer = this.#writer
    for (let at = 0; at + 4 <= choices.length && at < 24 && writer.room > 120; at += 4) {
      this.#frame([...choices.subarray(at, at + 4)] as Four)
    }
    this.#finish(number, writer.length)
  }

  #begin(): number {
    const random = this.#random
    if (random.below(64) === 0) this.#next += random.below(4000)
    const number = random.below(64) === 0 ? random.below(this.#next + 1) : this.#next++
    this.#writer.begin(this.#index, number)
    return number
  }

  /** Mostly what is plausible: the next segment, an ACK of what has come; and things beside that. */
  #frame([kind, what, near, length]: Four): void {
    const writer = this.#writer
    const channel = (what & 3) as ChannelId
    const skew = near < 200 ? 0 : near < 230 ? near - 215 : (near - 242) * 97
    const next = this.#seqs[channel]
    const data = NOTHING.subarray(0, Math.min(length, writer.room - 12))
    switch (kind & 7) {
      case 0:
      case 1:
      case 2: {
        const [isBegin, isEnd] = what < 250 ? [true, true] : [(what & 4) !== 0, (what & 8) !== 0]
        const seq = (next + skew) >>> 0
        writer.segment({
          type: 'segment',
          channel,
          seq,
          isBegin,
          isEnd,
          total: what * length,
          data,
        })
        if (skew === 0) this.#seqs[channel] = (next + 1) >>> 0
        return
      }
      case 3:
      case 4: {
        if (this.#largest < 0) return
        const bitmap = this.#random.bytes(Math.min(what & 0x1f, 31))
        const largest = Math.max(0, this.#largest - (near & 7) + (near === 255 ? 8 : 0))
        const delay = milliseconds(length)
        writer.ack({ type: 'ack', largest, delay, window: what < 16 ? 0 : what * 2048, bitmap })
        return
      }
      case 5:
        writer.ackNow()
        return
      case 6:
        writer.datagram(data)
        return
      default:
        if (what === 0) writer.close({ type: 'close', reason: near, next: [0, 0, 0, 0] })
        else writer.ping()
    }
  }

  #finish(number: number, end: number): void {
    const { bytes } = this.#writer
    assert(this.#keys !== undefined, 'it is connected')
    this.#arrive(bytes.slice(0, this.#keys.seal(number, bytes, end)))
  }

  /** A HELLO that is whole and says anything at all. */
  call(noise: Uint8Array): void {
    const random = this.#random
    const pick = (at: number, usual: number): number =>
      random.chance(0.9) ? usual : (noise[at] ?? 0)
    const introduction = {
      incarnation: { counter: random.below(50), life: toHex(random.bytes(8)) },
      datagramMax: pick(0, 1200),
      windowBytes: pick(1, 256) * 1024,
      ackDelayMs: pick(2, 2),
      tableDigest: random.chance(0.9) ? this.#tableDigest : toHex(random.bytes(8)),
      tableLine: random.word() >>> 8,
    }
    const header = {
      index: random.word() >>> 8,
      from: pick(3, 2),
      to: pick(4, 1),
      cluster: random.chance(0.9) ? clusterHash('home') : random.word(),
    }
    this.#arrive(this.#seal.call(header, introduction).bytes)
  }

  #arrive(bytes: Uint8Array): void {
    const from = addressOf(this.#random.below(32) === 0 ? 9 : 2)
    this.#world.host(1).endpoint.receive(this.#world.now, from, bytes)
  }

  #receive(bytes: Uint8Array): void {
    if (bytes[0] === PacketType.data) this.#largest = readNumber(bytes)
    if (this.#world.host(1).up.has(2)) return
    switch (bytes[0]) {
      case PacketType.hello:
        this.#answer(bytes)
        return
      case PacketType.cookie:
        // Under load it has to show that it gets what is sent to its address.
        if (this.#hello?.prove(bytes) !== 'proved') return
        this.#world.inject(2, 1, this.#hello.bytes.slice(), 0.1)
        return
      case PacketType.helloAck: {
        const read = this.#hello?.read(bytes)
        if (read === undefined || typeof read === 'string') return
        this.#use(answerIndex(bytes), read.keys)
        this.#world.at(0.1, () => this.send(Uint8Array.of(2)))
        return
      }
      default:
    }
  }

  #answer(hello: Uint8Array): void {
    const received = this.#seal.receive(hello)
    if (typeof received === 'string' || typeof received.read() === 'string') return
    const answer = received.answer(4711, this.#introduction)
    if (answer === undefined) return
    this.#use(readIndex(hello), answer.keys)
    this.#world.inject(2, 1, answer.bytes, 0.1)
  }

  #use(index: number, keys: Keys): void {
    this.#index = index
    this.#keys = keys
    this.#next = 0
    this.#largest = -1
    this.#seqs.fill(0)
  }

  get #tableDigest(): string {
    return toHex(this.#world.configOf(2).tableDigest)
  }

  get #header(): HelloHeader {
    const index = this.#random.word() >>> 8
    return { index, from: 2, to: 1, cluster: clusterHash('home') }
  }

  get #introduction(): Introduction {
    return {
      incarnation: { counter: this.#incarnation, life: this.#life },
      datagramMax: 1200,
      windowBytes: 256 * 1024,
      ackDelayMs: 2,
      tableDigest: this.#tableDigest,
      tableLine: 0,
    }
  }
}
