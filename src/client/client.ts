import type { Socket } from 'node:net'
import { monotonicNow } from '../control/monotonic.ts'
import { checkNames } from '../control/names.ts'
import { findSocketPath } from '../control/paths.ts'
import type {
  AcquireParams,
  AcquireResult,
  LockMode,
  LocksResult,
  MetricsResult,
  RequestId,
  StatusResult,
  WhyResult,
} from '../control/protocol.ts'
import { orAborted } from './abort.ts'
import {
  isAcquireResult,
  isCancelResult,
  isLocksResult,
  isMetricsResult,
  isStatusResult,
  isWhyResult,
} from './answers.ts'
import { Connection } from './connection.ts'
import { LamportError } from './error.ts'
import { notified, type Granted } from './granted.ts'
import { HeldLock, type Lock } from './lock.ts'
import { checkMode, limitOf, modeOf } from './mode.ts'
import type { Shape } from './shape.ts'
import type { ListedVariable, PastVersion, Reading, Variable } from './variable.ts'
import {
  getVariable,
  listVariables,
  readHistory,
  setVariable,
  unsetVariable,
  type GetOptions,
  type SetOptions,
  type UnsetOptions,
  type VarsOptions,
} from './variables.ts'
import { VariableWatch, type Watch, type WatchOptions } from './watch.ts'

export { LamportError, type LamportErrorCode } from './error.ts'
export type { Lock } from './lock.ts'
export type { Change, ListedVariable, PastVersion, Reading, Variable } from './variable.ts'
export type { GetOptions, SetOptions, UnsetOptions, VarsOptions } from './variables.ts'
export type { Watch, WatchOptions } from './watch.ts'

/** How long the daemon may take for an answer that waits for nobody. */
const ANSWER_MS = 10_000

/** How much longer than `waitMs` an acquire may take: the daemon may have to learn of a majority. */
const ACQUIRE_MARGIN_MS = 30_000

export type ConnectOptions = {
  /** Path of the control socket; else `$LAMPORT_SOCKET`, else where lamportctl looks. */
  readonly socket?: string | undefined
  /** Gives up; rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

export type LockOptions = {
  readonly mode?: LockMode | undefined
  /** At most so many holders, with mode `count`. */
  readonly count?: number | undefined
  /** Rejects with `notAcquired` after so long. 0: waits for the answer alone. Absent: for ever. */
  readonly waitMs?: number | undefined
  /** Withdraws the request; rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** For people, in `lamportctl locks` on every host. */
  readonly why?: string | undefined
  readonly command?: string | undefined
  readonly user?: string | undefined
  /** Called with how many precede, whenever that changes. */
  readonly onQueued?: ((position: number) => void) | undefined
}

/** What `withLock` gives to the work. */
export type Held = {
  readonly token: number
  /** Aborted when the lock is lost: stop. */
  readonly signal: AbortSignal
}

/**
 * Connects to this machine's lamportd.
 *
 * ```ts
 * const client = await connect()
 * await client.withLock('door', async ({ token, signal }) => { … })
 * await client.close()
 * ```
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const found = findSocketPath(options.socket)
  if ('problem' in found) throw new LamportError('socket', found.problem)
  return Client.open(found.path, options.signal)
}

/** A connection to lamportd and the locks that are held over it. */
export class Client {
  readonly #connection: Connection
  readonly #granted: Granted
  readonly #watches = new Set<VariableWatch>()

  private constructor(connection: Connection, granted: Granted) {
    this.#connection = connection
    this.#granted = granted
  }

  /** `connect` finds the path. */
  static async open(path: string, signal?: AbortSignal): Promise<Client> {
    const granted: Granted = { locks: new Map(), queued: new Map() }
    const output = {
      notified: (method: string, params: unknown) => notified(granted, method, params),
      ended: (error: LamportError) => {
        for (const lock of granted.locks.values()) lock.lose(error)
        granted.locks.clear()
      },
    }
    return new Client(await Connection.open(path, output, signal), granted)
  }

  /** Path of the control socket. */
  get socket(): string {
    return this.#connection.path
  }

  /** The host whose lamportd this is. */
  get host(): { readonly id: number; readonly name: string } {
    return this.#connection.hello.host
  }

  /** Version of the daemon. */
  get version(): string {
    return this.#connection.hello.version
  }

  /** Takes a lock, or several at once: all or none, without deadlock. */
  async lock(names: string | readonly string[], options: LockOptions = {}): Promise<Lock> {
    const list = typeof names === 'string' ? [names] : [...names]
    const mode = options.mode ?? 'exclusive'
    const problem = checkNames(list) ?? checkMode(mode, options.count)
    if (problem !== undefined) throw new LamportError('argument', problem)
    const { waitMs, why, command, user } = options
    return this.acquire(
      {
        names: list,
        limit: limitOf(mode, options.count),
        ...(waitMs === undefined ? {} : { waitMs }),
        ...(why === undefined ? {} : { why }),
        ...(command === undefined ? {} : { command }),
        ...(user === undefined ? {} : { user }),
        pid: process.pid,
      },
      options,
    )
  }

  /** `lock` that waits for the answer alone: `undefined` where something precedes. */
  async tryLock(
    names: string | readonly string[],
    options: LockOptions = {},
  ): Promise<Lock | undefined> {
    try {
      return await this.lock(names, { ...options, waitMs: 0 })
    } catch (error) {
      if (error instanceof LamportError && error.code === 'notAcquired') return undefined
      throw error
    }
  }

  /** Works while it holds the lock. Rejects if the lock was lost before the work was done. */
  async withLock<T>(
    names: string | readonly string[],
    work: (held: Held) => T | Promise<T>,
    options: LockOptions = {},
  ): Promise<T> {
    const lock = await this.lock(names, options)
    try {
      const result = await work({ token: lock.token, signal: lock.lost })
      if (!lock.isHeld) throw lostMeanwhile(lock)
      return result
    } finally {
      await lock.release()
    }
  }

  /** The request `acquire` of the control socket as it is. */
  async acquire(
    params: AcquireParams,
    options: Pick<LockOptions, 'signal' | 'onQueued'> = {},
  ): Promise<Lock> {
    const { signal, onQueued } = options
    signal?.throwIfAborted()
    let lock: HeldLock | undefined
    const call = this.#connection.request('acquire', params, {
      take: result => {
        if (!isAcquireResult(result)) return undefined
        return (lock = this.#grant(params, result))
      },
      timeoutMs: params.waitMs === undefined ? undefined : params.waitMs + ACQUIRE_MARGIN_MS,
    })
    if (onQueued !== undefined) this.#granted.queued.set(call.id, onQueued)
    try {
      const granted = await orAborted(call.answer, signal)
      await orAborted(granted.ready, signal)
      return granted
    } catch (error) {
      if (lock !== undefined) void lock.release()
      else if (signal?.aborted === true || isTimeout(error)) this.#withdraw(call.id)
      throw error
    } finally {
      this.#granted.queued.delete(call.id)
    }
  }

  /**
   * A variable's newest version: no older than any change that was acknowledged before, on whatever
   * host. One that was never set is answered as well, with version 0. Rejects with `noMajority`
   * where none is heard in time; with `local` it never waits for others.
   */
  get(name: string, options: GetOptions = {}): Promise<Reading> {
    return getVariable(this.#connection, name, options)
  }

  /**
   * Gives a variable a value of at most 65,536 bytes (text: of UTF-8), and resolves with what it has
   * become when a majority of hosts has it on disk. Rejects with `versionDiffers` where a condition
   * does not hold (`error.current`: how it is), `noMajority` where nothing was changed or will be,
   * `limit` where there is no room, and `uncertain` where it may still take effect (`error.seen`).
   */
  set(name: string, value: string | Uint8Array, options: SetOptions = {}): Promise<Variable> {
    return setVariable(this.#connection, name, value, options)
  }

  /** Takes a variable's value away; its version rises. Rejects as `set` does. */
  unset(name: string, options: UnsetOptions = {}): Promise<Variable> {
    return unsetVariable(this.#connection, name, options)
  }

  /** What is set, as this host knows it, by name; asked for in pages, as it is taken. */
  vars(prefix = '', options: VarsOptions = {}): AsyncGenerator<ListedVariable, void, undefined> {
    return listVariables(this.#connection, prefix, options)
  }

  /** Past versions of a variable, the newest first, as many as this host keeps. */
  history(name: string): Promise<readonly PastVersion[]> {
    return readHistory(this.#connection, name)
  }

  /**
   * The changes of a variable, or, where this ends in `/` or is empty, of all whose names begin so.
   * It begins at once, and ends with `return()`, its signal, or this client's `close()`; nothing
   * else: while lamportd is away it waits, and then tells what is new. For each name versions rise,
   * and the last always arrives; in between a slow taker is not told of all. Rejects with `argument`
   * at once, and with what makes it useless to go on, such as `permission`.
   */
  watch(nameOrPrefix: string, options: WatchOptions = {}): Watch {
    const watch = new VariableWatch(this.socket, nameOrPrefix, options)
    this.#watches.add(watch)
    void watch.over.then(() => this.#watches.delete(watch))
    return watch
  }

  /** Every lock in use, or what there is of one name; holders and waiters in order. */
  async locks(name?: string): Promise<LocksResult> {
    const locks = await this.#ask('locks', {}, isLocksResult)
    return name === undefined ? locks : locks.filter(entry => entry.name === name)
  }

  /** Why a lock is not to be had, as this host sees it. */
  why(name: string): Promise<WhyResult> {
    return this.#ask('why', { name }, isWhyResult)
  }

  /** The operator's word, on the administrator's socket: blank hosts may found the cluster. */
  async found(): Promise<void> {
    await this.#ask('found', {}, isAnswer)
  }

  /** How this host and its view of the others are. */
  status(): Promise<StatusResult> {
    return this.#ask('status', {}, isStatusResult)
  }

  /** Counters and gauges of this host, in Prometheus's text format. */
  metrics(): Promise<MetricsResult> {
    return this.#ask('metrics', {}, isMetricsResult)
  }

  /** Ends the connection and all watches: whatever it held is let go. */
  async close(): Promise<void> {
    const watches = [...this.#watches].map(watch => watch.return())
    await Promise.all([this.#connection.close(), ...watches])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #grant(params: AcquireParams, grant: AcquireResult): HeldLock {
    const owner = {
      release: (lock: HeldLock) => this.#release(lock),
      anchor: (token: number) => this.#anchor(token),
    }
    const lock = new HeldLock(owner, params.names, modeOf(params.limit), grant, monotonicNow())
    this.#granted.locks.set(grant.token, lock)
    return lock
  }

  /** A grant that is under way now is released by the cancel that follows it. */
  #withdraw(id: RequestId): void {
    this.#connection.forget(id)
    this.#ask('cancel', { id }, isCancelResult).catch(() => undefined)
  }

  async #release(lock: HeldLock): Promise<void> {
    this.#granted.locks.delete(lock.token)
    // Refused: it is not ours any more. Unanswered: nobody holds the end of the line.
    await this.#ask('release', { token: lock.token }, isAnswer).catch(() => undefined)
  }

  async #anchor(token: number): Promise<Socket> {
    const output = { notified: () => undefined, ended: () => undefined }
    const connection = await Connection.open(this.#connection.path, output)
    try {
      await connection.request(
        'anchor',
        { token },
        { take: result => result, timeoutMs: ANSWER_MS },
      ).answer
    } catch (error) {
      await connection.close()
      throw error
    }
    return connection.detach()
  }

  #ask<T>(method: string, params: unknown, shape: Shape<T>): Promise<T> {
    const take = (result: unknown): T | undefined => (shape(result) ? result : undefined)
    return this.#connection.request(method, params, { take, timeoutMs: ANSWER_MS }).answer
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof LamportError && error.code === 'timeout'
}

function isAnswer(value: unknown): value is unknown {
  return value !== undefined
}

function lostMeanwhile(lock: Lock): LamportError {
  const reason: unknown = lock.lost.reason
  if (reason instanceof LamportError) return reason
  const what = `the lock ${lock.names.join(' ')} ran out while its work went on`
  return new LamportError('expired', `${what} (leave the event loop time to breathe)`)
}
