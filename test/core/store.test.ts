import test from 'ava'
import {
  acceptedEntry,
  acceptorEntry,
  ceilingEntry,
  chosenEntry,
  floorEntry,
  incarnationEntry,
  lifeEntry,
  NOTHING_DURABLE,
  pledgeEntry,
  promiseEntry,
  promisedEntry,
  readyEntry,
  recover,
} from '../../src/core/store.ts'
import { nextValue } from '../../src/core/variable.ts'
import { nextView } from '../../src/core/view.ts'
import { milliseconds } from '../../src/lib/time.ts'

const TABLE = {
  hosts: [
    { id: 1, votes: 1 },
    { id: 2, votes: 3 },
  ],
  timing: { lease: milliseconds(3000), drift: 0.02 },
}

test('an empty store is that of a host that was never started', t => {
  t.deepEqual(recover(new Map()), NOTHING_DURABLE)
})

test('what was made durable is found again', t => {
  const acceptor = {
    promised: { counter: 9, host: 2 },
    accepted: { counter: 8, host: 1 },
    value: nextView(
      undefined,
      new Map([
        [1, 3],
        [2, 1],
      ]),
      true,
    ),
  }
  const ready = {
    founders: new Map([[2, 77]]),
    newcomers: new Map([[3, 99]]),
    table: TABLE,
  }
  const pledged = { ...TABLE, hosts: [{ id: 2, votes: 1 }] }
  const entries = [
    incarnationEntry(4),
    ceilingEntry(131_072),
    lifeEntry(2 ** 31),
    acceptorEntry(acceptor),
    readyEntry(ready),
    pledgeEntry(pledged),
  ]
  const records = new Map(entries.map(({ key, value }) => [key, value]))
  t.is(records.size, entries.length)
  t.deepEqual(recover(records), {
    incarnation: 4,
    clockCeiling: 131_072,
    acceptor,
    ready,
    pledged,
    life: 2 ** 31,
    floor: 0,
    registers: new Map(),
    chosen: new Map(),
  })
})

const ONE = nextValue(undefined, new Uint8Array([1, 2]), { host: 2, time: 2 ** 40 })
const TWO = nextValue(ONE, undefined, { host: 3, time: 2 ** 41 })
const low = { counter: 7, host: 2 }
const high = { counter: 2 ** 42, host: 3 }

test('what a host must not forget of variables comes back', t => {
  const entries = [
    floorEntry(6),
    // Promised later than anything was accepted, and the other way round.
    acceptedEntry('a', { promised: low, accepted: low, value: ONE }),
    promisedEntry('a', high),
    promisedEntry('b', low),
    acceptedEntry('b', { promised: high, accepted: low, value: TWO }),
    promisedEntry('only promised', low),
    chosenEntry('a', ONE),
    chosenEntry('b', { version: TWO.version, writer: TWO.writer }),
    // Known from another host, before anything was accepted here.
    chosenEntry('c', TWO),
  ]
  const durable = recover(new Map(entries.map(({ key, value }) => [key, value])))
  t.like(durable, {
    floor: 6,
    registers: new Map([
      ['a', { promised: high, accepted: low, value: ONE }],
      ['b', { promised: high, accepted: low, value: TWO }],
      ['only promised', { promised: low, accepted: { counter: 0, host: 0 }, value: undefined }],
    ]),
    chosen: new Map([
      ['a', ONE],
      ['b', TWO],
      ['c', TWO],
    ]),
  })
})

test('a promise is written with a short value, and beside a long one', t => {
  const long = nextValue(undefined, new Uint8Array(1025), { host: 1, time: 1 })
  for (const [value, key] of [
    [undefined, 'v:x'],
    [ONE, 'v:x'],
    [long, 'p:x'],
  ] as const) {
    const entry = promiseEntry('x', { promised: high, accepted: low, value })
    t.is(entry.key, key)
    const accepted = acceptedEntry('x', { promised: low, accepted: low, value })
    const records = new Map([accepted, entry].map(each => [each.key, each.value]))
    t.like(recover(records), {
      registers: new Map([['x', { promised: high, accepted: low, value }]]),
    })
  }
})

test('a damaged record of a variable is named, and so is a version without its value', t => {
  const entries = [
    floorEntry(6),
    acceptedEntry('a', { promised: low, accepted: low, value: ONE }),
    promisedEntry('a', high),
    chosenEntry('a', { version: ONE.version, writer: ONE.writer }),
  ]
  const records = new Map(entries.map(({ key, value }) => [key, value]))
  for (const { key } of entries) {
    const damaged = new Map(records).set(key, new Uint8Array([0xff, 0x00]))
    t.deepEqual(recover(damaged), { damaged: key })
  }
  const { key, value } = chosenEntry('a', { version: 2, writer: TWO.writer })
  t.deepEqual(recover(new Map(records).set(key, value)), { damaged: key })
})

test('a damaged record is named, whichever it is', t => {
  const entries = [
    incarnationEntry(4),
    ceilingEntry(1),
    lifeEntry(1),
    acceptorEntry({
      promised: { counter: 1, host: 1 },
      accepted: { counter: 0, host: 0 },
      value: undefined,
    }),
    readyEntry({ founders: new Map(), newcomers: new Map(), table: TABLE }),
    pledgeEntry(TABLE),
  ]
  for (const { key } of entries) {
    const records = new Map(entries.map(entry => [entry.key, entry.value]))
    records.set(key, new Uint8Array([0xff, 0x00]))
    t.deepEqual(recover(records), { damaged: key })
  }
})
