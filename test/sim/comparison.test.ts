import test from 'ava'
import { Random } from '../../src/lib/random.ts'
import { CATALOGUE } from '../../src/sim/algorithms/catalogue.ts'
import { plainLamport } from '../../src/sim/algorithms/suppressed.ts'
import { compareAll, isAsTheorySays, type Comparison } from '../../src/sim/comparison.ts'
import { DelayWorld } from '../../src/sim/delays.ts'
import { everyPair, measure } from '../../src/sim/measuring.ts'
import { runScenario } from '../../src/sim/transcript.ts'
import { hostsOf } from '../helpers/contenders.ts'

const HOSTS = [3, 5, 7, 9, 13]
const results = compareAll(['light', 'saturated'], HOSTS, 1)

function rowsOf(algorithm: string, load: string): readonly Comparison[] {
  const rows = results.filter(each => each.algorithm === algorithm && each.load === load)
  if (rows.length !== HOSTS.length) throw new Error(`no ${algorithm}`)
  return rows
}

/** Messages an entry, without the noise of dividing. */
function messagesOf(algorithm: string, load: string): number[] {
  return rowsOf(algorithm, load).map(({ messages }) => Number(messages.measured.toFixed(9)))
}

const each = (formula: (n: number) => number): number[] =>
  HOSTS.map(n => Number(formula(n).toFixed(9)))

test('nine algorithms, five sizes, two loads: every figure is as theory says, no promise is broken', t => {
  t.is(results.length, 9 * 5 * 2)
  for (const result of results) {
    const name = `${result.algorithm}, ${result.hosts}, ${result.load}`
    t.true(isAsTheorySays(result), name)
    t.deepEqual(result.violations, [], name)
    t.true(result.checked > result.entries, name)
  }
})

test('Lamport: 3(N−1) messages an entry; with suppressed replies 3(N−1) to 2(N−1)', t => {
  t.deepEqual(
    messagesOf('lamport', 'light'),
    each(n => 3 * (n - 1)),
  )
  t.deepEqual(
    messagesOf('lamport', 'saturated'),
    each(n => 3 * (n - 1)),
  )
  t.deepEqual(
    messagesOf('lamport-suppressed', 'light'),
    each(n => 3 * (n - 1)),
  )
  t.deepEqual(
    messagesOf('lamport-suppressed', 'saturated'),
    each(n => 2 * (n - 1)),
  )
})

test('whole hosts, with packets, send as many: a third each are REQUEST, REPLY and RELEASE', t => {
  for (const n of [3, 5]) {
    const hosts = hostsOf(n)
    const rounds = hosts.flatMap(host => [
      `${host} lock door`,
      'settle',
      `${host} unlock door`,
      'settle',
    ])
    const lines = [`hosts ${hosts.join(' ')}`, 'show entries', ...rounds, 'count', '----', '']
    const [, sum] = /= (\d+) messages/.exec(runScenario(lines.join('\n'))) ?? []
    t.is(Number(sum) / n, 3 * (n - 1))
    const { types } = rowsOf('lamport', 'light')[HOSTS.indexOf(n)]!
    t.deepEqual(types, { request: n - 1, reply: n - 1, release: n - 1 })
  }
})

test('Ricart and Agrawala: 2(N−1), and one delay from an exit to the next entry', t => {
  for (const load of ['light', 'saturated']) {
    t.deepEqual(
      messagesOf('ricart-agrawala', load),
      each(n => 2 * (n - 1)),
    )
  }
  for (const { synchronisation } of rowsOf('ricart-agrawala', 'saturated')) {
    t.is(synchronisation?.measured, 1)
  }
})

test('Maekawa: 3(K−1) where nobody else wants in, at most 5(K−1) where all do, K near √N', t => {
  for (const name of ['maekawa-plane', 'maekawa-grid']) {
    for (const { quorum = 0, messages } of rowsOf(name, 'light')) {
      t.true(Math.abs(messages.measured - 3 * (quorum - 1)) < 1e-9)
    }
    for (const { quorum = 0, messages, types } of rowsOf(name, 'saturated')) {
      t.true(messages.measured > 3 * (quorum - 1) && messages.measured <= 5 * (quorum - 1))
      t.true((types.failed ?? 0) > 0)
    }
  }
  for (const { hosts, quorum = 0 } of rowsOf('maekawa-plane', 'light')) {
    t.true(Math.abs(quorum - Math.sqrt(hosts)) < 0.7, `${hosts}: ${quorum}`)
  }
})

test('Suzuki and Kasami: N, or 0 where the token is there already', t => {
  // Every N-th request is of the host that entered last.
  t.deepEqual(
    messagesOf('suzuki-kasami', 'light'),
    each(n => (n * (n - 1)) / n),
  )
  t.deepEqual(
    messagesOf('suzuki-kasami', 'saturated'),
    each(n => n),
  )
})

test('Suzuki and Kasami: each single entry takes 0 messages or N, and 0 only to who has the token', t => {
  const { algorithm } = CATALOGUE.find(({ id }) => id === 'suzuki-kasami')!
  for (const n of HOSTS) {
    const options = { random: new Random(n), jitter: 0, isFifo: true }
    const world = new DelayWorld(algorithm, hostsOf(n), options)
    let [sent, inside] = [0, 0]
    world.onSend = () => (sent += 1)
    world.onEnter = host => (inside = host)
    let last: number | undefined
    for (const host of everyPair(world.hosts)) {
      world.request(host)
      while (inside !== host && world.step());
      t.is(inside, host)
      world.release(host)
      while (world.step());
      // Where the token is at first is the algorithm's own choice.
      if (last === undefined) t.true(sent === 0 || sent === n)
      else t.is(sent, last === host ? 0 : n, `${n} hosts, ${host} after ${last}`)
      ;[sent, inside, last] = [0, 0, host]
    }
  }
})

test('Raymond: grows as log N where one asks at a time, and stays below 4 where all do', t => {
  for (const { hosts, messages } of rowsOf('raymond', 'light')) {
    t.true(messages.measured <= 4 * Math.log2(hosts + 1))
  }
  t.deepEqual(
    messagesOf('raymond', 'saturated'),
    each(n => (4 * (n - 1)) / n),
  )
})

test('a token ring: one message an entry where all want in; a central server: three', t => {
  t.deepEqual(
    messagesOf('token-ring', 'saturated'),
    each(() => 1),
  )
  for (const load of ['light', 'saturated'])
    t.deepEqual(
      messagesOf('central-server', load),
      each(() => 3),
    )
})

test('the optimisation of the textbooks leaves out no REPLY where requests do not cross', t => {
  const byRequest = plainLamport({ byRequest: true, byRelease: false })
  for (const n of HOSTS) t.is(measure(byRequest, hostsOf(n), 'saturated', 1).messages, 3 * (n - 1))
})

test('a figure that is not as theory says is marked', t => {
  const [lamport] = rowsOf('lamport', 'light')
  t.true(isAsTheorySays(lamport!))
  t.false(isAsTheorySays({ ...lamport!, response: { ...lamport!.response, isWithin: false } }))
})

test('under light load each host follows each other just once, itself included', t => {
  for (const n of [2, 3, 5, 8]) {
    const order = everyPair(hostsOf(n))
    const pairs = new Set(order.map((host, at) => `${order.at(at - 1)} ${host}`))
    t.is(order.length, n * n)
    t.is(pairs.size, n * n)
  }
})

test('a seed decides everything; what depends on chance depends on the seed', t => {
  const ring = (seed: number): number | undefined =>
    compareAll(['light'], [5], seed).find(({ algorithm }) => algorithm === 'token-ring')?.response
      .measured
  t.deepEqual(
    compareAll(['light', 'saturated'], [3, 5], 7),
    compareAll(['light', 'saturated'], [3, 5], 7),
  )
  t.not(ring(7), ring(8))
})
