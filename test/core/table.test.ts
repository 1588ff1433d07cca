import test from 'ava'
import { describeDifference, digestOf, linesOf, type SafetyTable } from '../../src/core/table.ts'
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

test('a table whose lines have come is told by the lines that differ, and where they are', t => {
  const places = new Map([
    ['lease', 'line 4'],
    ['host 2', 'line 9'],
  ])
  const describe = (other: SafetyTable, lines: readonly number[] = linesOf(other)): string =>
    describeDifference(table, digestOf(other), lines, places)
  const { timing } = table
  const one = { id: 1, votes: 1 }
  t.is(
    describe({ hosts: [one, { id: 2, votes: 1 }], timing }),
    'votes: 1 for host 2 (here votes: 2, line 9)',
  )
  t.is(describe({ hosts: [one], timing }), 'no host 2 (here votes: 2, line 9)')
  const more = { hosts: [...table.hosts, { id: 1023, votes: 100 }], timing }
  t.is(describe(more), 'a host 1023 (here there is none)')
  const longer = { ...table, timing: { ...timing, lease: milliseconds(3000) } }
  t.is(describe(longer), 'lease 3000 ms (here 2000 ms, line 4)')
  // As long as only equal lines have come, and of one that never tells any.
  t.is(describe(more, linesOf(more).slice(0, 1)), 'other ids or votes (here 1: 1, 2: 2)')
  t.is(describe({ hosts: [one], timing }, [0]), 'other ids or votes (here 1: 1, 2: 2)')
})
