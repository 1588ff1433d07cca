import test from 'ava'
import { SPAN_MAX, type LockRequest } from '../../src/core/message.ts'
import type { Mutex } from '../../src/core/mutex.ts'
import { RULES } from '../../src/core/rules.ts'
import { nextView, type View } from '../../src/core/view.ts'
import { toInstant } from '../../src/lib/time.ts'
import { GRACE_MS, Mutexes, NOW } from '../helpers/mutexes.ts'

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

test('a RELEASE goes first to the host that enters next; a REQUEST to all alike', t => {
  const world = new Mutexes([1, 2, 3])
  const first = world.request(1, ['door'])
  world.settle()
  world.request(3, ['door'])
  world.settle()
  world.sent.length = 0
  world.release(1, first)
  t.deepEqual(world.sent, ['release 1>3', 'release 1>2'])
  world.sent.length = 0
  world.request(1, ['door'])
  t.deepEqual(world.sent, ['request 1>2', 'request 1>3'])
})

test('a RELEASE may wait where nobody waits for it, and goes before any REPLY', t => {
  const world = new Mutexes([1, 2, 3])
  const first = world.request(1, ['door'])
  world.settle()
  world.unhurried.length = 0
  world.release(1, first)
  t.deepEqual(world.unhurried, ['release 1>2', 'release 1>3'])
  // What asks meanwhile gets it with the REPLY.
  const second = world.request(2, ['door'])
  world.deliver(2, 1)
  t.deepEqual(
    (world.channels.get('1>2') ?? []).map(({ type }) => type),
    ['release', 'reply'],
  )
  world.settle()
  t.true(world.of(2).held.has(second))
  // Here one waits, and is told at once; the other hears of it later.
  world.request(3, ['door'])
  world.settle()
  world.unhurried.length = 0
  world.sent.length = 0
  world.release(2, second)
  t.deepEqual(world.sent, ['release 2>3', 'release 2>1'])
  t.deepEqual(world.unhurried, ['release 2>1'])
})

test('a RELEASE does not wait for any of those who may enter then', t => {
  const world = new Mutexes([1, 2, 3, 4])
  const first = world.request(1, ['door', 'roof'])
  world.settle()
  const readers = [2, 3].map(host => world.request(host, ['door'], Infinity))
  world.settle()
  world.request(4, ['roof'])
  world.settle()
  world.unhurried.length = 0
  world.release(1, first)
  t.deepEqual(world.unhurried, [])
  world.settle()
  // A reader's RELEASE lets nobody in.
  world.unhurried.length = 0
  world.release(2, readers[0] ?? 0)
  t.deepEqual(world.unhurried, ['release 2>1', 'release 2>4'])
})

test('a REPLY may wait where a request of ours keeps out whom it is for', t => {
  const world = new Mutexes([1, 2, 3])
  const held = world.request(1, ['door'])
  world.settle()
  t.deepEqual(world.unhurried, [])
  world.request(2, ['door'])
  world.settle()
  t.deepEqual(world.unhurried, ['reply 1>2'])
  world.unhurried.length = 0
  // Host 1 holds it, host 2 waits before: both RELEASE before host 3 can enter.
  world.request(3, ['door'])
  world.settle()
  t.deepEqual(world.unhurried, ['reply 1>3', 'reply 2>3'])
  world.release(1, held)
  world.settle()
  world.unhurried.length = 0
  // Readers do not keep each other out, nor does another name.
  const reader = world.request(1, ['book'], Infinity)
  world.settle()
  world.request(2, ['book'], Infinity)
  world.request(3, ['window'])
  world.settle()
  t.deepEqual(world.unhurried, [])
  // Of one that came after ours had left, or that goes before it, nothing is known to wait for us.
  world.release(1, reader)
  world.unhurried.length = 0
  world.request(3, ['book'])
  world.settle()
  t.deepEqual(world.unhurried, ['reply 2>3'])
})

test('a REPLY may go along with what waits where a third host keeps out whom it is for', t => {
  const world = new Mutexes([1, 2, 3])
  const first = world.request(1, ['door'])
  const second = world.request(2, ['door'])
  world.settle()
  // That of host 1 waits for its own RELEASE.
  t.deepEqual(world.alongside, ['reply 3>2'])
  t.deepEqual(world.unhurried, ['reply 1>2'])
  world.alongside.length = 0
  world.release(1, first)
  world.settle()
  t.true(world.of(2).held.has(second))
  const third = world.request(3, ['door'])
  world.settle()
  t.deepEqual(world.alongside, ['reply 1>3'])
  world.release(2, second)
  world.settle()
  t.true(world.of(3).held.has(third))
  // A reader behind readers is kept out by nobody, nor is whoever is behind its own host alone.
  world.alongside.length = 0
  for (const host of [1, 2] as const) world.request(host, ['book'], Infinity)
  world.request(3, ['door'])
  world.request(3, ['book'], Infinity)
  world.settle()
  t.deepEqual(world.alongside, [])
})

test('a REPLY does not wait behind a request that stands: nobody may be using it', t => {
  const world = new Mutexes([1, 2, 3], RULES, SPAN_MAX)
  for (let i = 0; i < 3; i++) {
    const token = world.request(1, ['door'])
    world.settle()
    world.release(1, token)
    world.settle()
  }
  t.true(
    world
      .of(2)
      .mutex.queue.line('door')
      .some(({ request }) => request.span > 1),
  )
  const asked = world.request(3, ['door'])
  world.deliver(3, 2)
  t.deepEqual(world.alongside, [])
  world.settle()
  t.true(world.of(3).held.has(asked))
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

/** Host 3 restarts: a view in which its first incarnation is retired and its second has come in. */
function withoutThree(world: Mutexes, wanted: [number, number][]): View {
  const before = world.of(1).mutex.view
  return nextView(before, new Map(wanted), true)
}

test('a request of an excluded incarnation becomes a ghost, and keeps its place for a lease', t => {
  const world = new Mutexes([1, 2, 3])
  const held = world.request(3, ['door'])
  world.settle()
  const waiting = world.request(1, ['door'])
  world.settle()
  const view = withoutThree(world, [
    [1, 1],
    [2, 1],
  ])
  for (const id of [1, 2]) world.of(id).mutex.install(NOW, view)
  world.settle()
  const { mutex } = world.of(1)
  t.true(mutex.isComplete)
  t.deepEqual(
    mutex.queue.line('door').map(entry => entry.token),
    [held, waiting],
  )
  t.is(mutex.deadline, toInstant(GRACE_MS))
  mutex.tick(toInstant(GRACE_MS - 1))
  t.false(mutex.isHeld(waiting))
  mutex.tick(toInstant(GRACE_MS))
  t.true(mutex.isHeld(waiting))
})

test('one that has left has no request, so nobody waits for a ghost of it', t => {
  const world = new Mutexes([1, 2, 3])
  const held = world.request(3, ['door'])
  world.settle()
  const waiting = world.request(1, ['door'])
  world.settle()
  world.release(3, held)
  world.settle()
  const view = withoutThree(world, [
    [1, 1],
    [2, 1],
  ])
  for (const id of [1, 2]) world.of(id).mutex.install(NOW, view)
  world.settle()
  t.true(world.of(1).mutex.isHeld(waiting))
})

test('a newcomer learns the requests and the ghosts of the others before it enters', t => {
  const world = new Mutexes([1, 2, 3])
  world.request(3, ['door'])
  world.settle()
  const held = world.request(1, ['window'])
  world.settle()
  const view = withoutThree(world, [
    [1, 1],
    [2, 1],
  ])
  for (const id of [1, 2]) world.of(id).mutex.install(NOW, view)
  world.settle()
  const { mutex } = world.of(3)
  mutex.expel(2, 'test')
  for (const id of [1, 2]) {
    world.channels.clear()
    world.of(id).mutex.close(3)
    world.of(id).mutex.open(NOW, 3, 2)
  }
  const later = nextView(
    view,
    new Map([
      [1, 1],
      [2, 1],
      [3, 2],
    ]),
    true,
  )
  for (const id of [1, 2, 3]) world.of(id).mutex.install(NOW, later)
  t.false(mutex.isComplete)
  t.false(mutex.mayStamp)
  world.settle()
  t.true(mutex.isComplete)
  t.is(mutex.queue.line('window')[0]?.token, held)
  const ghost = mutex.queue.line('door')[0]
  t.is(ghost?.ghostUntil, toInstant(GRACE_MS))
})

test('where nobody knows what absent hosts hold, a lease is waited out', t => {
  const world = new Mutexes([1, 2])
  for (const id of [1, 2]) world.of(id).mutex.expel(2, 'power cut')
  for (const id of [1, 2]) world.of(id).mutex.open(NOW, 3 - id, 2)
  const view = nextView(
    world.of(1).mutex.view,
    new Map([
      [1, 2],
      [2, 2],
    ]),
    true,
  )
  for (const id of [1, 2]) world.of(id).mutex.install(NOW, view)
  world.settle()
  const { mutex } = world.of(1)
  t.false(mutex.isComplete)
  t.is(mutex.quarantineEnd, toInstant(GRACE_MS))
  mutex.tick(toInstant(GRACE_MS))
  t.true(mutex.isComplete)
})

test('an expelled host tells its holders, and asks again for what waits', t => {
  const world = new Mutexes([1, 2])
  const held = world.request(1, ['door'])
  world.settle()
  const waiting = world.request(1, ['door'])
  world.settle()
  world.log.length = 0
  world.of(1).mutex.expel(2, 'test')
  t.deepEqual(
    world.log.filter(line => /loses|again/.test(line)),
    [`1 loses ${held}`, `1 asks again for ${waiting}`],
  )
  t.is(world.of(1).mutex.queue.size, 0)
  t.is(world.of(1).mutex.heldCount, 0)
})

test('a SYNC of many requests goes in parts of at most 64 KiB, and counts with the last', t => {
  const world = new Mutexes([1, 2])
  for (let i = 0; i < 400; i++) world.request(1, [`${i}-${'n'.repeat(200)}`])
  world.settle()
  const view = nextView(
    world.of(1).mutex.view,
    new Map([
      [1, 1],
      [2, 1],
    ]),
    true,
  )
  for (const id of [1, 2]) world.of(id).mutex.install(NOW, view)
  const parts = world.channels.get('1>2') ?? []
  t.true(parts.length > 1)
  t.deepEqual(
    parts.map(part => part.type === 'sync' && part.last),
    parts.map((_, i) => i === parts.length - 1),
  )
  world.deliver(1, 2)
  t.deepEqual(world.of(2).mutex.unsynced, [1])
  world.settle()
  t.deepEqual(world.of(2).mutex.unsynced, [])
  t.is(world.of(2).mutex.queue.size, 400)
})

test('what a member held stays in the queue until the last part of its SYNC has come', t => {
  const world = new Mutexes([1, 2, 3])
  const held = world.request(3, ['door'])
  world.settle()
  const before = world.of(1).mutex.view
  const members = [...(before?.members ?? [])].map(([id, { incarnation }]) => [id, incarnation])
  const same = nextView(before, new Map(members as [number, number][]), true)
  const { mutex } = world.of(1)
  mutex.install(NOW, same)
  const part = { view: same.number, basis: true, requests: [], ghosts: [] }
  mutex.receive(NOW, 3, { ...part, type: 'sync', time: 100, last: false })
  t.deepEqual(tokens(mutex, 'door'), [held])
  // It may be excluded now: then this is all that is known of what it holds.
  const ghosts = nextView(
    same,
    new Map([
      [1, 1],
      [2, 1],
    ]),
    true,
  )
  mutex.install(NOW, ghosts)
  t.is(mutex.queue.line('door')[0]?.ghostUntil, toInstant(GRACE_MS))
})

test('with the last part of a SYNC, requests that it does not name are over', t => {
  const world = new Mutexes([1, 2, 3])
  world.request(3, ['door'])
  world.settle()
  const before = world.of(1).mutex.view
  const members = [...(before?.members ?? [])].map(([id, { incarnation }]) => [id, incarnation])
  const same = nextView(before, new Map(members as [number, number][]), true)
  const { mutex } = world.of(1)
  mutex.install(NOW, same)
  const sync = { type: 'sync', view: same.number, time: 100, basis: true, ghosts: [] } as const
  const request = (time: number, name: string): Omit<LockRequest, 'host'> => ({
    time,
    names: [name],
    limit: 1,
    info: '',
    span: 1,
    used: 0,
  })
  mutex.receive(NOW, 3, { ...sync, requests: [request(50, 'roof')], last: false })
  mutex.receive(NOW, 3, { ...sync, requests: [request(51, 'yard')], last: true })
  t.deepEqual([...mutex.queue.names()].sort(), ['roof', 'yard'])
})

function tokens(mutex: Mutex, name: string): number[] {
  return mutex.queue.line(name).map(entry => entry.token)
}
