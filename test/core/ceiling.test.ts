import test from 'ava'
import { Ceiling } from '../../src/core/ceiling.ts'
import { LamportClock } from '../../src/core/clock.ts'

test('nothing passes the durable ceiling, and more is asked for long before', t => {
  const clock = new LamportClock(0)
  const ceiling = new Ceiling(clock, 0, true)
  t.false(ceiling.allows(0))
  const first = ceiling.raise() ?? 0
  t.is(first, 65_536)
  t.is(ceiling.raise(), undefined)
  t.false(ceiling.allows(1))
  ceiling.raised(first)
  t.true(ceiling.allows(first - 1))
  t.false(ceiling.allows(first))
  clock.witness(first / 2)
  const second = ceiling.raise() ?? 0
  t.true(second > first)
  t.false(ceiling.allows(first))
  ceiling.raised(second)
  t.true(ceiling.allows(first))
})

test('a message from far ahead asks for a ceiling above it', t => {
  const clock = new LamportClock(0)
  const ceiling = new Ceiling(clock, 65_536, true)
  clock.witness(10_000_000)
  t.true((ceiling.raise() ?? 0) > 10_000_001)
})

test('switched off, it allows everything', t => {
  t.true(new Ceiling(new LamportClock(0), 0, false).allows(1e9))
})
