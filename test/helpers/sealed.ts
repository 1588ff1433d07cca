import { createCrypto, restorePair } from '../../src/daemon/crypto.ts'
import { Random } from '../../src/lib/random.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { World } from './pair.ts'

import type { Cipher, Crypto, KeyPair } from '../../src/transport/crypto.ts'
import type { EndpointConfig, PeerId } from '../../src/transport/endpoint.ts'
import type { Seal } from '../../src/transport/seal.ts'
import type { Faults } from './pair.ts'

/** Keys of a cluster. */
export const KEY_1: Uint8Array = new Uint8Array(32).fill(1)
export const KEY_2: Uint8Array = new Uint8Array(32).fill(2)
export const KEY_3: Uint8Array = new Uint8Array(32).fill(3)

export type SealedOptions = {
  readonly hosts?: number
  readonly faults?: Partial<Faults>
  readonly change?: (config: EndpointConfig) => EndpointConfig
  /** `undefined`: that host seals nothing. */
  readonly keys?: (host: PeerId) => readonly Uint8Array[] | undefined
}

/** A world whose hosts seal their packets for real, by keys that the seed decides as well. */
export class SealedWorld extends World {
  readonly cryptos: Map<PeerId, CountingCrypto>

  constructor(seed: number, options: SealedOptions = {}) {
    const { keys = () => [KEY_1], ...others } = options
    const random = new Random(seed ^ 0x5ea1)
    const cryptos = new Map<PeerId, CountingCrypto>()
    super(seed, {
      ...others,
      seal: ({ cluster, self }, life) => {
        const own = keys(self)
        if (own === undefined) return new ClearSeal(new Random(life))
        const crypto = cryptos.get(self) ?? new CountingCrypto(random.fork())
        cryptos.set(self, crypto)
        return new NoiseSeal(crypto, cluster, own)
      },
    })
    this.cryptos = cryptos
  }

  /** Agreements that a host has computed: what strangers must not make it do. */
  agreements(host: PeerId): number {
    return this.cryptos.get(host)?.agreements ?? 0
  }

  /** A host's seal with other keys. */
  sealOf(host: PeerId, keys: readonly Uint8Array[]): Seal {
    return new NoiseSeal(this.cryptos.get(host)!, this.configOf(host).cluster, keys)
  }

  /** As SIGHUP does. */
  changeKeys(host: PeerId, keys: readonly Uint8Array[]): readonly unknown[] {
    return this.host(host).endpoint.changeKeys(this.now, this.sealOf(host, keys))
  }
}

/** The primitives, with chance from a seed, and a count of what costs most. */
class CountingCrypto implements Crypto {
  agreements = 0
  readonly #crypto: Crypto = createCrypto()
  readonly #random: Random
  readonly #kept = new Set<Cipher>()

  /** Keys that are not zeroed. */
  get kept(): number {
    return this.#kept.size
  }

  constructor(random: Random) {
    this.#random = random
  }

  random(length: number): Uint8Array {
    return this.#random.bytes(length)
  }

  hash(data: Uint8Array): Uint8Array {
    return this.#crypto.hash(data)
  }

  hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#crypto.hmac(key, data)
  }

  createPair(): KeyPair {
    const pair = restorePair(this.random(32))
    return {
      publicKey: pair.publicKey,
      agree: theirs => {
        this.agreements++
        return pair.agree(theirs)
      },
    }
  }

  createCipher(key: Uint8Array): Cipher {
    const cipher = this.#crypto.createCipher(key)
    this.#kept.add(cipher)
    return {
      seal: (nonce, aad, plain, into, at) => cipher.seal(nonce, aad, plain, into, at),
      open: (nonce, aad, sealed) => cipher.open(nonce, aad, sealed),
      forget: () => {
        this.#kept.delete(cipher)
        cipher.forget()
      },
    }
  }
}
