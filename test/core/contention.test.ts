import test from 'ava'
import { Contention } from '../../src/core/contention.ts'
import { Votes } from '../../src/core/view.ts'
import { Random } from '../../src/lib/random.ts'
import { milliseconds, NEVER, toInstant } from '../../src/lib/time.ts'

const TIMING = { heartbeat: milliseconds(50), suspect: milliseconds(250) }

/** Host 2 of three, of whom the first has three votes. */
const contention = (): Contention => {
  const votes = new Votes([1, 2, 3].map(id => ({ id, votes: id === 1 ? 3 : 1 })))
  return new Contention(2, votes, TIMING, new Random(1))
}

const at = toInstant

test('whoever would be first of the new view hesitates the least', t => {
  const dueOf = (candidates: readonly number[]): number => {
    const one = contention()
    one.want(at(0), candidates)
    return one.due
  }
  t.true(dueOf([2, 3]) < dueOf([1, 2, 3]))
  t.true(dueOf([1, 2, 3]) < TIMING.heartbeat)
  t.is(contention().due, NEVER)
})

test('a round has the time that a majority takes to answer, though the answer came too late', t => {
  const one = contention()
  one.begin(at(0), 10)
  t.is(one.roundEnd, at(250))
  one.fail(at(250))
  one.answered(at(260), 10, 3)
  one.answered(at(3000), 10, 1)
  one.begin(at(4000), 20)
  t.is(one.roundEnd, at(4000 + 3 * 3000))
  one.yieldTo(at(5000), 1)
  t.true(one.due >= at(5000 + 3000) && one.due <= at(5000 + 4 * 3000))
})

test('how slow a majority was is forgotten as it gets quicker, and where our clock stood still', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.answered(at(4000), 10, 1)
  for (let round = 1; round <= 10; round++) {
    const now = 10_000 * round
    one.begin(at(now), 10 + round)
    one.answered(at(now + 5), 10 + round, 1)
  }
  one.begin(at(200_000), 30)
  t.is(one.roundEnd, at(200_250))
  one.forget()
  one.answered(at(900_000), 30, 1)
  one.begin(at(900_000), 31)
  t.is(one.roundEnd, at(900_250))
})

test('an outage is no slow disk: what takes longer than a few seconds says nothing', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.answered(at(5100), 10, 1)
  one.begin(at(6000), 11)
  t.is(one.roundEnd, at(6250))
})

test('nor does an answer to a round that nobody wanted any more', t => {
  for (const end of ['settle', 'rest', 'forget'] as const) {
    const one = contention()
    one.begin(at(0), 10)
    one[end]()
    one.answered(at(4000), 10, 1)
    one.begin(at(6000), 11)
    t.is(one.roundEnd, at(6250), end)
  }
})

test('that a majority was slow counts for a minute', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.answered(at(3000), 10, 1)
  one.begin(at(62_000), 11)
  t.is(one.roundEnd, at(62_000 + 9000))
  one.begin(at(63_100), 12)
  t.is(one.roundEnd, at(63_100 + 250))
})

test('a round goes on as long again once a majority has answered, also if it had been given up', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.fail(at(250))
  t.false(one.isUnderWay)
  one.goOn(at(300))
  t.is(one.roundEnd, at(300 + 500), 'twice as long as the first')
})

test('where channels are new, a round is not waited for as long as a disk takes', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.answered(at(3000), 10, 1)
  one.begin(at(4000), 11)
  t.is(one.roundEnd, at(13_000))
  one.reopened(at(5000))
  t.is(one.roundEnd, at(5250))
  one.end()
  one.reopened(at(5000))
  t.false(one.isUnderWay)
})

test('once a view is decided, nobody waits as long as a disk takes', t => {
  const one = contention()
  one.begin(at(0), 10)
  one.answered(at(3000), 10, 1)
  one.yieldTo(at(4000), 1)
  one.want(at(4000), [2, 3])
  t.true(one.due >= at(7000))
  one.decided(at(4100))
  t.true(one.due <= at(4100 + 4 * 50))
})

test('of rounds that nobody answers only the last few are noted', t => {
  const one = contention()
  for (let counter = 1; counter <= 20; counter++) one.begin(at(counter), counter)
  one.answered(at(4000), 1, 1)
  one.begin(at(4100), 30)
  t.is(one.roundEnd, at(4350))
  one.answered(at(4500), 20, 1)
  one.begin(at(5000), 31)
  t.is(one.roundEnd, at(5000 + 3 * 4480))
})

test('a wait for another round ends where it has brought its view and somebody leaves, not before', t => {
  const one = contention()
  one.yieldTo(at(0), 1)
  one.want(at(0), [2, 3])
  const yielding = one.due
  t.true(yielding >= at(50))
  one.hurry()
  t.is(one.due, yielding)
  one.decided(at(0))
  t.is(one.due, yielding)
  one.hurry()
  t.true(one.due < at(50))
})
