import test from 'ava'
import fc from 'fast-check'
import { decodeMessage, encodeMessage, type Message } from '../../src/core/message.ts'
import { encode } from '../../src/lib/cbor.ts'

const time = fc.integer({ min: 0, max: 2 ** 43 - 1 })
const names = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 64 })
  .map(list => list.sort((a, b) => (a < b ? -1 : 1)))
const body = {
  names,
  limit: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 1e6 })),
  info: fc.string({ maxLength: 512 }),
}
const stamp = { view: time, time }
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('request' as const), ...stamp, ...body }),
  fc.record({
    type: fc.constantFrom('reply' as const, 'release' as const),
    ...stamp,
    request: time,
  }),
  fc.record({
    type: fc.constant('sync' as const),
    ...stamp,
    requests: fc.array(fc.record({ time, ...body }), { maxLength: 5 }),
    last: fc.boolean(),
  }),
)

test('every message survives the wire', t => {
  fc.assert(fc.property(message, sent => t.deepEqual(decodeMessage(encodeMessage(sent)), sent)))
})

test('no bytes make the decoder throw', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      t.notThrows(() => decodeMessage(bytes))
    }),
  )
})

test('a message with a byte changed is read or refused, never thrown', t => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, at, flip) => {
      const bytes = encodeMessage(sent)
      bytes[at % bytes.length]! ^= flip
      t.notThrows(() => decodeMessage(bytes))
    }),
  )
})

for (const [what, value] of [
  ['a number', 7],
  ['an empty list', []],
  ['an unknown kind', [99, 1, 1]],
  ['a negative time', [2, 1, -1, 3]],
  ['a time beyond every token', [2, 1, 2 ** 43, 3]],
  ['a fraction as a time', [2, 1, 1.5, 3]],
  ['a REPLY with too much', [2, 1, 1, 3, 4]],
  ['a REQUEST without names', [1, 1, 1, [], 1, '']],
  ['a REQUEST with names out of order', [1, 1, 1, ['b', 'a'], 1, '']],
  ['a REQUEST with a name twice', [1, 1, 1, ['a', 'a'], 1, '']],
  ['a REQUEST with too long a name', [1, 1, 1, ['a'.repeat(256)], 1, '']],
  ['a REQUEST with too much for people', [1, 1, 1, ['a'], 1, 'x'.repeat(513)]],
  ['a SYNC whose request has no names', [4, 1, 1, [[1, [], 1, '']], true]],
  ['a SYNC without its mark', [4, 1, 1, []]],
] as const) {
  test(`${what} is no message`, t => {
    t.true('malformed' in decodeMessage(encode(value)))
  })
}
