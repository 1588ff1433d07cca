import {
  fromHex,
  readU16,
  readU24,
  readU32,
  readU53,
  toHex,
  writeU16,
  writeU24,
  writeU32,
  writeU53,
} from './bytes.ts'
import { HEADER_SIZE, PacketType, TAG_SIZE } from './packet.ts'

import type { Random } from '../lib/random.ts'
import type { PeerId } from './endpoint.ts'

export const VERSION = 1
export const HELLO_SIZE = 128
export const HELLO_ACK_SIZE = 104
const EPHEMERAL_SIZE = 32
const INTRODUCTION_SIZE = 32

/** Offsets in HELLO. */
const Hello = {
  index: 1,
  version: 4,
  keyId: 6,
  from: 8,
  to: 10,
  cluster: 12,
  ephemeral: 16,
  introduction: 48,
  tag: 80,
  cookie: 96,
  mac: 112,
} as const

/** Offsets in HELLO_ACK. */
const HelloAck = {
  peerIndex: 1,
  index: 4,
  version: 7,
  ephemeral: 8,
  introduction: 40,
  tag: 72,
  mac: 88,
} as const

/** One life of a machine's protocol state. Equal only if both parts are. */
export type Incarnation = {
  readonly counter: number
  /** Chosen at random by the process, 16 hexadecimal digits: a counter can be lost with its disk. */
  readonly life: string
}

/** What either side tells in its handshake message, where only the other can read it. */
export type Introduction = {
  readonly incarnation: Incarnation
  readonly datagramMax: number
  readonly windowBytes: number
  readonly ackDelayMs: number
  /** 16 hexadecimal digits. */
  readonly tableDigest: string
}

/** What HELLO says in clear. */
export type HelloHeader = {
  /** Where the answer goes: the receiver index that the initiator chose. */
  readonly index: number
  readonly from: PeerId
  readonly to: PeerId
  /** Hash of the name of the cluster. */
  readonly cluster: number
}

/** The keys of one epoch: made and used only by the Seal. */
export type Keys = { readonly sending: KeyState; readonly receiving: KeyState }
type KeyState = readonly [number, number]

/**
 * What makes packets hard to read and to forge, and agrees on keys in one round trip. The states of
 * the handshake do not depend on how.
 */
export type Seal = {
  /** A HELLO of a new attempt, which the 32 bytes at `ephemeralOf` name. */
  writeHello(header: HelloHeader, introduction: Introduction): Uint8Array
  /** Whether a message of the handshake is whole: cheap, before anything else. */
  isIntact(message: Uint8Array): boolean
  readHello(hello: Uint8Array): Introduction | undefined
  /** The responder's answer, and the keys that it leads to. */
  answer(
    hello: Uint8Array,
    index: number,
    introduction: Introduction,
  ): { readonly bytes: Uint8Array; readonly keys: Keys }
  /** The initiator's reading of an answer to this very HELLO. */
  readAnswer(
    hello: Uint8Array,
    answer: Uint8Array,
  ): { readonly introduction: Introduction; readonly keys: Keys } | undefined
  /** Seals the packet in place, the tag behind `end`; returns its whole length. */
  seal(keys: Keys, number: number, bytes: Uint8Array, end: number): number
  /** The frames of a packet, or nothing if it was not sealed so. */
  open(keys: Keys, number: number, packet: Uint8Array): Uint8Array | undefined
}

/** What HELLO says in clear; its length has been checked. */
export function readHelloHeader(hello: Uint8Array): HelloHeader {
  return {
    index: readU24(hello, Hello.index),
    from: readU16(hello, Hello.from),
    to: readU16(hello, Hello.to),
    cluster: readU32(hello, Hello.cluster),
  }
}

/** Whether a message of the handshake is of our version. */
export function hasOurVersion(message: Uint8Array): boolean {
  const at = message[0] === PacketType.hello ? Hello.version : HelloAck.version
  return message[at] === VERSION
}

/** The name of the attempt that a HELLO belongs to. */
export function ephemeralOf(hello: Uint8Array): string {
  return toHex(hello.subarray(Hello.ephemeral, Hello.ephemeral + EPHEMERAL_SIZE))
}

/** The receiver index that the responder chose. */
export function answerIndex(answer: Uint8Array): number {
  return readU24(answer, HelloAck.index)
}

/** 32 bits that tell clusters apart, before any key does: FNV-1a. */
export function clusterHash(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  return hash >>> 0
}

/** Everything in clear; the tag only tells damage, and packets of another handshake. */
export class ClearSeal implements Seal {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  writeHello(header: HelloHeader, introduction: Introduction): Uint8Array {
    const bytes = new Uint8Array(HELLO_SIZE)
    bytes[0] = PacketType.hello
    writeU24(bytes, Hello.index, header.index)
    bytes[Hello.version] = VERSION
    writeU16(bytes, Hello.from, header.from)
    writeU16(bytes, Hello.to, header.to)
    writeU32(bytes, Hello.cluster, header.cluster)
    bytes.set(this.#random.bytes(EPHEMERAL_SIZE), Hello.ephemeral)
    writeIntroduction(bytes, Hello.introduction, introduction)
    writeTag(bytes, Hello.tag, checksum(bytes, Hello.tag, [1, 2]))
    writeTag(bytes, Hello.mac, checksum(bytes, Hello.mac, [3, 4]))
    return bytes
  }

  isIntact(message: Uint8Array): boolean {
    const at = message[0] === PacketType.hello ? Hello.mac : HelloAck.mac
    return hasTag(message, at, checksum(message, at, [3, 4]))
  }

  readHello(hello: Uint8Array): Introduction | undefined {
    if (!hasTag(hello, Hello.tag, checksum(hello, Hello.tag, [1, 2]))) return undefined
    return readIntroduction(hello, Hello.introduction)
  }

  answer(
    hello: Uint8Array,
    index: number,
    introduction: Introduction,
  ): { readonly bytes: Uint8Array; readonly keys: Keys } {
    const bytes = new Uint8Array(HELLO_ACK_SIZE)
    bytes[0] = PacketType.helloAck
    writeU24(bytes, HelloAck.peerIndex, readU24(hello, Hello.index))
    writeU24(bytes, HelloAck.index, index)
    bytes[HelloAck.version] = VERSION
    bytes.set(this.#random.bytes(EPHEMERAL_SIZE), HelloAck.ephemeral)
    writeIntroduction(bytes, HelloAck.introduction, introduction)
    const shared = transcript(hello, bytes)
    writeTag(bytes, HelloAck.tag, shared)
    writeTag(bytes, HelloAck.mac, checksum(bytes, HelloAck.mac, [3, 4]))
    const [sending, receiving] = [derive(shared, 2), derive(shared, 1)]
    return { bytes, keys: { sending, receiving } }
  }

  readAnswer(
    hello: Uint8Array,
    answer: Uint8Array,
  ): { readonly introduction: Introduction; readonly keys: Keys } | undefined {
    const shared = transcript(hello, answer)
    if (!hasTag(answer, HelloAck.tag, shared)) return undefined
    const introduction = readIntroduction(answer, HelloAck.introduction)
    if (introduction === undefined) return undefined
    const [sending, receiving] = [derive(shared, 1), derive(shared, 2)]
    return { introduction, keys: { sending, receiving } }
  }

  seal(keys: Keys, _number: number, bytes: Uint8Array, end: number): number {
    writeTag(bytes, end, checksum(bytes, end, keys.sending))
    return end + TAG_SIZE
  }

  open(keys: Keys, _number: number, packet: Uint8Array): Uint8Array | undefined {
    const end = packet.length - TAG_SIZE
    if (!hasTag(packet, end, checksum(packet, end, keys.receiving))) return undefined
    return packet.subarray(HEADER_SIZE, end)
  }
}

function writeIntroduction(bytes: Uint8Array, at: number, introduction: Introduction): void {
  writeU53(bytes, at, introduction.incarnation.counter)
  bytes.set(fromHex(introduction.incarnation.life), at + 8)
  writeU16(bytes, at + 16, introduction.datagramMax)
  writeU16(bytes, at + 18, introduction.windowBytes / 1024)
  bytes[at + 20] = introduction.ackDelayMs * 4
  bytes.set(fromHex(introduction.tableDigest), at + 24)
}

function readIntroduction(bytes: Uint8Array, at: number): Introduction | undefined {
  const counter = readU53(bytes, at)
  if (counter === undefined) return undefined
  return {
    incarnation: { counter, life: toHex(bytes.subarray(at + 8, at + 16)) },
    datagramMax: readU16(bytes, at + 16),
    windowBytes: readU16(bytes, at + 18) * 1024,
    ackDelayMs: (bytes[at + 20] as number) / 4,
    tableDigest: toHex(bytes.subarray(at + 24, at + INTRODUCTION_SIZE)),
  }
}

/** What both sides have seen: all of HELLO, and HELLO_ACK up to its tag. */
function transcript(hello: Uint8Array, answer: Uint8Array): KeyState {
  return checksum(answer, HelloAck.tag, checksum(hello, HELLO_SIZE, [5, 6]))
}

/** The keys of one direction: a packet that comes back to its sender does not open. */
function derive([a, b]: KeyState, direction: number): KeyState {
  return [Math.imul(a ^ direction, 0x9e3779b1), Math.imul(b ^ direction, 0x85ebca77)]
}

/**
 * 64 bits over the first `end` bytes. Each step is reversible for a given word, so a change within
 * one word always shows (the construction of MurmurHash3). Anybody can compute it.
 */
function checksum(bytes: Uint8Array, end: number, [a, b]: KeyState): KeyState {
  let low = a
  let high = b
  const whole = end & ~3
  for (let at = 0; at < whole; at += 4) {
    const word = readU32(bytes, at)
    low = Math.imul(low ^ word, 0xcc9e2d51 | 0)
    low = (low << 13) | (low >>> 19)
    high = Math.imul((high + word) | 0, 0x1b873593)
    high = (high << 15) | (high >>> 17)
  }
  for (let at = whole; at < end; at++) {
    const byte = bytes[at] as number
    low = Math.imul(low ^ byte, 0x85ebca6b | 0)
    high = Math.imul((high + byte) | 0, 0xc2b2ae35 | 0)
  }
  return [mix(low ^ end), mix(high ^ end)]
}

function mix(word: number): number {
  const once = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
  return twice ^ (twice >>> 16)
}

function writeTag(bytes: Uint8Array, at: number, [low, high]: KeyState): void {
  writeU32(bytes, at, low)
  writeU32(bytes, at + 4, high)
  writeU32(bytes, at + 8, mix(low + 1))
  writeU32(bytes, at + 12, mix(high + 1))
}

function hasTag(bytes: Uint8Array, at: number, [low, high]: KeyState): boolean {
  return (
    readU32(bytes, at) === low >>> 0 &&
    readU32(bytes, at + 4) === high >>> 0 &&
    readU32(bytes, at + 8) === mix(low + 1) >>> 0 &&
    readU32(bytes, at + 12) === mix(high + 1) >>> 0
  )
}
