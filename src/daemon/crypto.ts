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
import type { KeyObject } from 'node:crypto'
import { assert } from '../lib/assert.ts'
import type { Cipher, Crypto, KeyPair } from '../transport/crypto.ts'

const ALGORITHM = 'chacha20-poly1305'
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }

/** A key of RFC 8037: read ten times as quickly as one in DER. */
const CURVE = { kty: 'OKP', crv: 'X25519' } as const

/** The primitives of node:crypto. */
export function createCrypto(): Crypto {
  return {
    random: randomBytes,
    hash: data => createHash('sha256').update(data).digest(),
    hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
    createPair: () => restorePair(randomBytes(SECRET_BYTES)),
    createCipher: key => new ChaChaPoly(key),
  }
}

/** RFC 7748 §5: any 32 bytes, of which some bits are fixed as they are used. */
const SECRET_BYTES = 32

/**
 * The pair with this secret half, for published examples and for each handshake. A pair of
 * `generateKeyPairSync` can stop its process for good: Node 20 locks a key while it writes it out,
 * and again where garbage is collected meanwhile, with what has generated that key.
 */
export function restorePair(secret: Uint8Array): KeyPair {
  const key = { ...CURVE, d: Buffer.from(secret).toString('base64url'), x: '' }
  return pairOf(createPrivateKey({ key, format: 'jwk' }))
}

function pairOf(privateKey: KeyObject): KeyPair {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  assert(x !== undefined, 'a public key has a coordinate')
  return {
    publicKey: Buffer.from(x, 'base64url'),
    agree: theirs => {
      const key = { ...CURVE, x: Buffer.from(theirs).toString('base64url') }
      try {
        const publicKey = createPublicKey({ key, format: 'jwk' })
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
