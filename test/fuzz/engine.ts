import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { Random } from '../../src/lib/random.ts'
import { Mutator } from './mutator.ts'

import type { Coverage, FileCoverage, Fresh } from './coverage.ts'
import type { Field } from './mutator.ts'

/** Something that takes bytes from strangers, and what must hold whatever they are. */
export type Target = {
  readonly name: string
  /** The files of which coverage counts. */
  readonly sources: RegExp
  readonly lengthMax: number
  readonly fields?: readonly Field[]
  /** What inputs are made from. It may change from input to input. */
  readonly seeds: readonly Uint8Array[]
  /** Takes one input, and throws if something is not as it must be. */
  take(input: Uint8Array): void
  /** At the end, what takes longer to look at. */
  finish?(): void
}

/** The result of a run. */
export type Outcome = {
  readonly target: string
  readonly inputs: number
  readonly seconds: number
  /** Bytes of heap in use at a tenth of the way and at the end, after a collection. */
  readonly heap: readonly [number, number]
  /** Inputs that reached what none before them had. */
  readonly kept: number
  readonly coverage: readonly FileCoverage[]
  /** The longest time that one input took, in milliseconds. */
  readonly slowest: number
  readonly failure: Failure | undefined
}

export type Failure = {
  readonly text: string
  /** Its number, from 1. */
  readonly input: number
  readonly bytes: Uint8Array
}

export type RunOptions = {
  readonly count: number
  readonly seed: number
  /** With it, inputs that reach something new are kept and changed further. */
  readonly coverage?: Coverage
}

/** Coverage is looked at after so many inputs. */
const BATCH = 2000
const GROUP = 50
const KEPT_MAX = 2000

/** Throws inputs at a target until the count is reached or a property is broken. */
export function run(target: Target, { count, seed, coverage }: RunOptions): Outcome {
  const random = new Random(seed)
  const mutator = new Mutator(random.fork(), target.lengthMax, target.fields)
  const kept: Uint8Array[] = []
  const start = performance.now()
  let [slowest, inputs, heap] = [0, 0, heapInUse()]
  let bytes: Uint8Array = new Uint8Array(0)
  const take = (input: Uint8Array): void => {
    bytes = input
    inputs++
    const begun = performance.now()
    target.take(input)
    slowest = Math.max(slowest, performance.now() - begun)
  }
  let failure: Failure | undefined
  try {
    coverage?.begin(target.sources)
    for (const seed of target.seeds.slice()) take(seed)
    let batch: Uint8Array[] = []
    const warm = count / 10
    let isWarm = false
    while (inputs < count) {
      if (!isWarm && inputs >= warm) {
        isWarm = true
        heap = heapInUse()
      }
      const from = kept.length > 0 && random.chance(0.5) ? kept : target.seeds
      const input = mutator.next(from)
      if (coverage !== undefined) batch.push(input.slice())
      take(input)
      if (batch.length < BATCH || coverage === undefined) continue
      const fresh = coverage.takeNew()
      if (fresh !== undefined && kept.length < KEPT_MAX) {
        kept.push(...keepNew(batch, fresh, coverage, take))
      }
      batch = []
    }
    target.finish?.()
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    failure = { text, input: inputs, bytes: bytes.slice() }
  }
  coverage?.takeNew()
  const seconds = (performance.now() - start) / 1000
  const files = coverage?.files() ?? []
  const numbers = { inputs, seconds, slowest, kept: kept.length }
  const heaps = [heap, heapInUse()] as const
  return { target: target.name, ...numbers, heap: heaps, coverage: files, failure }
}

/**
 * Keeps the inputs of a batch that reached what is new: all are taken once more, in groups, and the
 * groups that reach it again one by one. What depends on state may not come back; then it is let go.
 */
function keepNew(
  batch: readonly Uint8Array[],
  fresh: Fresh,
  coverage: Coverage,
  take: (input: Uint8Array) => void,
): Uint8Array[] {
  const kept: Uint8Array[] = []
  for (let at = 0; at < batch.length && fresh.size > 0; at += GROUP) {
    const group = batch.slice(at, at + GROUP)
    for (const input of group) take(input)
    const before: Fresh = new Map(fresh)
    if (!coverage.reaches(fresh)) continue
    for (const input of group) {
      take(input)
      if (coverage.reaches(before)) kept.push(input)
    }
  }
  return kept
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes on the heap that something still refers to. */
export function heapInUse(): number {
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
