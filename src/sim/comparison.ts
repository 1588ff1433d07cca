import type { HostId } from '../core/clock.ts'
import { CATALOGUE, type CatalogueEntry } from './algorithms/catalogue.ts'
import { between, exactly, type Expected, type Theory } from './algorithms/theory.ts'
import { HOLD, measure, stress, type Load } from './measuring.ts'

/** Runs at random times and with random delays, for the checkers alone. */
const STRESSES = 3

/** Of sums of whole delays and their quotients. */
const ROUNDING = 1e-9

/** What was measured, and what theory says. */
export type Figure = {
  readonly measured: number
  readonly theory: Theory
  readonly isWithin: boolean
}

/** One algorithm, with so many hosts, under one load. Times are in message delays. */
export type Comparison = {
  readonly algorithm: string
  readonly title: string
  readonly load: Load
  readonly hosts: number
  readonly quorum: number | undefined
  readonly entries: number
  readonly messages: Figure
  readonly types: Readonly<Record<string, number>>
  readonly synchronisation: Figure | undefined
  readonly response: Figure
  /** Entries that the checkers have seen. */
  readonly checked: number
  readonly violations: readonly string[]
}

/** Measures every algorithm beside its theory, and checks that it keeps what it promises. */
export function compareAll(
  loads: readonly Load[],
  numbers: readonly number[],
  seed: number,
): Comparison[] {
  return loads.flatMap(load =>
    numbers.flatMap(hosts => CATALOGUE.map(entry => compareOne(entry, load, hosts, seed))),
  )
}

/** Whether each figure is as theory says. */
export function isAsTheorySays({ messages, synchronisation, response }: Comparison): boolean {
  return messages.isWithin && (synchronisation?.isWithin ?? true) && response.isWithin
}

function compareOne(entry: CatalogueEntry, load: Load, number: number, seed: number): Comparison {
  const hosts: readonly HostId[] = Array.from({ length: number }, (_, at) => at + 1)
  const measured = measure(entry.algorithm, hosts, load, seed)
  const expected = expectedOf(entry, load, hosts)
  const seeds = Array.from({ length: STRESSES }, (_, at) => seed + at)
  const stressed = seeds.map(each => stress(entry.algorithm, hosts, each))
  const { synchronisation } = expected
  return {
    algorithm: entry.id,
    title: entry.title,
    load,
    hosts: number,
    quorum: entry.quorum?.(hosts),
    entries: measured.entries,
    messages: figure(measured.messages, expected.messages),
    types: measured.types,
    synchronisation:
      synchronisation === undefined
        ? undefined
        : figure(measured.synchronisation ?? NaN, synchronisation),
    response: figure(measured.response, expected.response),
    checked: [measured, ...stressed].reduce((sum, { checked }) => sum + checked, 0),
    violations: [measured, ...stressed].flatMap(({ violations }) => violations),
  }
}

function expectedOf(entry: CatalogueEntry, load: Load, hosts: readonly HostId[]): Expected {
  if (load === 'light') return { ...entry.light(hosts), synchronisation: undefined }
  const { messages, synchronisation } = entry.saturated(hosts)
  return { messages, synchronisation, response: whileOthers(hosts.length, synchronisation) }
}

/** In its turn each of the others enters first: what it is to wait where everybody always wants in. */
function whileOthers(hosts: number, { min, max }: Theory): Theory {
  const inside = (hosts - 1) * HOLD
  if (min === max) return exactly(hosts * min + inside)
  return between(hosts * min + inside, hosts * max + inside)
}

function figure(measured: number, theory: Theory): Figure {
  const isWithin = measured >= theory.min - ROUNDING && measured <= theory.max + ROUNDING
  return { measured, theory, isWithin }
}
