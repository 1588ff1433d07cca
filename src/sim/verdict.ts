import { describeToken, type HostId } from '../core/clock.ts'
import type { Use } from './uses.ts'

/** What a trial has brought, simulated or with real daemons. */
export type TrialOutcome = {
  readonly hosts: readonly HostId[]
  /** How often each host was to enter. */
  readonly entries: number
  readonly uses: readonly Use[]
  /** What those who were inside have counted, by reading, waiting and writing. */
  readonly counter: number
  readonly messages: ReadonlyMap<HostId, number>
  /** When each host was killed that was, in milliseconds since the start. */
  readonly killed: ReadonlyMap<HostId, number>
  /** Hosts that the others took for dead for a while, and went on without. */
  readonly excluded: ReadonlySet<HostId>
  /** What else was seen that must not be. */
  readonly violations: readonly string[]
}

export type Spread = {
  readonly min: number
  readonly median: number
  readonly p99: number
  readonly max: number
}

/** From request to entry. */
export type Latency = {
  readonly entries: number
  readonly ms: Spread
  /** By the Lamport clock of the host that asks. */
  readonly ticks: Spread
}

/** A host that has not entered as often as it was to, but less often or more. */
export type Missing = {
  readonly host: HostId
  readonly entries: number
  readonly expected: number
  /** `null`: it was up, and should have. */
  readonly killedAtMs: number | null
}

export type Verdict = {
  readonly passed: boolean
  readonly safety: { readonly passed: boolean; readonly problems: readonly string[] }
  readonly liveness: {
    readonly passed: boolean
    readonly entries: number
    /** Of hosts that were not killed all that they were to do, of the others what they did. */
    readonly expected: number
    readonly missing: readonly Missing[]
  }
  readonly fairness: {
    readonly passed: boolean
    /** Of the entries that hosts that were there all the time had when the first of them had all. */
    readonly jain: number
    /** Entries of others that a request saw at most, once it was everywhere; `null`: unknown. */
    readonly waitedForMost: number | null
  }
  /** What else must not be and was: seen by the simulator's checkers, or said by daemons. */
  readonly violations: readonly string[]
}

/** The five fields that such simulations have always had, and ours. */
export type TrialResult = {
  /** Who entered, and its Lamport time as it did. */
  readonly cs_history: readonly (readonly [host: HostId, clock: number])[]
  readonly shared_counter: number
  readonly message_count: Readonly<Record<string, number>>
  readonly total_messages: number
  /** Seconds, from the first request to the last exit. */
  readonly execution_time: number
  readonly latency: Readonly<Record<string, Latency>>
  readonly verdict: Verdict
}

/** Below this, somebody came off badly. */
const JAIN_MIN = 0.95

/** With fewer entries a host, one more or less weighs too much while some have all and others not. */
const JAIN_ENTRIES_MIN = 10

/** Everything is found in the uses again; nothing that was asked for is taken for done. */
export function resultOf(outcome: TrialOutcome): TrialResult {
  const { hosts, uses, counter, messages } = outcome
  const inOrder = [...uses].sort((a, b) => a.enteredAt - b.enteredAt)
  const counts = hosts.map(host => [String(host), messages.get(host) ?? 0] as const)
  const lastExit = uses.reduce((last, use) => Math.max(last, use.leftAt ?? use.enteredAt), 0)
  return {
    cs_history: inOrder.map(({ host, clock }) => [host, clock]),
    shared_counter: counter,
    message_count: Object.fromEntries(counts),
    total_messages: counts.reduce((sum, [, count]) => sum + count, 0),
    execution_time: rounded(lastExit / 1000),
    latency: Object.fromEntries(hosts.map(host => [String(host), latencyOf(host, uses)])),
    verdict: judge(outcome, inOrder),
  }
}

function judge(outcome: TrialOutcome, inOrder: readonly Use[]): Verdict {
  const safety = safetyProblems(outcome, inOrder)
  const missing = missingOf(outcome)
  const done = outcome.uses.filter(use => use.isWhole).length
  const expected = done + missing.reduce((sum, each) => sum + lackOf(each), 0)
  const fairness = fairnessOf(outcome, inOrder)
  // One too many here does not make up for one too few there.
  const lives = done > 0 && missing.every(isExcused)
  const { violations } = outcome
  return {
    passed: safety.length === 0 && lives && fairness.passed && violations.length === 0,
    safety: { passed: safety.length === 0, problems: safety },
    liveness: { passed: lives, entries: done, expected, missing },
    fairness,
    violations,
  }
}

/** A run in which nobody entered has shown nothing. */
function safetyProblems(outcome: TrialOutcome, inOrder: readonly Use[]): string[] {
  const problems: string[] = []
  if (inOrder.length === 0) problems.push('nobody entered: nothing was shown')
  for (const [i, use] of inOrder.entries()) {
    const before = inOrder[i - 1]
    if (before === undefined) continue
    const [first, second] = [describeToken(before.token), describeToken(use.token)]
    const at = `${use.enteredAt.toFixed(3)} ms`
    if ((before.leftAt ?? Infinity) > use.enteredAt)
      problems.push(`${second} entered at ${at}, and ${first} was still inside`)
    if (before.token >= use.token)
      problems.push(`${second} entered at ${at}, after ${first}, which it precedes`)
  }
  const whole = outcome.uses.filter(use => use.isWhole).length
  if (whole !== outcome.counter)
    problems.push(`${whole} hosts added one to the counter, and it is ${outcome.counter}`)
  return problems
}

function missingOf({ hosts, entries, uses, killed }: TrialOutcome): Missing[] {
  return hosts
    .map(host => ({
      host,
      entries: uses.filter(use => use.host === host && use.isWhole).length,
      expected: entries,
      killedAtMs: killed.get(host) ?? null,
    }))
    .filter(each => each.entries !== each.expected)
}

/** Who was killed can do no more. */
function lackOf({ entries, expected, killedAtMs }: Missing): number {
  return killedAtMs === null ? expected - entries : 0
}

function isExcused({ entries, expected, killedAtMs }: Missing): boolean {
  return killedAtMs !== null && entries < expected
}

function fairnessOf(outcome: TrialOutcome, inOrder: readonly Use[]): Verdict['fairness'] {
  const { hosts } = outcome
  const jain = jainIndex(sharesOf(outcome, inOrder))
  const waitedForMost = longestWait(inOrder)
  const isBounded = waitedForMost === null || waitedForMost <= hosts.length - 1
  return { passed: jain >= JAIN_MIN && isBounded, jain: rounded(jain), waitedForMost }
}

/**
 * Entries of each host when the first of them has all: until then all want more, and in the end all
 * have the same, whatever the order. Few entries are counted to the end. Who was away, killed or
 * taken for dead, could not have had as many as the others.
 */
function sharesOf(outcome: TrialOutcome, inOrder: readonly Use[]): number[] {
  const { hosts, entries, killed, excluded } = outcome
  const living = hosts.filter(host => !killed.has(host))
  const steady = living.filter(host => !excluded.has(host))
  const counts = new Map((steady.length > 0 ? steady : living).map(host => [host, 0]))
  for (const { host } of inOrder) {
    const count = counts.get(host)
    if (count === undefined) continue
    counts.set(host, count + 1)
    if (steady.length > 0 && entries >= JAIN_ENTRIES_MIN && count + 1 === entries) break
  }
  return [...counts.values()]
}

/** Jain, Chiu and Hawe (1984): 1 where all have the same, 1/n where one has all. */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0)
  const squares = shares.reduce((total, share) => total + share * share, 0)
  return squares === 0 ? 0 : sum ** 2 / (shares.length * squares)
}

/** Entries of others that came between a request's being everywhere and its own entry, at most. */
function longestWait(inOrder: readonly Use[]): number | null {
  let longest: number | null = null
  for (const [i, { host, everywhereAt }] of inOrder.entries()) {
    if (everywhereAt === undefined) continue
    let others = 0
    for (let j = i - 1; j >= 0; j--) {
      const before = inOrder[j]
      if (before === undefined || before.enteredAt <= everywhereAt) break
      if (before.host !== host) others += 1
    }
    longest = Math.max(longest ?? 0, others)
  }
  return longest
}

function latencyOf(host: HostId, uses: readonly Use[]): Latency {
  const own = uses.filter(use => use.host === host)
  return {
    entries: own.length,
    ms: spreadOf(own.map(use => use.enteredAt - use.askedAt)),
    ticks: spreadOf(own.map(use => use.clock - use.askedClock)),
  }
}

/** Nearest rank; zeros where there is nothing. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number =>
    rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
  return { min: at(0), median: at(0.5), p99: at(0.99), max: at(1) }
}

/** Six digits: sums of fractions do not show their last bits. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
