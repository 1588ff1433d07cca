import test from 'ava'
import fc from 'fast-check'

import { createCrypto } from '../../src/daemon/crypto.ts'
import { Random } from '../../src/lib/random.ts'
import { fromHex, readU53, toHex, writeU53 } from '../../src/transport/bytes.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { answerIndex, ephemeralOf, readHelloHeader } from '../../src/transport/seal.ts'

import type { HelloHeader, Introduction, Keys, Seal } from '../../src/transport/seal.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map(toHex)

const header: fc.Arbitrary<HelloHeader> = fc.record({
  index: fc.nat(0xffffff),
  from: fc.integer({ min: 1, max: 1023 }),
  to: fc.integer({ min: 1, max: 1023 }),
  cluster: fc.nat(0x7fffffff),
})

const introduction: fc.Arbitrary<Introduction> = fc.record({
  incarnation: fc.record({ counter: fc.maxSafeNat(), life: hex(8) }),
  datagramMax: fc.nat(0xffff),
  windowBytes: fc.nat(0xffff).map(kibibytes => kibibytes * 1024),
  ackDelayMs: fc.nat(255).map(quarters => quarters / 4),
  tableDigest: hex(8),
  tableLine: fc.nat(0xff_ffff),
})

const SEALS: readonly (readonly [string, Seal])[] = [
  ['everything in clear', new ClearSeal(new Random(1))],
  ['Noise', new NoiseSeal(createCrypto(), 'home', [new Uint8Array(32).fill(1)])],
]

for (const [name, seal] of SEALS) {
  test(`both sides of a handshake read what the other wrote, and get keys that fit: ${name}`, t => {
    fc.assert(
      fc.property(
        header,
        introduction,
        introduction,
        fc.nat(0xffffff),
        (clear, ours, theirs, index) => {
          const call = seal.call(clear, ours)
          t.is(call.bytes.length, 128)
          t.deepEqual(readHelloHeader(call.bytes), clear)
          const received = seal.receive(call.bytes)
          if (typeof received === 'string') throw new Error(received)
          t.deepEqual(received.read(), ours)
          const { bytes, keys } = received.answer(index, theirs)!
          t.is(bytes.length, 104)
          t.is(answerIndex(bytes), index)
          const another = seal.call(clear, ours)
          t.is(another.read(bytes), 'forged', 'of another attempt')
          const read = call.read(bytes)
          if (typeof read === 'string') throw new Error(read)
          t.deepEqual(read.introduction, theirs)
          t.true(fit(keys, read.keys))
          t.true(fit(read.keys, keys))
          t.false(fit(keys, keys), 'it comes back to its sender')
        },
      ),
      { numRuns: 30 },
    )
  })

  test(`each attempt has a name of its own: ${name}`, t => {
    const names = fc.sample(header, 50).map(clear => {
      const [some] = fc.sample(introduction, 1)
      return ephemeralOf(seal.call(clear, some!).bytes)
    })
    t.is(new Set(names).size, 50)
  })

  test(`a packet opens only under its own keys and number, and whole: ${name}`, t => {
    const [keys, mirrored] = agree(seal)
    const [others] = agree(seal)
    const bytes = new Uint8Array(100).fill(7)
    const packet = bytes.subarray(0, keys.seal(3, bytes, 50))
    t.is(packet.length, 66)
    t.deepEqual(new Uint8Array(mirrored.open(3, packet)!), new Uint8Array(42).fill(7))
    t.is(keys.open(3, packet), undefined)
    t.is(others.open(3, packet), undefined)
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const damaged = packet.slice()
      damaged[bit >>> 3] = damaged[bit >>> 3]! ^ (1 << (bit & 7))
      t.is(mirrored.open(3, damaged), undefined, `bit ${bit}`)
    }
  })
}

/** What one side seals, the other opens. */
function fit(one: Keys, other: Keys): boolean {
  const bytes = new Uint8Array(40)
  const length = one.seal(7, bytes, 20)
  return other.open(7, bytes.slice(0, length)) !== undefined
}

function agree(seal: Seal): readonly [Keys, Keys] {
  const [clear] = fc.sample(header, 1)
  const [some] = fc.sample(introduction, 1)
  const call = seal.call(clear!, some!)
  const received = seal.receive(call.bytes)
  if (typeof received === 'string') throw new Error(received)
  received.read()
  const { bytes, keys } = received.answer(1, some!)!
  const read = call.read(bytes)
  if (typeof read === 'string') throw new Error(read)
  return [keys, read.keys]
}

test('numbers and hexadecimal digits survive, and a u64 that no number holds is refused', t => {
  const bytes = new Uint8Array(8)
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      writeU53(bytes, 0, value)
      return readU53(bytes, 0) === value && toHex(fromHex(toHex(bytes))) === toHex(bytes)
    }),
  )
  t.is(readU53(new Uint8Array(8).fill(0xff), 0), undefined)
})
