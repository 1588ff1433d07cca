import { atLeast, atMost, quantile } from '../measures.ts'
import { ms, table } from '../report.ts'
import { fullnessGoals } from './fullness.ts'
import { sizesGoals } from './sizes.ts'
import { MOVING } from './works.ts'

import type { Goal } from '../measures.ts'
import type { Deaths } from './deaths.ts'
import type { Fullness } from './fullness.ts'
import type { Loss } from './losses.ts'
import type { Size } from './sizes.ts'

/** Milliseconds by turn. */
export type Latency = {
  readonly name: string
  readonly acquire: number[][]
  readonly cycle: number[][]
}

/** One lock that all clients want, by turn. */
export type Contended = {
  readonly name: string
  readonly perSecond: number[]
  /** Milliseconds from a release to the grant of another client. */
  readonly handOver: number[][]
  /** Jain's index of how often each client held it. */
  readonly fairness: number[]
}

/** Cycles a second, by turn. */
export type Throughput = { readonly name: string; readonly perSecond: number[] }

/** One shared value, by turn, in milliseconds. */
export type Register = {
  readonly name: string
  readonly set: number[][]
  readonly get: number[][]
}

export type Results = {
  readonly latency: readonly Latency[]
  readonly contended: readonly Contended[]
  readonly independent: readonly Throughput[]
  readonly registers: readonly Register[]
  /** From the death of a client that held a lock to the next grant; of lamportd's host as well. */
  readonly deaths: readonly Deaths[]
  readonly sizes: readonly Size[]
  readonly fullness: Fullness
  readonly losses: readonly Loss[]
}

export function formatLatency(rows: readonly Latency[]): string {
  const head = ['', 'acquire p50', 'p99', 'with release p50', 'p99', 'quartiles of turns']
  const cells = rows.map(({ name, acquire, cycle }) => {
    const medians = acquire.map(turn => quantile(turn, 0.5))
    return [
      name,
      micro(quantile(acquire.flat(), 0.5)),
      micro(quantile(acquire.flat(), 0.99)),
      micro(quantile(cycle.flat(), 0.5)),
      micro(quantile(cycle.flat(), 0.99)),
      spread(medians, micro),
    ]
  })
  return table([head, ...cells])
}

export function formatContended(rows: readonly Contended[]): string {
  const head = ['', 'entries/s', 'quartiles of turns', 'hand-over p50', 'p99', "Jain's index"]
  const cells = rows.map(({ name, perSecond, handOver, fairness }) => [
    name,
    quantile(perSecond, 0.5).toFixed(0),
    spread(perSecond, value => value.toFixed(0)),
    micro(quantile(handOver.flat(), 0.5)),
    micro(quantile(handOver.flat(), 0.99)),
    quantile(fairness, 0.5).toFixed(3),
  ])
  return table([head, ...cells])
}

export function formatIndependent(rows: readonly Throughput[]): string {
  const head = ['', 'cycles/s', 'quartiles of turns']
  const cells = rows.map(({ name, perSecond }) => [
    name,
    quantile(perSecond, 0.5).toFixed(0),
    spread(perSecond, value => value.toFixed(0)),
  ])
  return table([head, ...cells])
}

export function formatRegisters(rows: readonly Register[]): string {
  const head = ['', 'set p50', 'p99', 'get p50', 'p99']
  const cells = rows.map(({ name, set, get }) => [
    name,
    ...[set, get].flatMap(turns => [0.5, 0.99].map(share => micro(quantile(turns.flat(), share)))),
  ])
  return table([head, ...cells])
}

export function formatDeaths(rows: readonly Deaths[]): string {
  const head = ['', 'times', 'p50', 'longest']
  const cells = rows.map(({ name, took }) => [
    name,
    `${took.length}`,
    ms(quantile(took, 0.5)),
    ms(Math.max(...took)),
  ])
  return table([head, ...cells])
}

/** Only of what was measured. */
export function locksGoals(results: Results): Goal[] {
  const died = results.deaths.find(each => each.name === 'lamportd')
  const goals = [
    ...aloneGoals(results.latency),
    ...manyGoals(results),
    atMost(
      'ms, p50 from the death of a client that held a lock to the next grant',
      quantile(died?.took ?? [], 0.5),
      5,
    ),
    ...sizesGoals(results.sizes),
    ...fullnessGoals(results.fullness),
  ]
  return goals.filter(({ value }) => !Number.isNaN(value))
}

/** W1. */
function aloneGoals(rows: readonly Latency[]): Goal[] {
  const [own, redlock] = ['lamportd', 'Redlock'].map(name => (share: number): number => {
    return acquireOf(rows, name, share)
  }) as [(share: number) => number, (share: number) => number]
  const moving = acquireOf(rows, `lamportd${MOVING}`, 0.5)
  const bare = acquireOf(rows, 'Unix echo', 0.5) + acquireOf(rows, 'sealed echo to two', 0.5)
  const etcd = acquireOf(rows, 'etcd, transaction', 0.5)
  return [
    atMost('p50 of acquire, times that of Redlock', own(0.5) / redlock(0.5), 1),
    atMost('p99 of acquire, times that of Redlock', own(0.99) / redlock(0.99), 1),
    atMost(
      'p50 of acquire, times that of a Unix echo and a sealed echo to two',
      own(0.5) / bare,
      1.5,
    ),
    atMost('the same where each lock is wanted by another host', moving / bare, 1.5),
    atLeast("p50 of acquire, times better than etcd's transaction", etcd / own(0.5), 7),
  ]
}

/** W2 and W3. */
function manyGoals({ latency, contended, independent }: Results): Goal[] {
  const rate = (rows: readonly Throughput[], name: string): number =>
    quantile(rows.find(each => each.name === name)?.perSecond ?? [], 0.5)
  const ratio = (rows: readonly Throughput[], other: string): number =>
    rate(rows, 'lamportd') / rate(rows, other)
  const own = contended.find(each => each.name === 'lamportd')
  const echo = (name: string): number => acquireOf(latency, name, 0.5)
  const echoes = echo('Unix echo') + echo('datagram echo to one')
  return [
    atLeast(
      'entries a second with three clients for one lock, times those of Redlock',
      ratio(contended, 'Redlock'),
      1,
    ),
    atLeast(
      "Jain's index with three clients for one lock",
      quantile(own?.fairness ?? [], 0.5),
      0.99,
    ),
    atMost(
      'p50 of a hand-over, times that of a Unix echo and a datagram echo',
      quantile(own?.handOver.flat() ?? [], 0.5) / echoes,
      2.5,
    ),
    atLeast(
      'cycles a second with 64 locks, times those of Redlock',
      ratio(independent, 'Redlock'),
      2,
    ),
    atLeast(
      "cycles a second with 64 locks, times those of etcd's transaction",
      ratio(independent, 'etcd, transaction'),
      10,
    ),
  ]
}

function acquireOf(rows: readonly Latency[], name: string, share: number): number {
  return quantile(rows.find(each => each.name === name)?.acquire.flat() ?? [], share)
}

/** A quarter lies below, a quarter above. */
function spread(values: readonly number[], format: (value: number) => string): string {
  return `${format(quantile(values, 0.25))} to ${format(quantile(values, 0.75))}`
}

/** Milliseconds, to the microsecond below one. */
function micro(value: number): string {
  return value < 1 ? value.toFixed(3) : ms(value)
}
