import { setTimeout as delay } from 'node:timers/promises'
import { checkName, checkPrefix } from '../control/names.ts'
import type { ChangeParams, VariableEntry, WatchParams } from '../control/protocol.ts'
import { isChangeParams, isCurrentParams, isGetResult, isWatchResult } from './answers.ts'
import { Backlog } from './backlog.ts'
import { Connection } from './connection.ts'
import { closed, LamportError, type LamportErrorCode } from './error.ts'
import { Seen } from './seen.ts'
import { toVariable, type Change } from './variable.ts'

/** How long the daemon may take to begin a watch. */
const ANSWER_MS = 10_000

/** While lamportd is away it is looked for again and again, after pauses that grow. */
const PAUSE_MIN_MS = 50
const PAUSE_MAX_MS = 2000

/** What passes when lamportd runs again, or has more room. */
const PASSING: ReadonlySet<LamportErrorCode> = new Set([
  'unreachable',
  'disconnected',
  'timeout',
  'busy',
  'leaving',
])

export type WatchOptions = {
  /** First tell of what is set now (of a single name: also that it is not set). */
  readonly initial?: boolean | undefined
  /** Of a single name: tell at first of what is newer than this version, and of nothing else. */
  readonly since?: number | undefined
  /** Ends it: whoever takes changes sees the end, not an error. */
  readonly signal?: AbortSignal | undefined
}

/** The changes of one variable, or of several; taken by one `for await`. */
export type Watch = AsyncIterableIterator<Change, undefined, undefined> & {
  /** Resolves when it has begun: it tells of each change from then on. */
  readonly ready: Promise<void>
  /** Ends it. */
  return(): Promise<IteratorResult<Change, undefined>>
  [Symbol.asyncDispose](): Promise<void>
}

type Waiter = {
  resolve(result: IteratorResult<Change, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorResult<Change, undefined> = { done: true, value: undefined }

/**
 * A watch with a connection of its own, so that it can begin anew when lamportd was restarted,
 * whatever has become of its client's.
 */
export class VariableWatch implements Watch {
  readonly ready: Promise<void>
  readonly #path: string
  readonly #params: WatchParams
  readonly #seen: Seen
  readonly #backlog = new Backlog()
  readonly #waiters: Waiter[] = []
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #abort = (): void => this.#finish(undefined)
  /** Resolves when it is over, and its connection is closed. */
  readonly over: Promise<void>
  #connection: Connection | undefined
  #begun: { resolve(): void; reject(error: unknown): void } | undefined
  /** Why it has ended, for whoever comes next. */
  #error: Error | undefined

  constructor(path: string, topic: string, options: WatchOptions) {
    const problem = checkTopic(topic, options)
    if (problem !== undefined) throw new LamportError('argument', problem)
    this.#path = path
    // All that is set is heard in any case: only so a change during a restart is known as one.
    const name = isPrefix(topic) ? { prefix: topic } : { name: topic }
    this.#params = { ...name, initial: true }
    this.#seen = new Seen(options.initial === true)
    if (options.since !== undefined) this.#seen.assume(topic, options.since)
    this.ready = new Promise<void>((resolve, reject) => (this.#begun = { resolve, reject }))
    // Whoever takes changes hears of it as well.
    this.ready.catch(() => undefined)
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#abort)
    if (this.#signal?.aborted === true) this.#finish(undefined)
    this.over = this.#run()
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    const change = this.#backlog.shift()
    if (change !== undefined) return Promise.resolve({ done: false, value: change })
    if (this.#stop.signal.aborted) {
      const error = this.#error
      this.#error = undefined
      return error === undefined ? Promise.resolve(DONE) : Promise.reject(error)
    }
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<Change, undefined>> {
    this.#finish(undefined)
    await this.over
    return DONE
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  async #run(): Promise<void> {
    let pauseMs = PAUSE_MIN_MS
    while (!this.#stop.signal.aborted) {
      const error = await this.#follow(() => (pauseMs = PAUSE_MIN_MS))
      if (!(error instanceof LamportError && PASSING.has(error.code))) this.#finish(error)
      // Aborted: it is over.
      await delay(pauseMs, undefined, { signal: this.#stop.signal }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)
    }
  }

  /** One connection, until it ends; and why it did. */
  async #follow(begun: () => void): Promise<Error> {
    let end: (error: LamportError) => void = () => undefined
    const ended = new Promise<LamportError>(resolve => (end = resolve))
    const notified = (method: string, params: unknown): void => this.#notified(method, params)
    const stop = this.#stop.signal
    const close = (): void => void this.#connection?.close()
    try {
      this.#connection = await Connection.open(this.#path, { notified, ended: end }, stop)
      stop.addEventListener('abort', close)
      this.#seen.begin()
      const options = { take: takeAs(isWatchResult), timeoutMs: ANSWER_MS }
      await this.#connection.request('watch', this.#params, options).answer
      begun()
      this.#begun?.resolve()
      return await ended
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    } finally {
      stop.removeEventListener('abort', close)
      await this.#connection?.close()
      this.#connection = undefined
    }
  }

  #notified(method: string, params: unknown): void {
    if (method === 'change' && isChangeParams(params)) this.#take(params)
    if (method !== 'current' || !isCurrentParams(params)) return
    // Where the connection ends first, the next one finds them again.
    this.#askAfter(this.#seen.whole()).catch(() => undefined)
  }

  /** What is not set is told of by nobody when a watch begins anew. */
  async #askAfter(names: readonly string[]): Promise<void> {
    const connection = this.#connection
    for (const name of names) {
      const options = { take: takeAs(isGetResult), timeoutMs: ANSWER_MS }
      const call = connection?.request('get', { name, local: true }, options)
      if (call !== undefined) this.#take(await call.answer)
    }
  }

  #take(entry: VariableEntry & Pick<ChangeParams, 'initial'>): void {
    const news = this.#seen.take(entry)
    if (news === undefined || this.#stop.signal.aborted) return
    const change: Change = {
      ...toVariable(entry),
      ...(entry.deleted === true ? { deleted: true } : {}),
      ...(news.skipped > 0 ? { skipped: news.skipped } : {}),
    }
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#backlog.push(change)
    else waiter.resolve({ done: false, value: change })
  }

  #finish(error: Error | undefined): void {
    if (this.#stop.signal.aborted) return
    this.#signal?.removeEventListener('abort', this.#abort)
    const [first, ...others] = this.#waiters.splice(0)
    if (error === undefined) {
      this.#backlog.clear()
      first?.resolve(DONE)
    } else if (first === undefined) this.#error = error
    else first.reject(error)
    for (const waiter of others) waiter.resolve(DONE)
    this.#begun?.reject(error ?? closed())
    this.#stop.abort()
  }
}

/** `''` is the prefix of all. */
function isPrefix(topic: string): boolean {
  return topic === '' || topic.endsWith('/')
}

function checkTopic(topic: string, { since }: WatchOptions): string | undefined {
  const problem = isPrefix(topic) ? checkPrefix(topic) : checkName(topic)
  if (problem !== undefined || since === undefined) return problem
  if (isPrefix(topic)) return 'since goes with a single name: each has versions of its own'
  if (Number.isSafeInteger(since) && since >= 0) return undefined
  return `since is a version, or 0 for never set, not ${since}`
}

function takeAs<T>(shape: (value: unknown) => value is T): (value: unknown) => T | undefined {
  return value => (shape(value) ? value : undefined)
}
