import { toInstant, type Instant } from '../lib/time.ts'

/**
 * CLOCK_MONOTONIC of this machine in milliseconds: the same in every process, so that `until` means
 * the same to the daemon and to its clients. (`performance.now()` counts from the process's start.)
 */
export function monotonicNow(): Instant {
  const [seconds, nanoseconds] = process.hrtime()
  return toInstant(seconds * 1e3 + nanoseconds / 1e6)
}
