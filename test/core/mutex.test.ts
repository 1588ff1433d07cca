import test from 'ava'
import { RULES } from '../../src/core/rules.ts'
import { Mutexes, NOW } from '../helpers/mutexes.ts'

test('an entry takes 3(N-1) messages: REQUEST, REPLY and RELEASE with each other host', t => {
  for (const count of [2, 3, 5, 8]) {
    const ids = Array.from({ length: count }, (_, i) => i + 1)
    const world = new Mutexes(ids)
    const token = world.request(1, ['door'])
    world.settle()
    t.true(world.of(1).held.has(token))
    world.release(1, token)
    world.settle()
    t.is(world.delivered.length, 3 * (count - 1))
    for (const id of ids) t.is(world.of(id).mutex.queue.size, 0)
  }
})

test('a host alone enters at once', t => {
  const world = new Mutexes([1])
  world.request(1, ['door'])
  t.deepEqual(
    world.log.map(line => line.split(' ').slice(0, 2).join(' ')),
    ['1 requests', '1 enters'],
  )
})

test('equal times: the lower id enters first, as numbers', t => {
  const world = new Mutexes([2, 10])
  const [ten, two] = [world.request(10, ['door']), world.request(2, ['door'])]
  t.is(Math.floor(two / 1024), Math.floor(ten / 1024))
  world.settle()
  t.true(world.of(2).held.has(two))
  t.false(world.of(10).held.has(ten))
  world.release(2, two)
  world.settle()
  t.true(world.of(10).held.has(ten))
})

test('one who has not REPLIED keeps a request out, though its clock has gone on', t => {
  const world = new Mutexes([1, 2, 3])
  const token = world.request(1, ['door'])
  world.deliver(1, 2)
  world.deliver(2, 1)
  // Host 3 sends something later than the request without having received it.
  world.request(3, ['window'])
  while (world.deliver(3, 1)) t.false(world.of(1).held.has(token))
  t.deepEqual(world.of(1).mutex.awaited(token), [3])
  world.settle()
  t.true(world.of(1).held.has(token))
})

test('a RELEASE removes its own request, not the head of the queue', t => {
  const world = new Mutexes([1, 2, 3])
  const first = world.request(1, ['door'])
  world.settle()
  const second = world.request(2, ['door'])
  const third = world.request(3, ['door'])
  world.settle()
  // Host 2 gives up while host 1 is inside: at host 3 its request stands in the middle.
  world.release(2, second)
  world.settle()
  t.deepEqual(
    world
      .of(3)
      .mutex.queue.line('door')
      .map(entry => entry.token),
    [first, third],
  )
  world.release(1, first)
  world.settle()
  t.true(world.of(3).held.has(third))
})

test('a RELEASE honoured only at the head leaves requests behind for ever', t => {
  const world = new Mutexes([1, 2, 3], { ...RULES, releaseAnywhere: false })
  const first = world.request(1, ['door'])
  world.settle()
  const second = world.request(2, ['door'])
  const third = world.request(3, ['door'])
  world.settle()
  world.release(2, second)
  world.settle()
  world.release(1, first)
  world.settle()
  t.false(world.of(3).held.has(third))
})

test('several names are taken all or none, and orders that cross do not deadlock', t => {
  const world = new Mutexes([1, 2])
  const ab = world.request(1, ['a', 'b'])
  const ba = world.request(2, ['a', 'b'])
  const onlyB = world.request(2, ['b'])
  world.settle()
  t.deepEqual([...world.of(1).held], [ab])
  t.deepEqual([...world.of(2).held], [])
  world.release(1, ab)
  world.settle()
  t.deepEqual([...world.of(2).held], [ba])
  world.release(2, ba)
  t.deepEqual([...world.of(2).held], [onlyB])
})

test('a member that begins a new life has its requests dropped and learns those of the others', t => {
  const world = new Mutexes([1, 2])
  const held = world.request(1, ['door'])
  world.settle()
  world.request(2, ['door'])
  world.settle()
  world.of(1).mutex.part(NOW, 2)
  t.false(world.of(1).mutex.isComplete)
  t.is(world.of(1).mutex.queue.size, 1)
  world.channels.clear()
  world.of(1).mutex.join(NOW, 2)
  const sync = world.channels.get('1>2')?.[0]
  t.is(sync?.type, 'sync')
  if (sync?.type === 'sync') {
    t.deepEqual(
      sync.requests.map(request => request.time * 1024 + 1),
      [held],
    )
    t.true(sync.last)
  }
})

test('a SYNC of many requests goes in parts of at most 64 KiB', t => {
  const world = new Mutexes([1, 2])
  for (let i = 0; i < 400; i++) world.request(1, [`${i}-${'n'.repeat(200)}`])
  world.settle()
  world.of(1).mutex.part(NOW, 2)
  world.of(1).mutex.join(NOW, 2)
  const parts = world.channels.get('1>2') ?? []
  t.true(parts.length > 1)
  t.deepEqual(
    parts.map(part => part.type === 'sync' && part.last),
    parts.map((_, i) => i === parts.length - 1),
  )
})
