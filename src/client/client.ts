import type { Socket } from 'node:net'
import { monotonicNow } from '../control/monotonic.ts'
import { checkNames } from '../control/names.ts'
import { findSocketPath } from '../control/paths.ts'
import type {
  AcquireParams,
  AcquireResult,
  LockMode,
  LocksResult,
  DoctorParams,
  DoctorResult,
  MetricsResult,
  RequestId,
  StatusResult,
  WhyResult,
} from '../control/protocol.ts'
import { orAborted } from './abort.ts'
import { goOn } from './adoption.ts'
import {
  isAcquireResult,
  isCancelResult,
  isDoctorResult,
  isLocksResult,
  isMetricsResult,
  isStatusResult,
  isWhyResult,
} from './answers.ts'
import { Connection } from './connection.ts'
import { LamportError } from './error.ts'
import { Link, type Line } from './link.ts'
import { HeldLock, lostMeanwhile, type Lock, type LockOwner } from './lock.ts'
import { checkMode, limitOf, modeOf, withPositions } from './mode.ts'
import { Pauses } from './pauses.ts'
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

/** A disk may be slow, and before a change hosts have ten seconds to agree. */
const DOCTOR_MS = 120_000

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
  /**
   * Rejects after so many milliseconds: with `notAcquired`, or with `unreachable` where lamportd is
   * away at the end. 0: waits for the answer alone, and is not asked again. Absent: for ever.
   */
  readonly waitMs?: number | undefined
  /** Withdraws the request; rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** For people, in `lamportctl locks` on every host. */
  readonly why?: string | undefined
  readonly command?: string | undefined
  readonly user?: string | undefined
  /** Called with how many precede, whenever that changes. */
  readonly onQueued?: ((position: number) => void) | undefined
  /** Called each time that lamportd stops while it waits, and it will be asked for again. */
  readonly onAway?: ((reason: LamportError) => void) | undefined
}

/** What `withLock` gives to the work. */
export type Held = {
  readonly token: number
  /** Aborted when the lock is lost: stop. */
  readonly signal: AbortSignal
}

/**
 * Connects to this machine's lamportd. Rejects with `unreachable` where it does not run; only the
 * first connection is that impatient. After a restart of lamportd the client connects again:
 *
 * - a `lock` that waits is asked for again, with a new place in the queue, until its `waitMs` ends;
 * - a lock that is held goes on if the next lamportd takes it over, which it is asked by itself; where
 *   that says no, or is not there while there is time to stop (a quarter of the lease before `until`),
 *   its `lost` is aborted, with `disconnected`;
 * - a call that has begun rejects with `disconnected`, a change of a variable with `uncertain`;
 * - a call that is made in between waits for lamportd as long as it would for its answer (10 s; of
 *   variables `waitMs`), and then rejects with `unreachable`;
 * - a `watch` goes on.
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

/** A connection to lamportd, or after its restart the next, and the locks that are held over it. */
export class Client {
  readonly #link: Link
  readonly #watches = new Set<VariableWatch>()

  private constructor(link: Link) {
    this.#link = link
    link.orphaned = (lock, cause) => {
      void goOn(link, lock, cause, line => this.#ownerOn(line))
    }
  }

  /** `connect` finds the path. */
  static async open(path: string, signal?: AbortSignal): Promise<Client> {
    return new Client(await Link.open(path, signal))
  }

  /** Path of the control socket. */
  get socket(): string {
    return this.#link.path
  }

  /** The host whose lamportd this is, as it said when it was reached last. */
  get host(): { readonly id: number; readonly name: string } {
    return this.#link.hello.host
  }

  /** Version of the daemon. */
  get version(): string {
    return this.#link.hello.version
  }

  /** Takes a lock, or several at once: all or none, without deadlock. */
  async lock(names: string | readonly string[], options: LockOptions = {}): Promise<Lock> {
    const list = typeof names === 'string' ? [names] : [...names]
    const mode = options.mode ?? 'exclusive'
    const problem = checkNames(list) ?? checkMode(mode, options.count)
    if (problem !== undefined) throw new LamportError('argument', problem)
    const { waitMs, why, command, user } = options
    const limit = limitOf(mode, options.count)
    const { pid } = process
    return this.acquire({ names: list, limit, waitMs, why, command, user, pid }, options)
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

  /** The request `acquire` of the control socket, asked again where lamportd was restarted. */
  async acquire(
    params: AcquireParams,
    options: Pick<LockOptions, 'signal' | 'onQueued' | 'onAway'> = {},
  ): Promise<Lock> {
    const { waitMs } = params
    const giveUpAt = waitMs === undefined ? Infinity : monotonicNow() + waitMs
    const pauses = new Pauses()
    let again = withPositions(params, options.onQueued !== undefined)
    for (;;) {
      const line = await this.#link.line(giveUpAt, options.signal)
      try {
        return await this.#acquireOnce(line, again, options)
      } catch (error) {
        const isOver = waitMs === 0 || monotonicNow() >= giveUpAt
        if (isOver || !isRestart(error)) throw error
        options.onAway?.(error)
      }
      // One that leaves goes on answering for as long as it has holders.
      await pauses.next(giveUpAt, options.signal, this.#link.closing)
      // What it has waited counts; 0 would be another question.
      const restMs = Math.max(1, giveUpAt - monotonicNow())
      if (waitMs !== undefined) again = { ...again, waitMs: restMs }
    }
  }

  /**
   * A variable's newest version: no older than any change that was acknowledged before, on whatever
   * host. One that was never set is answered as well, with version 0. Rejects with `noMajority`
   * where none is heard in time; with `local` it never waits for others.
   */
  get(name: string, options: GetOptions = {}): Promise<Reading> {
    return getVariable(this.#link, name, options)
  }

  /**
   * Gives a variable a value of at most 65,536 bytes (text: of UTF-8), and resolves with what it has
   * become when a majority of hosts has it on disk. Rejects with `versionDiffers` where a condition
   * does not hold (`error.current`: how it is), `noMajority` where nothing was changed or will be,
   * `limit` where there is no room, and `uncertain` where it may still take effect (`error.seen`).
   */
  set(name: string, value: string | Uint8Array, options: SetOptions = {}): Promise<Variable> {
    return setVariable(this.#link, name, value, options)
  }

  /** Takes a variable's value away; its version rises. Rejects as `set` does. */
  unset(name: string, options: UnsetOptions = {}): Promise<Variable> {
    return unsetVariable(this.#link, name, options)
  }

  /** What is set, as this host knows it, by name; asked for in pages, as it is taken. */
  vars(prefix = '', options: VarsOptions = {}): AsyncGenerator<ListedVariable, void, undefined> {
    return listVariables(this.#link, prefix, options)
  }

  /** Past versions of a variable, the newest first, as many as this host keeps. */
  history(name: string): Promise<readonly PastVersion[]> {
    return readHistory(this.#link, name)
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

  /**
   * Everything that can be wrong with this host, looked at. `beforeChange`: also whether hosts may be
   * added or taken away now.
   */
  doctor(options: DoctorParams = {}): Promise<DoctorResult> {
    return this.#ask('doctor', { ...options }, isDoctorResult, DOCTOR_MS)
  }

  /** Counters and gauges of this host, in Prometheus's text format. */
  metrics(): Promise<MetricsResult> {
    return this.#ask('metrics', {}, isMetricsResult)
  }

  /**
   * Ends the connection and all watches, for good: whatever it held is let go, whatever waits rejects
   * with `closed`, and so does every call from now on. Never rejects.
   */
  async close(): Promise<void> {
    const watches = [...this.#watches].map(watch => watch.return())
    await Promise.all([this.#link.close(), ...watches])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #acquireOnce(
    line: Line,
    params: AcquireParams,
    { signal, onQueued }: Pick<LockOptions, 'signal' | 'onQueued'>,
  ): Promise<Lock> {
    signal?.throwIfAborted()
    const { connection, granted } = line
    let lock: HeldLock | undefined
    const call = connection.request('acquire', params, {
      take: result => {
        if (!isAcquireResult(result)) return undefined
        return (lock = this.#grant(line, params, result))
      },
      timeoutMs: params.waitMs === undefined ? undefined : params.waitMs + ACQUIRE_MARGIN_MS,
    })
    if (onQueued !== undefined) granted.queued.set(call.id, onQueued)
    try {
      const answer = await orAborted(call.answer, signal)
      await orAborted(answer.ready, signal)
      return answer
    } catch (error) {
      if (lock !== undefined) void lock.release()
      else if (signal?.aborted === true || isTimeout(error)) withdraw(connection, call.id)
      throw error
    } finally {
      granted.queued.delete(call.id)
    }
  }

  #grant(line: Line, params: AcquireParams, grant: AcquireResult): HeldLock {
    const owner = this.#ownerOn(line)
    const lock = new HeldLock(owner, params.names, modeOf(params.limit), grant, monotonicNow())
    line.granted.locks.set(grant.token, lock)
    return lock
  }

  #ownerOn({ connection, granted }: Line): LockOwner {
    return {
      release: async ({ token }: HeldLock): Promise<void> => {
        granted.locks.delete(token)
        // Refused: it is not ours any more. Unanswered: nobody holds the end of the line.
        await ask(connection, 'release', { token }, isAnswer).catch(() => undefined)
      },
      anchor: (token: number) => this.#anchor(token),
    }
  }

  async #anchor(token: number): Promise<Socket> {
    const output = { notified: () => undefined, ended: () => undefined }
    const connection = await Connection.open(this.#link.path, output)
    try {
      await ask(connection, 'anchor', { token }, isAnswer)
    } catch (error) {
      await connection.close()
      throw error
    }
    return connection.detach()
  }

  #ask<T>(method: string, params: unknown, shape: Shape<T>, timeoutMs = ANSWER_MS): Promise<T> {
    return this.#link.call(method, params, takeAs(shape), { timeoutMs })
  }
}

/** On this connection or not at all: what it is about belongs to it. */
function ask<T>(
  connection: Connection,
  method: string,
  params: unknown,
  shape: Shape<T>,
): Promise<T> {
  return connection.request(method, params, { take: takeAs(shape), timeoutMs: ANSWER_MS }).answer
}

/** A grant that is under way now is released by the cancel that follows it. */
function withdraw(connection: Connection, id: RequestId): void {
  connection.forget(id)
  ask(connection, 'cancel', { id }, isCancelResult).catch(() => undefined)
}

function takeAs<T>(shape: Shape<T>): (result: unknown) => T | undefined {
  return result => (shape(result) ? result : undefined)
}

/** It stopped, or is about to: whoever waited has nothing there any more, and may come again. */
function isRestart(error: unknown): error is LamportError {
  if (!(error instanceof LamportError)) return false
  return error.code === 'disconnected' || error.code === 'leaving'
}

function isTimeout(error: unknown): boolean {
  return error instanceof LamportError && error.code === 'timeout'
}

function isAnswer(value: unknown): value is unknown {
  return value !== undefined
}
