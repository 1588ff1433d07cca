declare const instant: unique symbol
declare const duration: unique symbol

/** A reading of a host's monotonic clock, in milliseconds from an origin of its own. */
export type Instant = number & { readonly [instant]: true }

/** A difference of two readings, in milliseconds; fractions count. */
export type Duration = number & { readonly [duration]: true }

/** A timeout of Node's that is longer fires at once: some 24 days. */
export const TIMEOUT_MS_MAX: number = 2 ** 31 - 1

/** The deadline of something that is not waiting. */
export const NEVER: Instant = Infinity as Instant

/** Marks a number of milliseconds as a reading of the clock: only drivers have one. */
export function toInstant(ms: number): Instant {
  return ms as Instant
}

/** Marks a number of milliseconds as a duration. */
export function milliseconds(ms: number): Duration {
  return ms as Duration
}

/** The instant `wait` later. */
export function after(start: Instant, wait: Duration): Instant {
  return (start + wait) as Instant
}

/** The instant `wait` earlier. */
export function before(end: Instant, wait: Duration): Instant {
  return (end - wait) as Instant
}

/** How long it is from `start` to `end`; negative if `end` comes first. */
export function elapsed(start: Instant, end: Instant): Duration {
  return (end - start) as Duration
}

/** `factor` times as long. */
export function scaled(wait: Duration, factor: number): Duration {
  return (wait * factor) as Duration
}

/** The first of two deadlines. */
export function earliest(a: Instant, b: Instant): Instant {
  return a < b ? a : b
}
