import test from 'ava'
import { CatchUp, inParts, PART_BYTES_MAX } from '../../src/core/catch-up.ts'
import { LamportClock } from '../../src/core/clock.ts'
import { Known } from '../../src/core/known.ts'
import type { CatchUpMessage } from '../../src/core/message.ts'
import { nextValue, type VariableValue } from '../../src/core/variable.ts'
import { toInstant } from '../../src/lib/time.ts'

function valueOf(text: string, size = 10): VariableValue {
  return nextValue(undefined, new Uint8Array(size).fill(text.length), { host: 1, time: 1 })
}

/** Hosts that catch up with each other, over channels that a test can cut. */
class Pair {
  readonly ends = [1, 2].map(id => {
    const known = new Known(new Map())
    const accepted = new Map<string, VariableValue>()
    const learned: string[] = []
    const sent: CatchUpMessage[] = []
    const catchUp: CatchUp = new CatchUp(new LamportClock(id), known, {
      send: (_, message) => sent.push(message),
      accepted: name => accepted.get(name),
      learn: (name, value) => {
        if (known.learn(name, value)) learned.push(name)
      },
    })
    return { id, known, accepted, learned, sent, catchUp, counts: new Map<string, number>() }
  })
  now = 0

  get first(): (typeof this.ends)[number] {
    return this.ends[0] as (typeof this.ends)[number]
  }

  get second(): (typeof this.ends)[number] {
    return this.ends[1] as (typeof this.ends)[number]
  }

  open(): this {
    this.first.catchUp.open(toInstant(this.now), 2)
    this.second.catchUp.open(toInstant(this.now), 1)
    return this
  }

  settle(): this {
    for (let again = true; again;) {
      again = false
      for (const [end, other] of [
        [this.first, this.second],
        [this.second, this.first],
      ] as const) {
        for (const message of end.sent.splice(0)) {
          again = true
          end.counts.set(message.type, 1 + (end.counts.get(message.type) ?? 0))
          other.catchUp.receive(end.id, message)
        }
      }
    }
    return this
  }

  hear(ms: number): this {
    this.now += ms
    const now = toInstant(this.now)
    this.first.catchUp.hear(now, 2, this.second.known.digest, true)
    this.second.catchUp.hear(now, 1, this.first.known.digest, true)
    this.first.catchUp.tick(now)
    this.second.catchUp.tick(now)
    return this
  }
}

test('who comes late is told everything, in parts, and nothing twice', t => {
  const pair = new Pair()
  for (let i = 0; i < 1000; i++) pair.first.known.learn(`v${i}`, valueOf('x', 1000))
  pair.open().settle()
  t.is(pair.second.known.digest, pair.first.known.digest)
  t.is(pair.second.learned.length, 1000)
  t.deepEqual(pair.second.catchUp.caughtUp, [1])
  t.is(pair.second.counts.get('want'), Math.ceil(1000 / 64))
  t.is(pair.first.counts.get('want'), undefined)
})

test('each learns what only the other knows', t => {
  const pair = new Pair()
  pair.first.known.learn('a', valueOf('a'))
  pair.second.known.learn('b', valueOf('b'))
  pair.open().settle()
  t.deepEqual([pair.first.learned, pair.second.learned], [['b'], ['a']])
})

test('what its own acceptor holds, a host need not be sent', t => {
  const pair = new Pair()
  const value = valueOf('a')
  pair.first.known.learn('a', value)
  pair.second.accepted.set('a', value)
  pair.open().settle()
  t.deepEqual(pair.second.learned, ['a'])
  t.is(pair.second.counts.get('want'), undefined)
})

test('a value of the same version by another writer was never chosen: it is asked for', t => {
  const pair = new Pair()
  pair.first.known.learn('a', valueOf('a'))
  pair.second.accepted.set('a', nextValue(undefined, undefined, { host: 9, time: 1 }))
  pair.open().settle()
  t.deepEqual(pair.second.known.value('a'), valueOf('a'))
})

test('digests that differ for a second are looked into; that differ for a moment are not', t => {
  const pair = new Pair().open().settle().hear(100)
  pair.first.known.learn('a', valueOf('a'))
  pair.hear(100).settle()
  pair.hear(900).settle()
  t.deepEqual(pair.second.learned, [])
  pair.hear(150).settle()
  t.deepEqual(pair.second.learned, ['a'])
  const asked = pair.second.counts.get('compare')
  pair.hear(100).hear(5000).settle()
  t.is(pair.second.counts.get('compare'), asked)
})

test('what was asked of a host that is gone is asked of another', t => {
  const pair = new Pair()
  pair.first.known.learn('a', valueOf('a'))
  pair.open()
  const { catchUp } = pair.second
  for (const message of [...pair.second.sent.splice(0)]) pair.first.catchUp.receive(2, message)
  for (const message of [...pair.first.sent.splice(0)]) catchUp.receive(1, message)
  t.deepEqual(pair.second.sent.map(({ type }) => type).sort(), ['listing', 'want'])
  pair.second.sent.length = 0
  catchUp.close(1)
  catchUp.open(toInstant(5), 1)
  pair.settle()
  t.deepEqual(pair.second.learned, ['a'])
})

test('parts are no longer than they may be, but for one item that is', t => {
  const sizes = [PART_BYTES_MAX - 1, 1, 1, PART_BYTES_MAX + 5, 7]
  t.deepEqual(
    inParts(sizes, size => size),
    [[PART_BYTES_MAX - 1, 1], [1], [PART_BYTES_MAX + 5], [7]],
  )
  t.deepEqual(
    inParts([], () => 0),
    [[]],
  )
})
