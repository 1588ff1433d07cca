import test from 'ava'

import { Random } from '../../src/lib/random.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { Endpoint } from '../../src/transport/endpoint.ts'
import { addressOf, World } from '../helpers/pair.ts'

import type { PeerId } from '../../src/transport/endpoint.ts'
import type { Datagram } from '../helpers/pair.ts'

const HELLO = 0x01
const HELLO_ACK = 0x02
const DATA = 0x10
const RTT = 0.2

/** Takes the first `count` datagrams of a type, from one host, off the wire. */
function lose(world: World, type: number, from: PeerId, count: number): void {
  let left = count
  world.intercept = datagram => datagram.bytes[0] === type && datagram.from === from && left-- > 0
}

/** Only host 1 calls: host 2 learns the other's address, and its own call, later. */
function oneSided(seed: number): World {
  return new World(seed, {
    change: config =>
      config.self === 1 ? config : { ...config, peers: [{ id: 1, address: undefined }] },
  })
}

/** Everything that a host's owner has been told. */
function told(world: World): string {
  return JSON.stringify([...world.hosts.values()].map(({ log, deliveries }) => [log, deliveries]))
}

/** Payloads go both ways. */
function canTalk(world: World): boolean {
  if (!world.run(3000, () => world.isConnected)) return false
  world.run(1)
  const [a, b] = [world.host(1), world.host(2)]
  const before = a.deliveries.length + b.deliveries.length
  a.send(2, 0, `to 2 at ${world.now}`)
  b.send(1, 0, `to 1 at ${world.now}`)
  return world.run(3000, () => a.deliveries.length + b.deliveries.length === before + 2)
}

test('two hosts that begin at once agree on one handshake, of the lower id', t => {
  const world = new World(1)
  world.isRecording = true
  world.connect()
  world.run(50)
  t.deepEqual(world.wire.map(({ from, bytes }) => [from, bytes[0], bytes.length]).slice(0, 4), [
    [1, HELLO, 128],
    [2, HELLO, 128],
    [2, HELLO_ACK, 104],
    [1, DATA, 25],
  ])
  t.true(world.wire.length <= 5)
  t.deepEqual(world.host(1).log, ['up 2.1'])
  t.deepEqual(world.host(2).log, ['up 1.1'])
  t.true(canTalk(world))
})

test('HELLOs that are lost are sent again, after 0.1 s and then more rarely, for ever', t => {
  const world = new World(1)
  world.isRecording = true
  world.isCut = () => true
  world.run(20_000)
  const times = world.wire.filter(({ from }) => from === 1).map(({ at }) => at)
  const pauses = times.slice(1).map((at, i) => at - times[i]!)
  for (const [i, base] of [100, 200, 400, 800].entries()) {
    t.true(pauses[i]! >= base * 0.75 && pauses[i]! <= base * 1.25, `pause ${i} is ${pauses[i]}`)
  }
  for (const pause of pauses.slice(4)) t.true(pause >= 750 && pause <= 1250)
  const hellos = world.wire.filter(({ from }) => from === 1)
  const counts = new Map<string, number>()
  for (const { bytes } of hellos) {
    const name = Buffer.from(bytes.subarray(16, 48)).toString('hex')
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  t.true(
    [...counts.values()].every(count => count <= 3),
    'the same HELLO at most 3 times',
  )
  world.isCut = () => false
  t.true(world.run(1300, () => world.isConnected))
})

test('a HELLO that is repeated because its answer was lost gets the same answer', t => {
  const world = new World(1)
  world.isRecording = true
  lose(world, HELLO_ACK, 2, 2)
  world.connect()
  const answers = world.wire.filter(({ bytes }) => bytes[0] === HELLO_ACK)
  t.is(answers.length, 3)
  t.deepEqual(answers[1]!.bytes, answers[0]!.bytes)
  t.true(canTalk(world))
})

test('the responder has no session before the first packet, and the initiator repeats that', t => {
  const world = new World(1)
  lose(world, DATA, 1, 3)
  t.true(world.run(1000, () => world.host(1).up.has(2)))
  t.false(world.host(2).up.has(1))
  t.true(world.run(100, () => world.isConnected))
  t.deepEqual(world.host(1).log, ['up 2.1'])
})

test('payloads sent by an initiator whose confirmation is lost for long all arrive', t => {
  const world = new World(3)
  // The slot of the responder is gone before anything under the new keys gets through.
  world.intercept = ({ from, bytes }) =>
    world.now < 7000 && (bytes[0] === DATA || (from === 2 && bytes[0] === HELLO))
  world.run(1000, () => world.host(1).up.has(2))
  for (let i = 0; i < 100; i++) world.host(1).send(2, 0, `early ${i}`)
  world.run(6000)
  t.false(world.host(2).up.has(1))
  t.true(world.run(2500, () => world.host(2).deliveries.length === 100))
  t.deepEqual(world.host(1).log, ['up 2.1'])
})

for (const [who, other] of [
  [1, 2],
  [2, 1],
] as const) {
  test(`a restart of host ${who} is noticed one round trip after its first HELLO`, t => {
    const world = new World(2)
    world.connect()
    world.host(other).send(who, 0, 'for the old one')
    world.host(who).crash()
    world.run(300)
    const start = world.now
    world.host(who).restart(2)
    t.true(world.run(100, () => world.host(other).up.get(who) === 2))
    t.true(world.now - start <= RTT + 20, `it took ${world.now - start} ms`)
    world.run(50)
    t.deepEqual(world.host(other).log, [
      `up ${who}.1`,
      `lost ${who}.1: host ${who} began incarnation 2`,
      `up ${who}.2`,
    ])
    t.is(world.host(who).deliveries.length, 0)
    t.true(canTalk(world))
  })

  test(`a restart of host ${who} is noticed as soon after a long absence`, t => {
    for (const absence of [2000, 5500, 11_111, 60_000]) {
      const world = new World(absence)
      world.connect()
      world.host(other).send(who, 0, 'for the old one')
      world.host(who).crash()
      world.run(absence)
      const start = world.now
      world.host(who).restart(2)
      t.true(world.run(1500, () => world.host(other).up.get(who) === 2))
      t.true(world.now - start <= RTT + 20, `it took ${world.now - start} ms after ${absence}`)
      t.true(canTalk(world))
    }
  })
}

test('both hosts restart at once', t => {
  const world = new World(1)
  world.connect()
  world.host(1).restart(2)
  world.host(2).restart(2)
  t.true(world.run(50, () => world.isConnected))
  t.is(world.host(1).up.get(2), 2)
  t.is(world.host(2).up.get(1), 2)
  t.true(canTalk(world))
})

test('a restart with an incarnation that was used before is a restart all the same', t => {
  const world = new World(1)
  world.connect()
  t.true(canTalk(world))
  world.host(2).crash()
  world.run(10)
  world.host(2).restart(1)
  t.true(world.run(50, () => world.host(1).log.length === 3))
  t.deepEqual(world.host(1).log.slice(1), ['lost 2.1: host 2 began incarnation 1', 'up 2.1'])
})

test('reincarnation ends every session and makes it anew', t => {
  const world = new World(1, { hosts: 4 })
  world.connect()
  world.host(2).reincarnate(7)
  t.is(world.host(2).up.size, 0)
  world.run(20)
  t.true(world.isConnected)
  for (const id of [1, 3, 4]) {
    t.is(world.host(id).up.get(2), 7)
    t.is(world.host(id).log.length, 5)
    t.is(world.host(id).log.at(-1), 'up 2.7')
  }
  t.true(canTalk(world))
})

test('an owner may reincarnate, and send, from within what it is told', t => {
  const world = new World(1)
  const [a, b] = [world.host(1), world.host(2)]
  world.connect()
  a.onUp = () => a.send(2, 0, 'welcome')
  let once = true
  a.onLost = () => {
    if (!once) return
    once = false
    a.reincarnate(2)
  }
  b.onDeliver = () => b.send(1, 0, 'thanks')
  b.reincarnate(2)
  t.true(world.run(2500, () => world.isConnected && a.deliveries.length > 0))
  t.is(a.up.get(2), 2)
  t.is(b.up.get(1), 2)
  t.is(a.deliveries.at(-1)?.text, 'thanks')
})

test('everything that was ever on the wire changes nothing when it comes again', t => {
  for (const seed of [1, 2, 3, 4]) {
    const world = new World(seed)
    world.isRecording = true
    world.connect()
    t.true(canTalk(world))
    if (seed > 2) {
      world.host(1).restart(2)
      world.connect()
      t.true(canTalk(world))
    }
    world.run(100)
    const before = told(world)
    const old: Datagram[] = [...world.wire]
    for (let i = 0; i < 400; i++) {
      const { from, to, bytes } = world.random.pick(old)
      world.inject(from, to, bytes, world.random.between(0, 20_000))
    }
    world.run(30_000)
    t.is(told(world), before, `seed ${seed}`)
    if (seed <= 2) t.true(world.host(2).endpoint.counters.dropped.replay! > 0)
    t.true(canTalk(world), `seed ${seed}`)
    t.is(world.host(1).endpoint.peer(2).incarnation, 1)
  }
})

test('the last packet of a handshake that comes after a later handshake has no effect', t => {
  const world = new World(1)
  const held: Datagram[] = []
  world.intercept = datagram => {
    const { from, bytes } = datagram
    if (from === 2 && bytes[0] === HELLO) return true
    return from === 1 && bytes[0] === DATA && held.push(datagram) > 0
  }
  t.true(world.run(1000, () => world.host(1).up.has(2)))
  world.run(50)
  t.true(held.length > 0)
  world.intercept = () => false
  world.host(1).restart(2)
  t.true(world.run(1000, () => world.host(2).up.has(1)))
  for (const { bytes } of held) world.inject(1, 2, bytes)
  world.run(100)
  t.deepEqual(world.host(2).log, ['up 1.2'])
})

test('HELLOs of a host that is gone get answers at 4 a second, and no session', t => {
  const world = oneSided(1)
  world.isRecording = true
  world.host(2).endpoint.setAddress(world.now, 1, addressOf(1))
  world.isCut = () => true
  // Fresh HELLOs of host 1, kept back.
  for (let i = 0; i < 40; i++) {
    world.host(1).restart(1)
    world.run(50)
  }
  const hellos = world.wire.filter(({ from, bytes }) => from === 1 && bytes[0] === HELLO)
  world.host(1).crash()
  world.isCut = () => false
  world.wire.length = 0
  for (const { bytes } of hellos) world.inject(1, 2, bytes, world.random.between(0, 1000))
  world.run(1000)
  const answers = world.wire.filter(({ bytes }) => bytes[0] === HELLO_ACK)
  t.true(answers.length >= 8 && answers.length <= 13, `${answers.length} answers`)
  t.deepEqual(world.host(2).log, [])
  t.true((world.host(2).endpoint.counters.dropped.rate ?? 0) >= 20)
  world.host(1).restart(2)
  t.true(world.run(3000, () => world.isConnected))
})

test('new keys for the same pair of incarnations keep the channels', t => {
  for (const seed of [1, 2, 3]) {
    const world = new World(seed)
    world.connect()
    world.faults = { ...world.faults, drop: 0.2, jitter: 2 }
    world.isRecording = true
    const [a, b] = [world.host(1), world.host(2)]
    for (let i = 0; i < 2000; i++) {
      world.at(i * 5, () => {
        a.send(2, 0, `a${i}`)
        b.send(1, 2, `b${i}`)
      })
    }
    // For longer than either side waits, only handshakes get through; then everything does again.
    for (const start of [500, 3500, 7000]) {
      world.at(start, () => {
        world.intercept = ({ bytes }) => bytes[0] === DATA
      })
      world.at(start + 1500, () => {
        world.intercept = () => false
      })
    }
    t.true(world.run(20_000, () => a.deliveries.length === 2000 && b.deliveries.length === 2000))
    const handshakes = world.wire.filter(({ bytes }) => bytes[0] === HELLO_ACK).length
    t.true(handshakes >= 4, `${handshakes} answers`)
    t.deepEqual(a.log, ['up 2.1'])
    t.deepEqual(b.log, ['up 1.1'])
  }
})

test('a peer whose address is learnt later is called then', t => {
  const world = oneSided(1)
  world.run(2000)
  t.false(world.isConnected)
  t.true((world.host(2).endpoint.counters.dropped.address ?? 0) > 0)
  world.host(2).endpoint.setAddress(world.now, 1, addressOf(1))
  t.true(world.run(50, () => world.isConnected))
})

test('a session goes on at the address that a peer has moved to', t => {
  const world = new World(1)
  world.connect()
  const [a, b] = [world.host(1), world.host(2)]
  a.endpoint.setAddress(world.now, 2, { ip: '10.0.0.99', port: 7411 })
  a.send(2, 0, 'to the wrong house')
  world.run(3000)
  t.is(b.deliveries.length, 0)
  a.endpoint.setAddress(world.now, 2, addressOf(2))
  t.true(world.run(1100, () => b.deliveries.length === 1))
  t.deepEqual(a.log, ['up 2.1'])
})

test('two processes with one id that drive each other out are told of and held down', t => {
  const world = new World(1)
  world.connect()
  const host = world.host(1)
  world.host(2).crash()
  // Both send from the address of host 2; only the one that is heard last gets the answers.
  let active = 0
  const twins = [0, 1].map(which => {
    const nothing = (): void => undefined
    const output = {
      transmit: (_to: unknown, bytes: Uint8Array) => {
        if (active === which) world.inject(2, 1, bytes, 0.1)
      },
      deliver: nothing,
      deliverDatagram: nothing,
      sessionUp: nothing,
      sessionLost: nothing,
      notice: nothing,
    }
    return new Endpoint(
      { ...world.configOf(2), incarnation: 2 + which },
      output,
      new Random(90 + which),
      new ClearSeal(new Random(70 + which)),
    )
  })
  world.intercept = ({ to, bytes }) => {
    if (to === 2) world.at(0.1, () => twins[active]!.receive(world.now, addressOf(1), bytes))
    return to === 2
  }
  const live = (duration: number): void => {
    const end = world.now + duration
    while (world.now < end) {
      twins[active]!.tick(world.now)
      world.run(5)
    }
  }
  let incarnation = 10
  for (let turn = 0; turn < 6; turn++) {
    active = turn % 2
    if (turn >= 2) twins[active]!.reincarnate(world.now, incarnation++)
    live(2000)
  }
  t.is(host.notices.length, 1)
  t.regex(host.notices[0]!, /two processes call themselves host 2/)
  const ups = host.log.filter(line => line.startsWith('up 2')).length
  live(10_000)
  t.is(host.log.filter(line => line.startsWith('up 2')).length, ups, 'the other one is held down')
  t.true((host.endpoint.counters.dropped['held-down'] ?? 0) > 0)
  live(40_000)
  t.true(host.log.filter(line => line.startsWith('up 2')).length > ups, 'not for ever')
})

test('restarts, however many, are no doubled host id', t => {
  const world = new World(1)
  world.connect()
  for (let i = 2; i < 12; i++) {
    world.host(2).restart(i)
    t.true(world.run(50, () => world.isConnected && world.host(1).up.get(2) === i))
    world.run(250)
  }
  t.deepEqual(world.host(1).notices, [])
})
