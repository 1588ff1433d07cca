import test from 'ava'
import { Deadlines } from '../../src/client/deadlines.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'

/** Deadlines keep no process alive, and a test is one. */
const alive = setInterval(() => undefined, 10_000)
test.after(() => clearInterval(alive))

/** Deadlines of words, and what became of them, with the times; resolves when so many are over. */
function watched(
  count: number,
  set: (deadlines: Deadlines<string>) => void,
): Promise<(readonly [string, number])[]> {
  const seen: (readonly [string, number])[] = []
  return new Promise(resolve => {
    const deadlines = new Deadlines<string>((thing, now) => {
      seen.push([thing, now])
      if (seen.length === count) resolve(seen)
    })
    set(deadlines)
  })
}

test('each is over at its own time, once, whatever was set before or after it', async t => {
  const start = monotonicNow()
  const wanted = new Map([
    ['third', start + 60],
    ['first', start + 20],
    ['last', start + 90],
    ['second', start + 40],
  ])
  const seen = await watched(4, deadlines => {
    for (const [thing, deadline] of wanted) deadlines.set(thing, deadline)
  })
  t.deepEqual(
    seen.map(([thing]) => thing),
    ['first', 'second', 'third', 'last'],
  )
  for (const [thing, at] of seen) t.true(at >= (wanted.get(thing) ?? Infinity), thing)
})

test('what is taken away is never over, and what is put off is over later', async t => {
  const start = monotonicNow()
  const seen = await watched(2, deadlines => {
    deadlines.set('gone', start + 10)
    deadlines.set('put off', start + 10)
    deadlines.set('put off', start + 60)
    deadlines.set('kept', start + 30)
    deadlines.delete('gone')
  })
  t.deepEqual(
    seen.map(([thing]) => thing),
    ['kept', 'put off'],
  )
  t.true((seen[1]?.[1] ?? 0) >= start + 60)
})

test('what is over may set another', async t => {
  const start = monotonicNow()
  const again = await new Promise<number>(resolve => {
    const deadlines: Deadlines<string> = new Deadlines((thing, now) => {
      if (thing === 'first') deadlines.set('second', start + 20)
      else resolve(now)
    })
    deadlines.set('first', start + 10)
  })
  t.true(again >= start + 20)
})

test('what is taken away or put off by another that is over at once is not over', async t => {
  const start = monotonicNow()
  const seen: string[] = []
  await new Promise<void>(resolve => {
    const deadlines: Deadlines<string> = new Deadlines(thing => {
      seen.push(thing)
      if (thing === 'first') {
        deadlines.delete('gone')
        deadlines.set('put off', start + 40)
      } else resolve()
    })
    for (const thing of ['first', 'gone', 'put off']) deadlines.set(thing, start + 10)
  })
  t.deepEqual(seen, ['first', 'put off'])
  t.true(monotonicNow() >= start + 40)
})
