import test from 'ava'
import { CATALOGUE } from '../../../src/sim/algorithms/catalogue.ts'
import { centralServer } from '../../../src/sim/algorithms/central-server.ts'
import type { Algorithm, Message } from '../../../src/sim/algorithms/contender.ts'
import { lamport } from '../../../src/sim/algorithms/lamport.ts'
import { maekawa } from '../../../src/sim/algorithms/maekawa.ts'
import { gridQuorums, planeQuorums } from '../../../src/sim/algorithms/quorums.ts'
import { ricartAgrawala } from '../../../src/sim/algorithms/ricart-agrawala.ts'
import { plainLamport } from '../../../src/sim/algorithms/suppressed.ts'
import { suzukiKasami } from '../../../src/sim/algorithms/suzuki-kasami.ts'
import { tokenRing } from '../../../src/sim/algorithms/token-ring.ts'
import { measure, stress } from '../../../src/sim/measuring.ts'
import { broken, hostsOf, orderOf, without } from '../../helpers/contenders.ts'

const plain = plainLamport({ byRequest: false, byRelease: false })
const suppressed = plainLamport({ byRequest: true, byRelease: true })

const SEEDS = Array.from({ length: 25 }, (_, at) => at + 1)

/** What is broken in any of the seeds. */
function findings(algorithm: Algorithm, hosts: number, isFifo = true): string[] {
  return SEEDS.flatMap(seed => stress(algorithm, hostsOf(hosts), seed, isFifo).violations)
}

for (const { title, algorithm } of CATALOGUE) {
  test(`${title}: at random times and with random delays, one at a time, and everybody`, t => {
    for (const hosts of [2, 3, 4, 5, 7, 9, 13]) {
      for (const seed of SEEDS) {
        const { violations, checked } = stress(algorithm, hostsOf(hosts), seed)
        t.deepEqual(violations, [], `${hosts} hosts, seed ${seed}`)
        t.true(checked >= 12 * hosts)
      }
    }
  })
}

test('exclusion: Ricart and Agrawala would be wrong if a host replied while it is inside', t => {
  const hasty = broken(ricartAgrawala, {
    contender: (contender, output) => ({
      request: () => contender.request(),
      release: () => contender.release(),
      receive: (from, message) => {
        if (message.type === 'request') output.send(from, { type: 'reply' })
        else contender.receive(from, message)
      },
    }),
  })
  t.regex(
    findings(hasty, 3)[0] ?? '',
    /^at [\d.]+: exclusion: host \d enters while host \d is inside$/,
  )
})

test('exclusion: two tokens are found out', t => {
  const doubled = broken(suzukiKasami, {
    output: output => ({
      send: (to, message) => {
        if (message.type !== 'request') output.send(to === 1 ? 2 : 1, structuredClone(message))
        output.send(to, message)
      },
      enter: () => output.enter(),
    }),
  })
  t.true(findings(doubled, 3).some(each => /exclusion|has not asked/.test(each)))
})

test('Lamport rests on FIFO: where messages overtake each other, two are inside, or all wait', t => {
  for (const algorithm of [lamport, plain, suppressed]) t.deepEqual(findings(algorithm, 3), [])
  // Which seed shows it depends on the order in which messages are sent: it is looked for.
  const isSeen = (algorithm: Algorithm, what: RegExp): boolean => {
    for (let seed = 1; seed <= 2000; seed++) {
      const { violations } = stress(algorithm, hostsOf(3), seed, false)
      if (violations.some(each => what.test(each))) return true
    }
    return false
  }
  for (const algorithm of [lamport, plain]) t.true(isSeen(algorithm, /exclusion: host/))
  // A REQUEST that comes after its own RELEASE stays in the queue for ever.
  t.true(isSeen(suppressed, /liveness: no message is under way/))
  t.deepEqual(findings(ricartAgrawala, 3, false), [], 'which does without')
})

test('somebody who enters unasked is found out', t => {
  const pushing = broken(tokenRing, {
    contender: (contender, output) => ({
      start: () => contender.start?.(),
      request: () => contender.request(),
      release: () => contender.release(),
      receive: () => output.enter(),
    }),
  })
  const [first] = measure(pushing, hostsOf(3), 'light', 1).violations
  t.regex(first ?? '', /host 2 enters and has not asked$/)
})

test('liveness: without INQUIRE, or without YIELD, hosts of Maekawa wait for each other', t => {
  for (const type of ['inquire', 'yield']) {
    const first = findings(without(maekawa(planeQuorums), type), 7)[0] ?? ''
    t.regex(first, /liveness: no message is under way, and hosts [\d, ]+ wait for ever$/, type)
  }
})

test('liveness: Maekawa as of 1985, without the correction of Sanders, comes to a stop', t => {
  const asOf1985 = maekawa(planeQuorums, false)
  t.regex(findings(asOf1985, 7)[0] ?? '', /liveness: no message is under way/)
  for (const quorums of [planeQuorums, gridQuorums]) t.deepEqual(findings(maekawa(quorums), 7), [])
})

test('liveness: a token that is lost is missed', t => {
  let passed = 0
  const losing = broken(tokenRing, {
    output: output => ({
      send: (to, message) => {
        passed += 1
        if (passed !== 20) output.send(to, message)
      },
      enter: () => output.enter(),
    }),
  })
  t.regex(
    measure(losing, hostsOf(3), 'light', 1).violations[0] ?? '',
    /liveness: no message is under way, and host \d waits for ever$/,
  )
})

test('liveness: messages that go round for ever are no progress', t => {
  const deaf = broken(tokenRing, {
    contender: (contender, output, self) => ({
      start: () => contender.start?.(),
      request: () => undefined,
      release: () => contender.release(),
      receive: () => output.send((self % 3) + 1, { type: 'token' }),
    }),
  })
  t.regex(
    measure(deaf, hostsOf(3), 'light', 1).violations[0] ?? '',
    /liveness: nobody enters for 60 delays, and host 3 waits$/,
  )
})

test('liveness: a server that serves the last one first lets others starve', t => {
  const unjust: Algorithm = {
    ...centralServer,
    serve: output => {
      const waiting: number[] = []
      let isFree = true
      const serve = (): void => {
        const next = waiting.pop()
        isFree = next === undefined
        if (next !== undefined) output.send(next, { type: 'grant' })
      }
      return {
        receive: (from: number, { type }: Message) => {
          if (type === 'request') waiting.push(from)
          if (type === 'release' || isFree) serve()
        },
      }
    },
  }
  t.regex(
    measure(unjust, hostsOf(9), 'saturated', 1).violations[0] ?? '',
    /liveness: host \d waits while others enter 45 times$/,
  )
})

test('of requests with equal times that of the lower id is first, in whatever order they were made', t => {
  for (const hosts of [2, 3, 5, 9]) {
    const asks = hostsOf(hosts).map(host => ({ at: 10, host }))
    for (const algorithm of [lamport, plain, suppressed, ricartAgrawala]) {
      for (const order of [asks, asks.toReversed()]) {
        const entries = orderOf(algorithm, hostsOf(hosts), order)
        t.deepEqual(
          entries.map(({ host }) => host),
          hostsOf(hosts),
        )
      }
    }
  }
})

test("the plain form of Lamport's algorithm lets in the same hosts as the core", t => {
  for (const seed of SEEDS) {
    const asks = hostsOf(5).map(host => ({ at: 10 + ((seed * host * 7) % 11) / 2, host }))
    const ofCore = orderOf(lamport, hostsOf(5), asks)
    const ofPlain = orderOf(plain, hostsOf(5), asks)
    t.deepEqual(
      ofPlain.map(({ host }) => host),
      ofCore.map(({ host }) => host),
    )
    // A request that crosses ours stands for a REPLY in the plain form: a delay is saved at most.
    for (const [at, entry] of ofCore.entries()) {
      t.true(entry.at - ofPlain[at]!.at >= 0 && entry.at - ofPlain[at]!.at <= 1)
    }
  }
  for (const load of ['light', 'saturated'] as const) {
    t.deepEqual(measure(plain, hostsOf(5), load, 1), measure(lamport, hostsOf(5), load, 1))
  }
})
