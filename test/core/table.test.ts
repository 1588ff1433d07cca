import test from 'ava'
import { describeDifference, digestOf, type SafetyTable } from '../../src/core/table.ts'
import { milliseconds } from '../../src/lib/time.ts'

const table: SafetyTable = {
  hosts: [
    { id: 1, votes: 1 },
    { id: 2, votes: 2 },
  ],
  timing: { lease: milliseconds(2000), drift: 0.02 },
}

test('the order of the lines of hosts.yml means nothing', t => {
  t.deepEqual(digestOf({ ...table, hosts: [...table.hosts].reverse() }), digestOf(table))
})

test('what differs is named, with what it is here', t => {
  const { hosts, timing } = table
  const equal = hosts.map(({ id }) => ({ id, votes: 1 }))
  for (const [other, said] of [
    [{ hosts, timing: { ...timing, lease: milliseconds(3000) } }, 'lease 3000 ms (here 2000 ms)'],
    [{ hosts, timing: { ...timing, drift: 0.0325 } }, 'drift 3.25 % (here 2 %)'],
    [{ hosts: hosts.slice(1), timing }, 'other ids or votes (here 1: 1, 2: 2)'],
    [{ hosts: equal, timing }, 'other ids or votes (here 1: 1, 2: 2)'],
    [
      { hosts: equal, timing: { lease: milliseconds(60_000), drift: 0 } },
      'lease 60000 ms (here 2000 ms), drift 0 % (here 2 %), other ids or votes (here 1: 1, 2: 2)',
    ],
  ] as const) {
    t.is(describeDifference(table, digestOf(other)), said)
  }
})
