// What is sent `soon` waits a millisecond at most for something that takes it along.
import test, { type ExecutionContext } from 'ava'
import { REORDER_MAX } from '../../src/transport/channel.ts'
import type { Urgency } from '../../src/transport/endpoint.ts'
import { World } from '../helpers/pair.ts'

/** Two hosts that have nothing more to say to each other. */
function quiet(t: ExecutionContext): World {
  const world = new World(1)
  world.connect()
  t.true(world.isConnected)
  world.run(20)
  world.datagrams = 0
  return world
}

function send(world: World, text: string, urgency: Urgency, channel: 0 | 2 = 0): void {
  world.host(1).endpoint.send(world.now, 2, channel, Buffer.from(text), urgency)
}

/** What host 2 has been given, and how many milliseconds after `start`. */
function arrivals(world: World, start: number): readonly string[] {
  world.isChecking = false
  return world.host(2).deliveries.map(({ text, at }) => `${text} ${(at - start).toFixed(1)}`)
}

/** Two payloads, the second some milliseconds after the first: what host 2 has of it, and when. */
function two(world: World, first: Urgency, pause: number, second: Urgency): readonly string[] {
  const start = world.now
  world.isChecking = false
  world.host(2).deliveries.length = 0
  world.datagrams = 0
  send(world, 'a', first)
  world.run(pause)
  send(world, 'b', second)
  world.run(10)
  return arrivals(world, start)
}

test('alone it leaves after a millisecond', t => {
  const world = quiet(t)
  const start = world.now
  world.isChecking = false
  send(world, 'later', 'soon')
  world.run(10)
  t.deepEqual(arrivals(world, start), ['later 1.1'])
  t.is(world.datagrams, 2, 'it and its ACK')
})

test('what must go takes it along, in order, on whatever channel', t => {
  const world = quiet(t)
  const start = world.now
  world.isChecking = false
  send(world, 'first', 'soon')
  world.run(0.5)
  send(world, 'second', 'soon')
  send(world, 'other', 'now', 2)
  world.run(10)
  t.deepEqual(arrivals(world, start), ['first 0.6', 'second 0.6', 'other 0.6'])
  t.is(world.datagrams, 2)
})

test('the first that waits decides when they go, and the next time counts anew', t => {
  const world = quiet(t)
  t.deepEqual(two(world, 'soon', 0.7, 'soon'), ['a 1.1', 'b 1.1'])
  world.host(2).deliveries.length = 0
  const start = world.now
  send(world, 'c', 'soon')
  world.run(10)
  t.deepEqual(arrivals(world, start), ['c 1.1'])
})

test('what goes along waits with what waits, no longer, and by itself not at all', t => {
  const world = quiet(t)
  const start = world.now
  world.isChecking = false
  send(world, 'alone', 'along')
  world.run(10)
  t.deepEqual(arrivals(world, start), ['alone 0.1'])
  t.deepEqual(two(world, 'soon', 0.7, 'along'), ['a 1.1', 'b 1.1'])
  t.is(world.datagrams, 2)
})

test('what goes along does not wait with what nobody wants for now', t => {
  t.deepEqual(two(quiet(t), 'whenever', 0.3, 'along'), ['a 0.4', 'b 0.4'])
})

test('behind what must go and could not, it does not wait', t => {
  const world = quiet(t)
  world.isChecking = false
  // More than is let into flight at once.
  for (let i = 0; i < 200; i++) {
    world.host(1).endpoint.send(world.now, 2, 0, new Uint8Array(1000), 'now')
  }
  send(world, 'last', 'soon')
  const left = world.host(2).deliveries.length
  t.true(world.run(1000, () => world.host(2).deliveries.length === left + 201))
  t.is(world.host(2).deliveries.at(-1)?.text, 'last')
  const [before, last] = world.host(2).deliveries.slice(-2)
  t.true((last?.at ?? 0) - (before?.at ?? 0) < 0.5)
})

test('nor does it hold up what waits for an ACK of much that is small', t => {
  const world = quiet(t)
  world.isChecking = false
  const start = world.now
  // The last is more than a channel may have that is not acknowledged.
  for (let i = 0; i <= REORDER_MAX; i++) send(world, 'x', 'now')
  world.run(0.05)
  send(world, 'later', 'soon')
  world.run(10)
  const [last, later] = arrivals(world, start).slice(-2)
  t.is(last, 'x 0.3')
  t.is(later, 'later 0.3')
})

test('where nothing may be sent, its time passes once, and it goes when something may', t => {
  const world = quiet(t)
  world.isChecking = false
  world.isCut = () => true
  // As many as may be in flight, so that nothing is left to be put into a packet but what comes now.
  const { endpoint } = world.host(1)
  while (endpoint.peer(2).inFlight < 20) {
    endpoint.send(world.now, 2, 0, new Uint8Array(1000), 'now')
    endpoint.tick(world.now)
  }
  send(world, 'later', 'soon')
  world.run(1.5)
  t.true(endpoint.deadline > world.now)
  world.isCut = () => false
  t.true(world.run(5000, () => world.host(2).deliveries.at(-1)?.text === 'later'))
})

test('it is lost and found like anything else', t => {
  const world = quiet(t)
  world.isChecking = false
  world.faults.drop = 0.4
  for (let i = 0; i < 50; i++) {
    send(world, `${i}`, i % 3 === 0 ? 'now' : 'soon')
    world.run(0.4)
  }
  t.true(world.run(60_000, () => world.host(2).deliveries.length === 50))
  t.deepEqual(
    world.host(2).deliveries.map(({ text }) => text),
    Array.from({ length: 50 }, (_, i) => `${i}`),
  )
})

test('an ACK that is due takes it along', t => {
  const world = quiet(t)
  world.isChecking = false
  world.host(2).endpoint.send(world.now, 1, 0, Buffer.from('asked'), 'now')
  world.run(0.6)
  const start = world.now
  send(world, 'later', 'soon')
  world.run(10)
  // The ACK is due a millisecond after 'asked' came, at 0.1 ms.
  t.deepEqual(arrivals(world, start), ['later 0.6'])
  t.is(world.datagrams, 3)
})
