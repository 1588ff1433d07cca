import { Random } from '../src/lib/random.ts'

/** When messages are due, in milliseconds from the start, and on which pair each. */
export type Schedule = { readonly due: Float64Array; readonly pairs: Uint16Array }

export type Load = {
  readonly seed: number
  readonly pairs: number
  /** Messages a second on each pair. */
  readonly rate: number
  readonly durationMs: number
}

/**
 * Poisson arrivals, decided by the seed alone: every transport is asked for the same at the same
 * time, however it fares with what came before.
 */
export function schedule({ seed, pairs, rate, durationMs }: Load): Schedule {
  const random = new Random(seed)
  const due: number[] = []
  const on: number[] = []
  // The arrivals of many pairs together are one stream, each arrival of which is any pair's.
  const mean = 1000 / (rate * pairs)
  for (let at = 0; ;) {
    at -= Math.log(1 - random.fraction()) * mean
    if (at >= durationMs) break
    due.push(at)
    on.push(random.below(pairs))
  }
  return { due: shared(due), pairs: Uint16Array.from(on) }
}

/** Memory that the pacer reads as well. */
function shared(values: readonly number[]): Float64Array {
  const array = new Float64Array(new SharedArrayBuffer(8 * values.length))
  array.set(values)
  return array
}
