import test from 'ava'
import { Hearing, type Heartbeat } from '../../src/core/hearing.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const at = toInstant

function beat(stamp: number, more: Partial<Heartbeat> = {}): Heartbeat {
  const said = { incarnation: 1, stamp, echo: undefined, view: 0, heard: [1] }
  return { ...said, isCalm: false, isRare: false, digest: 0, whole: true, ...more }
}

function hearing(): Hearing {
  return new Hearing(1, milliseconds(250))
}

function hearEachOther(h: Hearing, now: number, a: number, b: number): boolean {
  return h.heardBy(at(now), a).has(b) && h.heardBy(at(now), b).has(a)
}

test('a host is heard until it has been silent for suspect', t => {
  const h = hearing()
  t.true(h.hear(at(0), 2, beat(5)))
  t.deepEqual([...h.heard(at(249))], [[2, 1]])
  t.is(h.deadline(at(10)), at(250))
  t.deepEqual([...h.heard(at(250))], [])
  t.false(hearEachOther(h, 250, 1, 2))
})

test('one-way hearing counts as none', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(5, { heard: [1, 3] }))
  h.hear(at(0), 3, beat(5, { heard: [1] }))
  t.true(hearEachOther(h, 1, 1, 2))
  t.false(hearEachOther(h, 1, 2, 3))
  h.hear(at(2), 3, beat(6, { heard: [2] }))
  t.true(hearEachOther(h, 3, 2, 3))
  t.false(hearEachOther(h, 3, 1, 3))
})

test('of two heartbeats that overtook each other the newer one counts', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(20, { heard: [] }))
  t.false(h.hear(at(1), 2, beat(10, { heard: [1] })))
  t.false(hearEachOther(h, 1, 1, 2))
  t.is(h.stampOf(2, 1), 20)
})

test('an older incarnation is not heard any more, and its stamps are not echoed', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(20, { incarnation: 2 }))
  t.false(h.hear(at(1), 2, beat(30, { incarnation: 1 })))
  t.deepEqual([...h.heard(at(1))], [[2, 2]])
  t.is(h.stampOf(2, 1), undefined)
  t.is(h.incarnationOf(2), 2)
})

test('an incarnation that has left is not heard, whatever still comes; the next one is', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(1))
  h.leave(2, 1)
  h.hear(at(1), 2, beat(2))
  t.is(h.heard(at(1)).size, 0)
  h.hear(at(2), 2, beat(3, { incarnation: 2 }))
  t.is(h.heard(at(2)).size, 1)
})

test('who comes and goes waits longer each time, at most 20 s, and is forgiven after a minute', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(1))
  t.is(h.admissible(at(0), 2), at(0))
  h.excluded(at(0), 2, 1)
  t.is(h.admissible(at(0), 2), at(250))
  h.excluded(at(10), 2, 1)
  t.is(h.admissible(at(10), 2), at(500))
  for (let i = 0; i < 10; i++) h.excluded(at(20), 2, 1)
  t.is(h.admissible(at(20), 2), at(20_000))
  t.is(h.admissible(at(60_020), 2), at(60_020))
})

test('what a life that was never heard here has done is held against nobody', t => {
  const h = hearing()
  h.excluded(at(0), 2, 1)
  h.hear(at(0), 2, beat(1, { incarnation: 5 }))
  h.excluded(at(0), 2, 4)
  t.is(h.admissible(at(0), 2), at(0))
  h.hear(at(10), 2, beat(2, { incarnation: 6 }))
  h.excluded(at(10), 2, 5)
  t.is(h.admissible(at(10), 2), at(260))
})

test('a gap begins that wait anew', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(1))
  h.excluded(at(0), 2, 1)
  h.hear(at(200), 2, beat(2))
  t.is(h.admissible(at(200), 2), at(250))
  h.hear(at(450), 2, beat(3))
  t.is(h.admissible(at(450), 2), at(700))
})

test('the newest view is told by those who hear us', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(1, { view: 4 }))
  h.hear(at(0), 3, beat(1, { view: 9, heard: [2] }))
  t.is(h.newestView(at(1)), 4)
  t.is(h.newestView(at(250)), 0)
})

test('a stall of our own is no silence of others, but what was silent before stays so', t => {
  const h = hearing()
  h.hear(at(0), 2, beat(5))
  h.hear(at(900), 3, beat(5))
  // Nothing was done here from 1000 to 5000.
  h.excuse(at(5000), milliseconds(4000))
  t.deepEqual([...h.heard(at(5000))], [[3, 1]])
  t.is(h.deadline(at(5000)), at(5150))
  t.deepEqual([...h.heard(at(5150))], [])
})

test('an excuse is never for more than the whole silence', t => {
  const h = hearing()
  h.hear(at(100), 2, beat(5))
  h.excuse(at(200), milliseconds(5000))
  t.is(h.lastHeard(2), at(200))
})
