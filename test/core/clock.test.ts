import test from 'ava'
import fc from 'fast-check'
import { compare, LamportClock, timestampOf, tokenOf } from '../../src/core/clock.ts'

const timestamp = fc.record({
  time: fc.integer({ min: 0, max: 2 ** 43 - 1 }),
  host: fc.integer({ min: 1, max: 1023 }),
})

test('IR1: each event of one host is later than the one before it', t => {
  const clock = new LamportClock(41)
  t.is(clock.tick(), 42)
  t.is(clock.tick(), 43)
})

test('IR2: a delivery is later than both its send and every earlier local event', t => {
  const clock = new LamportClock(10)
  t.is(clock.witness(99), 100)
  t.is(clock.witness(5), 101)
})

test('host 2 precedes host 10 at the same time: ids are numbers, not text', t => {
  t.true(compare({ time: 7, host: 2 }, { time: 7, host: 10 }) < 0)
  t.true(tokenOf({ time: 7, host: 2 }) < tokenOf({ time: 7, host: 10 }))
})

test('tokens are safe integers that sort as the total order does, and name their timestamp', t => {
  fc.assert(
    fc.property(timestamp, timestamp, (a, b) => {
      t.true(Number.isSafeInteger(tokenOf(a)))
      t.deepEqual(timestampOf(tokenOf(a)), a)
      t.is(Math.sign(compare(a, b)), Math.sign(tokenOf(a) - tokenOf(b)))
    }),
  )
})

test('⇒ is a total order', t => {
  fc.assert(
    fc.property(timestamp, timestamp, timestamp, (a, b, c) => {
      t.is(Math.sign(compare(a, b)), -Math.sign(compare(b, a)) + 0)
      t.is(compare(a, b) === 0, a.time === b.time && a.host === b.host)
      if (compare(a, b) < 0 && compare(b, c) < 0) t.true(compare(a, c) < 0)
    }),
  )
})
