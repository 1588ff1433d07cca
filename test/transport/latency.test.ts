import test from 'ava'

import { Random } from '../../src/lib/random.ts'
import { World } from '../helpers/pair.ts'

import type { Faults } from '../helpers/pair.ts'

const PAYLOAD = 100
const COUNT = 20_000

/** One-way latencies of lone payloads, 20 a second, sorted. `change` makes the network another one. */
function measure(
  seed: number,
  faults: Partial<Faults>,
  count: number,
  change: (world: World) => void = () => undefined,
): { readonly latencies: readonly number[]; readonly datagrams: number; readonly again: number } {
  const world = new World(seed, { faults: { ...faults, drop: 0 } })
  world.connect()
  world.run(100)
  world.faults.drop = faults.drop ?? 0
  change(world)
  const before = world.datagrams
  const sentAt: number[] = []
  const latencies: number[] = []
  world.host(2).onDeliver = () => {
    latencies.push(world.now - sentAt[latencies.length]!)
  }
  let at = 0
  for (let i = 0; i < count; i++) {
    at -= Math.log(1 - world.random.fraction()) * 50
    world.at(at, () => {
      sentAt.push(world.now)
      world.host(1).send(2, 0, new Uint8Array(PAYLOAD).fill(i))
    })
  }
  world.run(at + 10_000)
  const datagrams = world.datagrams - before
  latencies.sort((a, b) => a - b)
  return { latencies, datagrams, again: world.host(1).endpoint.counters.retransmitted }
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!
}

/** Loss; then the goals for p50, p99, p99.9 in milliseconds. */
const LAN_GOALS = [
  [0, 0.4, 1.5, 4],
  [0.01, 0.4, 5, 6],
  [0.05, 0.4, 6, 8],
  [0.1, 0.4, 6, 15],
  [0.2, 0.5, 7, 16],
] as const

const SLOW_GOALS = [
  [0, 2.9, 4, 7],
  [0.01, 2.9, 12, 14],
  [0.05, 2.9, 13, 15],
  [0.1, 2.9, 13, 32],
  [0.2, 3, 14, 34],
] as const

for (const [name, delay, goals] of [
  ['0.2 ms', 0.1, LAN_GOALS],
  ['5 ms', 2.5, SLOW_GOALS],
] as const) {
  for (const [drop, p50, p99, p999] of goals) {
    test(`lone payloads on a LAN of ${name} at ${drop * 100} % loss arrive in time`, t => {
      const { latencies } = measure(7, { delay, drop }, COUNT)
      t.is(latencies.length, COUNT)
      const [a, b, c] = [0.5, 0.99, 0.999].map(q => quantile(latencies, q))
      t.log(`p50 ${a?.toFixed(2)} p99 ${b?.toFixed(2)} p99.9 ${c?.toFixed(2)}`)
      t.true(a! <= p50, `p50 is ${a}`)
      t.true(b! <= p99, `p99 is ${b}`)
      t.true(c! <= p999, `p99.9 is ${c}`)
    })
  }
}

test('a lone payload costs two datagrams, and few more under loss', t => {
  t.true(measure(1, {}, 1000).datagrams <= 2000)
  for (const drop of [0.02, 0.05, 0.1]) {
    const { datagrams } = measure(1, { drop }, 5000)
    const extra = datagrams / 5000 - 2
    t.true(extra <= 7 * drop, `${extra} more at ${drop}`)
  }
})

test('a request and its reply cost one datagram each', t => {
  const world = new World(1)
  world.connect()
  world.run(100)
  const before = world.datagrams
  const [a, b] = [world.host(1), world.host(2)]
  b.onDeliver = ({ text }) => b.send(1, 0, `reply to ${text}`)
  a.onDeliver = () => {
    if (a.deliveries.length < 500) a.send(2, 0, `request ${a.deliveries.length}`)
  }
  a.send(2, 0, 'request 0')
  world.run(1000)
  t.is(a.deliveries.length, 500)
  t.true(world.datagrams - before <= 1001)
  t.is(a.endpoint.counters.retransmitted, 0)
})

test('ten payloads of one tick cost two datagrams in total', t => {
  const world = new World(1)
  world.connect()
  world.run(100)
  const before = world.datagrams
  for (let i = 0; i < 10; i++) world.host(1).send(2, i % 2 === 0 ? 0 : 2, new Uint8Array(100))
  world.run(100)
  t.is(world.host(2).deliveries.length, 10)
  t.true(world.datagrams - before <= 2)
})

test('a payload costs at most 41 bytes more than itself, and 3 with others', t => {
  const world = new World(1)
  world.connect()
  world.run(100)
  world.isRecording = true
  const [a, b] = [world.host(1), world.host(2)]
  b.onDeliver = () => b.send(1, 0, new Uint8Array(100))
  a.send(2, 0, new Uint8Array(100))
  world.run(0.25)
  t.deepEqual(
    world.wire.map(({ bytes }) => bytes.length <= 141),
    [true, true],
  )
  b.onDeliver = () => undefined
  world.run(100)
  world.wire.length = 0
  for (let i = 0; i < 5; i++) a.send(2, 0, new Uint8Array(100))
  world.run(0.05)
  t.is(world.wire.length, 1)
  t.true(world.wire[0]!.bytes.length <= 141 + 4 * 103)
})

for (const [drop, goal] of [
  [0, 60],
  [0.05, 150],
] as const) {
  test(`1 MiB arrives within ${goal} ms at ${drop * 100} % loss, and channel 0 is not held up`, t => {
    for (const seed of [1, 2, 3]) {
      const world = new World(seed)
      world.connect()
      world.run(100)
      world.faults.drop = drop
      const start = world.now
      const payload = world.random.bytes(1024 * 1024)
      world.host(1).send(2, 3, payload)
      const waits: number[] = []
      let sentAt = 0
      const [a, b] = [world.host(1), world.host(2)]
      b.onDeliver = ({ channel }) => {
        if (channel === 0) waits.push(world.now - sentAt)
      }
      for (let i = 0; i < 5; i++) {
        world.at(i * 0.5, () => {
          sentAt = world.now
          a.send(2, 0, 'urgent')
        })
      }
      t.true(world.run(1000, () => b.deliveries.some(({ channel }) => channel === 3)))
      t.log(`${(world.now - start).toFixed(1)} ms`)
      t.true(world.now - start <= goal, `it took ${world.now - start} ms`)
      if (drop === 0) t.true(Math.max(...waits) <= 3)
    }
  })
}

/** Gilbert and Elliott's network: now and then it loses half of what comes, for some packets. */
function loseInBursts(world: World): void {
  const random = world.random.fork()
  let isBad = false
  world.intercept = () => {
    isBad = random.chance(isBad ? 0.7 : 0.03)
    return isBad && random.chance(0.5)
  }
}

for (const [delay, p99, p999] of [
  [0.1, 6, 20],
  [2.5, 13, 45],
] as const) {
  test(`losses in bursts cost little more, on a LAN of ${2 * delay} ms`, t => {
    const { latencies } = measure(5, { delay }, COUNT, loseInBursts)
    t.is(latencies.length, COUNT)
    const [a, b, c] = [0.5, 0.99, 0.999].map(q => quantile(latencies, q))
    t.log(`p50 ${a?.toFixed(2)} p99 ${b?.toFixed(2)} p99.9 ${c?.toFixed(2)}`)
    t.true(a! <= delay + 0.4)
    t.true(b! <= p99, `p99 is ${b}`)
    t.true(c! <= p999, `p99.9 is ${c}`)
  })
}

/** A standard normal number, nearly: what many small things add up to. */
function normal(random: Random): number {
  let sum = -6
  for (let i = 0; i < 12; i++) sum += random.fraction()
  return sum
}

test('Wi-Fi that takes 6 ms and at times 30 leads to few needless retransmissions', t => {
  const random = new Random(9)
  const roundTrips: number[] = []
  const draw = (): number => 2.8 * Math.exp(0.85 * normal(random))
  for (let i = 0; i < 10_000; i++) roundTrips.push(draw() + draw())
  roundTrips.sort((a, b) => a - b)
  // The profile is what it is said to be.
  t.true(Math.abs(quantile(roundTrips, 0.5) - 6.5) < 1)
  t.true(Math.abs(quantile(roundTrips, 0.99) - 30) < 5)
  const { latencies, again } = measure(3, { delay: 0 }, 10_000, world => {
    world.intercept = ({ from, to, bytes }) => {
      world.inject(from, to, bytes, draw())
      return true
    }
  })
  t.is(latencies.length, 10_000)
  t.log(`${again} of 10000`)
  t.true(again <= 500, `${again} of 10000`)
})

test('a wired network that hesitates at times leads to hardly any', t => {
  const random = new Random(4)
  const { latencies, again } = measure(3, { delay: 0 }, 10_000, world => {
    world.intercept = ({ from, to, bytes }) => {
      // A scheduler that lets a process wait, once in a hundred times.
      const hesitation = random.chance(0.01) ? random.between(0, 4) : random.between(0, 0.2)
      world.inject(from, to, bytes, 0.1 + hesitation)
      return true
    }
  })
  t.is(latencies.length, 10_000)
  t.log(`${again} of 10000`)
  t.true(again <= 100, `${again} of 10000`)
})

test('locks wait little longer while 1 MiB messages go on', t => {
  const run = (drop: number, isBulkOn: boolean): readonly number[] => {
    const world = new World(8)
    serve(world, 0.02)
    world.connect()
    world.run(100)
    world.faults.drop = drop
    const [a, b] = [world.host(1), world.host(2)]
    const waits: number[] = []
    const dueAt: number[] = []
    a.onDeliver = ({ channel }) => {
      if (channel === 0) waits.push(world.now - dueAt[waits.length]!)
    }
    b.onDeliver = ({ channel, text }) => {
      if (channel === 0) b.send(1, 0, `reply to ${text}`)
      else world.at(10, () => a.send(2, 3, new Uint8Array(1024 * 1024)))
    }
    if (isBulkOn) a.send(2, 3, new Uint8Array(1024 * 1024))
    for (let at = 0; at < 2000;) {
      at -= Math.log(1 - world.random.fraction()) * 2
      world.at(at, () => {
        dueAt.push(world.now)
        a.send(2, 0, `request ${dueAt.length}`)
      })
    }
    world.run(2300)
    t.is(waits.length, dueAt.length)
    return waits.toSorted((x, y) => x - y)
  }
  for (const drop of [0, 0.05]) {
    const [without, beside] = [false, true].map(isBulkOn => quantile(run(drop, isBulkOn), 0.99))
    t.log(`${drop * 100} %: ${without?.toFixed(2)} and ${beside?.toFixed(2)}`)
    t.true(beside! <= 2 * without!, `${beside} instead of ${without}`)
  }
})

/** A host takes so long for each datagram, one after the other: they queue before it. */
function serve(world: World, each: number): void {
  const freeAt = new Map<number, number>()
  world.intercept = ({ from, to, bytes }) => {
    if (world.random.chance(world.faults.drop)) return true
    const arrival = world.now + world.faults.delay
    const done = Math.max(arrival, freeAt.get(to) ?? 0) + each
    freeAt.set(to, done)
    world.inject(from, to, bytes, done - world.now)
    return true
  }
}
