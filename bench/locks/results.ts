import { quantile } from '../measures.ts'
import { ms, table } from '../report.ts'

import type { Goal } from '../measures.ts'

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

export type Results = {
  readonly latency: readonly Latency[]
  readonly contended: readonly Contended[]
  readonly independent: readonly Throughput[]
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

/** Only of what was measured. */
export function locksGoals({ latency, contended, independent }: Results): Goal[] {
  const of = (name: string): Latency | undefined => latency.find(each => each.name === name)
  const acquire = (name: string, share: number): number => {
    const row = of(name)
    return row === undefined ? NaN : quantile(row.acquire.flat(), share)
  }
  const rate = (rows: readonly Throughput[], name: string): number =>
    quantile(rows.find(each => each.name === name)?.perSecond ?? [], 0.5)
  const own = contended.find(each => each.name === 'lamportd')
  const echoes = acquire('Unix echo', 0.5)
  const goals: Goal[] = [
    {
      name: 'p50 of acquire, times that of Redlock',
      value: acquire('lamportd', 0.5) / acquire('Redlock', 0.5),
      bound: 1,
      wanted: 'at most',
    },
    {
      name: 'p99 of acquire, times that of Redlock',
      value: acquire('lamportd', 0.99) / acquire('Redlock', 0.99),
      bound: 1,
      wanted: 'at most',
    },
    {
      name: 'p50 of acquire, times that of a Unix echo and a sealed echo to two',
      value: acquire('lamportd', 0.5) / (echoes + acquire('sealed echo to two', 0.5)),
      bound: 1.5,
      wanted: 'at most',
    },
    {
      name: "p50 of acquire, times better than etcd's transaction",
      value: acquire('etcd, transaction', 0.5) / acquire('lamportd', 0.5),
      bound: 7,
      wanted: 'at least',
    },
    {
      name: 'entries a second with three clients for one lock, times those of Redlock',
      value: rate(contended, 'lamportd') / rate(contended, 'Redlock'),
      bound: 1,
      wanted: 'at least',
    },
    {
      name: "Jain's index with three clients for one lock",
      value: quantile(own?.fairness ?? [], 0.5),
      bound: 0.99,
      wanted: 'at least',
    },
    {
      name: 'p50 of a hand-over, times that of a Unix echo and a datagram echo',
      value:
        quantile(own?.handOver.flat() ?? [], 0.5) / (echoes + acquire('datagram echo to one', 0.5)),
      bound: 2.5,
      wanted: 'at most',
    },
    {
      name: 'cycles a second with 64 locks, times those of Redlock',
      value: rate(independent, 'lamportd') / rate(independent, 'Redlock'),
      bound: 2,
      wanted: 'at least',
    },
    {
      name: "cycles a second with 64 locks, times those of etcd's transaction",
      value: rate(independent, 'lamportd') / rate(independent, 'etcd, transaction'),
      bound: 10,
      wanted: 'at least',
    },
  ]
  return goals.filter(({ value }) => !Number.isNaN(value))
}

/** A quarter lies below, a quarter above. */
function spread(values: readonly number[], format: (value: number) => string): string {
  return `${format(quantile(values, 0.25))} to ${format(quantile(values, 0.75))}`
}

/** Milliseconds, to the microsecond below one. */
function micro(value: number): string {
  return value < 1 ? value.toFixed(3) : ms(value)
}
