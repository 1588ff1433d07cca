import fc from 'fast-check'
import test from 'ava'
import { HostSet } from '../../src/core/host-set.ts'
import { nextView, Votes, type View } from '../../src/core/view.ts'
import { largestMutualSet, wantedMembers, type Prospect } from '../../src/core/wanted.ts'

type Case = {
  readonly self?: number
  readonly votes?: readonly number[]
  readonly members?: Readonly<Record<number, number>>
  readonly alive: Readonly<Record<number, number>>
  readonly cut?: readonly string[]
  readonly probation?: readonly number[]
}

function numbers(record: Readonly<Record<number, number>>): Map<number, number> {
  return new Map(Object.entries(record).map(([host, item]) => [Number(host), item]))
}

function wanted(c: Case): string | undefined {
  const votes = c.votes ?? [1, 1, 1, 1, 1]
  const view: View | undefined = c.members && nextView(undefined, numbers(c.members), true)
  const prospect: Prospect = {
    self: c.self ?? 1,
    votes: new Votes(votes.map((share, i) => ({ id: i + 1, votes: share }))),
    view,
    alive: numbers(c.alive),
    heardBy: a =>
      new HostSet(
        Object.keys(c.alive)
          .map(Number)
          .filter(b => !c.cut?.includes(`${Math.min(a, b)}-${Math.max(a, b)}`)),
      ),
    isAdmissible: host => !c.probation?.includes(host),
  }
  const set = wantedMembers(prospect)
  return set && [...set].map(([host, incarnation]) => `${host}#${incarnation}`).join(' ')
}

const three = { 1: 1, 2: 1, 3: 1 }

test('a view that stands is wanted as it is, and enlarged by those whom all its members hear', t => {
  t.is(wanted({ members: three, alive: three }), '1#1 2#1 3#1')
  t.is(wanted({ members: three, alive: { ...three, 4: 2 } }), '1#1 2#1 3#1 4#2')
  t.is(wanted({ members: three, alive: { ...three, 4: 2 }, cut: ['2-4'] }), '1#1 2#1 3#1')
  t.is(wanted({ members: three, alive: { ...three, 4: 2 }, probation: [4] }), '1#1 2#1 3#1')
})

test('a dead incarnation is excluded at once, and its next one taken in if it may be', t => {
  const alive = { 1: 1, 2: 1, 3: 2, 4: 1 }
  const members = { ...three, 4: 1 }
  t.is(wanted({ members, alive }), '1#1 2#1 3#2 4#1')
  t.is(wanted({ members, alive, probation: [3] }), '1#1 2#1 4#1')
  // Without a majority otherwise, probation has to wait.
  t.is(wanted({ members: three, alive: { 1: 1, 2: 1, 3: 2 }, probation: [3] }), '1#1 2#1 3#2')
})

test('where a view does not stand: most votes, then the lowest ids', t => {
  const alive = { 1: 1, 2: 1, 3: 1, 4: 1, 5: 1 }
  t.is(wanted({ members: alive, alive, cut: ['1-2', '3-4'] }), '1#1 3#1 5#1')
  t.is(
    wanted({ members: alive, alive, cut: ['1-2'], votes: [1, 2, 1, 1, 1], self: 3 }),
    '2#1 3#1 4#1 5#1',
  )
  t.is(wanted({ members: alive, alive, cut: ['1-2'], votes: [1, 2, 1, 1, 1], self: 1 }), undefined)
})

test('no majority, no wish', t => {
  t.is(wanted({ alive: { 1: 1, 2: 1 } }), undefined)
  t.is(wanted({ alive: { 1: 1, 2: 1 }, votes: [2, 1, 1] }), '1#1 2#1')
})

test('who comes and goes is for the members to settle, while any of them is heard', t => {
  t.is(wanted({ self: 4, members: three, alive: { 1: 1, 2: 1, 3: 1, 4: 1 } }), undefined)
  t.is(wanted({ self: 4, members: three, alive: { 2: 1, 4: 1, 5: 1 } }), undefined)
  t.is(wanted({ self: 4, members: three, alive: { 1: 2, 4: 1, 5: 1 } }), '1#2 4#1 5#1')
})

/** By trying all sets. */
function bestByForce(count: number, hears: (a: number, b: number) => boolean): number {
  let best = 0
  for (let bits = 1; bits < 1 << count; bits++) {
    const set = Array.from({ length: count }, (_, i) => i).filter(i => (bits >> i) & 1)
    const isMutual = set.every((a, i) => set.slice(i + 1).every(b => hears(a, b)))
    if (isMutual) best = Math.max(best, set.length)
  }
  return best
}

test('the largest set of hosts that hear each other is found, whatever is cut', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
      (count, bits) => {
        const hears = (a: number, b: number): boolean =>
          bits[8 * Math.min(a, b) + Math.max(a, b)] ?? true
        const ids = Array.from({ length: count }, (_, i) => i)
        const votes = new Votes(ids.map(id => ({ id, votes: 1 })))
        const set = largestMutualSet(ids, a => new HostSet(ids.filter(b => hears(a, b))), votes)
        t.is(set.length, bestByForce(count, hears))
        t.true(set.every((a, i) => set.slice(i + 1).every(b => hears(a, b))))
      },
    ),
    { numRuns: 300 },
  )
})
