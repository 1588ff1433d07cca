import test from 'ava'

import { assert } from '../../src/lib/assert.ts'
import { toInstant } from '../../src/lib/time.ts'
import { Budget } from '../../src/transport/budget.ts'
import { CongestionWindow } from '../../src/transport/window.ts'
import { World } from '../helpers/pair.ts'

const at = toInstant

test('the window is 16, doubles in each round trip that fills it, and ends at 64', t => {
  const window = new CongestionWindow()
  const sizes = [window.size]
  for (let trip = 0; trip < 4; trip++) {
    // Every datagram of a full window is acknowledged.
    for (let i = window.size; i > 0; i--) window.grow()
    sizes.push(window.size)
  }
  t.deepEqual(sizes, [16, 32, 64, 64, 64])
})

test('a loss takes 15 %, once for all that was sent before it was answered, and 8 are left', t => {
  const window = new CongestionWindow()
  for (let i = 0; i < 48; i++) window.grow()
  window.reduce(at(10), at(5))
  window.reduce(at(10), at(6))
  window.reduce(at(12), at(9))
  t.is(window.size, 54)
  window.reduce(at(20), at(11))
  t.is(window.size, 46)
  for (let i = 0; i < 50; i++) window.reduce(at(30 + 2 * i), at(29 + 2 * i))
  t.is(window.size, 8)
})

test('after a loss it grows by one in a round trip', t => {
  const window = new CongestionWindow()
  window.reduce(at(10), at(5))
  t.is(window.size, 13)
  for (let i = 0; i < 15; i++) window.grow()
  t.is(window.size, 14)
})

test('when nothing comes back it is 4, and doubles again up to half of what it was', t => {
  const window = new CongestionWindow()
  for (let i = 0; i < 48; i++) window.grow()
  window.collapse()
  t.is(window.size, 4)
  window.collapse()
  t.is(window.size, 4)
  for (let i = 0; i < 28; i++) window.grow()
  t.is(window.size, 32)
  window.grow()
  t.is(window.size, 32)
})

test('what is in flight to all is half of what the receive buffer holds', t => {
  const budget = new Budget()
  t.is(budget.max, 92, 'where Linux allows no more than its default')
  budget.fit(2 * 1024 * 1024)
  t.is(budget.max, 455)
  budget.fit(212_992)
  t.is(budget.max, 46)
  budget.fit(2304)
  t.is(budget.max, 8, 'something must go on even so')
})

/** Host 1 with so many others, to each of whom it sends more than may be in flight. */
function flood(hosts: number, channel: 0 | 3, receiveBuffer: number): number {
  const world = new World(1, { hosts })
  world.connect()
  const { endpoint } = world.host(1)
  endpoint.fitReceiveBuffer(receiveBuffer)
  // From now on nobody hears it.
  world.isCut = from => from === 1
  world.run(50)
  for (let peer = 2; peer <= hosts; peer++) {
    for (let i = 0; i < 200; i++) world.host(1).send(peer, channel, new Uint8Array(1000))
  }
  let most = 0
  const before = world.datagrams
  // All flushes, and no probe yet: those are beyond the window.
  world.run(1, () => {
    let inFlight = 0
    for (let peer = 2; peer <= hosts; peer++) inFlight += endpoint.peer(peer).inFlight
    most = Math.max(most, inFlight)
    return false
  })
  assert(world.datagrams - before === most, 'every datagram counts')
  return most
}

test('bulk to one host fills its window of 16, what is urgent 4 more', t => {
  t.is(flood(2, 3, 2 ** 21), 16)
  t.is(flood(2, 0, 2 ** 21), 20)
})

test('bulk to many hosts ends at the budget of the node', t => {
  t.is(flood(9, 3, 2 ** 21), 8 * 16)
  t.is(flood(9, 3, 212_992), 46)
  t.is(flood(9, 3, 0), 8)
})

test('what is urgent may go beyond the budget, but only 4 to each host', t => {
  const most = flood(9, 0, 212_992)
  t.true(most > 46 && most <= 46 + 8 * 4, `${most}`)
  t.is(flood(9, 0, 0), 8 + 7 * 4)
})

test('what one host has acknowledged makes room for what waits for another', t => {
  const world = new World(1, { hosts: 3 })
  world.connect()
  world.run(20)
  world.host(1).endpoint.fitReceiveBuffer(0)
  for (let i = 0; i < 8; i++) world.host(1).send(2, 3, new Uint8Array(1000))
  // Nothing is on its way to host 3, so that no timer of it comes to its help.
  world.host(1).send(3, 3, 'waits')
  t.true(world.run(3, () => world.host(3).deliveries.some(({ text }) => text === 'waits')))
})

test('who has little to send does not grow its window', t => {
  const world = new World(1)
  world.connect()
  const { endpoint } = world.host(1)
  for (let i = 0; i < 500; i++) {
    world.host(1).send(2, 3, `${i}`)
    world.run(1)
  }
  world.isCut = from => from === 1
  for (let i = 0; i < 200; i++) world.host(1).send(2, 3, new Uint8Array(1000))
  world.run(1)
  t.is(endpoint.peer(2).inFlight, 16)
})

test('two probe timeouts in a row leave 4, and one ACK brings the data back', t => {
  const world = new World(1)
  world.connect()
  const { endpoint } = world.host(1)
  world.isCut = from => from === 1
  for (let i = 0; i < 100; i++) world.host(1).send(2, 3, new Uint8Array(1000))
  world.run(100)
  world.isCut = () => false
  t.true(world.run(3000, () => world.undelivered === 0))
  t.true(world.run(20, () => endpoint.peer(2).queuedBytes === 0))
})

test('false comes above 256 KiB that wait, and true again when they have gone', t => {
  const world = new World(1)
  world.connect()
  const host = world.host(1)
  const answers: boolean[] = []
  for (let i = 0; i < 300; i++) answers.push(host.send(2, 3, new Uint8Array(1024)))
  t.is(answers.indexOf(false), 256)
  t.deepEqual([...new Set(answers.slice(256))], [false])
  t.true(world.run(1000, () => world.undelivered === 0))
  t.true(host.send(2, 3, 'x'))
})

for (const [what, size, most] of [
  ['20,000 payloads', 1, 20_000],
  ['8 MiB', 64 * 1024, 128],
] as const) {
  test(`a session ends at ${what} that wait, and its owner hears of it`, t => {
    const world = new World(1)
    world.connect()
    world.isChecking = false
    const host = world.host(1)
    world.isCut = from => from === 1
    let sent = 0
    while (host.up.has(2) && sent < 30_000) {
      host.endpoint.send(world.now, 2, 3, new Uint8Array(size))
      sent++
    }
    t.is(sent, most + 1)
    t.is(host.log.at(-1), 'lost 2.1: the queue to it is full')
  })
}
