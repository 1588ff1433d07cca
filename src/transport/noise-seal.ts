import { assert } from '../lib/assert.ts'
import { readU16, utf8, writeU16 } from './bytes.ts'
import { areEqual, concat, hkdf } from './crypto.ts'
import { NoiseInitiator, NoiseResponder } from './noise.ts'
import { HEADER_SIZE, TAG_SIZE } from './packet.ts'
import {
  Cookie,
  cookieOf,
  createCookie,
  Hello,
  HELLO_ACK_SIZE,
  HELLO_SIZE,
  HelloAck,
  INTRODUCTION_SIZE,
  isCookieFor,
  keyName,
  MAC_SIZE,
  readHelloHeader,
  readIntroduction,
  readKeyId,
  writeHelloAckHeader,
  writeHelloHeader,
  writeIntroduction,
} from './seal.ts'

import type { Cipher, Crypto } from './crypto.ts'
import type { PeerId } from './endpoint.ts'
import type { NoiseKeys } from './noise.ts'
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

/** Separates what is derived here from whatever else a key may be used for. */
const DOMAIN = 'lamportd/1'
const KEY_SIZE = 32
const SECRET_SIZE = 32
const NOTHING = new Uint8Array(0)

/** Sealed by Noise NNpsk0: only who has a key of the cluster can read, write or take part. */
export class NoiseSeal implements Seal {
  readonly names: readonly KeyName[]
  readonly #crypto: Crypto
  readonly #keys: readonly ClusterKey[]

  /** @param keys the first one to call with, all of them accepted */
  constructor(crypto: Crypto, cluster: string, keys: readonly Uint8Array[]) {
    assert(keys.length > 0, 'there is a key to seal with')
    this.#crypto = crypto
    this.#keys = keys.map(key => new ClusterKey(crypto, cluster, key))
    this.names = this.#keys.map(({ name }) => name)
  }

  call(header: HelloHeader, introduction: Introduction): SentHello {
    const [key] = this.#keys
    assert(key !== undefined, 'there is a key to seal with')
    return new NoiseCall(this.#crypto, key, header, introduction)
  }

  receive(hello: Uint8Array): ReceivedHello | Strange {
    const keyId = readKeyId(hello)
    if (keyId === 0) return 'unsealed'
    let isKnown = false
    // Two keys with one id cost a second try.
    for (const key of this.#keys) {
      if (key.id !== keyId) continue
      isKnown = true
      if (key.hasMac(hello, Hello.mac)) return new NoiseCaller(this.#crypto, key, hello)
    }
    return isKnown ? 'damaged' : 'key'
  }

  mac(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
    return this.#crypto.hmac(secret, bytes).subarray(0, MAC_SIZE)
  }

  createSecret(): Uint8Array {
    return this.#crypto.random(SECRET_SIZE)
  }
}

/** One key of the key file, with what is derived from it. */
class ClusterKey {
  readonly id: number
  readonly name: KeyName
  readonly #crypto: Crypto
  readonly #cluster: Uint8Array
  readonly #root: Uint8Array
  readonly #mac: Uint8Array

  constructor(crypto: Crypto, cluster: string, key: Uint8Array) {
    assert(key.length === KEY_SIZE, 'a key has 32 bytes')
    this.#crypto = crypto
    this.#cluster = utf8(cluster)
    this.#root = hkdf(crypto, key, utf8(DOMAIN), this.#cluster)
    this.#mac = hkdf(crypto, this.#root, NOTHING, utf8('mac1'))
    // 0 says that nothing is sealed.
    this.id = readU16(crypto.hmac(this.#root, utf8('id')), 0) || 1
    this.name = keyName(this.id)
  }

  /** The pre-shared key of two hosts, whoever calls. */
  pairKey(a: PeerId, b: PeerId): Uint8Array {
    const ids = new Uint8Array(4)
    writeU16(ids, 0, Math.min(a, b))
    writeU16(ids, 2, Math.max(a, b))
    return hkdf(this.#crypto, this.#root, NOTHING, concat(utf8('psk'), ids))
  }

  /** What both sides must agree on before the first message, beside the pre-shared key. */
  prologue({ from, to }: HelloHeader): Uint8Array {
    const ids = new Uint8Array(6)
    writeU16(ids, 0, from)
    writeU16(ids, 2, to)
    writeU16(ids, 4, this.id)
    return concat(utf8(DOMAIN), this.#cluster, ids)
  }

  writeMac(message: Uint8Array, at: number): void {
    message.set(this.#macOf(message, at), at)
  }

  hasMac(message: Uint8Array, at: number): boolean {
    return areEqual(message.subarray(at, at + MAC_SIZE), this.#macOf(message, at))
  }

  #macOf(message: Uint8Array, end: number): Uint8Array {
    return this.#crypto.hmac(this.#mac, message.subarray(0, end)).subarray(0, MAC_SIZE)
  }
}

class NoiseCall implements SentHello {
  readonly name: KeyName
  readonly bytes: Uint8Array
  readonly #crypto: Crypto
  readonly #key: ClusterKey
  readonly #noise: NoiseInitiator

  constructor(crypto: Crypto, key: ClusterKey, header: HelloHeader, introduction: Introduction) {
    this.#crypto = crypto
    this.#key = key
    this.name = key.name
    const payload = new Uint8Array(INTRODUCTION_SIZE)
    writeIntroduction(payload, 0, introduction)
    const psk = key.pairKey(header.from, header.to)
    this.#noise = new NoiseInitiator(crypto, key.prologue(header), psk, payload)
    psk.fill(0)
    this.bytes = new Uint8Array(HELLO_SIZE)
    writeHelloHeader(this.bytes, header, key.id)
    this.bytes.set(this.#noise.message, Hello.ephemeral)
    key.writeMac(this.bytes, Hello.mac)
  }

  read(
    answer: Uint8Array,
  ): { readonly introduction: Introduction; readonly keys: Keys } | 'damaged' | 'forged' {
    if (!this.#key.hasMac(answer, HelloAck.mac)) return 'damaged'
    const read = this.#noise.read(answer.subarray(HelloAck.ephemeral, HelloAck.mac))
    if (read === undefined) return 'forged'
    const introduction = readIntroduction(read.payload, 0)
    if (introduction === undefined) return 'forged'
    const keys = new NoiseKeyPair(this.#crypto, this.name, read.keys, 'initiator')
    return { introduction, keys }
  }

  prove(cookie: Uint8Array): 'proved' | 'damaged' {
    if (!this.#key.hasMac(cookie, Cookie.mac)) return 'damaged'
    if (!isCookieFor(this.bytes, cookie)) return 'damaged'
    this.bytes.set(cookieOf(cookie), Hello.cookie)
    this.#key.writeMac(this.bytes, Hello.mac)
    return 'proved'
  }
}

class NoiseCaller implements ReceivedHello {
  readonly name: KeyName
  readonly bytes: Uint8Array
  readonly #crypto: Crypto
  readonly #key: ClusterKey
  #noise: NoiseResponder | undefined

  constructor(crypto: Crypto, key: ClusterKey, bytes: Uint8Array) {
    this.#crypto = crypto
    this.#key = key
    this.name = key.name
    this.bytes = bytes
  }

  read(): Introduction | 'forged' | 'malformed' {
    const header = readHelloHeader(this.bytes)
    const psk = this.#key.pairKey(header.from, header.to)
    const message = this.bytes.subarray(Hello.ephemeral, Hello.cookie)
    this.#noise = NoiseResponder.read(this.#crypto, this.#key.prologue(header), psk, message)
    psk.fill(0)
    if (this.#noise === undefined) return 'forged'
    return readIntroduction(this.#noise.payload, 0) ?? 'malformed'
  }

  answer(
    index: number,
    introduction: Introduction,
  ): { readonly bytes: Uint8Array; readonly keys: Keys } | undefined {
    assert(this.#noise !== undefined, 'what is answered was read')
    const payload = new Uint8Array(INTRODUCTION_SIZE)
    writeIntroduction(payload, 0, introduction)
    const written = this.#noise.write(payload)
    if (written === undefined) return undefined
    const bytes = new Uint8Array(HELLO_ACK_SIZE)
    writeHelloAckHeader(bytes, this.bytes, index)
    bytes.set(written.message, HelloAck.ephemeral)
    this.#key.writeMac(bytes, HelloAck.mac)
    const keys = new NoiseKeyPair(this.#crypto, this.name, written.keys, 'responder')
    return { bytes, keys }
  }

  demand(cookie: Uint8Array): Uint8Array {
    const bytes = createCookie(this.bytes, cookie)
    this.#key.writeMac(bytes, Cookie.mac)
    return bytes
  }
}

/** A key for either direction: what comes back to its sender does not open. */
class NoiseKeyPair implements Keys {
  readonly name: KeyName
  readonly #sending: Cipher
  readonly #receiving: Cipher

  constructor(
    crypto: Crypto,
    name: KeyName,
    { forth, back }: NoiseKeys,
    role: 'initiator' | 'responder',
  ) {
    this.name = name
    this.#sending = crypto.createCipher(role === 'initiator' ? forth : back)
    this.#receiving = crypto.createCipher(role === 'initiator' ? back : forth)
    forth.fill(0)
    back.fill(0)
  }

  seal(number: number, bytes: Uint8Array, end: number): number {
    const header = bytes.subarray(0, HEADER_SIZE)
    this.#sending.seal(number, header, bytes.subarray(HEADER_SIZE, end), bytes, HEADER_SIZE)
    return end + TAG_SIZE
  }

  open(number: number, packet: Uint8Array): Uint8Array | undefined {
    const header = packet.subarray(0, HEADER_SIZE)
    return this.#receiving.open(number, header, packet.subarray(HEADER_SIZE))
  }

  forget(): void {
    this.#sending.forget()
    this.#receiving.forget()
  }
}
