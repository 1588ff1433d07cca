import test from 'ava'
import { Calm } from '../../src/core/calm.ts'
import type { Sign } from '../../src/core/hearing.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const TIMING = {
  heartbeat: milliseconds(150),
  suspect: milliseconds(1200),
  lease: milliseconds(2000),
}

/** Host 1, between two others that a test plays; time goes in steps of 50 ms. */
class Night {
  readonly calm: Calm
  /** When host 1 sent heartbeats. */
  readonly beats: number[] = []
  now = 0

  constructor(timing: typeof TIMING = TIMING) {
    this.calm = new Calm(1, timing)
  }

  hear(from: number, more: Partial<Sign> = {}): void {
    const said = { incarnation: 1, stamp: this.now, echo: undefined, view: 1, heard: [1, 5 - from] }
    this.calm.hear(toInstant(this.now), from, { ...said, isCalm: true, isRare: false, ...more })
  }

  /** The others send one each 150 ms, but for those that are dropped. */
  run(ms: number, isDropped: (from: number, at: number) => boolean = () => false): this {
    for (const end = this.now + ms; this.now < end; this.now += 50) {
      if (this.now % 150 === 0) {
        for (const from of [2, 3]) if (!isDropped(from, this.now)) this.hear(from)
      }
      if (this.now < this.calm.due) continue
      this.calm.beat(toInstant(this.now), [2, 3])
      this.beats.push(this.now)
    }
    return this
  }
}

test('after a while in which nothing is missed, heartbeats come half as often', t => {
  const night = new Night().run(4750)
  t.false(night.calm.isRare)
  night.run(300)
  t.true(night.calm.isCalm && night.calm.isRare)
  night.beats.length = 0
  night.run(3000)
  t.is(night.beats.length, 10)
})

test('one that is missed ends it, once the next has come', t => {
  const night = new Night().run(6000)
  t.true(night.calm.isRare)
  night.run(150, from => from === 2).run(50)
  t.false(night.calm.isCalm)
  night.run(4500)
  t.false(night.calm.isRare, 'and for as long as it took to begin')
  night.run(600)
  t.true(night.calm.isRare)
})

test('silence ends it with the next heartbeat', t => {
  const night = new Night().run(6000)
  night.run(600, from => from === 3)
  t.false(night.calm.isCalm)
  t.is(night.calm.due - (night.beats.at(-1) ?? NaN), TIMING.heartbeat)
})

test('a host that has missed something ends it for all, and is not to blame for more', t => {
  const night = new Night().run(6000)
  night.hear(2, { stamp: night.now + 1, isCalm: false })
  t.false(night.calm.isRare)
  t.true(night.calm.isCalm, 'this host has missed nothing')
  night.run(450)
  t.true(night.calm.isRare)
})

test('what is not heard by the other, or begins anew, is no calm', t => {
  for (const more of [{ heard: [3] }, { incarnation: 2 }]) {
    const night = new Night().run(6000)
    night.hear(2, { stamp: night.now + 1, ...more })
    t.false(night.calm.isCalm)
  }
})

test('a rare heartbeat is late only after its own interval', t => {
  const night = new Night().run(6000)
  night.hear(2, { stamp: night.now + 1, isRare: true })
  night.now += 300
  night.hear(2, { isRare: true })
  night.hear(3)
  t.false(night.calm.isCalm, 'the other had promised one in between')
  const other = new Night().run(6000)
  for (const from of [2, 3]) other.hear(from, { stamp: other.now + 1, isRare: true })
  other.now += 300
  for (const from of [2, 3]) other.hear(from, { isRare: true })
  t.true(other.calm.isCalm)
})

test('what is overtaken on the way, or comes twice, is no gap', t => {
  const night = new Night().run(6000)
  const late = { stamp: night.now - 300 }
  night.hear(2, late)
  night.hear(2, late)
  t.true(night.calm.isCalm && night.calm.isRare)
})

test('where three rare ones do not fit into suspect and lease, there are none', t => {
  for (const short of [{ suspect: milliseconds(899) }, { lease: milliseconds(899) }]) {
    t.false(new Night({ ...TIMING, ...short }).run(60_000).calm.isCalm)
  }
  const enough = { suspect: milliseconds(900), lease: milliseconds(900) }
  t.true(new Night({ ...TIMING, ...enough }).run(60_000).calm.isRare)
})

test('a request ends it at once', t => {
  const night = new Night().run(6000)
  night.calm.disturb(toInstant(night.now))
  t.is(night.calm.due - (night.beats.at(-1) ?? NaN), TIMING.heartbeat)
  t.false(night.calm.isCalm)
})

test('where somebody waits for them, the next heartbeats are sent soon, together', t => {
  const night = new Night().run(6000)
  const now = toInstant(night.now)
  night.calm.beat(now, [2, 3])
  t.is(night.calm.due - now, 2 * TIMING.heartbeat)
  night.calm.hasten(now)
  t.is(night.calm.due - now, 15)
  night.calm.hasten(toInstant(now + 10))
  t.is(night.calm.due - now, 15)
  night.calm.beat(toInstant(now + 15), [2, 3])
  t.is(night.calm.due - now, 15 + 2 * TIMING.heartbeat)
})
