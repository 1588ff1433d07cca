import test from 'ava'
import { RULES } from '../../src/core/rules.ts'
import { explore } from '../../src/sim/explore.ts'
import type { Bounds } from '../../src/sim/small-world.ts'

const SMALL: Bounds = { hosts: 2, requests: 2, crashes: 0, restarts: false, timers: 0 }

const LIMITS = { states: 20_000 }

test('two hosts, two requests: in every order there is one holder, and both are served', t => {
  const { violation, isExhausted, served, states } = explore(SMALL, RULES, LIMITS)
  t.is(violation, undefined)
  t.true(isExhausted)
  t.is(served, 2)
  t.true(states > 20)
})

test('three hosts, two requests: the same', t => {
  const { violation, isExhausted, served } = explore({ ...SMALL, hosts: 3 }, RULES, LIMITS)
  t.is(violation, undefined)
  t.true(isExhausted)
  t.is(served, 2)
})

test('two hosts, two requests, a crash at any moment: never two holders', t => {
  const { violation, isExhausted } = explore({ ...SMALL, crashes: 1 }, RULES, LIMITS)
  t.is(violation, undefined)
  t.true(isExhausted)
})

test('timers multiply the orders, and all of them are gone through', t => {
  const few = explore(SMALL, RULES, LIMITS)
  const more = explore({ ...SMALL, timers: 1 }, RULES, LIMITS)
  t.true(more.isExhausted)
  t.is(more.violation, undefined)
  t.true(more.states > 5 * few.states)
})

test('an exploration that has to give up says so', t => {
  const { isExhausted, states, violation } = explore(SMALL, RULES, { states: 10 })
  t.false(isExhausted)
  t.is(states, 10)
  t.is(violation, undefined)
})

test('without waiting for REPLIES, it finds two holders and the way there', t => {
  const { violation } = explore(SMALL, { ...RULES, waitForReplies: false }, LIMITS)
  t.regex(violation?.text ?? '', /^2 are inside door/)
  t.true(violation?.path.includes('acquire 0') && violation.path.includes('acquire 1'))
})

test('without ghosts, it finds that a restart lets another in beside the old client', t => {
  const bounds = { ...SMALL, crashes: 1, restarts: true, timers: 2 }
  const { violation } = explore(bounds, { ...RULES, ghosts: false }, LIMITS)
  t.regex(violation?.text ?? '', /^2 are inside door/)
  t.true(violation?.path.includes('crash 1') && violation.path.includes('boot 1'))
})
