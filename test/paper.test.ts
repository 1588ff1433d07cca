import test from 'ava'
import { Mutexes } from './helpers/mutexes.ts'
import { compare, LamportClock } from '../src/core/clock.ts'

// Sentences of Leslie Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System",
// Communications of the ACM 21(7), July 1978, each as a test of what is built here.

test('"Each process Pi increments Ci between any two successive events." (IR1)', t => {
  const clock = new LamportClock(0)
  t.deepEqual([clock.tick(), clock.tick(), clock.tick()], [1, 2, 3])
})

test('"…Pj sets Cj greater than or equal to its present value and greater than Tm." (IR2 b)', t => {
  const behind = new LamportClock(3)
  t.true(behind.witness(10) > 10)
  const ahead = new LamportClock(30)
  t.true(ahead.witness(10) >= 30)
})

test('"a ⇒ b if and only if either (i) Ci(a) < Cj(b) or (ii) Ci(a) = Cj(b) and Pi ≺ Pj."', t => {
  t.true(compare({ time: 1, host: 9 }, { time: 2, host: 1 }) < 0)
  t.true(compare({ time: 2, host: 1 }, { time: 2, host: 9 }) < 0)
})

test('"(I) A process which has been granted the resource must release it before it can be granted to another process."', t => {
  const world = new Mutexes([1, 2, 3])
  const first = world.request(1, ['resource'])
  world.settle()
  const second = world.request(2, ['resource'])
  world.settle()
  t.false(world.of(2).held.has(second))
  world.release(1, first)
  world.settle()
  t.true(world.of(2).held.has(second))
})

test('"(II) Different requests for the resource must be granted in the order in which they are made."', t => {
  const world = new Mutexes([1, 2, 3])
  // Host 3 asks, tells host 1, and only then does host 1 ask: its request was made later.
  const earlier = world.request(3, ['resource'])
  world.deliver(3, 1)
  const later = world.request(1, ['resource'])
  // Host 2 hears of them in the other order.
  world.deliver(1, 2)
  world.settle()
  t.true(world.of(3).held.has(earlier))
  t.false(world.of(1).held.has(later))
})

test('"(III) If every process which is granted the resource eventually releases it, then every request is eventually granted."', t => {
  const world = new Mutexes([1, 2, 3])
  const waiting = [1, 2, 3, 1, 2, 3].map(id => ({ id, token: world.request(id, ['resource']) }))
  const order = [...waiting].sort((a, b) => a.token - b.token)
  for (const { id, token } of order) {
    world.settle()
    t.true(world.of(id).held.has(token))
    world.release(id, token)
  }
  world.settle()
  for (const { mutex } of world.members.values()) t.is(mutex.queue.size, 0)
})

test('rule 1: "…sends the message Tm:Pi requests resource to every other process, and puts that message on its request queue"', t => {
  const world = new Mutexes([1, 2, 3])
  world.request(1, ['resource'])
  t.deepEqual(
    ['1>2', '1>3'].map(channel => world.channels.get(channel)?.map(({ type }) => type)),
    [['request'], ['request']],
  )
  t.is(world.of(1).mutex.queue.line('resource').length, 1)
})

test('rule 2: "…places it on its request queue and sends a (timestamped) acknowledgment message to Pi"', t => {
  const world = new Mutexes([1, 2])
  const token = world.request(1, ['resource'])
  world.deliver(1, 2)
  t.is(world.of(2).mutex.queue.line('resource')[0]?.token, token)
  const reply = world.channels.get('2>1')?.[0]
  t.is(reply?.type, 'reply')
  t.true(reply !== undefined && reply.time > Math.floor(token / 1024))
})

test('rule 3: "…removes any Tm:Pi requests resource message from its request queue and sends a (timestamped) Pi releases resource message to every other process"', t => {
  const world = new Mutexes([1, 2, 3])
  const token = world.request(1, ['resource'])
  world.settle()
  world.release(1, token)
  t.is(world.of(1).mutex.queue.size, 0)
  t.is(world.channels.get('1>2')?.[0]?.type, 'release')
  t.is(world.channels.get('1>3')?.[0]?.type, 'release')
})

test('rule 4: "…removes any Tm:Pi requests resource message from its request queue"', t => {
  const world = new Mutexes([1, 2])
  const token = world.request(1, ['resource'])
  world.settle()
  world.release(1, token)
  world.deliver(1, 2)
  t.is(world.of(2).mutex.queue.size, 0)
})

test('rule 5: "(i) There is a Tm:Pi requests resource message in its request queue which is ordered before any other request in its queue by the relation ⇒" and "(ii) Pi has received a message from every other process timestamped later than Tm"', t => {
  const world = new Mutexes([1, 2, 3])
  const token = world.request(2, ['resource'])
  world.deliver(2, 1)
  world.deliver(2, 3)
  world.deliver(1, 2)
  t.false(world.of(2).held.has(token), 'one of two has answered')
  world.deliver(3, 2)
  t.true(world.of(2).held.has(token))
})
