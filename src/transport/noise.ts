import { concat } from './crypto.ts'
import { utf8 } from './bytes.ts'

import type { Crypto, KeyPair } from './crypto.ts'

const PROTOCOL = 'Noise_NNpsk0_25519_ChaChaPoly_SHA256'
const KEY_SIZE = 32
const TAG_SIZE = 16
const NOTHING = new Uint8Array(0)

/** What a handshake leads to: a key for either direction. */
export type NoiseKeys = {
  /** From the initiator to the responder. */
  readonly forth: Uint8Array
  readonly back: Uint8Array
  /** Names this handshake among all: Noise §11.2. */
  readonly hash: Uint8Array
}

/**
 * The initiator of a handshake of the Noise Protocol Framework (revision 34), pattern NNpsk0:
 *
 *     → psk, e
 *     ← e, ee
 */
export class NoiseInitiator {
  /** e and the sealed payload: what the responder reads. */
  readonly message: Uint8Array
  readonly #crypto: Crypto
  readonly #pair: KeyPair
  readonly #state: SymmetricState

  constructor(crypto: Crypto, prologue: Uint8Array, psk: Uint8Array, payload: Uint8Array) {
    this.#crypto = crypto
    this.#pair = crypto.createPair()
    this.#state = firstState(crypto, prologue, psk, this.#pair.publicKey)
    this.message = concat(this.#pair.publicKey, this.#state.seal(payload))
  }

  /** Reads an answer. One that is forged leaves no trace: another may still come. */
  read(
    message: Uint8Array,
  ): { readonly payload: Uint8Array; readonly keys: NoiseKeys } | undefined {
    const theirs = message.subarray(0, KEY_SIZE)
    const state = this.#state.copy()
    state.mixHash(theirs)
    state.mixKey(theirs)
    const shared = this.#pair.agree(theirs)
    if (shared === undefined) return undefined
    state.mixKey(shared)
    shared.fill(0)
    const payload = state.open(message.subarray(KEY_SIZE))
    return payload === undefined ? undefined : { payload, keys: state.split(this.#crypto) }
  }
}

/** The responder: first it reads, without the cost of an agreement on keys; then it may answer. */
export class NoiseResponder {
  /** What the initiator has sealed. */
  readonly payload: Uint8Array
  readonly #crypto: Crypto
  readonly #theirs: Uint8Array
  readonly #state: SymmetricState

  private constructor(
    crypto: Crypto,
    theirs: Uint8Array,
    state: SymmetricState,
    payload: Uint8Array,
  ) {
    this.#crypto = crypto
    this.#theirs = theirs
    this.#state = state
    this.payload = payload
  }

  /** Nothing, if the message was not made with this `psk` for this `prologue`. */
  static read(
    crypto: Crypto,
    prologue: Uint8Array,
    psk: Uint8Array,
    message: Uint8Array,
  ): NoiseResponder | undefined {
    const theirs = message.slice(0, KEY_SIZE)
    const state = firstState(crypto, prologue, psk, theirs)
    const payload = state.open(message.subarray(KEY_SIZE))
    return payload && new NoiseResponder(crypto, theirs, state, payload)
  }

  /** The answer, once; nothing where the initiator's key is worth nothing. */
  write(
    payload: Uint8Array,
  ): { readonly message: Uint8Array; readonly keys: NoiseKeys } | undefined {
    const pair = this.#crypto.createPair()
    const state = this.#state
    state.mixHash(pair.publicKey)
    state.mixKey(pair.publicKey)
    const shared = pair.agree(this.#theirs)
    if (shared === undefined) return undefined
    state.mixKey(shared)
    shared.fill(0)
    const message = concat(pair.publicKey, state.seal(payload))
    return { message, keys: state.split(this.#crypto) }
  }
}

/** After the tokens psk and e: what both sides know before the first payload (Noise §9). */
function firstState(
  crypto: Crypto,
  prologue: Uint8Array,
  psk: Uint8Array,
  ephemeral: Uint8Array,
): SymmetricState {
  const state = new SymmetricState(crypto)
  state.mixHash(prologue)
  state.mixKeyAndHash(psk)
  state.mixHash(ephemeral)
  state.mixKey(ephemeral)
  return state
}

/** Noise §5.2. Each of its keys seals one message only here, so that the nonce is always 0. */
class SymmetricState {
  readonly #crypto: Crypto
  #chaining: Uint8Array
  #hash: Uint8Array
  #key: Uint8Array

  constructor(crypto: Crypto) {
    this.#crypto = crypto
    // The name is longer than a hash, so its hash stands for it.
    this.#hash = crypto.hash(utf8(PROTOCOL))
    this.#chaining = this.#hash
    this.#key = NOTHING
  }

  /** Its arrays are never written to, only replaced. */
  copy(): SymmetricState {
    const copy = new SymmetricState(this.#crypto)
    copy.#chaining = this.#chaining
    copy.#hash = this.#hash
    copy.#key = this.#key
    return copy
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.hash(concat(this.#hash, data))
  }

  mixKey(input: Uint8Array): void {
    const [chaining, key] = expand(this.#crypto, this.#chaining, input)
    this.#chaining = chaining
    this.#key = key
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [chaining, hash, key] = expand(this.#crypto, this.#chaining, input)
    this.#chaining = chaining
    this.mixHash(hash)
    this.#key = key
  }

  seal(payload: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(payload.length + TAG_SIZE)
    const cipher = this.#crypto.createCipher(this.#key)
    cipher.seal(0, this.#hash, payload, sealed, 0)
    cipher.forget()
    this.mixHash(sealed)
    return sealed
  }

  open(sealed: Uint8Array): Uint8Array | undefined {
    const cipher = this.#crypto.createCipher(this.#key)
    const payload = cipher.open(0, this.#hash, sealed)
    cipher.forget()
    this.mixHash(sealed)
    return payload
  }

  split(crypto: Crypto): NoiseKeys {
    const [forth, back] = expand(crypto, this.#chaining, NOTHING)
    return { forth, back, hash: this.#hash }
  }
}

/** The three outputs of Noise's HKDF (§4.3). */
function expand(
  crypto: Crypto,
  chaining: Uint8Array,
  input: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = crypto.hmac(chaining, input)
  const first = crypto.hmac(secret, new Uint8Array([1]))
  const second = crypto.hmac(secret, concat(first, new Uint8Array([2])))
  const third = crypto.hmac(secret, concat(second, new Uint8Array([3])))
  return [first, second, third]
}
