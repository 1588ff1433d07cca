import { Variables, type Entry, type Target } from './access.ts'

export type Change = Entry & {
  /** How things were when we began to look: no change. */
  readonly isInitial: boolean
}

export type FollowOptions = {
  readonly socket: string | undefined
  readonly signal: AbortSignal
}

/**
 * How variables are, in one piece, and then each change, across restarts of the daemon: for each
 * name the versions rise. Ends when the signal is aborted; rejects where there is no daemon to begin
 * with.
 */
export async function* follow(
  target: Target,
  { socket, signal }: FollowOptions,
): AsyncGenerator<readonly Change[], undefined> {
  try {
    const variables = await Variables.open(socket, signal)
    try {
      yield* changes(variables, target, signal)
    } finally {
      await variables.close()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function* changes(
  variables: Variables,
  target: Target,
  signal: AbortSignal,
): AsyncGenerator<readonly Change[], undefined> {
  const present: readonly Entry[] =
    'name' in target
      ? [await variables.get(target.name, { local: true })]
      : await variables.list(watched(target.prefix), true)
  yield wanted(present, target).map(entry => ({ ...entry, isInitial: true }))
  const versions = new Map(present.map(({ name, version }) => [name, version]))
  // It begins anew with how things are, so that nothing is missed in between: versions tell.
  for await (const entry of variables.watch(watchedTarget(target), signal)) {
    const known = versions.get(entry.name) ?? 0
    if (entry.version > known) yield wanted([{ ...entry, isInitial: false }], target)
    versions.set(entry.name, Math.max(entry.version, known))
  }
}

/** Only whole folders are watched. */
function watched(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('/') + 1)
}

function watchedTarget(target: Target): Target {
  return 'name' in target ? target : { prefix: watched(target.prefix) }
}

function wanted<T extends Entry>(entries: readonly T[], target: Target): readonly T[] {
  if ('name' in target) return entries
  return entries.filter(({ name }) => name.startsWith(target.prefix))
}

/** Resolves after a while, or at once when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done)
  })
}
