import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { assert } from '../lib/assert.ts'
import { isShort, ShortChaChaPoly } from './short-cipher.ts'
import type { Cipher, Crypto, KeyPair } from '../transport/crypto.ts'

const ALGORITHM = 'chacha20-poly1305'
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }

/** A key of RFC 8037: read ten times as quickly as one in DER. */
const CURVE = { kty: 'OKP', crv: 'X25519' } as const

/** The primitives: `node:crypto`'s, and for short packets what is quicker. */
export function createCrypto(): Crypto {
  return {
    random: randomBytes,
    hash: data => createHash('sha256').update(data).digest(),
    hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
    createPair,
    createCipher: key => new ChaChaPoly(key),
  }
}

/** Raw keys are the last bytes of what RFC 8410 wraps them in. */
const KEY_BYTES = 32
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')

/**
 * A new pair. The public half is written out as it is generated: to write out a key that
 * `generateKeyPairSync` has returned can stop the process for good. Node 20 locks a key for that, and
 * where garbage is collected meanwhile, once more to end what has generated it.
 */
function createPair(): KeyPair {
  const { publicKey, privateKey } = generate('x25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
  })
  return pairOf(privateKey, rawOf(publicKey))
}

/** Its types know of both halves written out, or of none. */
const generate = generateKeyPairSync as unknown as (
  type: 'x25519',
  options: { readonly publicKeyEncoding: { readonly type: 'spki'; readonly format: 'der' } },
) => { readonly publicKey: Buffer; readonly privateKey: KeyObject }

/** The pair with this secret half, for published examples. */
export function restorePair(secret: Uint8Array): KeyPair {
  const key = Buffer.concat([PKCS8_HEAD, secret])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return pairOf(privateKey, rawOf(publicKey))
}

function rawOf(key: Buffer): Uint8Array {
  return new Uint8Array(key.subarray(key.length - KEY_BYTES))
}

function pairOf(privateKey: KeyObject, publicKey: Uint8Array): KeyPair {
  return {
    publicKey,
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
 * Called for each packet. Nearly all are short, and for them the cost of `node:crypto` is that of a
 * cipher's beginning and end, in OpenSSL and in V8's heap: JavaScript is sooner done, and leaves
 * nothing behind that a collection has to end.
 */
class ChaChaPoly implements Cipher {
  readonly #short: ShortChaChaPoly
  readonly #long: LongChaChaPoly
  readonly #nonce = Buffer.alloc(12)
  #isForgotten = false

  constructor(key: Uint8Array) {
    this.#short = new ShortChaChaPoly(key)
    this.#long = new LongChaChaPoly(key)
  }

  seal(nonce: number, aad: Uint8Array, plain: Uint8Array, into: Uint8Array, at: number): void {
    assert(!this.#isForgotten, 'nothing is sealed with a key that was zeroed')
    this.#nonce.writeUInt32LE(nonce, 4)
    if (isShort(plain.length, aad)) this.#short.seal(this.#nonce, aad, plain, into, at)
    else this.#long.seal(this.#nonce, aad, plain, into, at)
  }

  open(nonce: number, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_BYTES || this.#isForgotten) return undefined
    this.#nonce.writeUInt32LE(nonce, 4)
    const cipher = isShort(sealed.length - TAG_BYTES, aad) ? this.#short : this.#long
    return cipher.open(this.#nonce, aad, sealed)
  }

  forget(): void {
    this.#short.forget()
    this.#long.forget()
    this.#isForgotten = true
  }
}

/** A buffer as a key is as quick as a KeyObject here, and unlike that it can be zeroed. */
class LongChaChaPoly {
  readonly #key: Buffer

  constructor(key: Uint8Array) {
    this.#key = Buffer.from(key)
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, into: Uint8Array, at: number): void {
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, OPTIONS)
    cipher.setAAD(aad, { plaintextLength: plain.length })
    into.set(cipher.update(plain), at)
    cipher.final()
    into.set(cipher.getAuthTag(), at + plain.length)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - TAG_BYTES
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, OPTIONS)
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
  }
}
