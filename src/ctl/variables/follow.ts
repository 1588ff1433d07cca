import { LamportError, type LamportErrorCode } from '../../client/client.ts'
import { Variables, type Entry, type Target } from './access.ts'

/** How soon, and how often at the least, a daemon that went away is looked for. */
const AGAIN_MS = 100
const AGAIN_MAX_MS = 1000

export type Change = Entry & {
  /** How things were when we began to look: no change. */
  readonly isInitial: boolean
}

export type FollowOptions = {
  readonly socket: string | undefined
  readonly signal: AbortSignal
  /** Something that people should know, such as a daemon that went away. */
  readonly told: (message: string) => void
}

/** With these the daemon is away for a while, or is another one by now. */
const PASSING: ReadonlySet<LamportErrorCode> = new Set([
  'unreachable',
  'disconnected',
  'closed',
  'timeout',
  'leaving',
  'busy',
  'limit',
])

/**
 * How variables are, and then each change, across restarts of the daemon: for each name the versions
 * rise. Ends when the signal is aborted; rejects where there is no daemon to begin with.
 */
export async function* follow(
  target: Target,
  options: FollowOptions,
): AsyncGenerator<readonly Change[], undefined> {
  const follower = new Follower(target, options)
  try {
    yield* follower.run()
  } catch (error) {
    if (!options.signal.aborted) throw error
  }
}

class Follower {
  readonly #target: Target
  readonly #options: FollowOptions
  readonly #known = new Map<string, Entry>()
  #hasBegun = false
  #isAway = false

  constructor(target: Target, options: FollowOptions) {
    this.#target = target
    this.#options = options
  }

  async *run(): AsyncGenerator<readonly Change[], undefined> {
    const { signal, told } = this.#options
    let waitMs = AGAIN_MS
    let isFirst = true
    for (;;) {
      signal.throwIfAborted()
      try {
        for await (const changes of this.#session()) {
          if (this.#isAway) told('lamportd is back')
          this.#isAway = false
          waitMs = AGAIN_MS
          if (changes.length > 0 || isFirst) yield changes
          isFirst = false
        }
      } catch (error) {
        signal.throwIfAborted()
        if (!this.#hasBegun || !isPassing(error)) throw error
        if (!this.#isAway) told(`${error.message}; looking for it again and again`)
        this.#isAway = true
      }
      await pause(waitMs, signal)
      waitMs = Math.min(2 * waitMs, AGAIN_MAX_MS)
    }
  }

  /** What one connection tells; first, in one piece, how things are. */
  async *#session(): AsyncGenerator<readonly Change[], undefined> {
    const { socket, signal } = this.#options
    const variables = await Variables.open(socket, signal)
    const close = (): void => void variables.close()
    signal.addEventListener('abort', close)
    try {
      const isInitial = !this.#hasBegun
      const now = await this.#present(variables)
      this.#hasBegun = true
      yield this.#news(now, isInitial)
      // It begins with what is set, so that nothing is missed in between: versions tell what is new.
      for await (const entry of variables.watch(this.#target)) yield this.#news([entry], false)
    } finally {
      signal.removeEventListener('abort', close)
      await variables.close()
    }
  }

  /** What this host knows now, and also that names which were set are no more. */
  async #present(variables: Variables): Promise<readonly Entry[]> {
    if ('name' in this.#target) return [await variables.get(this.#target.name, { local: true })]
    const list = await variables.list(this.#target.prefix, true)
    const names = new Set(list.map(({ name }) => name))
    const gone = [...this.#known.values()].filter(
      ({ name, bytes }) => bytes !== undefined && !names.has(name),
    )
    const unset: Entry[] = []
    for (const { name } of gone) unset.push(await variables.get(name, { local: true }))
    return [...list, ...unset]
  }

  #news(entries: readonly Entry[], isInitial: boolean): readonly Change[] {
    const news = entries.filter(({ name, version }) => {
      const known = this.#known.get(name)
      return known === undefined ? isInitial || version > 0 : version > known.version
    })
    for (const entry of news) this.#known.set(entry.name, entry)
    return news.map(entry => ({ ...entry, isInitial }))
  }
}

function isPassing(error: unknown): error is LamportError {
  return error instanceof LamportError && PASSING.has(error.code)
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
