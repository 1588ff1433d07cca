import { readFileSync } from 'node:fs'
import { digestOf } from '../../src/core/table.ts'
import { parseHosts } from '../../src/daemon/config.ts'
import { createCrypto } from '../../src/daemon/crypto.ts'
import { readKeys } from '../../src/daemon/key.ts'
import { Random } from '../../src/lib/random.ts'
import { toHex } from '../../src/transport/bytes.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { clusterHash } from '../../src/transport/seal.ts'
import type { Cluster } from './cluster.ts'

/** Writes HELLOs as the process of a host would: it has the key of the cluster. */
export class Insider {
  readonly #seal: NoiseSeal
  readonly #cluster: number
  readonly #tableDigest: string
  readonly #random = new Random(5)

  constructor(cluster: Cluster) {
    const file = parseHosts(readFileSync(cluster.hostsFile))
    if ('mistakes' in file) throw new Error('the hosts file of the cluster is right')
    const crypto = createCrypto()
    this.#seal = new NoiseSeal(crypto, file.cluster, readKeys(cluster.keyFile))
    this.#cluster = clusterHash(file.cluster)
    this.#tableDigest = toHex(digestOf(file))
  }

  /** Of a life of its own; as good as any. */
  hello(from: number, to: number): Uint8Array {
    const incarnation = { counter: 1000, life: toHex(this.#random.bytes(8)) }
    const limits = { datagramMax: 1200, windowBytes: 256 * 1024, ackDelayMs: 2 }
    return this.#seal.call(
      { index: this.#random.word() >>> 8, from, to, cluster: this.#cluster },
      { incarnation, ...limits, tableDigest: this.#tableDigest, tableLine: 0 },
    ).bytes
  }
}
