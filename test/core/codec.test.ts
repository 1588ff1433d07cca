import test from 'ava'
import fc from 'fast-check'
import {
  decodeAcceptor,
  decodeHeartbeat,
  decodeMessage,
  encodeAcceptor,
  encodeHeartbeat,
  encodeMessage,
} from '../../src/core/codec.ts'
import { decodeAbout, encodeAbout } from '../../src/core/about.ts'
import type { Heartbeat } from '../../src/core/hearing.ts'
import { TIME_LIMIT } from '../../src/core/clock.ts'
import { MESSAGE_TYPES, SPAN_MAX, type Message } from '../../src/core/message.ts'
import type { View } from '../../src/core/view.ts'
import { encode } from '../../src/lib/cbor.ts'
import { milliseconds } from '../../src/lib/time.ts'
import { variableMessages } from '../helpers/variable-messages.ts'

const time = fc.integer({ min: 0, max: 2 ** 43 - 1 })
const host = fc.integer({ min: 1, max: 1023 })
const names = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 64 })
  .map(list => list.sort((a, b) => (a < b ? -1 : 1)))
const body = {
  names,
  limit: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 1e6 })),
  info: fc.string({ maxLength: 512 }),
}
/** All that a request may reserve are times as well. */
const first = fc.integer({ min: 0, max: TIME_LIMIT - SPAN_MAX - 1 })
const span = fc.integer({ min: 1, max: SPAN_MAX })
/** What a request is for, and how many of its timestamps are used up. */
const standing = fc.tuple(span, fc.nat()).map(([most, some]) => ({ span: most, used: some % most }))
const ballot = fc.record({ counter: time, host: fc.integer({ min: 0, max: 1023 }) })
const view: fc.Arbitrary<View> = fc.record({
  number: time,
  members: fc
    .uniqueArray(fc.tuple(host, fc.record({ incarnation: time, since: time })), {
      selector: ([id]) => id,
      maxLength: 9,
    })
    .map(list => new Map(list)),
  retired: fc
    .uniqueArray(fc.tuple(host, time), { selector: ([id]) => id, maxLength: 9 })
    .map(list => new Map(list)),
  isFirst: fc.boolean(),
})
const value = fc.option(view, { nil: undefined })
const phase = fc.constantFrom(0 as const, 1 as const, 2 as const)
const table = fc.record({
  hosts: fc.array(fc.record({ id: host, votes: fc.nat(9) }), { minLength: 1, maxLength: 5 }),
  timing: fc.record({
    lease: fc.integer({ min: 1, max: 60_000 }).map(milliseconds),
    drift: fc.double({ min: 0, max: 0.1, noNaN: true }),
  }),
})
const stamp = { view: time, time }
const ghost = fc
  .tuple(
    fc.record({
      time: first,
      host,
      ...body,
      remaining: fc.double({ min: 0, max: 1e6, noNaN: true }),
    }),
    standing,
  )
  .map(([request, use]) => ({ ...request, ...use }))
const timedRequest = fc
  .tuple(fc.record({ time: first, ...body }), standing)
  .map(([request, use]) => ({ ...request, ...use }))

const messages: Record<Message['type'], fc.Arbitrary<Message>> = {
  request: fc.record({
    type: fc.constant('request' as const),
    view: time,
    time: first,
    ...body,
    span,
  }),
  pass: fc.record({
    type: fc.constant('pass' as const),
    ...stamp,
    request: time,
    used: time,
    info: body.info,
  }),
  reply: fc.record({ type: fc.constant('reply' as const), ...stamp, request: time }),
  release: fc.record({ type: fc.constant('release' as const), ...stamp, request: time }),
  adopt: fc.record({ type: fc.constant('adopt' as const), ...stamp, request: time }),
  sync: fc.record({
    type: fc.constant('sync' as const),
    ...stamp,
    basis: fc.boolean(),
    requests: fc.array(timedRequest, { maxLength: 4 }),
    ghosts: fc.array(ghost, { maxLength: 4 }),
    last: fc.boolean(),
  }),
  leave: fc.record({
    type: fc.constant('leave' as const),
    ...stamp,
    incarnation: time,
    since: time,
  }),
  prepare: fc.record({ type: fc.constant('prepare' as const), time, ballot }),
  promise: fc.record({
    type: fc.constant('promise' as const),
    time,
    ballot,
    accepted: ballot,
    value,
  }),
  conflict: fc.record({ type: fc.constant('conflict' as const), time, ballot, promised: ballot }),
  accept: fc.record({ type: fc.constant('accept' as const), time, ballot, value: view }),
  accepted: fc.record({ type: fc.constant('accepted' as const), time, ballot }),
  learn: fc.record({ type: fc.constant('learn' as const), time, value: view }),
  blank: fc.record({
    type: fc.constant('blank' as const),
    time,
    life: time,
    phase,
    floor: time,
    remembers: fc.boolean(),
  }),
  answer: fc.record({
    type: fc.constant('answer' as const),
    time,
    to: time,
    phase,
    ready: fc.boolean(),
    foundedWith: time,
    accepted: ballot,
    value,
    known: time,
    life: time,
    newcomer: time,
    isNewcomer: fc.boolean(),
    memory: fc.option(fc.record({ voted: table, pledged: table }), { nil: undefined }),
    records: time,
  }),
  ...variableMessages,
}
const message: fc.Arbitrary<Message> = fc.oneof(...MESSAGE_TYPES.map(type => messages[type]))
const heartbeat: fc.Arbitrary<Heartbeat> = fc.record({
  incarnation: time,
  stamp: fc.double({ min: 0, max: 1e12, noNaN: true }),
  echo: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }), { nil: undefined }),
  view: time,
  heard: fc.array(host, { maxLength: 50 }),
  digest: time,
  whole: fc.boolean(),
  isCalm: fc.boolean(),
  isRare: fc.boolean(),
})

for (const type of MESSAGE_TYPES) {
  test(`every ${type} survives the wire`, t => {
    fc.assert(
      fc.property(messages[type], sent => t.deepEqual(decodeMessage(encodeMessage(sent)), sent)),
    )
  })
}

test('every heartbeat survives the wire', t => {
  fc.assert(
    fc.property(heartbeat, sent => t.deepEqual(decodeHeartbeat(encodeHeartbeat(sent)), sent)),
  )
})

test('what an acceptor must not forget survives the disk', t => {
  fc.assert(
    fc.property(fc.record({ promised: ballot, accepted: ballot, value }), record =>
      t.deepEqual(decodeAcceptor(encodeAcceptor(record)), record),
    ),
  )
})

test('what a host says of itself has the number of no message', t => {
  t.is(decodeAbout(encodeAbout('text')), 'text')
  for (const kind of MESSAGE_TYPES.keys())
    t.is(decodeAbout(encode([kind + 1, 0, 'text'])), undefined)
})

test('no bytes make a decoder throw', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      for (const read of [decodeMessage, decodeHeartbeat, decodeAcceptor]) {
        t.notThrows(() => read(bytes))
      }
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

for (const [what, wrong] of [
  ['a number', 7],
  ['an empty list', []],
  ['an unknown kind', [99, 1, 1]],
  ['kind 0', [0, 1, 1]],
  ['a negative time', [2, -1, 1, 3]],
  ['a time beyond every token', [2, 2 ** 43, 1, 3]],
  ['a fraction as a time', [2, 1.5, 1, 3]],
  ['a REPLY with too much', [2, 1, 1, 3, 4]],
  ['a REQUEST without names', [1, 1, 1, [], 1, '']],
  ['a REQUEST with names out of order', [1, 1, 1, ['b', 'a'], 1, '']],
  ['a REQUEST with a name twice', [1, 1, 1, ['a', 'a'], 1, '']],
  ['a REQUEST with too long a name', [1, 1, 1, ['a'.repeat(256)], 1, '']],
  ['a REQUEST with too much for people', [1, 1, 1, ['a'], 1, 'x'.repeat(513)]],
  ['a SYNC whose request has no names', [4, 1, 1, true, [[1, [], 1, '']], [], true]],
  ['a SYNC without its mark', [4, 1, 1, true, [], []]],
  ['a PREPARE without a ballot', [6, 1, 7]],
  ['an ACCEPT without a view', [9, 1, [1, 1], null]],
  ['a view whose member has no incarnation', [11, 1, [1, [[1]], [], true]]],
  ['a blank host in no phase', [12, 1, 5, 3, 0]],
] as const) {
  test(`${what} is no message`, t => {
    t.true('malformed' in decodeMessage(encode(wrong)))
  })
}

test('what stands for no, too many or more entries than it has left is malformed; so is a PASS of another form', t => {
  const kind = (type: Message['type']): number => MESSAGE_TYPES.indexOf(type) + 1
  const request = (...more: unknown[]): unknown =>
    decodeMessage(encode([kind('request'), 40, 7, ['door'], 1, '', ...more]))
  t.like(request(), { type: 'request', span: 1 })
  t.like(request(SPAN_MAX, 0), { type: 'request', span: SPAN_MAX })
  for (const more of [
    [0, 0],
    [SPAN_MAX + 1, 0],
    [1.5, 0],
    ['4', 0],
    [4, 1],
    [4, 4],
    [4, 0, 0],
  ])
    t.like(request(...more), { malformed: 'request with fields in disorder' }, more.join())
  const last = [kind('request'), TIME_LIMIT - 1, 7, ['door'], 1, '', 2, 0]
  t.like(decodeMessage(encode(last)), { malformed: 'request with fields in disorder' })
  const pass = (...fields: unknown[]): unknown =>
    decodeMessage(encode([kind('pass'), 41, 7, ...fields]))
  t.like(pass(40, 3, 'who'), { type: 'pass', request: 40, used: 3, info: 'who' })
  for (const fields of [
    [40, 3],
    [40, -1, ''],
    [40, 3, 5],
    [40, 3, 'x'.repeat(513)],
    [40, 3, '', 1],
  ])
    t.like(pass(...fields), { malformed: 'pass with fields in disorder' }, fields.join())
})
