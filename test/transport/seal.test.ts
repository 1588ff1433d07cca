import test from 'ava'
import fc from 'fast-check'

import { Random } from '../../src/lib/random.ts'
import { fromHex, readU53, toHex, writeU53 } from '../../src/transport/bytes.ts'
import { answerIndex, ClearSeal, ephemeralOf, readHelloHeader } from '../../src/transport/seal.ts'

import type { HelloHeader, Introduction } from '../../src/transport/seal.ts'

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
})

test('both sides of a handshake read what the other wrote and get keys that fit', t => {
  const seal = new ClearSeal(new Random(1))
  fc.assert(
    fc.property(
      header,
      introduction,
      introduction,
      fc.nat(0xffffff),
      (clear, ours, theirs, index) => {
        const hello = seal.writeHello(clear, ours)
        t.true(seal.isIntact(hello))
        t.deepEqual(readHelloHeader(hello), clear)
        t.deepEqual(seal.readHello(hello), ours)
        const { bytes, keys } = seal.answer(hello, index, theirs)
        t.true(seal.isIntact(bytes))
        t.is(answerIndex(bytes), index)
        const read = seal.readAnswer(hello, bytes)
        t.deepEqual(read?.introduction, theirs)
        t.deepEqual(read?.keys, { sending: keys.receiving, receiving: keys.sending })
        t.is(seal.readAnswer(seal.writeHello(clear, ours), bytes), undefined, 'of another attempt')
      },
    ),
  )
})

test('each attempt has a name of its own', t => {
  const seal = new ClearSeal(new Random(1))
  const names = fc.sample(header, 50).map(clear => {
    const [some] = fc.sample(introduction, 1)
    return ephemeralOf(seal.writeHello(clear, some!))
  })
  t.is(new Set(names).size, 50)
})

test('a packet opens only under its own keys, whole, and not for its sender', t => {
  const seal = new ClearSeal(new Random(1))
  const keys = { sending: [1, 2], receiving: [3, 4] } as const
  const mirrored = { sending: keys.receiving, receiving: keys.sending }
  const bytes = new Uint8Array(100).fill(7)
  const packet = bytes.subarray(0, seal.seal(keys, 0, bytes, 50))
  t.is(packet.length, 66)
  t.deepEqual(seal.open(mirrored, 0, packet), new Uint8Array(42).fill(7))
  t.is(seal.open(keys, 0, packet), undefined)
  t.is(seal.open({ ...mirrored, receiving: [1, 3] }, 0, packet), undefined)
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const damaged = packet.slice()
    damaged[bit >>> 3] = damaged[bit >>> 3]! ^ (1 << (bit & 7))
    t.is(seal.open(mirrored, 0, damaged), undefined, `bit ${bit}`)
  }
})

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
