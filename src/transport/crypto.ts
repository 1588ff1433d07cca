/** A pair of X25519 (RFC 7748), whose secret half stays where it was made. */
export type KeyPair = {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** The secret shared with the owner of a public key; none where that key is worth nothing. */
  agree(publicKey: Uint8Array): Uint8Array | undefined
}

/** ChaCha20-Poly1305 (RFC 8439) under one key, with nonces that count from 0 (Noise §12.3). */
export type Cipher = {
  /** Writes ciphertext and tag to `at`; `plain` may lie there itself, but must not overlap otherwise. */
  seal(nonce: number, aad: Uint8Array, plain: Uint8Array, into: Uint8Array, at: number): void
  /** What was sealed so, or nothing if it was not. */
  open(nonce: number, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined
  /** Zeroes the key: nothing is sealed or opened from now on. */
  forget(): void
}

/** The primitives under the seal, from whoever has them: they are no business of the transport. */
export type Crypto = {
  /** Bytes that nobody can guess. */
  random(length: number): Uint8Array
  /** SHA-256. */
  hash(data: Uint8Array): Uint8Array
  /** HMAC-SHA256 (RFC 2104). */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array
  /** A new pair. */
  createPair(): KeyPair
  /** Takes a copy of the 32 bytes. */
  createCipher(key: Uint8Array): Cipher
}

/** HKDF-SHA256 (RFC 5869) of 32 bytes; without a salt, one of zeroes. */
export function hkdf(
  crypto: Crypto,
  secret: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
): Uint8Array {
  const key = crypto.hmac(salt, secret)
  const derived = crypto.hmac(key, concat(info, new Uint8Array([1])))
  key.fill(0)
  return derived
}

/** One after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Whether they are the same, in a time that does not tell where they differ. */
export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0)
  return difference === 0
}
