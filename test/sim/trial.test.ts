import test from 'ava'
import { FAULTLESS, type LinkOptions } from '../../src/sim/network.ts'
import { SIMULATION_RULES } from '../../src/sim/simulation.ts'
import { Trial, type TrialOptions } from '../../src/sim/trial.ts'
import type { Use } from '../../src/sim/uses.ts'
import { jainIndex, resultOf, spreadOf, type TrialOutcome } from '../../src/sim/verdict.ts'

const PLAIN: TrialOptions = {
  hosts: 5,
  entries: 1,
  seed: 1,
  link: FAULTLESS,
  holdMs: 0.5,
  kills: [],
}

/** Everything that can go wrong with a datagram. */
const BAD: LinkOptions = {
  ...FAULTLESS,
  loss: 0.5,
  duplicate: 0.3,
  duplicatesMax: 4,
  late: 0.2,
  lateMs: 50,
}

function played(options: Partial<TrialOptions>): { trial: Trial; trace: string } {
  let trace = ''
  const trial = new Trial({ ...PLAIN, ...options }, line => (trace += `${JSON.stringify(line)}\n`))
  while (trial.step());
  return { trial, trace }
}

for (const [hosts, messages] of [
  [2, 6],
  [3, 18],
  [4, 36],
  [10, 270],
  [20, 1140],
  [40, 4680],
  [100, 29_700],
] as const)
  test(`${hosts} hosts enter once each with ${messages} messages, as many of each`, t => {
    t.timeout(120_000)
    const trial = new Trial({ ...PLAIN, hosts })
    while (trial.step());
    const { result } = trial
    t.true(result.verdict.passed, JSON.stringify(result.verdict))
    t.is(result.total_messages, messages)
    t.deepEqual(new Set(Object.values(result.message_count)), new Set([3 * (hosts - 1)]))
    t.is(new Set(result.cs_history.map(([host]) => host)).size, hosts)
    t.true(result.cs_history.every(([, clock], i) => clock > (result.cs_history[i - 1]?.[1] ?? 0)))
  })

test('five greedy hosts share ten thousand entries, and none waits for more than each other once', t => {
  t.timeout(120_000)
  const trial = new Trial({ ...PLAIN, entries: 2000 })
  while (trial.step());
  const { result } = trial
  t.true(result.verdict.passed, JSON.stringify(result.verdict))
  t.is(result.total_messages, 120_000)
  t.true((result.verdict.fairness.waitedForMost ?? 99) <= 4)
  // While all of them still want more: in the end all have had the same, whatever the order.
  const counts = new Map<number, number>()
  for (const [host] of result.cs_history) {
    const count = (counts.get(host) ?? 0) + 1
    counts.set(host, count)
    if (count === 2000) break
  }
  const jain = jainIndex([...counts.values()])
  t.true(jain >= 0.999 && jain < 1)
  t.true(Math.abs(result.verdict.fairness.jain - jain) < 1e-6)
})

for (const hosts of [2, 3, 5])
  for (const delayMs of [0.2, 5])
    test(`${hosts} hosts ${delayMs} ms apart wait for a REQUEST and a REPLY at least`, t => {
      const { trial } = played({ hosts, entries: 20, link: { ...FAULTLESS, delayMs } })
      const { latency, verdict } = trial.result
      t.true(verdict.passed, JSON.stringify(verdict))
      t.deepEqual(
        Object.keys(latency).map(Number),
        [...Array(hosts).keys()].map(i => i + 1),
      )
      for (const { entries, ms, ticks } of Object.values(latency)) {
        t.is(entries, 20)
        for (const { min, median, p99, max } of [ms, ticks])
          t.true(0 < min && min <= median && median <= p99 && p99 <= max)
        // Times are rounded to six digits.
        t.true(ms.min > 2 * delayMs - 1e-5, `${ms.min} ms`)
        // Of one who waits for all others: each is under way to and fro, and inside for a while.
        t.true(ms.max > (hosts - 1) * (delayMs + PLAIN.holdMs), `${ms.max} ms`)
        t.true(ms.max < 10 * hosts * (delayMs + PLAIN.holdMs), `${ms.max} ms`)
        // A REPLY is stamped two ticks after its request, and each that comes in is one more.
        t.true(ticks.min >= hosts + 1, `${ticks.min} ticks`)
      }
    })

test('hosts that fall behind as they are taken for dead are no fault, nor is a grant too late', t => {
  let excluded = 0
  for (let seed = 1; seed <= 5; seed++) {
    const { trial, trace } = played({ entries: 20, seed, link: { ...BAD, loss: 0.8 } })
    const { verdict, shared_counter: counter } = trial.result
    t.true(verdict.passed, `seed ${seed}: ${JSON.stringify(verdict)}`)
    t.is(counter, 100)
    if (trace.includes('"type":"reincarnate"')) excluded += 1
  }
  t.true(excluded > 0)
})

test('what comes once a run has stalled is neither recorded nor counted', t => {
  const { trial } = played({ entries: 20, holdMs: 1, link: { ...FAULTLESS, loss: 0.97 } })
  const { safety, liveness } = trial.result.verdict
  t.false(liveness.passed)
  t.deepEqual(safety.problems, [])
  t.is(trial.result.shared_counter, liveness.entries)
})

test('a host that dies is named, and all others are served', t => {
  const { trial, trace } = played({ entries: 10, holdMs: 100, kills: [{ host: 3, atMs: 2000 }] })
  const { verdict } = trial.result
  t.true(verdict.passed, JSON.stringify(verdict))
  t.deepEqual(
    verdict.liveness.missing.map(({ host, killedAtMs }) => [host, killedAtMs]),
    [[3, 2000]],
  )
  t.is(verdict.liveness.expected, 40 + (verdict.liveness.missing[0]?.entries ?? 0))
  t.regex(trace, /"host":3,[^\n]*"at":2000,"type":"crash"/)
})

test('a host that is to die when all have been served does not', t => {
  const { trial } = played({ kills: [{ host: 3, atMs: 2000 }] })
  t.true(trial.result.verdict.passed)
  t.is(trial.killed.size, 0)
})

test('without a majority the verdict is FAIL, and says who was up and not served', t => {
  const kills = [1, 2].map(host => ({ host, atMs: 200 * host }))
  const { trial } = played({ hosts: 3, entries: 10, holdMs: 100, kills })
  const { passed, safety, liveness } = trial.result.verdict
  t.false(passed)
  t.true(safety.passed)
  t.deepEqual(
    liveness.missing.map(({ host, killedAtMs }) => [host, killedAtMs]),
    [
      [1, 200],
      [2, 400],
      [3, null],
    ],
  )
})

test('half of all datagrams lost, the rest doubled and late: the same result, the same messages', t => {
  const { trial } = played({ entries: 10, link: BAD })
  t.true(trial.result.verdict.passed, JSON.stringify(trial.result.verdict))
  t.is(trial.result.total_messages, 600)
  t.true(trial.network.lost > 100 && trial.network.duplicated > 100)
})

test('the same seed is the same trace, byte for byte; another seed is another', t => {
  const link = { ...BAD, loss: 0.1 }
  const { trace, trial } = played({ hosts: 20, link })
  t.true(trial.result.verdict.passed)
  t.is(played({ hosts: 20, link }).trace, trace)
  t.not(played({ hosts: 20, link, seed: 2 }).trace, trace)
  for (const type of ['hosts', 'view', 'request', 'send', 'deliver', 'insert', 'enter', 'leave'])
    t.true(trace.includes(`"type":"${type}"`), type)
})

test('each event of a host has the next number, and its Lamport time does not fall', t => {
  const { trace } = played({ entries: 3 })
  const last = new Map<number, { n: number; time: number }>()
  for (const line of trace.trim().split('\n').slice(1)) {
    const { host, n, time } = JSON.parse(line) as { host: number; n: number; time: number }
    const before = last.get(host) ?? { n: 0, time: 0 }
    t.is(n, before.n + 1)
    t.true(time >= before.time, line)
    last.set(host, { n, time })
  }
})

test('a rule that is switched off is seen: hosts that wait for no REPLY are inside together', t => {
  const rules = { ...SIMULATION_RULES, waitForReplies: false }
  const { trial } = played({ entries: 5, rules })
  const { passed, safety, violations } = trial.result.verdict
  t.false(passed)
  t.false(safety.passed)
  t.true(
    safety.problems.some(text => text.includes('was still inside')),
    safety.problems.join(),
  )
  t.true(violations.some(text => text.includes('are inside door')))
})

const use = (host: number, time: number, from: number, more: Partial<Use> = {}): Use => ({
  host,
  token: time * 1024 + host,
  askedAt: 0,
  askedClock: time,
  everywhereAt: from - 1.5,
  enteredAt: from,
  clock: time + 5,
  leftAt: from + 1,
  isWhole: true,
  ...more,
})

const GOOD: TrialOutcome = {
  hosts: [1, 2],
  entries: 2,
  uses: [use(1, 1, 1), use(2, 1, 3), use(1, 8, 5), use(2, 9, 7)],
  counter: 4,
  messages: new Map(),
  killed: new Map(),
  excluded: new Set(),
  violations: [],
}

test('a verdict is FAIL for whatever is not as it should be, and for nothing at all', t => {
  const judged = (change: Partial<TrialOutcome>): readonly boolean[] => {
    const { verdict } = resultOf({ ...GOOD, ...change })
    const { safety, liveness, fairness } = verdict
    return [verdict.passed, safety.passed, liveness.passed, fairness.passed]
  }
  const [a, b, c, d] = GOOD.uses as [Use, Use, Use, Use]
  t.deepEqual(judged({}), [true, true, true, true])
  // Nobody entered, which is no proof that never two do.
  t.deepEqual(judged({ uses: [], counter: 0 }), [false, false, false, false])
  t.deepEqual(judged({ uses: [a, b, c], counter: 3 }), [false, true, false, false])
  t.deepEqual(judged({ uses: [{ ...a, leftAt: 3.5 }, b, c, d] }), [false, false, true, true])
  t.deepEqual(judged({ uses: [a, b, use(1, 9, 7), use(2, 8, 9)] }), [false, false, true, true])
  t.deepEqual(judged({ counter: 3 }), [false, false, true, true])
  t.deepEqual(judged({ uses: [a, b, c, { ...d, isWhole: false }], counter: 3 }), [
    ...[false, true, false, true],
  ])
  t.deepEqual(judged({ violations: ['x'] }), [false, true, true, true])
  t.deepEqual(judged({ uses: [a, b, c], counter: 3, killed: new Map([[2, 6]]) }), [
    ...[true, true, true, true],
  ])
  // The other enters twice, although this request was everywhere by then.
  const late = [use(1, 1, 1), use(1, 3, 3), use(2, 4, 5, { everywhereAt: 0 }), use(2, 9, 7)]
  t.deepEqual(judged({ uses: late }), [false, true, true, false])
})

test('too many entries are a FAIL, also where another host has as many too few', t => {
  const [a, b, c, d] = GOOD.uses as [Use, Use, Use, Use]
  const judged = (change: Partial<TrialOutcome>): readonly unknown[] => {
    const { passed, liveness } = resultOf({ ...GOOD, ...change }).verdict
    const { missing, entries, expected } = liveness
    return [
      ...[passed, liveness.passed, entries, expected],
      ...missing.map(each => [each.host, each.entries]),
    ]
  }
  const more = [a, b, c, d, use(1, 12, 9)]
  t.deepEqual(judged({ uses: more, counter: 5 }), [false, false, 5, 4, [1, 3]])
  const other = [a, b, c, use(1, 12, 9)]
  t.deepEqual(judged({ uses: other }), [false, false, 4, 4, [1, 3], [2, 1]])
  const killed = new Map([[1, 12]])
  t.deepEqual(judged({ uses: more, counter: 5, killed }), [false, false, 5, 5, [1, 3]])
})

test('fairness is of the entries when the first host has all of its own, unless they are few', t => {
  /** Host 1 enters so often before each entry of host 2, and then host 2 makes up for it. */
  const index = (entries: number, ahead: number, change: Partial<TrialOutcome> = {}): unknown[] => {
    const order: number[] = []
    for (let left = entries; left > 0; left -= ahead)
      order.push(...Array<number>(Math.min(left, ahead)).fill(1), 2)
    while (order.length < 2 * entries) order.push(2)
    const uses = order.map((host, i) => use(host, i + 1, 2 * i, { everywhereAt: undefined }))
    const outcome = { ...GOOD, entries, uses, counter: uses.length, ...change }
    const { passed, jain } = resultOf(outcome).verdict.fairness
    return [passed, jain]
  }
  // 10 and 9, 20 and 19: in turn.
  t.deepEqual(index(10, 1), [true, 0.997238])
  t.deepEqual(index(20, 1), [true, 0.999343])
  // 20 and 9, although in the end both have 20.
  t.deepEqual(index(20, 2), [false, 0.87422])
  t.deepEqual(index(9, 2), [true, 1])
  t.deepEqual(index(1, 1), [true, 1])
  // One who was away could not keep up; where all were, no moment is better than the end.
  t.deepEqual(index(20, 2, { excluded: new Set([2]) }), [true, 1])
  t.deepEqual(index(20, 2, { excluded: new Set([1, 2]) }), [true, 1])
})

test('latencies are ranks of what there was, and index of Jain is 1 where all have the same', t => {
  t.deepEqual(spreadOf([3, 1, 2]), { min: 1, median: 2, p99: 3, max: 3 })
  t.deepEqual(spreadOf([]), { min: 0, median: 0, p99: 0, max: 0 })
  t.is(jainIndex([4, 4, 4]), 1)
  t.is(jainIndex([1, 0, 0, 0]), 0.25)
  const { latency } = resultOf(GOOD)
  t.deepEqual(latency['1'], {
    entries: 2,
    ms: { min: 1, median: 1, p99: 5, max: 5 },
    ticks: { min: 5, median: 5, p99: 5, max: 5 },
  })
})
