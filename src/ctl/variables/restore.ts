import type { Variables } from './access.ts'
import type { Saved } from './backup.ts'
import { failedWrite, outcomeOf } from './outcome.ts'

/** Writes under way at a time: each waits for the disks of a majority. */
const AT_ONCE = 8

export type RestoreOptions = {
  /** Leave alone what is set. */
  readonly create: boolean
  readonly waitMs: number | undefined
}

/** What became of a restore. */
export type Restored = {
  readonly set: number
  /** Had the same value already, or any with `create`. */
  readonly kept: number
  /** The exit code of the first write that failed, after which no other was begun. */
  readonly failed: number | undefined
}

/** Sets each variable that has not the same value already. */
export async function restore(
  variables: Variables,
  saved: readonly Saved[],
  options: RestoreOptions,
): Promise<Restored> {
  const counts = { set: 0, kept: 0 }
  const rest = [...saved]
  const state: { failed?: number; thrown?: Error } = {}
  const work = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      try {
        counts[await restoreOne(variables, next, options)]++
      } catch (error) {
        rest.length = 0
        if (state.failed !== undefined || state.thrown !== undefined) return
        try {
          state.failed = failedWrite(next.name, error)
        } catch {
          state.thrown = error instanceof Error ? error : new Error(String(error))
        }
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  if (state.thrown !== undefined) throw state.thrown
  return { ...counts, failed: state.failed }
}

async function restoreOne(
  variables: Variables,
  { name, bytes }: Saved,
  { create, waitMs }: RestoreOptions,
): Promise<'set' | 'kept'> {
  const now = await variables.get(name, { waitMs })
  if (now.bytes !== undefined && (create || now.bytes.equals(bytes))) return 'kept'
  try {
    await variables.set(name, bytes, { waitMs, ...(create ? { create } : {}) })
    return 'set'
  } catch (error) {
    // Someone else has set it since we looked.
    if (create && outcomeOf(error)?.type === 'differs') return 'kept'
    throw error
  }
}
