/** Of one daemon, when it was looked at: bytes, bytes, and open descriptors. */
export type Sample = { readonly rss: number; readonly heap: number; readonly handles: number }

/** What grows by less than this is not called growth: a heap breathes. */
const ALLOWED: Readonly<Record<keyof Sample, { readonly share: number; readonly more: number }>> = {
  rss: { share: 0.1, more: 8 * 1024 ** 2 },
  heap: { share: 0.25, more: 4 * 1024 ** 2 },
  handles: { share: 0, more: 5 },
}

/** How one quantity of one daemon fared: medians of two quarters of a run. */
export type Growth = {
  readonly key: keyof Sample
  readonly second: number
  readonly last: number
  readonly grows: boolean
}

/** Whether the last quarter needs more than the second one did; the first one is a start's. */
export function growthOf(samples: readonly Sample[]): readonly Growth[] {
  return (['rss', 'heap', 'handles'] as const).map(key => {
    const [second, last] = [quarter(samples, 1, key), quarter(samples, 3, key)]
    const { share, more } = ALLOWED[key]
    return { key, second, last, grows: last > second * (1 + share) + more }
  })
}

/** The median of a quarter of the samples, 0 the first. */
function quarter(samples: readonly Sample[], which: number, key: keyof Sample): number {
  const length = samples.length / 4
  const part = samples.slice(Math.floor(which * length), Math.ceil((which + 1) * length))
  const sorted = part.map(sample => sample[key]).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}
