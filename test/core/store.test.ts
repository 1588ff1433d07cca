import test from 'ava'
import {
  acceptorEntry,
  ceilingEntry,
  incarnationEntry,
  lifeEntry,
  NOTHING_DURABLE,
  pledgeEntry,
  readyEntry,
  recover,
} from '../../src/core/store.ts'
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
  })
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
