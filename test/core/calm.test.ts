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
  heard: readonly number[] = [2, 3]
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
      this.calm.beat(toInstant(this.now), this.heard)
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

test('silence ends it as soon as one is overdue, and the next are sent then', t => {
  const night = new Night().run(6000)
  night.run(150, from => from === 3)
  t.false(night.calm.isCalm)
  t.is(night.beats.at(-1), 6100)
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

test('where too few fit into suspect and lease, there are no rare ones', t => {
  for (const short of [{ suspect: milliseconds(1199) }, { lease: milliseconds(1499) }]) {
    t.false(new Night({ ...TIMING, ...short }).run(60_000).calm.isCalm)
  }
  const enough = { suspect: milliseconds(1200), lease: milliseconds(1500) }
  t.true(new Night({ ...TIMING, ...enough }).run(60_000).calm.isRare)
})

test('a host that is silent for good is not waited for', t => {
  const night = new Night().run(6000)
  night.run(1200, from => from === 3)
  night.heard = [2]
  night.run(4500, from => from === 3)
  t.false(night.calm.isRare)
  night.run(600, from => from === 3)
  t.true(night.calm.isRare)
  night.heard = [2, 3]
  night.run(300)
  t.false(night.calm.isCalm, 'it is back')
})

test('of a network that turns bad both ways at once, five of seven heartbeats have their chance', t => {
  for (let phase = 0; phase < 300; phase += 10) {
    const hosts = [1, 2].map(id => ({ id, calm: new Calm(id, TIMING), sent: [] as number[] }))
    let [isLost, lastHeard] = [false, 0]
    for (let now = 0; now < 20_000; now += 10) {
      // From there on nothing arrives; the second host begins later than the first.
      if (now === 12_000 + phase) [isLost, lastHeard] = [true, now]
      for (const [index, { id, calm, sent }] of hosts.entries()) {
        if (now < index * phase || now < calm.due) continue
        calm.beat(toInstant(now), [3 - id])
        sent.push(now)
        const said = { incarnation: 1, stamp: now, echo: undefined, view: 1, heard: [3 - id] }
        const { isCalm, isRare } = calm
        const sign = { ...said, isCalm, isRare }
        if (!isLost) hosts[1 - index]?.calm.hear(toInstant(now), id, sign)
        else if (lastHeard === 0) lastHeard = now
      }
    }
    for (const { sent } of hosts) {
      const lost = sent.filter(at => at >= lastHeard)
      const before = Math.max(...sent.filter(at => at < lastHeard))
      const chances = lost.filter(at => at < before + TIMING.suspect).length
      t.true(chances >= 5, `phase ${phase}: ${chances}`)
    }
  }
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
  for (const from of [2, 3]) night.hear(from, { isRare: true })
  night.calm.beat(now, [2, 3])
  t.is(night.calm.due - now, 2 * TIMING.heartbeat)
  night.calm.hasten(now)
  t.is(night.calm.due - now, 15)
  night.calm.hasten(toInstant(now + 10))
  t.is(night.calm.due - now, 15)
  night.calm.beat(toInstant(now + 15), [2, 3])
  t.is(night.calm.due - now, 15 + 2 * TIMING.heartbeat)
})
