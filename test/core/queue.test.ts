import test from 'ava'
import fc from 'fast-check'
import { tokenOf } from '../../src/core/clock.ts'
import type { LockRequest } from '../../src/core/message.ts'
import { RequestQueue } from '../../src/core/queue.ts'
import { RULES } from '../../src/core/rules.ts'
import { NOW } from '../helpers/mutexes.ts'

function request(time: number, host: number, names: string[], limit = 1): LockRequest {
  return { time, host, names, limit, info: '', span: 1, used: 0 }
}

/** Those whom the rule lets in, by its sentence in the protocol, without any cleverness. */
function admittedByTheSentence(requests: readonly LockRequest[]): number[] {
  const precedes = (a: LockRequest, b: LockRequest): boolean => tokenOf(a) < tokenOf(b)
  return requests
    .filter(wanted =>
      wanted.names.every(name => {
        const ahead = requests.filter(r => r.names.includes(name) && precedes(r, wanted))
        return ahead.length < Math.min(wanted.limit, ...ahead.map(r => r.limit))
      }),
    )
    .map(tokenOf)
    .sort((a, b) => a - b)
}

test('a mutex lets in one, a semaphore of two lets in two, readers all come in', t => {
  const queue = new RequestQueue(RULES)
  for (const host of [1, 2, 3]) {
    queue.insert(NOW, request(1, host, ['mutex'], 1))
    queue.insert(NOW, request(2, host, ['pool'], 2))
    queue.insert(NOW, request(3, host, ['book'], Infinity))
  }
  t.is([...queue.admittedBy('mutex')].length, 1)
  t.is([...queue.admittedBy('pool')].length, 2)
  t.is([...queue.admittedBy('book')].length, 3)
})

test('a reader behind a waiting writer waits: readers do not starve writers', t => {
  const queue = new RequestQueue(RULES)
  queue.insert(NOW, request(1, 1, ['book'], Infinity))
  queue.insert(NOW, request(2, 2, ['book'], 1))
  queue.insert(NOW, request(3, 3, ['book'], Infinity))
  t.deepEqual(
    [...queue.admittedBy('book')].map(entry => entry.request.host),
    [1],
  )
})

test('a request for several names enters when each of them lets it in', t => {
  const queue = new RequestQueue(RULES)
  queue.insert(NOW, request(1, 1, ['a']))
  queue.insert(NOW, request(2, 2, ['a', 'b']))
  queue.insert(NOW, request(3, 3, ['b']))
  const both = queue.find(tokenOf({ time: 2, host: 2 }))!
  t.false(queue.isAdmitted(both))
  t.is(queue.position(both), 1)
  queue.remove(tokenOf({ time: 1, host: 1 }))
  t.true(queue.isAdmitted(both))
})

test('a request arrives twice and is in the queue once', t => {
  const queue = new RequestQueue(RULES)
  queue.insert(NOW, request(1, 1, ['a']))
  queue.insert(NOW, request(1, 1, ['a']))
  t.is(queue.line('a').length, 1)
})

test('an emptied queue keeps no name', t => {
  const queue = new RequestQueue(RULES)
  queue.insert(NOW, request(1, 1, ['a', 'b']))
  t.is(queue.remove(tokenOf({ time: 1, host: 1 }))?.time, 1)
  t.is(queue.remove(tokenOf({ time: 1, host: 1 })), undefined)
  t.deepEqual([...queue.names()], [])
  t.is(queue.size, 0)
})

test('the queue admits whom the rule of admission names, whatever comes and goes in any order', t => {
  const step = fc.record({
    time: fc.integer({ min: 1, max: 6 }),
    host: fc.integer({ min: 1, max: 4 }),
    names: fc.subarray(['a', 'b', 'c'], { minLength: 1 }),
    limit: fc.constantFrom(1, 1, 2, 3, Infinity),
    remove: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const queue = new RequestQueue(RULES)
      const model = new Map<number, LockRequest>()
      for (const { time, host, names, limit, remove } of steps) {
        const token = tokenOf({ time, host })
        if (remove) {
          queue.remove(token)
          model.delete(token)
        } else if (!model.has(token)) {
          queue.insert(NOW, request(time, host, names, limit))
          model.set(token, request(time, host, names, limit))
        }
        const admitted = [...queue.entries()].filter(entry => queue.isAdmitted(entry))
        t.deepEqual(
          admitted.map(entry => entry.token).sort((a, b) => a - b),
          admittedByTheSentence([...model.values()]),
        )
      }
    }),
  )
})
