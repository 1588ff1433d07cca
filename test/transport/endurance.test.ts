import test from 'ava'

import { LAN, World } from '../helpers/pair.ts'

import type { ChannelId, PeerId } from '../../src/transport/endpoint.ts'

const QUEUE_MAX_BYTES = 8 * 1024 * 1024

/** Both hosts send a payload every 20 ms on changing channels, until `end`. */
function chatter(world: World, end: number): void {
  const beat = (i: number): void => {
    for (const host of world.hosts.values()) {
      for (const to of host.up.keys()) host.send(to, (i % 4) as ChannelId, `${host.id}: ${i}`)
    }
    if (world.now < end) world.at(20, () => beat(i + 1))
  }
  world.at(0, () => beat(0))
}

for (const [name, isCut] of [
  ['both ways', () => true],
  ['one way', (from: PeerId) => from === 1],
  ['the other way', (from: PeerId) => from === 2],
] as const) {
  test(`a partition of 10 s, ${name}, is healed within 1.1 s, and nothing is lost or doubled`, t => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new World(seed)
      world.connect()
      chatter(world, 11_000)
      world.run(1000)
      world.isCut = isCut
      world.run(10_000 + world.random.between(0, 1000))
      world.isCut = () => false
      t.true(
        world.run(1100, () => world.undelivered === 0),
        `seed ${seed}: ${world.undelivered} left`,
      )
      for (const host of world.hosts.values()) t.is(host.log.length, 1, `seed ${seed}`)
    }
  })
}

test('a partition in which nothing is sent goes unnoticed', t => {
  const world = new World(1)
  world.connect()
  world.run(100)
  const before = world.datagrams
  world.isCut = () => true
  world.run(600_000)
  world.isCut = () => false
  t.is(world.datagrams, before, 'idle sessions exchange nothing')
  world.host(1).send(2, 0, 'again')
  t.true(world.run(1, () => world.undelivered === 0))
})

test('whatever happened, everything is delivered within 3 s after the faults have stopped', t => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = new World(seed, { hosts: 3 })
    const { random } = world
    let incarnation = 1
    const disturb = (): void => {
      if (world.now >= 10_000) return
      const host = random.pick([...world.hosts.values()])
      world.faults = {
        delay: random.between(0.1, 5),
        jitter: random.pick([0, 1, 20, 200]),
        drop: random.pick([0, 0.1, 0.3, 0.6]),
        duplicate: random.pick([0, 0.3]),
        copies: 5,
        corrupt: random.pick([0, 0.05]),
      }
      const [from, to] = [random.below(3) + 1, random.below(4)]
      world.isCut = random.chance(0.5)
        ? () => false
        : (a, b) => a === from && (to === 0 || b === to)
      if (random.chance(0.25)) host.restart(++incarnation)
      if (random.chance(0.1)) host.reincarnate(++incarnation)
      world.at(random.between(10, 1500), disturb)
    }
    world.at(0, disturb)
    chatter(world, 10_000)
    world.run(10_000)
    world.faults = LAN
    world.isCut = () => false
    world.run(300)
    // What was sent to a life that has ended is lost with it; what is sent now is not.
    t.true(
      world.run(2700, () => world.isConnected && isMutual(world)),
      `seed ${seed}: sessions`,
    )
    for (const host of world.hosts.values()) {
      for (const to of host.up.keys()) host.send(to, 0, `last of ${host.id}`)
    }
    const texts = (id: PeerId): number =>
      world.host(id).deliveries.filter(({ text }) => text.startsWith('last')).length
    t.true(
      world.run(3000, () => [1, 2, 3].every(id => texts(id) === 2)),
      `seed ${seed}: deliveries`,
    )
    for (const host of world.hosts.values()) {
      t.true(Object.keys(host.endpoint.counters.dropped).every(key => key !== 'violation'))
    }
  }
})

/** All sessions are between the present incarnations of both. */
function isMutual(world: World): boolean {
  for (const host of world.hosts.values()) {
    for (const [peer, incarnation] of host.up) {
      if (world.host(peer).incarnation !== incarnation) return false
    }
  }
  return true
}

test('an overfull queue ends the session, which these two incarnations never have again', t => {
  for (const [count, size] of [
    [20_001, 10],
    [9000, 1000],
  ] as const) {
    const world = new World(count)
    world.connect()
    const [a, b] = [world.host(1), world.host(2)]
    world.isCut = () => true
    let sent = 0
    while (a.up.has(2)) {
      const isBelowMark = a.send(2, 1, new Uint8Array(size))
      sent++
      const { queuedBytes } = a.endpoint.peer(2)
      t.true(queuedBytes <= QUEUE_MAX_BYTES)
      if (a.up.has(2)) t.is(isBelowMark, queuedBytes <= 256 * 1024)
    }
    t.true(sent <= count)
    t.is(a.log[1], 'lost 2.1: the queue to it is full')
    world.isCut = () => false
    // Host 2 may find out only when it sends something itself.
    b.send(1, 0, 'are you there?')
    t.true(world.run(3000, () => !b.up.has(1)))
    world.run(30_000)
    t.is(a.log.length, 2)
    t.is(b.log.length, 2)
    a.reincarnate(2)
    t.true(world.run(1500, () => world.isConnected))
    t.is(b.up.get(1), 2)
  }
})

test('what a dead peer costs is bounded', t => {
  const world = new World(1)
  world.connect()
  const [a, b] = [world.host(1), world.host(2)]
  b.crash()
  for (let i = 0; i < 7000; i++) a.send(2, (i % 4) as ChannelId, new Uint8Array(1000))
  const before = world.datagrams
  world.run(60_000)
  t.true(world.datagrams - before <= 64 + 60 * 4 + 20, `${world.datagrams - before} datagrams`)
  t.true(a.endpoint.peer(2).inFlight <= 10)
  for (let i = 0; i < 1000; i++) world.at(i * 60, () => a.send(2, 0, 'x'))
  const later = world.datagrams
  world.run(60_000)
  t.true(world.datagrams - later <= 60 * 12, `${world.datagrams - later} datagrams`)
})

test('dead peers do not use up what may be in flight to the others', t => {
  const world = new World(1, { hosts: 26 })
  world.connect()
  for (let id = 3; id <= 26; id++) world.host(id).crash()
  const a = world.host(1)
  for (let id = 3; id <= 26; id++) {
    for (let i = 0; i < 100; i++) a.send(id, 3, new Uint8Array(1000))
  }
  world.run(1000)
  const start = world.now
  a.send(2, 3, new Uint8Array(1024 * 1024))
  t.true(world.run(60, () => world.host(2).deliveries.length === 1))
  t.true(world.now - start <= 60)
})

test('only the newest datagram is sent, once, and without a session none', t => {
  const world = new World(1)
  const [a, b] = [world.host(1), world.host(2)]
  a.endpoint.sendDatagram(world.now, 2, Buffer.from('too early'))
  world.connect()
  world.run(50)
  a.endpoint.sendDatagram(world.now, 2, Buffer.from('old'))
  a.endpoint.sendDatagram(world.now, 2, Buffer.from('new'))
  t.true(a.endpoint.deadline <= world.now)
  const before = world.datagrams
  world.run(50)
  t.deepEqual(
    b.datagrams.map(({ text }) => text),
    ['new'],
  )
  t.is(world.datagrams, before + 1, 'and is not acknowledged')
  world.isCut = () => true
  a.endpoint.sendDatagram(world.now, 2, Buffer.from('lost'))
  world.run(1000)
  t.is(world.datagrams, before + 2, 'nor repeated')
})

test('a payload of any length from 0 to 1 MiB arrives as it was sent', t => {
  const world = new World(1, { faults: { drop: 0.05, jitter: 1 } })
  world.connect()
  const lengths = [0, 1, 255, 256, 1100, 1120, 1121, 1122, 1123, 1124, 1200, 2244, 2245, 65_536]
  for (const channel of [0, 1, 2, 3] as const) {
    for (const length of lengths) world.host(1).send(2, channel, world.random.bytes(length))
  }
  world.host(1).send(2, 2, world.random.bytes(1024 * 1024))
  t.true(world.run(5000, () => world.undelivered === 0))
  t.throws(() => world.host(1).send(2, 0, new Uint8Array(1024 * 1024 + 1)), { message: /1 MiB/ })
})

test('to send to a peer without a session is our own mistake', t => {
  const world = new World(1)
  t.throws(() => world.host(1).endpoint.send(world.now, 2, 0, new Uint8Array(1)), {
    message: /host 2 is sent something only while it has a session/,
  })
})

test('one seed, one course of events', t => {
  const run = (seed: number): string => {
    const world = new World(seed, { hosts: 3, faults: { drop: 0.2, jitter: 3, duplicate: 0.1 } })
    world.isRecording = true
    chatter(world, 500)
    world.run(1000)
    return world.wire
      .map(({ at, from, bytes }) => `${at} ${from} ${Buffer.from(bytes).toString('hex')}`)
      .join('\n')
  }
  t.is(run(5), run(5))
  t.not(run(5), run(6))
})
