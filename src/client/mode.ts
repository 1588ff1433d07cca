import type { AcquireParams, LockMode } from '../control/protocol.ts'

/** What is wrong with a mode and its count and what to do, or `undefined`. */
export function checkMode(mode: LockMode, count: number | undefined): string | undefined {
  if (mode !== 'count') {
    return count === undefined ? undefined : `count goes with mode count, not ${mode}`
  }
  if (count !== undefined && Number.isSafeInteger(count) && count >= 1) return undefined
  return `mode count takes a count of at least 1, not ${count ?? 'none'}`
}

/** On the socket: 0 shared, 1 exclusive, k at most k holders. */
export function limitOf(mode: LockMode, count: number | undefined): number {
  if (mode === 'shared') return 0
  return mode === 'count' ? (count ?? 1) : 1
}

/** By the limit on the socket. */
export function modeOf(limit: number): LockMode {
  if (limit === 0) return 'shared'
  return limit === 1 ? 'exclusive' : 'count'
}

/** Member by member: V8 has no quick way for a spread of what is mostly left out. */
export function withPositions(params: AcquireParams, positions: boolean): AcquireParams {
  const { names, limit, waitMs, why, command, pid, user, detached } = params
  const all: { readonly [K in keyof Required<AcquireParams>]: AcquireParams[K] } = {
    names,
    limit,
    waitMs,
    why,
    command,
    pid,
    user,
    positions,
    detached,
  }
  return all
}
