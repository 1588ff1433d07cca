import { milliseconds } from './time.ts'
import type { Duration } from './time.ts'

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** `250ms`, `30s`, `15m`, `1.5h`, `1d`, `2w`, with a space before the unit or not; else `undefined`. */
export function parseDuration(text: string): Duration | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,6})?) ?(ms|s|m|h|d|w)$/.exec(text)
  const unit = UNITS[match?.[2] ?? '']
  if (match === null || unit === undefined) return undefined
  // Whole microseconds: 1.1 s is 1100 ms, whatever binary fractions say.
  return milliseconds(Math.round(Number(match[1]) * unit * 1000) / 1000)
}
