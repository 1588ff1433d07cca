import fc from 'fast-check'
import test from 'ava'
import { Acceptor, compareBallots, NO_BALLOT, Round, type Ballot } from '../../src/core/register.ts'
import { Votes } from '../../src/core/view.ts'
import { Random } from '../../src/lib/random.ts'

const votes = new Votes([1, 2, 3].map(id => ({ id, votes: 1 })))

test('ballots are ordered by counter, then by host', t => {
  t.true(compareBallots({ counter: 1, host: 9 }, { counter: 2, host: 1 }) < 0)
  t.true(compareBallots({ counter: 2, host: 2 }, { counter: 2, host: 10 }) < 0)
  t.is(compareBallots(NO_BALLOT, { counter: 0, host: 0 }), 0)
})

test('an acceptor keeps its promise, and saves before it answers', t => {
  const saved: unknown[] = []
  const acceptor = new Acceptor<string>(undefined, record => saved.push(record))
  t.true(acceptor.prepare({ counter: 5, host: 1 }))
  t.false(acceptor.prepare({ counter: 5, host: 1 }))
  t.false(acceptor.prepare({ counter: 4, host: 9 }))
  t.false(acceptor.accept({ counter: 4, host: 9 }, 'old'))
  t.true(acceptor.accept({ counter: 5, host: 1 }, 'a'))
  t.true(acceptor.accept({ counter: 6, host: 1 }, 'b'))
  t.is(saved.length, 3)
  t.is(saved.at(-1), acceptor.record)
  t.is(new Acceptor<string>(acceptor.record, () => undefined).record.value, 'b')
})

test('below the floor every ballot is refused; a lower floor changes nothing', t => {
  const acceptor = new Acceptor<string>(undefined, () => undefined)
  acceptor.raiseFloor(100)
  t.false(acceptor.prepare({ counter: 99, host: 7 }))
  t.true(acceptor.prepare({ counter: 100, host: 1 }))
  acceptor.raiseFloor(50)
  t.deepEqual(acceptor.record.promised, { counter: 100, host: 1 })
})

test('a round goes on with the value of the highest accepted ballot among a majority', t => {
  const round = new Round<string>({ counter: 9, host: 1 }, votes)
  const change = (current: string | undefined): string => `${current ?? ''}+`
  t.is(round.promised(1, { accepted: { counter: 2, host: 1 }, value: 'older' }, change), 'wait')
  t.is(round.promised(1, { accepted: { counter: 2, host: 1 }, value: 'older' }, change), 'wait')
  t.deepEqual(round.promised(3, { accepted: { counter: 4, host: 2 }, value: 'newer' }, change), {
    accept: 'newer+',
  })
  t.is(round.promised(2, { accepted: { counter: 8, host: 2 }, value: 'late' }, change), 'wait')
  t.is(round.accepted(2), undefined)
  t.is(round.accepted(2), undefined)
  t.is(round.accepted(1), 'newer+')
  t.is(round.accepted(3), undefined)
})

test('a change that wants nothing ends the round', t => {
  const round = new Round<string>({ counter: 9, host: 1 }, votes)
  const change = (): undefined => undefined
  round.promised(1, { accepted: NO_BALLOT, value: undefined }, change)
  t.is(round.promised(2, { accepted: NO_BALLOT, value: undefined }, change), 'none')
  t.is(round.accepted(2), undefined)
})

/** Proposers that append their mark to a text; messages are lost and delivered in any order. */
function race(seed: number, canLose: boolean): string[] {
  const random = new Random(seed)
  const acceptors = new Map(
    [1, 2, 3].map(id => [id, new Acceptor<string>(undefined, () => undefined)]),
  )
  const chosen: string[] = []
  const mail: (() => void)[] = []
  const post = (run: () => void): void => {
    if (!canLose || random.chance(0.9)) mail.push(run)
  }
  let counter = 0
  const propose = (host: number): void => {
    const ballot: Ballot = { counter: ++counter, host }
    const round = new Round<string>(ballot, votes)
    const change = (current: string | undefined): string => `${current ?? ''}${host}`
    for (const [id, acceptor] of acceptors) {
      post(() => {
        if (!acceptor.prepare(ballot)) return
        const { accepted, value } = acceptor.record
        post(() => {
          const step = round.promised(id, { accepted, value }, change)
          if (step === 'wait' || step === 'none') return
          for (const [other, voter] of acceptors) {
            post(() => {
              if (!voter.accept(ballot, step.accept)) return
              post(() => {
                const value = round.accepted(other)
                if (value !== undefined) chosen.push(value)
              })
            })
          }
        })
      })
    }
  }
  for (let i = 0; i < 8; i++) post(() => propose(1 + random.below(3)))
  while (mail.length > 0) mail.splice(random.below(mail.length), 1)[0]?.()
  return chosen
}

test('whatever is lost or late, chosen values form one line: each continues the one before', t => {
  let most = 0
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (seed, canLose) => {
      const chosen = race(seed, canLose).sort((a, b) => a.length - b.length)
      most = Math.max(most, chosen.length)
      for (const [i, value] of chosen.entries()) {
        const before = chosen[i - 1] ?? ''
        t.true(value.startsWith(before) && value !== before)
      }
    }),
    { numRuns: 300 },
  )
  t.true(most >= 3)
})
