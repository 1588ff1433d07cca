import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
} from 'node:crypto'
import { assert } from '../lib/assert.ts'
import type { Cipher, Crypto, KeyPair } from '../transport/crypto.ts'

const ALGORITHM = 'chacha20-poly1305'
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }

/** What stands before the 32 bytes of an X25519 key in PKCS #8 and in SPKI (RFC 8410). */
const SECRET_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')

/** The primitives of node:crypto. `random` is another source in tests, which are to be repeated. */
export function createCrypto(random: (length: number) => Uint8Array = randomBytes): Crypto {
  return {
    random,
    hash: data => createHash('sha256').update(data).digest(),
    hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
    createPair: () => createPair(random(32)),
    createCipher: key => new ChaChaPoly(key),
  }
}

/** The pair with this secret half. */
export function createPair(secret: Uint8Array): KeyPair {
  const pkcs8 = Buffer.concat([SECRET_PREFIX, secret])
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  pkcs8.fill(0)
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: spki.subarray(PUBLIC_PREFIX.length),
    agree: theirs => {
      const key = Buffer.concat([PUBLIC_PREFIX, theirs])
      try {
        const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
        const shared = diffieHellman({ privateKey, publicKey })
        // RFC 7748 §6.1: a point of small order leads to zeroes, whatever our secret is.
        return shared.every(byte => byte === 0) ? undefined : shared
      } catch {
        return undefined
      }
    },
  }
}

/**
 * Called for each packet: a buffer as a key is as quick as a KeyObject here, and unlike that it can
 * be zeroed.
 */
class ChaChaPoly implements Cipher {
  readonly #key: Buffer
  readonly #nonce = Buffer.alloc(12)
  #isForgotten = false

  constructor(key: Uint8Array) {
    this.#key = Buffer.from(key)
  }

  seal(nonce: number, aad: Uint8Array, plain: Uint8Array, into: Uint8Array, at: number): void {
    assert(!this.#isForgotten, 'nothing is sealed with a key that was zeroed')
    this.#nonce.writeUInt32LE(nonce, 4)
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
    cipher.setAAD(aad, { plaintextLength: plain.length })
    into.set(cipher.update(plain), at)
    cipher.final()
    into.set(cipher.getAuthTag(), at + plain.length)
  }

  open(nonce: number, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - TAG_BYTES
    if (length < 0 || this.#isForgotten) return undefined
    this.#nonce.writeUInt32LE(nonce, 4)
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#nonce, OPTIONS)
    decipher.setAuthTag(sealed.subarray(length))
    decipher.setAAD(aad, { plaintextLength: length })
    const plain = decipher.update(sealed.subarray(0, length))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return plain
  }

  forget(): void {
    this.#key.fill(0)
    this.#isForgotten = true
  }
}
