import test from 'ava'
import type { TraceEntry } from '../../src/control/trace.ts'
import { Recorder } from '../../src/daemon/recorder.ts'
import type { TraceEvent } from '../../src/node.ts'
import { traceTime, traceWhat } from '../../src/trace.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import type { Answer } from '../helpers/daemon-client.ts'
import { startServer as start } from '../helpers/daemon-server.ts'

function enter(time: number, name = 'door'): TraceEvent {
  return { type: 'enter', token: time * 1024 + 2, names: [name], limit: Infinity }
}

function entryOf({ method, params }: Answer): TraceEntry {
  return { ...params, ...(method === 'event' ? {} : { method }) } as unknown as TraceEntry
}

test('a ring keeps the last events, however many there were, and no more bytes than it may', t => {
  const recorder = new Recorder(2, 10, 6000)
  recorder.start(5, 1)
  t.like(recorder.entry(1), { type: 'start', host: 2, incarnation: 1, n: 1, time: 5 })
  for (let time = 6; time <= 30; time++) recorder.record(enter(time), time, 1)
  t.deepEqual([recorder.first, recorder.next], [17, 27])
  t.like(recorder.entry(26), { type: 'enter', n: 26, time: 30, names: ['door'], limit: 0 })
  t.like(recorder.skipped(3), { type: 'skipped', skipped: 14, n: 16 })
  // Long names: fewer of them.
  for (let time = 31; time <= 50; time++) recorder.record(enter(time, 'x'.repeat(1000)), time, 1)
  t.is(recorder.next, 47)
  t.is(recorder.next - recorder.first, 3)
  recorder.record(enter(51), 51, 3)
  t.like(recorder.entry(47), { incarnation: 3, time: 51 })
})

test('views of many members count as what they take', t => {
  const recorder = new Recorder(2, 1000, 100_000)
  const members = new Map(
    Array.from({ length: 100 }, (_, i) => [i + 1, { incarnation: 1, since: 1 }]),
  )
  const view = { number: 1, members, retired: new Map(), isFirst: false }
  for (let i = 0; i < 100; i++) recorder.record({ type: 'install', view }, i, 1)
  t.true(recorder.next - recorder.first < 20)
})

test('what is kept of a message is what it says, and no value of a variable', t => {
  const recorder = new Recorder(2)
  const name = 'motd'
  const ballot = { counter: 7, host: 2 }
  const applied = new Map()
  const value = { bytes: new Uint8Array(60_000), version: 1, writer: { host: 2, time: 3 }, applied }
  const accept = { type: 'variable-accept', time: 9, name, ballot, value, next: ballot }
  for (const to of [1, 2, 3]) {
    recorder.record({ type: 'send', to, message: accept } as unknown as TraceEvent, 12, 1)
  }
  // To itself it sends no message.
  t.is(recorder.next, 3)
  const entry = recorder.entry(2)
  t.deepEqual({ ...entry, at: 0 }, {
    at: 0,
    host: 2,
    incarnation: 1,
    n: 2,
    time: 9,
    type: 'send',
    to: 3,
    message: { type: 'variable-accept', id: '2@9', variable: 'motd' },
  } as unknown as typeof entry)
})

test('what is frequent is kept in numbers, and told as if it had been kept whole', t => {
  const view = { number: 3, members: new Map([[1, { incarnation: 4, since: 2 }]]) }
  const names = ['a', 'b']
  const ballot = { counter: 7, host: 3 }
  const mutex = [
    { type: 'request', view: 3, time: 40, names: ['door'], limit: 1, info: 'who' },
    { type: 'request', view: 3, time: 41, names, limit: Infinity, info: '' },
    { type: 'reply', view: 3, time: 42, request: 40 },
    { type: 'release', view: 4, time: 43, request: 2 ** 42 },
    { type: 'adopt', view: 4, time: 43, request: 41 },
    { type: 'leave', view: 5, time: 44, incarnation: 1, since: 3 },
    { type: 'sync', view: 5, time: 45, basis: true, requests: [], ghosts: [], last: true },
    { type: 'prepare', time: 46, ballot },
  ]
  const about = ['prepare', 'promise', 'conflict', 'accept', 'accepted', 'learn', 'read', 'state']
  const messages = [
    ...mutex,
    ...about.map((what, i) => ({ type: `variable-${what}`, time: 50 + i, name: `v${i}`, ballot })),
    { type: 'listing', time: 60, entries: [], last: true },
  ]
  const locks = ['request', 'enter', 'leave', 'insert', 'remove']
  const events = [
    ...messages.flatMap(message => [
      { type: 'send', to: 1, message },
      { type: 'deliver', from: 3, message },
      { type: 'lose', to: 3, message },
      { type: 'retransmit', to: 3, message },
      { type: 'send', to: 2, message },
      { type: 'deliver', from: 2, message },
    ]),
    ...locks.map(type => ({ type, token: 40 * 1024 + 2, names: ['door'], limit: 2 })),
    ...locks.map(type => ({ type, token: 41 * 1024 + 2, names, limit: Infinity })),
    { type: 'install', view },
    { type: 'complete', view: 3 },
    { type: 'reincarnate', incarnation: 5, reason: 'asked to' },
    { type: 'session-up', peer: 1, incarnation: 2 },
    { type: 'session-lost', peer: 1, incarnation: 2 },
  ] as unknown as TraceEvent[]
  const recorder = new Recorder(2, 1000)
  const expected: unknown[] = []
  for (const [i, event] of events.entries()) {
    recorder.record(event, 100 + i, 6)
    const what = traceWhat(2, event)
    if (what === undefined) continue
    const stamp = { host: 2, incarnation: 6, n: expected.length + 1, at: 0 }
    expected.push({ ...stamp, time: traceTime(event, 100 + i), ...what })
  }
  t.is(recorder.next, expected.length + 1)
  for (const [i, entry] of expected.entries()) {
    t.deepEqual({ ...recorder.entry(i + 1), at: 0 }, entry as TraceEntry)
  }
})

test('a client reads what is kept, or the last of it, and then what happens', async t => {
  const recorder = new Recorder(2)
  const { path } = await start(t, { recorder })
  recorder.start(1, 1)
  recorder.record(enter(2), 2, 1)
  const client = await RawClient.greeted(path)
  const { result } = await client.call(1, 'trace')
  const hosts = [
    { id: 1, name: 'kitchen' },
    { id: 2, name: 'garage' },
    { id: 10, name: 'attic' },
  ]
  t.deepEqual(result, { version: 1, cluster: 'demo', hosts, host: 2, events: 2 })
  t.like(entryOf(await client.next()), { type: 'start', n: 1 })
  t.like(entryOf(await client.next()), { type: 'enter', n: 2 })
  t.like(await client.next(), { method: 'traced' })
  // It has been told of all, and may ask again.
  await client.call(2, 'trace', { last: 1, follow: true })
  t.like(entryOf(await client.next()), { type: 'enter', n: 2 })
  recorder.record(enter(3), 3, 1)
  recorder.note({ type: 'lost', token: 3074, reason: 'test' })
  t.like(entryOf(await client.next()), { type: 'enter', n: 3 })
  t.like(entryOf(await client.next()), { type: 'lost', n: 4, time: 3, reason: 'test' })
  t.like(await client.call(3, 'trace'), { error: { code: -32004 } })
  const other = await RawClient.greeted(path)
  await other.call(1, 'trace', { last: 0, follow: true })
  recorder.record(enter(4), 4, 1)
  t.like(entryOf(await other.next()), { type: 'enter', n: 5 })
  for (const params of [{ last: -1 }, { last: 0.5 }, { follow: 'yes' }, { lats: 1 }]) {
    const { error } = await other.call(2, 'trace', params)
    t.regex(error?.message ?? '', /\(.*\)$/, JSON.stringify(params))
  }
})

test('who comes too late is told how many events are missing, unless no more was asked for', async t => {
  const recorder = new Recorder(2, 4)
  const { path } = await start(t, { recorder })
  recorder.start(1, 1)
  for (let time = 2; time <= 7; time++) recorder.record(enter(time), time, 1)
  const client = await RawClient.greeted(path)
  await client.call(1, 'trace')
  t.like(entryOf(await client.next()), { type: 'skipped', skipped: 3 })
  t.like(entryOf(await client.next()), { type: 'enter', n: 4 })
  const other = await RawClient.greeted(path)
  await other.call(1, 'trace', { last: 2 })
  t.like(entryOf(await other.next()), { type: 'enter', n: 6 })
})

test('who reads too slowly holds up nobody, and is told how many it has missed', async t => {
  const recorder = new Recorder(2, 3000)
  const { path } = await start(t, { recorder })
  recorder.start(1, 1)
  const [slow, quick] = [await RawClient.greeted(path), await RawClient.greeted(path)]
  await slow.call(1, 'trace', { follow: true })
  slow.socket.pause()
  await quick.call(1, 'trace', { follow: true, last: 0 })
  const name = 'x'.repeat(200)
  let told = 0
  // More than socket and daemon hold for one who does not read, many times the ring.
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 1000; i++) recorder.record(enter(2 + i, name), 2 + i, 1)
    for (const end = told + 1000; told < end; told++) {
      t.like(entryOf(await quick.next()), { type: 'enter', n: told + 2 })
    }
  }
  slow.socket.resume()
  let [next, skipped] = [1, 0]
  while (next < recorder.next) {
    const entry = entryOf(await slow.next())
    if (entry.type === 'skipped') {
      skipped += entry.skipped
      next += entry.skipped
    } else {
      t.is(entry.n, next)
      next += 1
    }
  }
  t.true(skipped > 0)
})
