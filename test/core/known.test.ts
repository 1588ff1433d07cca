import test from 'ava'
import fc from 'fast-check'
import { Known } from '../../src/core/known.ts'
import { HISTORY_MAX, pastEntries } from '../../src/core/past.ts'
import { nextValue, type VariableValue } from '../../src/core/variable.ts'

function bytes(size: number): Uint8Array {
  return new Uint8Array(size)
}

/** The value after so many changes, of so many bytes each. */
function changes(known: Known, name: string, count: number, size: number): VariableValue {
  let value = known.value(name)
  for (let i = 0; i < count; i++) {
    value = nextValue(value, bytes(size), { host: 1 + (i % 1023), time: 2 ** 42 + i })
    known.learn(name, value)
  }
  return value as VariableValue
}

test('only what is newer is learned', t => {
  const known = new Known(new Map())
  const one = nextValue(undefined, bytes(3), { host: 1, time: 1 })
  const two = nextValue(one, undefined, { host: 2, time: 2 })
  t.true(known.learn('x', one))
  t.false(known.learn('x', one))
  t.true(known.learn('x', two))
  t.false(known.learn('x', one))
  t.is(known.value('x'), two)
})

test('what was unset has a name, and neither a value nor bytes', t => {
  const known = new Known(new Map())
  const one = nextValue(undefined, bytes(3), { host: 1, time: 1 })
  known.learn('x', one)
  known.learn('y', one)
  t.deepEqual([known.size, known.count, known.bytes], [2, 2, 6])
  known.learn('x', nextValue(one, undefined, { host: 2, time: 2 }))
  t.deepEqual([known.size, known.count, known.bytes], [2, 1, 3])
})

test('the digest is that of what is known, however it was learned', t => {
  const change = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), size: fc.nat(9) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), list => {
      const straight = new Known(new Map())
      for (const { name, size } of list) {
        const writer = { host: 1, time: size + 1 }
        straight.learn(name, nextValue(straight.value(name), bytes(size), writer))
      }
      const values = [...straight.names()].map(
        name => [name, straight.value(name) as VariableValue] as const,
      )
      const late = new Known(new Map([...values].reverse()))
      t.is(late.digest, straight.digest)
      t.deepEqual(late.buckets, straight.buckets)
      const [first] = values
      if (first === undefined) return
      late.learn(first[0], nextValue(first[1], undefined, { host: 2, time: 1 }))
      t.not(late.digest, straight.digest)
    }),
  )
})

test('a value carries who wrote the versions before it, as many as a history shows', t => {
  const known = new Known(new Map())
  const value = changes(known, 'x', 100, 2)
  const entries = pastEntries(value)
  t.is(entries.length, HISTORY_MAX - 1)
  t.deepEqual(entries[0], { version: 99, writer: { host: 99, time: 2 ** 42 + 98 }, size: 2 })
  const unset = nextValue(nextValue(value, undefined, { host: 7, time: 9 }), bytes(1), {
    host: 8,
    time: 10,
  })
  t.is(pastEntries(unset)[0]?.size, undefined)
  t.is(pastEntries(unset)[1]?.size, 2)
})

test('past values are kept while together they are no longer than 256 KiB', t => {
  const known = new Known(new Map())
  changes(known, 'x', 20, 64 * 1024)
  const history = known.history('x')
  t.is(history.length, 20)
  t.is(history.filter(({ bytes: value }) => value !== undefined).length, 5)
  t.true(history.slice(0, 5).every(({ bytes: value }) => value !== undefined))
})

test('past values of all variables have a limit too: the ones least recently changed go first', t => {
  const known = new Known(new Map())
  for (let i = 0; i < 100; i++) changes(known, `v${i}`, 3, 64 * 1024)
  const kept = (name: string): number =>
    known.history(name).filter(({ bytes: value }) => value !== undefined).length
  t.is(kept('v0'), 1)
  t.is(kept('v99'), 3)
})
