import { stream } from '@stablelib/chacha'
import { Poly1305 } from '@stablelib/poly1305'
import { assert } from '../lib/assert.ts'
import { areEqual } from '../transport/crypto.ts'

const BLOCK_BYTES = 64
const TAG_BYTES = 16

/** Bytes that it takes, of what is sealed and of what is authenticated beside that. */
const SHORT_MAX = 256
const AAD_MAX = 64

/** Whether a packet is one for it. */
export function isShort(length: number, aad: Uint8Array): boolean {
  return length <= SHORT_MAX && aad.length <= AAD_MAX
}

// Nothing here outlasts a call, so all use the same memory.

/** The stream of ChaCha20: a block for the key of Poly1305, then what is sealed is combined with. */
const blocks = new Uint8Array(BLOCK_BYTES + SHORT_MAX)
/** Its beginnings, by the number of blocks. */
const beginnings = Array.from({ length: 2 + SHORT_MAX / BLOCK_BYTES }, (_, count) =>
  blocks.subarray(0, count * BLOCK_BYTES),
)
/** What Poly1305 reads. */
const authenticated = new Uint8Array(AAD_MAX + SHORT_MAX + TAG_BYTES)
const tag = new Uint8Array(TAG_BYTES)

/**
 * ChaCha20-Poly1305 as RFC 8439 (§2.8) makes it from its two halves, for short packets: one pass of
 * each, and next to nothing to be collected. A nonce has 12 bytes.
 */
export class ShortChaChaPoly {
  readonly #key: Uint8Array

  constructor(key: Uint8Array) {
    this.#key = new Uint8Array(key)
  }

  /** Writes ciphertext and tag to `at`; `plain` may lie there itself, but must not overlap otherwise. */
  seal(nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, into: Uint8Array, at: number): void {
    const { length } = plain
    assert(at + length + TAG_BYTES <= into.length, 'there is room for a packet and its tag')
    const used = this.#begin(nonce, length)
    for (let i = 0; i < length; i++) {
      into[at + i] = (plain[i] as number) ^ (blocks[BLOCK_BYTES + i] as number)
    }
    authenticate(aad, into, at, length, into, at + length)
    used.fill(0)
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - TAG_BYTES
    const used = this.#begin(nonce, length)
    authenticate(aad, sealed, 0, length, tag, 0)
    let plain: Uint8Array | undefined
    if (areEqual(tag, sealed.subarray(length))) {
      plain = new Uint8Array(length)
      for (let i = 0; i < length; i++) {
        plain[i] = (sealed[i] as number) ^ (blocks[BLOCK_BYTES + i] as number)
      }
    }
    used.fill(0)
    return plain
  }

  forget(): void {
    this.#key.fill(0)
  }

  /** As many blocks as are needed; they are to be wiped. */
  #begin(nonce: Uint8Array, length: number): Uint8Array {
    const used = beginnings[1 + Math.ceil(length / BLOCK_BYTES)] as Uint8Array
    return stream(this.#key, nonce, used)
  }
}

/** Writes the tag; both parts are filled up to blocks of 16 with zeroes, and their lengths follow. */
function authenticate(
  aad: Uint8Array,
  bytes: Uint8Array,
  start: number,
  length: number,
  into: Uint8Array,
  at: number,
): void {
  const sealedAt = filledUp(aad.length)
  const lengthsAt = sealedAt + filledUp(length)
  const end = lengthsAt + TAG_BYTES
  authenticated.fill(0, 0, end)
  authenticated.set(aad)
  for (let i = 0; i < length; i++) authenticated[sealedAt + i] = bytes[start + i] as number
  // Eight bytes each, little-endian; both are small.
  authenticated[lengthsAt] = aad.length
  authenticated[lengthsAt + 8] = length & 0xff
  authenticated[lengthsAt + 9] = length >>> 8
  const poly = new Poly1305(blocks)
  poly.update(authenticated.subarray(0, end)).finish(into, at)
  poly.clean()
}

function filledUp(length: number): number {
  return (length + 15) & ~15
}
