import test from 'ava'
import { Seen } from '../../src/client/seen.ts'

function version(name: string, number: number, isGone: boolean) {
  const writer = { host: 'attic', time: number }
  return { name, version: number, writer, ...(isGone ? { deleted: true as const } : {}) }
}

test('an unset is remembered, so that a daemon that knows less brings nothing back', t => {
  const seen = new Seen(false)
  t.deepEqual(seen.take(version('a', 1, false)), { skipped: 0 })
  t.deepEqual(seen.take(version('a', 3, true)), { skipped: 1 })
  seen.begin()
  t.is(seen.take({ ...version('a', 2, false), initial: true }), undefined)
  t.deepEqual(seen.take(version('a', 4, false)), { skipped: 0 })
})

test('of names that are not set only the last thousand are remembered', t => {
  const seen = new Seen(false)
  for (let index = 0; index <= 1000; index += 1) seen.take(version(`n${index}`, 2, true))
  t.deepEqual(seen.take(version('n0', 1, true)), { skipped: 0 }, 'forgotten')
  t.is(seen.take(version('n1000', 1, true)), undefined)
})

test('what was set and is not told when a watch begins anew is asked after', t => {
  const seen = new Seen(false)
  seen.begin()
  for (const name of ['a', 'b'])
    t.is(seen.take({ ...version(name, 1, false), initial: true }), undefined)
  t.deepEqual(seen.whole(), [])
  seen.begin()
  t.is(seen.take({ ...version('b', 1, false), initial: true }), undefined)
  t.deepEqual(seen.take({ ...version('c', 1, false), initial: true }), { skipped: 0 }, 'it is new')
  t.deepEqual(seen.whole(), ['a'])
})
