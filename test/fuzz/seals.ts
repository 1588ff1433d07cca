import { createCrypto, restorePair } from '../../src/daemon/crypto.ts'
import { Random } from '../../src/lib/random.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'

import type { Crypto } from '../../src/transport/crypto.ts'
import type { Seal } from '../../src/transport/seal.ts'

/** A seal whose chance comes from a seed, so that a run can be repeated. */
export type CreateSeal = (seed: number) => Seal

/** Nothing is secret, and a packet costs next to nothing. */
export const clearSeal: CreateSeal = seed => new ClearSeal(new Random(seed))

/** As in a cluster with a key. */
export const noiseSeal: CreateSeal = seed => {
  const random = new Random(seed)
  const crypto: Crypto = {
    ...createCrypto(),
    random: length => random.bytes(length),
    createPair: () => restorePair(random.bytes(32)),
  }
  return new NoiseSeal(crypto, 'home', [new Uint8Array(32).fill(7)])
}
