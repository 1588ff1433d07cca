import { readU32, writeU32 } from './bytes.ts'
import { HEADER_SIZE, TAG_SIZE } from './packet.ts'
import {
  Cookie,
  cookieOf,
  createCookie,
  Hello,
  HELLO_ACK_SIZE,
  HELLO_SIZE,
  HelloAck,
  isCookieFor,
  MAC_SIZE,
  readIntroduction,
  readKeyId,
  writeHelloAckHeader,
  writeHelloHeader,
  writeIntroduction,
} from './seal.ts'

import type { Random } from '../lib/random.ts'
import type {
  HelloHeader,
  Introduction,
  KeyName,
  Keys,
  ReceivedHello,
  Seal,
  SentHello,
  Strange,
} from './seal.ts'

type KeyState = readonly [number, number]

/** Where the checksums begin, so that none stands for another. */
const TAG: KeyState = [1, 2]
const MAC: KeyState = [3, 4]
const TRANSCRIPT: KeyState = [5, 6]

/** Everything in clear; the tags only tell damage, and packets of another handshake. */
export class ClearSeal implements Seal {
  readonly names: readonly KeyName[] = []
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  call(header: HelloHeader, introduction: Introduction): SentHello {
    const bytes = new Uint8Array(HELLO_SIZE)
    writeHelloHeader(bytes, header, 0)
    bytes.set(this.#random.bytes(Hello.introduction - Hello.ephemeral), Hello.ephemeral)
    writeIntroduction(bytes, Hello.introduction, introduction)
    writeTag(bytes, Hello.tag, checksum(bytes, Hello.tag, TAG))
    writeTag(bytes, Hello.mac, checksum(bytes, Hello.mac, MAC))
    return new ClearCall(bytes)
  }

  receive(hello: Uint8Array): ReceivedHello | Strange {
    if (readKeyId(hello) !== 0) return 'sealed'
    if (!hasTag(hello, Hello.mac, checksum(hello, Hello.mac, MAC))) return 'damaged'
    return new ClearCaller(hello, this.#random)
  }

  mac(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
    const mac = new Uint8Array(MAC_SIZE)
    const start = [readU32(secret, 0), readU32(secret, 4)] as const
    writeTag(mac, 0, checksum(bytes, bytes.length, start))
    return mac
  }

  createSecret(): Uint8Array {
    return this.#random.bytes(32)
  }
}

class ClearCall implements SentHello {
  readonly name: KeyName | undefined = undefined
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  read(
    answer: Uint8Array,
  ): { readonly introduction: Introduction; readonly keys: Keys } | 'damaged' | 'forged' {
    if (!hasTag(answer, HelloAck.mac, checksum(answer, HelloAck.mac, MAC))) return 'damaged'
    const shared = transcript(this.bytes, answer)
    if (!hasTag(answer, HelloAck.tag, shared)) return 'forged'
    const introduction = readIntroduction(answer, HelloAck.introduction)
    if (introduction === undefined) return 'forged'
    return { introduction, keys: new ClearKeys(derive(shared, 1), derive(shared, 2)) }
  }

  prove(cookie: Uint8Array): 'proved' | 'damaged' {
    if (!hasTag(cookie, Cookie.mac, checksum(cookie, Cookie.mac, MAC))) return 'damaged'
    if (!isCookieFor(this.bytes, cookie)) return 'damaged'
    this.bytes.set(cookieOf(cookie), Hello.cookie)
    writeTag(this.bytes, Hello.mac, checksum(this.bytes, Hello.mac, MAC))
    return 'proved'
  }
}

class ClearCaller implements ReceivedHello {
  readonly name: KeyName | undefined = undefined
  readonly bytes: Uint8Array
  readonly #random: Random

  constructor(bytes: Uint8Array, random: Random) {
    this.bytes = bytes
    this.#random = random
  }

  read(): Introduction | 'forged' | 'malformed' {
    if (!hasTag(this.bytes, Hello.tag, checksum(this.bytes, Hello.tag, TAG))) return 'forged'
    return readIntroduction(this.bytes, Hello.introduction) ?? 'malformed'
  }

  answer(
    index: number,
    introduction: Introduction,
  ): { readonly bytes: Uint8Array; readonly keys: Keys } {
    const bytes = new Uint8Array(HELLO_ACK_SIZE)
    writeHelloAckHeader(bytes, this.bytes, index)
    const ephemeral = this.#random.bytes(HelloAck.introduction - HelloAck.ephemeral)
    bytes.set(ephemeral, HelloAck.ephemeral)
    writeIntroduction(bytes, HelloAck.introduction, introduction)
    const shared = transcript(this.bytes, bytes)
    writeTag(bytes, HelloAck.tag, shared)
    writeTag(bytes, HelloAck.mac, checksum(bytes, HelloAck.mac, MAC))
    return { bytes, keys: new ClearKeys(derive(shared, 2), derive(shared, 1)) }
  }

  demand(cookie: Uint8Array): Uint8Array {
    const bytes = createCookie(this.bytes, cookie)
    writeTag(bytes, Cookie.mac, checksum(bytes, Cookie.mac, MAC))
    return bytes
  }
}

/** Where the checksums of packets begin, in either direction. */
export class ClearKeys implements Keys {
  readonly name: KeyName | undefined = undefined
  readonly #sending: KeyState
  readonly #receiving: KeyState

  constructor(sending: KeyState, receiving: KeyState) {
    this.#sending = sending
    this.#receiving = receiving
  }

  seal(_number: number, bytes: Uint8Array, end: number): number {
    writeTag(bytes, end, checksum(bytes, end, this.#sending))
    return end + TAG_SIZE
  }

  open(_number: number, packet: Uint8Array): Uint8Array | undefined {
    const end = packet.length - TAG_SIZE
    if (!hasTag(packet, end, checksum(packet, end, this.#receiving))) return undefined
    return packet.subarray(HEADER_SIZE, end)
  }

  forget(): void {
    // There is nothing to hide.
  }
}

/** What both sides have seen: HELLO up to its cookie, and HELLO_ACK up to its tag. */
function transcript(hello: Uint8Array, answer: Uint8Array): KeyState {
  return checksum(answer, HelloAck.tag, checksum(hello, Hello.cookie, TRANSCRIPT))
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
