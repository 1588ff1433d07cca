import { createHash } from 'node:crypto'

/** Where `once NAME` keeps what has run; names of variables that begin so are its own. */
export const ONCE_PREFIX = 'once/'

/** The last so many keys of a name are remembered. */
export const KEYS_MAX = 1000

/** With so many bytes of JSON each, and a comma, that many keys fit into a value. */
const KEY_BYTES_MAX = 50

/** What a key that is longer begins with; its digest follows. */
const DIGEST = 'sha256:'

/** Clocks of several boxes, and cron on them, agree no better: so much of a period is no matter. */
const SLACK = 0.1

/** Who started when, by the wall clock of that host. */
export type Stamp = {
  /** Milliseconds of the epoch. */
  readonly started: number
  readonly host: string
  /** Of the lock that it was written under: no other run has it. */
  readonly token: number
}

/** What has run under one name. */
export type Runs = {
  readonly every: Stamp | undefined
  readonly key: (Stamp & { readonly key: string }) | undefined
  /** The oldest first; that of `key` is among them. */
  readonly keys: readonly string[]
}

export type Wanted =
  | { readonly type: 'every'; readonly periodMs: number }
  | { readonly type: 'key'; readonly key: string }

const NOTHING: Runs = { every: undefined, key: undefined, keys: [] }

/** Whether the next period has begun. A stamp from a clock that was far ahead must not stop us. */
export function isPeriodOver(now: number, started: number, periodMs: number): boolean {
  return now - started >= periodMs * (1 - SLACK) || started - now > periodMs * SLACK
}

/** Whether what is wanted has not run yet. */
export function isDue(runs: Runs, wanted: Wanted, now: number): boolean {
  if (wanted.type === 'key') return !runs.keys.includes(shortKey(wanted.key))
  return runs.every === undefined || isPeriodOver(now, runs.every.started, wanted.periodMs)
}

/** Who had the period or, of the last one, the key. */
export function stampOf(runs: Runs, wanted: Wanted): Stamp | undefined {
  if (wanted.type === 'every') return runs.every
  return runs.key?.key === shortKey(wanted.key) ? runs.key : undefined
}

export function withRun(runs: Runs, wanted: Wanted, stamp: Stamp): Runs {
  if (wanted.type === 'every') return { ...runs, every: stamp }
  const key = shortKey(wanted.key)
  const keys = [...runs.keys.filter(other => other !== key), key].slice(-KEYS_MAX)
  return { ...runs, key: { ...stamp, key }, keys }
}

export function withoutRun(runs: Runs, wanted: Wanted): Runs {
  if (wanted.type === 'every') return { ...runs, every: undefined }
  const key = shortKey(wanted.key)
  return { ...runs, key: undefined, keys: runs.keys.filter(other => other !== key) }
}

/** As it stands in the variable; `undefined`: nothing has run, and nothing stands there. */
export function formatRuns({ every, key, keys }: Runs): string | undefined {
  if (every === undefined && keys.length === 0) return undefined
  const iso = (stamp: Stamp | undefined): unknown =>
    stamp === undefined ? undefined : { ...stamp, started: new Date(stamp.started).toISOString() }
  const about = { every: iso(every), key: iso(key) }
  return JSON.stringify(keys.length === 0 ? about : { ...about, keys })
}

/** What stands in the variable; `undefined` where `once` has not written it. */
export function parseRuns(value: string | Uint8Array | undefined): Runs | undefined {
  if (value === undefined) return NOTHING
  const parsed = typeof value === 'string' ? parseJson(value) : undefined
  if (!isObject(parsed)) return undefined
  const { every, key, keys = [] } = parsed
  if (!Array.isArray(keys) || !keys.every(item => typeof item === 'string')) return undefined
  const stamps = { every: readStamp(every), key: readStamp(key) }
  if (every !== undefined && stamps.every === undefined) return undefined
  if (key === undefined) return { every: stamps.every, key: undefined, keys }
  const which = isObject(key) ? key.key : undefined
  if (stamps.key === undefined || typeof which !== 'string') return undefined
  return { every: stamps.every, key: { ...stamps.key, key: which }, keys }
}

function readStamp(value: unknown): Stamp | undefined {
  if (!isObject(value)) return undefined
  const { started, host, token } = value
  if (typeof started !== 'string' || typeof host !== 'string') return undefined
  const ms = Date.parse(started)
  if (Number.isNaN(ms) || typeof token !== 'number') return undefined
  return { started: ms, host, token }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** People can read the short ones in the variable; of a long one there is its digest. */
function shortKey(key: string): string {
  const bytes = Buffer.byteLength(JSON.stringify(key))
  if (bytes <= KEY_BYTES_MAX && !key.startsWith(DIGEST)) return key
  return DIGEST + createHash('sha256').update(key).digest('hex').slice(0, 32)
}
