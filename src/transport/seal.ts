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
import { PacketType } from './packet.ts'

import type { PeerId } from './endpoint.ts'

const VERSION = 1
export const HELLO_SIZE = 128
export const HELLO_ACK_SIZE = 104
export const COOKIE_SIZE = 44
/** Of a MAC, a tag, and what a COOKIE carries. */
export const MAC_SIZE = 16
const EPHEMERAL_SIZE = 32
export const INTRODUCTION_SIZE = 32

/** Offsets in HELLO. */
export const Hello = {
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
export const HelloAck = {
  peerIndex: 1,
  index: 4,
  version: 7,
  ephemeral: 8,
  introduction: 40,
  tag: 72,
  mac: 88,
} as const

/** Offsets in COOKIE. */
export const Cookie = {
  peerIndex: 1,
  version: 4,
  /** The first bytes of the ephemeral key of the HELLO that it answers. */
  ephemeral: 8,
  cookie: 12,
  mac: 28,
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
  /** One line of that table, or 0: another one each time. */
  readonly tableLine: number
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

/** Which key it is, for people: 4 hexadecimal digits, which do not betray it. */
export type KeyName = string

/** The keys of one epoch. */
export type Keys = {
  /** The key they come from; none where nothing is sealed. */
  readonly name: KeyName | undefined
  /** Seals the packet in place, the tag behind `end`; returns its whole length. */
  seal(number: number, bytes: Uint8Array, end: number): number
  /** The frames of a packet, or nothing if it was not sealed so. */
  open(number: number, packet: Uint8Array): Uint8Array | undefined
  /** Zeroes them: nothing opens any more, and nothing may be sealed. */
  forget(): void
}

/** A HELLO of ours, and what answers it. */
export type SentHello = {
  /** The key it was made with. */
  readonly name: KeyName | undefined
  readonly bytes: Uint8Array
  /** Why an answer is ignored, or what it says. One that is ignored changes nothing. */
  read(
    answer: Uint8Array,
  ): { readonly introduction: Introduction; readonly keys: Keys } | 'damaged' | 'forged'
  /** Puts what a COOKIE carries into the HELLO, if it answers this one. */
  prove(cookie: Uint8Array): 'proved' | 'damaged'
}

/** A HELLO of somebody who has a key, as a look at its MAC shows. */
export type ReceivedHello = {
  readonly name: KeyName | undefined
  readonly bytes: Uint8Array
  /** What the initiator says of itself; cheap, for nothing is agreed on yet. */
  read(): Introduction | 'forged' | 'malformed'
  /** The answer, and the keys that it leads to; after `read`. */
  answer(
    index: number,
    introduction: Introduction,
  ): { readonly bytes: Uint8Array; readonly keys: Keys } | undefined
  /** A COOKIE that demands to see this again. */
  demand(cookie: Uint8Array): Uint8Array
}

/** Why a HELLO is not taken for that of a member. */
export type Strange = 'unsealed' | 'sealed' | 'key' | 'damaged'

/**
 * What makes packets hard to read and to forge, and agrees on keys in one round trip. The states of
 * the handshake do not depend on how.
 */
export type Seal = {
  /** The keys that are accepted, the first one to call with; none where nothing is sealed. */
  readonly names: readonly KeyName[]
  /** A HELLO of a new attempt, which the 32 bytes at `ephemeralOf` name. */
  call(header: HelloHeader, introduction: Introduction): SentHello
  /** Whether a HELLO is that of a member and whole: cheap, before anything else. */
  receive(hello: Uint8Array): ReceivedHello | Strange
  /** A MAC of 16 bytes, for cookies. */
  mac(secret: Uint8Array, bytes: Uint8Array): Uint8Array
  /** 32 bytes that nobody can guess. */
  createSecret(): Uint8Array
}

/** Writes what HELLO says in clear. */
export function writeHelloHeader(bytes: Uint8Array, header: HelloHeader, keyId: number): void {
  bytes[0] = PacketType.hello
  writeU24(bytes, Hello.index, header.index)
  bytes[Hello.version] = VERSION
  writeU16(bytes, Hello.keyId, keyId)
  writeU16(bytes, Hello.from, header.from)
  writeU16(bytes, Hello.to, header.to)
  writeU32(bytes, Hello.cluster, header.cluster)
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

/** Which key a HELLO was made with; 0: it is not sealed. */
export function readKeyId(hello: Uint8Array): number {
  return readU16(hello, Hello.keyId)
}

/** A key as people see it. */
export function keyName(keyId: number): KeyName {
  return (keyId + 0x1_0000).toString(16).slice(1)
}

/** Writes what HELLO_ACK says in clear. */
export function writeHelloAckHeader(bytes: Uint8Array, hello: Uint8Array, index: number): void {
  bytes[0] = PacketType.helloAck
  writeU24(bytes, HelloAck.peerIndex, readU24(hello, Hello.index))
  writeU24(bytes, HelloAck.index, index)
  bytes[HelloAck.version] = VERSION
}

/** A COOKIE but for its MAC. */
export function createCookie(hello: Uint8Array, cookie: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(COOKIE_SIZE)
  bytes[0] = PacketType.cookie
  writeU24(bytes, Cookie.peerIndex, readU24(hello, Hello.index))
  bytes[Cookie.version] = VERSION
  writeU32(bytes, Cookie.ephemeral, readU32(hello, Hello.ephemeral))
  bytes.set(cookie, Cookie.cookie)
  return bytes
}

/** Whether a COOKIE, whose MAC is right, is about this very HELLO. */
export function isCookieFor(hello: Uint8Array, cookie: Uint8Array): boolean {
  return (
    readU24(cookie, Cookie.peerIndex) === readU24(hello, Hello.index) &&
    readU32(cookie, Cookie.ephemeral) === readU32(hello, Hello.ephemeral)
  )
}

/** What a COOKIE carries. */
export function cookieOf(cookie: Uint8Array): Uint8Array {
  return cookie.subarray(Cookie.cookie, Cookie.mac)
}

/** What proves that a HELLO comes from its address, if it was asked to. */
export function proofOf(hello: Uint8Array): Uint8Array {
  return hello.subarray(Hello.cookie, Hello.mac)
}

/** Whether a message of the handshake is of our version. */
export function hasOurVersion(message: Uint8Array): boolean {
  const at = message[0] === PacketType.helloAck ? HelloAck.version : Hello.version
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

/** Writes an introduction's 32 bytes. */
export function writeIntroduction(bytes: Uint8Array, at: number, introduction: Introduction): void {
  writeU53(bytes, at, introduction.incarnation.counter)
  bytes.set(fromHex(introduction.incarnation.life), at + 8)
  writeU16(bytes, at + 16, introduction.datagramMax)
  writeU16(bytes, at + 18, introduction.windowBytes / 1024)
  bytes[at + 20] = introduction.ackDelayMs * 4
  writeU24(bytes, at + 21, introduction.tableLine)
  bytes.set(fromHex(introduction.tableDigest), at + 24)
}

/** Reads an introduction; nothing if it is malformed. */
export function readIntroduction(bytes: Uint8Array, at: number): Introduction | undefined {
  const counter = readU53(bytes, at)
  if (counter === undefined) return undefined
  return {
    incarnation: { counter, life: toHex(bytes.subarray(at + 8, at + 16)) },
    datagramMax: readU16(bytes, at + 16),
    windowBytes: readU16(bytes, at + 18) * 1024,
    ackDelayMs: (bytes[at + 20] as number) / 4,
    tableLine: readU24(bytes, at + 21),
    tableDigest: toHex(bytes.subarray(at + 24, at + INTRODUCTION_SIZE)),
  }
}
