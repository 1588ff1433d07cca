import { monotonicNow } from '../control/monotonic.ts'
import type { HelloParams } from '../control/protocol.ts'
import { assert } from '../lib/assert.ts'
import { TIMEOUT_MS_MAX } from '../lib/time.ts'
import { orAborted } from './abort.ts'
import { Connection, type CallOptions } from './connection.ts'
import { closed, LamportError, silent, type LamportErrorCode } from './error.ts'
import { notified, type Granted } from './granted.ts'
import type { HeldLock } from './lock.ts'
import { Pauses } from './pauses.ts'

/** However little time there is, a daemon that is there can say hello in it. */
const ATTEMPT_MS_MIN = 1000

/** What passes when lamportd runs again, or has more room. */
const PASSING: ReadonlySet<LamportErrorCode> = new Set(['unreachable', 'disconnected', 'busy'])

/** A connection, with the locks that it holds and the requests that wait on it. */
export type Line = { readonly connection: Connection; readonly granted: Granted }

/** How long something may take. */
export type Limits = {
  /** How long the daemon may take for the answer. */
  readonly timeoutMs: number
  /** How long a daemon that is away is waited for; absent: as long. */
  readonly connectMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * One connection after another to the same socket. When one has ended, whatever rests on it is over;
 * the next is made when somebody needs it, so that a program that needs nothing asks for nothing.
 */
export class Link {
  readonly path: string
  /** What becomes of a lock whose lamportd has ended. */
  orphaned: (lock: HeldLock, cause: LamportError) => void = (lock, cause) => lock.lose(cause)
  readonly #closing = new AbortController()
  #line: Line | undefined
  /** One for all who wait for it. */
  #attempt: Promise<Line> | undefined
  #hello: HelloParams | undefined
  /** Why there will be no other. */
  #end: LamportError | undefined

  private constructor(path: string) {
    this.path = path
  }

  /** Resolves when the daemon has said hello; it is not waited for. */
  static async open(path: string, signal?: AbortSignal): Promise<Link> {
    const link = new Link(path)
    await link.#dial(signal)
    return link
  }

  /** What the daemon said of itself, the last time. */
  get hello(): HelloParams {
    assert(this.#hello !== undefined, 'a link is given out when the daemon has said hello')
    return this.#hello
  }

  /** Aborted by `close`. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /**
   * The open connection. Where there is none, lamportd is looked for until `giveUpAt`, and once at
   * least; then it rejects, as a rule with `unreachable`.
   */
  async line(giveUpAt: number, signal?: AbortSignal, pauses: Pauses = new Pauses()): Promise<Line> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#end !== undefined) throw this.#end
      if (this.#line !== undefined) return this.#line
      try {
        return await orAborted(this.#intime(giveUpAt), signal)
      } catch (error) {
        const mayPass = error instanceof LamportError && PASSING.has(error.code)
        if (!mayPass || monotonicNow() >= giveUpAt) throw error
      }
      await pauses.next(giveUpAt, signal, this.closing)
    }
  }

  /** A request and its answer, on whatever connection there is; it is sent once at most. */
  async call<T>(
    method: string,
    params: unknown,
    take: CallOptions<T>['take'],
    { timeoutMs, connectMs, signal }: Limits,
  ): Promise<T> {
    signal?.throwIfAborted()
    const line = this.#line ?? (await this.line(monotonicNow() + (connectMs ?? timeoutMs), signal))
    const { connection } = line
    const { id, answer } = connection.request(method, params, { take, timeoutMs })
    if (signal === undefined) return answer
    try {
      return await orAborted(answer, signal)
    } finally {
      if (signal.aborted) connection.forget(id)
    }
  }

  /** No connection any more, and none under way. */
  async close(): Promise<void> {
    this.#end ??= closed()
    this.#closing.abort(this.#end)
    await this.#line?.connection.close()
    await this.#attempt?.catch(() => undefined)
  }

  async #intime(giveUpAt: number): Promise<Line> {
    this.#attempt ??= this.#dial(this.#closing.signal).finally(() => (this.#attempt = undefined))
    if (giveUpAt - monotonicNow() > TIMEOUT_MS_MAX) return this.#attempt
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const ms = Math.max(ATTEMPT_MS_MIN, giveUpAt - monotonicNow())
      timer = setTimeout(() => reject(silent(this.path)), ms)
    })
    try {
      return await Promise.race([this.#attempt, late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #dial(signal: AbortSignal | undefined): Promise<Line> {
    const granted: Granted = { locks: new Map(), queued: new Map() }
    const output = {
      notified: (method: string, params: unknown) => notified(granted, method, params),
      ended: (error: LamportError) => this.#ended(granted, error),
    }
    const connection = await Connection.open(this.path, output, signal)
    this.#hello = connection.hello
    const line = { connection, granted }
    if (connection.isOpen) this.#line = line
    return line
  }

  #ended(granted: Granted, error: LamportError): void {
    if (this.#line?.granted === granted) this.#line = undefined
    // What answers there is no lamportd: it is not asked again.
    if (error.code === 'protocol') this.#end ??= error
    const locks = [...granted.locks.values()]
    granted.locks.clear()
    for (const lock of locks) {
      if (error.code === 'disconnected') this.orphaned(lock, error)
      else lock.lose(error)
    }
  }
}
