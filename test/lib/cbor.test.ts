import test from 'ava'
import fc from 'fast-check'

import { decode, encode } from '../../src/lib/cbor.ts'

/** `__proto__` is read as another key, on purpose: see below. */
const key = fc.string({ minLength: 1 }).filter(name => name !== '__proto__')

const plain = fc.letrec(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.integer(),
    fc.maxSafeNat(),
    fc.double({ noNaN: true }).filter(number => !Object.is(number, -0)),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  ),
})).value

function same(one: unknown): string {
  return JSON.stringify(one, (_, value: unknown) =>
    value instanceof Uint8Array ? { bytes: [...value] } : value,
  )
}

test('every plain value comes out as it went in', t => {
  fc.assert(
    fc.property(plain, value => {
      t.is(same(decode(encode(value))), same(value))
    }),
    { numRuns: 1000 },
  )
})

test('a map that carries __proto__ is read with another key, and changes no prototype', t => {
  const filler = Array.from({ length: 40 }, (_, at) => [`k${at}`, at] as const)
  for (const others of [[], filler]) {
    const hostile = Object.fromEntries([...others, ['__proto__', { isAdmin: true }]]) as unknown
    const bytes = encode([hostile])
    t.true(Buffer.from(bytes).includes('__proto__'), 'the key is really sent')
    const [map] = decode(bytes) as [object]
    t.is(Object.getPrototypeOf(map), Object.prototype)
    t.false('isAdmin' in map)
    t.deepEqual(Object.keys(map), [...others.map(([name]) => name), '__proto_'])
    t.deepEqual(Object.getOwnPropertyDescriptor(map, '__proto_')?.value, { isAdmin: true })
  }
  t.false('isAdmin' in {})
})

test('what is cut short or goes on behind its end is nothing', t => {
  const bytes = encode(['request', 17, [1.5, 'door'], { a: null }])
  for (let length = 0; length < bytes.length; length++) {
    t.is(decode(bytes.subarray(0, length)), undefined)
  }
  t.is(decode(Uint8Array.of(...bytes, 0)), undefined)
})

/** A list with one item more around it. */
const nested = (depth: number): number[] => [...new Array<number>(depth).fill(0x81), 0]

const STRANGE: readonly (readonly [string, readonly number[]])[] = [
  ['a big number', [0xc2, 0x42, 1, 2]],
  ['a regular expression', [0xd8, 27, 0x82, 0x66, ...Buffer.from('RegExp'), 0x61, 0x61]],
  ['a reference to itself', [0xd8, 28, 0x81, 0xd8, 29, 0]],
  ['a table for later messages', [0xd8, 51, 0x84, 0x81, 0x61, 0x61, 0x80, 0x80, 0]],
  ['a date', [0xc1, 0]],
  ['a list without a length', [0x9f, 1, 0xff]],
  ['an end of nothing', [0xff]],
  ['a list longer than there are bytes', [0x9a, 0x06, 0, 0, 0]],
  ['a text longer than there are bytes', [0x7a, 0xff, 0xff, 0xff, 0xff, 0x61]],
  ['a number of 64 bits', [0x1b, 0, 0, 0, 0, 0, 0, 0, 1]],
  ['an unassigned simple value', [0xf0]],
  ['lists 20 deep', nested(20)],
  ['lists 100,000 deep', nested(100_000)],
]

for (const [what, bytes] of STRANGE) {
  test(`${what} is nothing that is read`, t => {
    t.is(decode(Uint8Array.from(bytes)), undefined)
    t.is(decode(Uint8Array.of(0x82, 1, ...bytes.slice(0, 100))), undefined)
  })
}

test('a number of 1 MiB does not keep the reader busy for minutes', t => {
  const bytes = new Uint8Array(1024 * 1024).fill(0xff)
  bytes.set([0xc2, 0x5a, 0, 0x0f, 0xff, 0xfa])
  const start = performance.now()
  t.is(decode(bytes), undefined)
  t.true(performance.now() - start < 1000)
})

test('what was read stays as it was when the next is read, and bytes are those of the packet', t => {
  const [first, second] = [encode([1, 'first', ['a', 'b']]), encode([2, 'other', ['c', 'd']])]
  const read = decode(first)
  decode(second)
  first.fill(0)
  t.deepEqual(read, [1, 'first', ['a', 'b']])
  const packet = encode([3, new Uint8Array([7, 8])])
  const [, bytes] = decode(packet) as [number, Uint8Array]
  decode(second)
  t.deepEqual([...bytes], [7, 8])
  t.is(bytes.buffer, packet.buffer)
})

test('nothing of a longer message shows in a shorter one that ends early', t => {
  const long = encode(['a long one', 'with more behind it'])
  t.truthy(decode(long))
  for (let cut = 1; cut < long.length; cut++)
    t.is(decode(long.subarray(0, cut)), undefined, `${cut}`)
})
