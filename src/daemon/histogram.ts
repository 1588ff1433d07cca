/** Of what waits for other hosts, or for people: from a grant on a LAN to a night's backup. */
export const WAIT_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
]

/** Of a disk: from an SSD that syncs to an SD card that is busy. */
export const DISK_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
]

/** How often a value was at most a bound; what is observed allocates nothing. */
export class Histogram {
  /** Rising; beyond the last there is one more bucket. */
  readonly bounds: readonly number[]
  /** Of each bucket alone, not of those below it. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (value > (this.bounds[bucket] ?? Infinity)) bucket += 1
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
  }
}
