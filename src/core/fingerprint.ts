import type { Instant } from '../lib/time.ts'

/** Properties that hold a Lamport time. */
const LAMPORT = new Set(['time', 'counter', 'request', 'clock', 'token', 'tokens', 'ceilings'])

/**
 * A state in one canonical form, for explorations that must know whether they were here before.
 * Lamport times are marked with `@`, so that whoever compares states may shift them all.
 */
export function canonical(value: unknown, key = ''): string {
  if (typeof value === 'number') {
    if (LAMPORT.has(key)) return key.startsWith('token') ? tokenText(value) : `@${value}`
    return `${Math.round(value * 100) / 100}`
  }
  if (value instanceof Map) {
    const pairs = [...value].map(
      ([name, item]: [unknown, unknown]) => `${canonical(name, key)}:${canonical(item, key)}`,
    )
    return `{${pairs.sort().join()}}`
  }
  if (value instanceof Set)
    return `{${[...value]
      .map(item => canonical(item, key))
      .sort()
      .join()}}`
  if (Array.isArray(value)) return `[${value.map(item => canonical(item, key)).join()}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const pairs = Object.entries(value).map(([name, item]) => `${name}:${canonical(item, name)}`)
  return `{${pairs.sort().join()}}`
}

/** An instant, seen from now: what has passed is all the same. */
export function ahead(now: Instant, instant: Instant): number {
  return Math.max(0, instant - now)
}

function tokenText(token: number): string {
  return `${token % 1024}@${Math.floor(token / 1024)}`
}
