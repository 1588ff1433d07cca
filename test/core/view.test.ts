import fc from 'fast-check'
import test from 'ava'
import { describeView, includes, nextView, Votes, type View } from '../../src/core/view.ts'

test('a majority has more than half of all votes', t => {
  const votes = new Votes([1, 1, 1, 1].map((share, i) => ({ id: i + 1, votes: share })))
  t.false(votes.isMajority([1, 2]))
  t.true(votes.isMajority([1, 2, 3]))
  t.is(votes.of([1, 9]), 1)
  t.is(votes.total, 4)
})

test('two majorities share a host, whatever the votes', t => {
  const share = fc.array(fc.nat(3), { minLength: 1, maxLength: 7 })
  fc.assert(
    fc.property(share, fc.nat(127), fc.nat(127), (shares, a, b) => {
      const hosts = shares.map((votes, i) => ({ id: i + 1, votes }))
      const votes = new Votes(hosts)
      const [one, other] = [a, b].map(bits =>
        hosts.filter((_, i) => (bits >> i) & 1).map(({ id }) => id),
      ) as [number[], number[]]
      if (!votes.isMajority(one) || !votes.isMajority(other)) return
      t.true(one.some(id => other.includes(id)))
    }),
  )
})

test('the first view is marked; who continues keeps the number at which it joined', t => {
  const first = nextView(
    undefined,
    new Map([
      [2, 1],
      [1, 1],
    ]),
    true,
  )
  t.true(first.isFirst)
  t.is(describeView(first), 'view 1: 1 2')
  const second = nextView(
    first,
    new Map([
      [1, 1],
      [2, 2],
      [3, 1],
    ]),
    true,
  )
  t.false(second.isFirst)
  t.is(second.number, 2)
  t.deepEqual(
    [...second.members.values()].map(({ since }) => since),
    [1, 2, 2],
  )
  t.deepEqual([...second.retired], [[2, 1]])
  t.true(includes(second, 2, 2))
  t.false(includes(second, 2, 1))
  t.false(includes(undefined, 2, 1))
})

test('an incarnation that was excluded is never in a later view', t => {
  const wanted = fc.dictionary(fc.constantFrom('1', '2', '3'), fc.integer({ min: 1, max: 4 }))
  fc.assert(
    fc.property(fc.array(wanted, { maxLength: 8 }), steps => {
      let view: View | undefined
      const gone = new Set<string>()
      for (const step of steps) {
        const before = view
        const next = nextView(
          view,
          new Map(Object.entries(step).map(([h, i]) => [Number(h), i])),
          true,
        )
        for (const [host, { incarnation }] of next.members) {
          t.false(gone.has(`${host}#${incarnation}`))
        }
        for (const [host, { incarnation }] of before?.members ?? []) {
          if (!includes(next, host, incarnation)) gone.add(`${host}#${incarnation}`)
        }
        view = next
      }
    }),
  )
})

test('without the rule, it comes back', t => {
  const first = nextView(
    undefined,
    new Map([
      [1, 1],
      [2, 1],
    ]),
    false,
  )
  const second = nextView(first, new Map([[1, 1]]), false)
  t.true(
    includes(
      nextView(
        second,
        new Map([
          [1, 1],
          [2, 1],
        ]),
        false,
      ),
      2,
      1,
    ),
  )
})
