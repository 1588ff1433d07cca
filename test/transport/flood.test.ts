import test from 'ava'

import { createCrypto } from '../../src/daemon/crypto.ts'
import { toHex } from '../../src/transport/bytes.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { clusterHash } from '../../src/transport/seal.ts'
import { addressOf, World } from '../helpers/pair.ts'
import { describeState } from '../helpers/privates.ts'

import type { Crypto } from '../../src/transport/crypto.ts'

/** What was asked of the primitives. */
type Work = { hmacs: number; pairs: number; ciphers: number }

const KEY = new Uint8Array(32).fill(7)

function counted(work: Work): Crypto {
  const crypto = createCrypto()
  return {
    ...crypto,
    hmac: (key, data) => {
      work.hmacs++
      return crypto.hmac(key, data)
    },
    createPair: () => {
      work.pairs++
      return crypto.createPair()
    },
    createCipher: key => {
      work.ciphers++
      return crypto.createCipher(key)
    },
  }
}

/** Host 1 with a session to host 2, and a host 3 that is a liar at the right address. */
class Siege {
  readonly world: World
  readonly work: Work = { hmacs: 0, pairs: 0, ciphers: 0 }
  /** Datagrams to host 3, and their bytes. */
  answers = 0
  answeredBytes = 0
  readonly #seal = new NoiseSeal(createCrypto(), 'home', [KEY])

  constructor() {
    this.world = new World(1, {
      hosts: 3,
      seal: ({ self }) =>
        new NoiseSeal(self === 1 ? counted(this.work) : createCrypto(), 'home', [KEY]),
    })
    const { world } = this
    world.host(3).crash()
    world.run(1000, () => world.host(1).up.has(2))
    world.intercept = ({ from, to, bytes }) => {
      if (from !== 1 || to !== 3) return to === 3
      // Its own calls go on, whatever comes in.
      if (bytes[0] === 1) return true
      this.answers++
      this.answeredBytes += bytes.length
      return true
    }
    Object.assign(this.work, { hmacs: 0, pairs: 0, ciphers: 0 })
  }

  /** HELLOs that are right in everything. */
  hellos(count: number): Uint8Array[] {
    const { tableDigest } = this.world.configOf(3)
    const introduction = {
      incarnation: { counter: 9, life: '0123456789abcdef' },
      datagramMax: 1200,
      windowBytes: 256 * 1024,
      ackDelayMs: 2,
      tableDigest: toHex(tableDigest),
      tableLine: 0,
    }
    return Array.from({ length: count }, (_, i) => {
      const header = { index: i + 1, from: 3, to: 1, cluster: clusterHash('home') }
      return this.#seal.call(header, introduction).bytes
    })
  }

  /** 10,000 a second, while hosts 1 and 2 go on talking. Returns how long their payloads took. */
  flood(hellos: readonly Uint8Array[], seconds: number): number {
    const { world } = this
    const sentAt = new Map<string, number>()
    let slowest = 0
    world.host(2).onDeliver = ({ at, text }) => {
      slowest = Math.max(slowest, at - (sentAt.get(text) ?? -Infinity))
    }
    for (let ms = 0; ms < 1000 * seconds; ms++) {
      for (let i = 0; i < 10; i++) {
        const hello = hellos[(10 * ms + i) % hellos.length] as Uint8Array
        world.host(1).endpoint.receive(world.now, addressOf(3), hello)
      }
      if (ms % 5 === 0) {
        sentAt.set(`${ms}`, world.now)
        world.host(1).send(2, 0, `${ms}`)
      }
      world.run(1)
    }
    world.run(10)
    return slowest
  }
}

test('10,000 HELLOs a second with a wrong MAC cost one HMAC each, no answer and no memory', t => {
  const siege = new Siege()
  const [hello] = siege.hellos(1)
  hello![127] = hello![127]! ^ 1
  const before = describeState(siege.world.host(1).endpoint).sizes
  t.true(siege.flood([hello!], 2) < 1)
  t.is(siege.answers, 0)
  t.true(siege.work.hmacs <= 20_000 + 100, `${siege.work.hmacs}`)
  t.true(siege.work.pairs <= 5, 'its own calls of host 3')
  t.is(siege.world.host(1).endpoint.counters.dropped.damaged, 20_000)
  const after = describeState(siege.world.host(1).endpoint).sizes
  for (const [path, size] of after) {
    t.true(size <= Math.max(before.get(path) ?? 0, 32), `${path}: ${size}`)
  }
  t.is(siege.world.undelivered, 0)
})

test('10,000 a second with the right MAC are answered at 4 a second, and else by less than they are', t => {
  const siege = new Siege()
  const seconds = 2
  t.true(siege.flood(siege.hellos(500), seconds) < 1)
  const { pairs } = siege.work
  t.true(pairs <= 8 + 4 * seconds + 5, `${pairs} agreements: 8 at once, 4 a second, own calls`)
  t.true(siege.answeredBytes < 20_000 * 128, 'nothing is amplified')
  const { sizes } = describeState(siege.world.host(1).endpoint)
  for (const [path, size] of sizes) t.true(size <= 2048, `${path}: ${size}`)
  t.is(siege.world.undelivered, 0)
  t.deepEqual(siege.world.host(1).log, ['up 2.1'])
})

test('one HELLO 10,000 times a second is answered once more each time, and agreed on once', t => {
  const siege = new Siege()
  t.true(siege.flood(siege.hellos(1), 1) < 1)
  t.true(siege.work.pairs <= 4, `${siege.work.pairs}`)
  t.true(siege.answeredBytes <= 10_000 * 104)
  t.deepEqual(siege.world.host(1).log, ['up 2.1'])
})
