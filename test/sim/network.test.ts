import test from 'ava'
import { Random } from '../../src/lib/random.ts'
import { FAULTLESS, Network, type LinkOptions } from '../../src/sim/network.ts'

const bytes = Uint8Array.of(1, 2, 3)

function network(options: Partial<LinkOptions>): Network {
  return new Network({ ...FAULTLESS, ...options }, new Random(1))
}

function routeMany(options: Partial<LinkOptions>): { network: Network; copies: number[] } {
  const net = network(options)
  return {
    network: net,
    copies: Array.from({ length: 2000 }, () => net.route(1, 2, bytes).length),
  }
}

test('a whole way delivers each datagram once, after its delay, in bytes of its own', t => {
  const [delivery, ...more] = network({ delayMs: 3 }).route(1, 2, bytes)
  t.is(more.length, 0)
  t.is(delivery?.delayMs, 3)
  t.deepEqual(delivery?.bytes, bytes)
  t.not(delivery?.bytes, bytes)
})

test('a way loses the share that it was told to lose, and counts it', t => {
  const { network: net, copies } = routeMany({ loss: 0.3 })
  const lost = copies.filter(count => count === 0).length
  t.true(lost > 500 && lost < 700, `${lost} of 2000`)
  t.is(net.counters.lost, lost)
  t.is(net.counters.sent, 2000)
})

test('a way doubles up to so many times', t => {
  const { copies } = routeMany({ duplicate: 0.5, duplicatesMax: 5 })
  t.deepEqual([...new Set(copies)].sort(), [1, 2, 3, 4, 5, 6])
})

test('jitter makes datagrams overtake each other', t => {
  const net = network({ delayMs: 1, jitterMs: 10 })
  const delays = Array.from({ length: 50 }, () => net.route(1, 2, bytes)[0]?.delayMs ?? NaN)
  t.true(delays.every(delay => delay >= 1 && delay < 11))
  t.true(delays.some((delay, i) => i > 0 && delay < (delays[i - 1] ?? 0)))
})

test('some come much later than all others', t => {
  const net = network({ delayMs: 1, late: 0.1, lateMs: 500 })
  const delays = Array.from({ length: 500 }, () => net.route(1, 2, bytes)[0]?.delayMs ?? NaN)
  const late = delays.filter(delay => delay > 1).length
  t.true(late > 25 && late < 90, `${late} of 500`)
})

test('a corrupted datagram differs in one bit, and the sender keeps what it had', t => {
  const [delivery] = network({ corrupt: 1 }).route(1, 2, bytes)
  const differing = [...(delivery?.bytes ?? [])].map((byte, i) => byte ^ (bytes[i] ?? 0))
  const bits = differing.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  t.is(bits, 1)
  t.deepEqual(bytes, Uint8Array.of(1, 2, 3))
})

test('a cut is one way, and heals', t => {
  const net = network({})
  net.cut(1, 2)
  t.is(net.route(1, 2, bytes).length, 0)
  t.is(net.route(2, 1, bytes).length, 1)
  t.is(net.counters.severed, 1)
  net.heal(1, 2)
  t.is(net.route(1, 2, bytes).length, 1)
})

test('one way can have a character of its own, until all are made whole', t => {
  const net = network({})
  net.set(1, 2, { ...FAULTLESS, loss: 1 })
  net.cut(2, 1)
  t.is(net.route(1, 2, bytes).length, 0)
  t.is(net.route(1, 3, bytes).length, 1)
  net.reset(FAULTLESS)
  t.is(net.route(1, 2, bytes).length, 1)
  t.is(net.route(2, 1, bytes).length, 1)
})
