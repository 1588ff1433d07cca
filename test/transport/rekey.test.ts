import test from 'ava'

import { addressOf, World } from '../helpers/pair.ts'
import { KEY_1, KEY_2, KEY_3, SealedWorld } from '../helpers/sealed.ts'

import type { PeerId } from '../../src/transport/endpoint.ts'

const HELLO_ACK = 0x02
const DATA = 0x10
const MINUTE = 60_000

/** Answers to HELLOs that were put on the wire. */
function countAnswers(world: World): () => number {
  let count = 0
  const { intercept } = world
  world.intercept = datagram => {
    if (datagram.bytes[0] === HELLO_ACK) count++
    return intercept(datagram)
  }
  return () => count
}

/** Payloads both ways on all channels, some of several datagrams, until a time. */
function chat(world: World, until: number, pause: number): void {
  let n = 0
  const say = (): void => {
    for (const from of [1, 2] as const) {
      const text = `${from} says ${n}`
      world.host(from).send(3 - from, (n % 4) as 0 | 1 | 2 | 3, n % 7 === 0 ? big(n) : text)
    }
    n++
    if (world.now < until) world.at(pause, say)
  }
  say()
}

function big(n: number): Uint8Array {
  const bytes = new Uint8Array(5000)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * n) & 0xff
  return bytes
}

function isQuiet(world: World): boolean {
  return world.undelivered === 0
}

test('keys are used for 15 minutes, give or take a tenth, and nobody notices', t => {
  const world = new SealedWorld(1)
  const answers = countAnswers(world)
  world.connect()
  world.run(1)
  t.is(answers(), 1)
  world.run(13.4 * MINUTE)
  t.is(answers(), 1)
  world.run(3.2 * MINUTE)
  t.is(answers(), 2)
  // Whose turn comes first does it for both.
  world.run(60 * MINUTE)
  t.true(answers() >= 5 && answers() <= 7, `${answers()} answers`)
  for (const host of world.hosts.values()) t.is(host.log.length, 1)
})

test('new keys again and again under loss, disorder and doubling lose nothing', t => {
  for (const seed of [1, 2, 3]) {
    const world = new SealedWorld(seed, { keys: () => [KEY_1, KEY_2] })
    world.connect()
    world.run(1)
    const answers = countAnswers(world)
    world.faults = { ...world.faults, drop: 0.2, duplicate: 0.2, jitter: 5, corrupt: 0.02 }
    chat(world, world.now + 10_000, 5)
    // Both sides, each at its own times, and now and then both at once.
    for (let at = 100; at < 10_000; at += 400) {
      for (const id of [1, 2]) {
        const jitter = at % 1200 === 100 ? 0 : world.random.between(0, 200)
        world.at(at + jitter, () => renew(world, id))
      }
    }
    t.true(
      world.run(30_000, () => world.now > 10_000 && isQuiet(world)),
      `seed ${seed}`,
    )
    t.true(answers() >= 15, `${answers()} answers`)
    for (const host of world.hosts.values()) {
      t.is(host.log.length, 1, 'one session')
      t.is(host.deliveries.length >= 1000, true)
    }
  }
})

/** The other of two keys comes first. The moment within 10 s is drawn so often that it is near. */
function renew(world: SealedWorld, id: PeerId): void {
  const { endpoint } = world.host(id)
  const orders = [
    [KEY_1, KEY_2],
    [KEY_2, KEY_1],
  ].map(keys => world.sealOf(id, keys))
  const seal = orders.find(({ names }) => names[0] !== endpoint.peer(3 - id).key)!
  for (let i = 0; i < 1000; i++) endpoint.changeKeys(world.now, seal)
}

test('new keys while bulk flows hold nothing up', t => {
  const world = new SealedWorld(1, { keys: () => [KEY_1, KEY_2] })
  world.connect()
  world.run(1)
  const answers = countAnswers(world)
  const [a, b] = [world.host(1), world.host(2)]
  const payload = new Uint8Array(1024 * 1024)
  let sent = 0
  const start = world.now
  // 60 MiB, one by one, and new keys each 20 ms or so.
  const more = (): void => {
    if (sent++ < 60) a.send(2, 3, payload)
  }
  b.onDeliver = more
  more()
  for (let at = 5; at < 200; at += 10) world.at(at, () => renew(world, 1 + (((at - 5) / 10) % 2)))
  t.true(world.run(60_000, () => b.deliveries.length === 60))
  t.true(answers() >= 5, `${answers()} answers`)
  t.true(world.now - start < 60 * 50, `it took ${world.now - start} ms`)
  t.deepEqual(a.log, ['up 2.1'])
  t.deepEqual(b.log, ['up 1.1'])
})

test('a host whose first key has changed gets sessions with that key within 10 s, all kept', t => {
  for (const seed of [1, 2, 3, 4]) {
    const world = new SealedWorld(seed, { hosts: 4, faults: { drop: seed === 4 ? 0.2 : 0 } })
    world.connect()
    world.run(1)
    const [one] = world.host(1).endpoint.keys
    // Step 1: all accept the second one as well.
    for (const id of [1, 2, 3, 4]) {
      t.deepEqual(world.changeKeys(id, [KEY_1, KEY_2]), [])
      world.run(500)
    }
    world.run(11_000)
    const keysOf = (id: PeerId): Set<string | undefined> =>
      new Set([...world.host(id).up.keys()].map(peer => world.host(id).endpoint.peer(peer).key))
    for (const id of [1, 2, 3, 4]) t.deepEqual([...keysOf(id)], [one])
    // Step 2: it comes first.
    const times: number[] = []
    for (const id of [1, 2, 3, 4]) {
      t.deepEqual(world.changeKeys(id, [KEY_2, KEY_1]), [])
      const start = world.now
      const [two] = world.host(id).endpoint.keys
      t.not(one, two)
      t.true(
        world.run(11_500, () => [...keysOf(id)].every(key => key === two)),
        `seed ${seed}`,
      )
      times.push(world.now - start)
    }
    t.true(Math.max(...times) > 1000, 'not all at once')
    // Step 3: the first one goes.
    for (const id of [1, 2, 3, 4]) t.deepEqual(world.changeKeys(id, [KEY_2]), [])
    world.run(11_000)
    for (const host of world.hosts.values()) {
      t.is(host.log.length, 3, 'the sessions are those of the beginning')
      t.deepEqual(host.notices, [])
      for (const peer of host.up.keys()) host.send(peer, 0, 'still here')
    }
    t.true(world.run(2000, () => isQuiet(world)))
  }
})

test('a key that a live session uses cannot be taken away, and then all stay as they are', t => {
  const world = new SealedWorld(1, { hosts: 3 })
  world.connect()
  world.run(1)
  const before = world.host(1).endpoint.keys
  t.deepEqual(world.changeKeys(1, [KEY_2]), [
    { peer: 2, key: before[0] },
    { peer: 3, key: before[0] },
  ])
  t.deepEqual(world.host(1).endpoint.keys, before)
  world.host(1).send(2, 0, 'as before')
  t.true(world.run(100, () => isQuiet(world)))
})

test('the key of a host that has long been silent can be taken away: it has no say any more', t => {
  const world = new SealedWorld(1)
  world.isRecording = true
  world.connect()
  world.run(1)
  world.host(1).send(2, 0, 'kept for whoever has the key')
  world.run(50)
  const late = world.wire.filter(({ to }) => to === 1)
  // Its box was stolen: it is cut off, and speaks again when the key is gone.
  world.isCut = (from, to) => from === 2 || to === 2
  world.run(9000)
  t.is(world.changeKeys(1, [KEY_2]).length, 1, 'perhaps it only stutters')
  world.run(2000)
  t.deepEqual(world.changeKeys(1, [KEY_2]), [])
  t.is(world.host(1).endpoint.peer(2).key, undefined)
  world.isCut = () => false
  world.host(2).send(1, 0, 'let me in')
  world.run(5000)
  t.deepEqual(world.host(1).deliveries, [])
  t.is(late.length > 0, true)
  t.regex(world.host(1).notices.join(), /HELLO with key [0-9a-f]{4}, which is not in the key file/)
  t.deepEqual(world.host(1).log, ['up 2.1'])
  // With the new key the same session goes on, for nothing was lost.
  t.deepEqual(world.changeKeys(2, [KEY_2, KEY_1]), [])
  t.true(world.run(12_000, () => isQuiet(world)))
  t.deepEqual(world.host(1).log, ['up 2.1'])
  t.is(world.host(1).deliveries.at(-1)?.text, 'let me in')
})

test('the keys of a session that was replaced open late packets for 5 s, then nothing', t => {
  const world = new SealedWorld(1, { keys: () => [KEY_1, KEY_2] })
  world.connect()
  world.run(1)
  const held: { readonly to: PeerId; readonly bytes: Uint8Array }[] = []
  world.intercept = ({ from, to, bytes }) => {
    if (from !== 1 || bytes[0] !== DATA) return false
    held.push({ to, bytes })
    return true
  }
  for (let i = 0; i < 5; i++)
    world.host(1).endpoint.sendDatagram(world.now, 2, Buffer.from(`d${i}`))
  world.run(1)
  world.host(1).endpoint.sendDatagram(world.now, 2, Buffer.from('late'))
  world.run(1)
  world.intercept = () => false
  const [one, two] = world.host(1).endpoint.keys
  t.truthy(one)
  world.changeKeys(1, [KEY_2, KEY_1])
  t.true(world.run(11_000, () => world.host(2).endpoint.peer(1).key === two))
  t.is(held.length, 2)
  world.run(4000)
  world.inject(1, 2, held[0]!.bytes)
  world.run(1)
  t.deepEqual(
    world.host(2).datagrams.map(({ text }) => text),
    ['d4'],
  )
  world.run(1500)
  world.inject(1, 2, held[1]!.bytes)
  world.run(1)
  t.is(world.host(2).datagrams.length, 1)
  t.is(world.host(2).endpoint.counters.dropped['unknown-index'], 1)
})

test('2^20 forged packets with the index of a session are told of and lead to new keys', t => {
  // Checksums stand for tags here: to compute a million of those takes half a minute.
  const world = new World(1)
  world.isRecording = true
  world.connect()
  world.run(1)
  world.host(2).send(1, 0, 'something to forge')
  world.run(10)
  world.isRecording = false
  const packet = world.wire.filter(({ to, bytes }) => to === 1 && bytes[0] === DATA).at(-1)!
  const answers = countAnswers(world)
  const { endpoint } = world.host(1)
  const forged = packet.bytes.slice(0, 24)
  forged[4] = 200
  for (let i = 1; i < 2 ** 20; i++) endpoint.receive(world.now, addressOf(2), forged)
  world.run(100)
  t.is(endpoint.counters.dropped.forged, 2 ** 20 - 1)
  t.deepEqual(world.host(1).notices, [])
  t.is(answers(), 0)
  endpoint.receive(world.now, addressOf(2), forged)
  world.run(100)
  t.is(answers(), 1)
  t.is(world.host(1).notices.length, 1)
  t.regex(world.host(1).notices[0]!, /1048576 packets from the address of host 2 were forged/)
  t.deepEqual(world.host(1).log, ['up 2.1'])
})

test('of two hosts that have changed to different keys, each accepting both, none is lost', t => {
  for (const seed of [1, 2, 3]) {
    const world = new SealedWorld(seed, { faults: { drop: 0.2, jitter: 3 } })
    world.connect()
    world.run(1)
    world.changeKeys(1, [KEY_2, KEY_1, KEY_3])
    world.changeKeys(2, [KEY_3, KEY_1, KEY_2])
    const end = world.now + 30_000
    chat(world, end, 50)
    t.true(world.run(60_000, () => world.now > end && isQuiet(world)))
    for (const host of world.hosts.values()) t.is(host.log.length, 1)
    // And one that restarts is let in by any of its keys.
    world.host(2).restart(2)
    t.true(world.run(5000, () => world.host(1).up.get(2) === 2 && world.host(2).up.has(1)))
  }
})

test('every key but those of the present sessions is zeroed after 5 s', t => {
  const world = new SealedWorld(1, { keys: () => [KEY_1, KEY_2] })
  const kept = (): number[] => [1, 2].map(id => world.cryptos.get(id)!.kept)
  world.connect()
  world.run(6000)
  t.deepEqual(kept(), [2, 2])
  renew(world, 1)
  world.run(1000)
  t.deepEqual(kept(), [4, 4])
  world.run(6000)
  t.deepEqual(kept(), [2, 2])
  world.host(2).reincarnate(2)
  world.run(7000)
  t.deepEqual(kept(), [2, 2])
  // Answers that never arrive.
  world.intercept = ({ bytes }) => bytes[0] === HELLO_ACK
  renew(world, 1)
  renew(world, 2)
  world.run(3000)
  t.true(kept()[0]! > 2 || kept()[1]! > 2)
  world.intercept = ({ bytes }) => bytes[0] !== DATA
  world.run(10_000)
  world.intercept = () => false
  world.run(10_000)
  t.deepEqual(kept(), [2, 2])
})
