import { quantile } from '../measures.ts'
import { ms, table } from '../report.ts'
import { ROW } from './stage.ts'

import type { Goal } from '../measures.ts'
import type { Series } from './contest.ts'
import type { Many } from './many.ts'

/** A row of the table, in milliseconds. */
export type VariablesRow = {
  readonly name: string
  readonly count: number
  readonly p50: number
  readonly p99: number
  /** Medians of turns: a quarter of them lies below, a quarter above. */
  readonly quartiles: readonly [number, number]
}

/** A goal, and how it fared from turn to turn. */
export type SpreadGoal = Goal & { readonly quartiles?: readonly [number, number] }

export function toVariablesRow({ name, turns }: Series): VariablesRow {
  const all = turns.flat()
  const medians = turns.map(turn => quantile(turn, 0.5))
  return {
    name,
    count: all.length,
    p50: quantile(all, 0.5),
    p99: quantile(all, 0.99),
    quartiles: quartilesOf(medians),
  }
}

export function variablesGoals(series: readonly Series[]): SpreadGoal[] {
  const ratio = (
    what: string,
    [name, other]: readonly [string, string],
    bound: number,
  ): SpreadGoal => {
    const [ours, theirs] = [find(series, name), find(series, other)]
    const ratios = ours.turns.map(
      (turn, i) => quantile(turn, 0.5) / quantile(theirs.turns[i] ?? [], 0.5),
    )
    const value = quantile(ours.turns.flat(), 0.5) / quantile(theirs.turns.flat(), 0.5)
    return { name: what, value, bound, wanted: 'at most', quartiles: quartilesOf(ratios) }
  }
  const p99 = (name: string): number => quantile(find(series, name).turns.flat(), 0.99)
  return [
    ratio('p50 of set by one host, times that of etcd', [ROW.set, ROW.put], 1),
    ratio('p50 of set by two hosts in turn, times that of etcd', [ROW.setAlternating, ROW.put], 2),
    ratio('p50 of a local get, times that of a Unix echo', [ROW.getLocal, ROW.echo], 1.5),
    {
      name: 'p99 of set until three watches have it, times that of two echoes and two syncs',
      value: p99(ROW.watched) / p99(ROW.floor),
      bound: 3,
      wanted: 'at most',
    },
  ]
}

export function manyGoals({ joinMs, openMs, residentGrowthBytes }: Many): SpreadGoal[] {
  return [
    {
      name: 's until a host with an empty state votes and knows 10,000 variables',
      value: quantile(joinMs, 0.5) / 1000,
      bound: 3,
      wanted: 'at most',
    },
    {
      name: 's to read them at a start',
      value: quantile(openMs, 0.5) / 1000,
      bound: 0.2,
      wanted: 'at most',
    },
    {
      name: 'MB that a daemon grows by with 10,000 variables of 1 KiB',
      value: residentGrowthBytes / 1e6,
      bound: 40,
      wanted: 'at most',
    },
  ]
}

export function formatVariablesRows(rows: readonly VariablesRow[]): string {
  const head = ['', 'times', 'p50', 'p99', 'quartiles of turns']
  const cells = rows.map(({ name, count, p50, p99, quartiles }) => [
    name,
    `${count}`,
    ms(p50),
    ms(p99),
    quartiles.map(ms).join(' to '),
  ])
  return table([head, ...cells])
}

export function formatMany({
  joinMs,
  openMs,
  residentGrowthBytes,
  otherGrowthBytes,
}: Many): string {
  const seconds = (values: readonly number[]): string =>
    values.map(value => (value / 1000).toFixed(2)).join(', ')
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
  return table([
    ['join with an empty state', `${seconds(joinMs)} s`],
    ['read the state at a start', `${seconds(openMs)} s`],
    ['memory grown, of who set them', `${megabytes(residentGrowthBytes)} MB`],
    ['memory grown, of who was told', `${megabytes(otherGrowthBytes)} MB`],
  ])
}

export function formatQuartiles(goals: readonly SpreadGoal[]): string {
  const cells = goals.flatMap(({ name, quartiles }) =>
    quartiles === undefined ? [] : [[quartiles.map(value => value.toFixed(2)).join(' to '), name]],
  )
  return table(cells)
}

function quartilesOf(values: readonly number[]): readonly [number, number] {
  return [quantile(values, 0.25), quantile(values, 0.75)]
}

function find(series: readonly Series[], name: string): Series {
  const found = series.find(each => each.name === name)
  if (found === undefined) throw new Error(`${name} was measured`)
  return found
}
