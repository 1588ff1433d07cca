import { monotonicNow } from '../../src/control/monotonic.ts'

/** Something that is done again and again, and timed. */
export type Entrant = {
  readonly name: string
  /** How often in a turn. */
  readonly count: number
  readonly once: () => unknown
}

/** How long each took, in milliseconds, by turn. */
export type Series = { readonly name: string; readonly turns: readonly (readonly number[])[] }

/**
 * All take short turns, so that they meet the same machine, and each is first at times.
 *
 * @param warmUp turns of each that do not count
 */
export async function contest(
  entrants: readonly Entrant[],
  turns: number,
  warmUp: number,
): Promise<readonly Series[]> {
  const taken = entrants.map(() => [] as number[][])
  for (let turn = -warmUp; turn < turns; turn++) {
    for (let i = 0; i < entrants.length; i++) {
      const place = (i + turn + warmUp) % entrants.length
      const entrant = entrants[place]
      if (entrant === undefined) continue
      const took = await timed(entrant)
      if (turn >= 0) taken[place]?.push(took)
    }
  }
  return entrants.map(({ name }, i) => ({ name, turns: taken[i] ?? [] }))
}

async function timed({ count, once }: Entrant): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < count; i++) {
    const start = monotonicNow()
    await once()
    took.push(monotonicNow() - start)
  }
  return took
}
