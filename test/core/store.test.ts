import test from 'ava'
import {
  acceptorEntry,
  ceilingEntry,
  incarnationEntry,
  lifeEntry,
  NOTHING_DURABLE,
  readyEntry,
  recover,
} from '../../src/core/store.ts'
import { nextView } from '../../src/core/view.ts'

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
  const ready = { founders: new Map([[2, 77]]) }
  const entries = [
    incarnationEntry(4),
    ceilingEntry(131_072),
    lifeEntry(2 ** 31),
    acceptorEntry(acceptor),
    readyEntry(ready),
  ]
  const records = new Map(entries.map(({ key, value }) => [key, value]))
  t.is(records.size, entries.length)
  t.deepEqual(recover(records), {
    incarnation: 4,
    clockCeiling: 131_072,
    acceptor,
    ready,
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
    readyEntry({ founders: new Map() }),
  ]
  for (const { key } of entries) {
    const records = new Map(entries.map(entry => [entry.key, entry.value]))
    records.set(key, new Uint8Array([0xff, 0x00]))
    t.deepEqual(recover(records), { damaged: key })
  }
})
