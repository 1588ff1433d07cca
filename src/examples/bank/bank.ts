import { setTimeout as pause } from 'node:timers/promises'
import { LamportError, type Client, type Lock, type Variable } from '../../client/client.ts'
import type { Found } from './audit.ts'
import { blockAfter, checkAccounts, checkEntry, describe, parseBlock } from './block.ts'
import type { Block, Entry } from './block.ts'

/** How often it is begun anew, where the newest block was another one in the end. */
const TRIES_MAX = 5

/** `resolveMs`, where nothing is said. */
const RESOLVE_MS = 15_000

/** How often a write is tried that is the same whoever makes it. */
const KEEPS_MAX = 3

/** Between two questions to a daemon that is not there. */
const PAUSE_MS = 100

/** Why a block was not written, or may not have been. */
export type BankErrorCode =
  /** It cannot be done, at all or as the balances are. */
  | 'refused'
  /** The lock was lost before it was done: nothing was changed. */
  | 'lost'
  /** It may have been done, or may yet be. */
  | 'uncertain'
  /** What is in the variables is no chain. */
  | 'damaged'

export class BankError extends Error {
  override readonly name = 'BankError'
  readonly code: BankErrorCode

  constructor(code: BankErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export type AppendOptions = {
  /** At most so long for the lock; absent: for ever. */
  readonly waitMs?: number | undefined
  /** How long is asked what has become of a block where an answer is missing; absent: 15 s. */
  readonly resolveMs?: number | undefined
  /** Between reading and writing, under the lock: for whoever wants to see what it is there for. */
  readonly delayMs?: number | undefined
  /** Gives up, up to the moment in which it is done. */
  readonly signal?: AbortSignal | undefined
  /** Called with how many precede. */
  readonly onQueued?: ((position: number) => void) | undefined
}

/** What the bank needs of lamportd's client. */
export type BankClient = Pick<Client, 'get' | 'set' | 'vars' | 'lock' | 'host'>

/** The newest block, and the version of the variable that holds it. */
type Newest = { readonly block: Block | undefined; readonly version: number }

/**
 * A chain of blocks in shared variables. `NAME/head` holds the newest block; the one before it, and
 * so on, stand in `NAME/block/0`, `NAME/block/1` …, and are never changed.
 *
 * A block is done in one step: compare-and-set of the head. Before that, the block that the head
 * holds is copied to its place among the others; it is the same copy whoever makes it. So there is
 * no moment in which a client that dies leaves something half done, and nothing that a client which
 * has lost its lock could overwrite.
 */
export class Bank {
  readonly name: string
  readonly #client: BankClient

  constructor(client: BankClient, name: string = 'bank') {
    this.#client = client
    this.name = name
  }

  /** The newest block, as a majority has it; `undefined`: there is none yet. */
  async newest(signal?: AbortSignal): Promise<Block | undefined> {
    return (await this.#newest(signal)).block
  }

  /** Adds a block, under the lock. Rejects with a `BankError`, or with a `LamportError`. */
  async append(entry: Entry, options: AppendOptions = {}): Promise<Block> {
    const { waitMs, signal, onQueued } = options
    // What can never be done is refused before anybody waits for it; accounts never go.
    refuse(checkEntry(entry))
    const known = await this.newest(signal)
    refuse(checkAccounts(known?.balances, entry))
    const why = describe({ number: known === undefined ? 0 : 1, entry })
    const about = { command: 'lamport-bank', why: why.slice(0, 100) }
    const lock = await this.#lock({ ...about, waitMs, signal, onQueued })
    try {
      return await this.#appendUnder(lock, entry, why, options)
    } catch (error) {
      if (error instanceof BankError) throw error
      signal?.throwIfAborted()
      if (lock.isHeld) throw error
      throw lost(lock, why)
    } finally {
      await lock.release()
    }
  }

  /** All blocks, the first one first: as this host knows them, and as a majority does where it must. */
  async chain(signal?: AbortSignal): Promise<readonly Found[]> {
    const here = new Map<number, Variable['value']>()
    const prefix = `${this.name}/block/`
    const head = await this.#client.get(this.#head, { signal })
    for await (const { name, value } of this.#client.vars(prefix, { values: true, signal })) {
      const number = name.slice(prefix.length)
      if (/^(0|[1-9]\d{0,14})$/.test(number)) here.set(Number(number), value)
    }
    if (head.value === undefined && here.size === 0) return []
    const newest = parseBlock(head.value)
    const height = 'problem' in newest ? Math.max(-1, ...here.keys()) + 1 : newest.number
    const chain: Found[] = [{ block: newest }]
    for (let number = height - 1; number >= 0; number -= 1) {
      const next = chain.at(-1)?.block
      const hash = next === undefined || 'problem' in next ? undefined : next.previous
      chain.push(await this.#find(number, here.get(number), hash, signal))
    }
    return chain.reverse()
  }

  get #head(): string {
    return `${this.name}/head`
  }

  #place(number: number): string {
    return `${this.name}/block/${number}`
  }

  async #newest(signal?: AbortSignal): Promise<Newest> {
    const { value, version } = await this.#client.get(this.#head, { signal })
    if (value !== undefined) return { block: whole(this.#head, value), version }
    const { value: first } = await this.#client.get(this.#place(0), { signal })
    if (first === undefined) return { block: undefined, version }
    const advice = `lamportctl history ${this.#head}`
    throw new BankError('damaged', `${this.#head} is gone, and blocks are there (${advice})`)
  }

  async #lock(options: Parameters<BankClient['lock']>[1]): Promise<Lock> {
    try {
      return await this.#client.lock(this.name, options)
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
      // It was granted while this process slept, and was over before it woke up.
      if (error.code === 'lost') {
        throw new BankError('lost', `${error.message} (nothing was changed: try again)`)
      }
      if (error.code !== 'notAcquired') throw error
      const what = `the lock ${this.name} was not to be had in time`
      throw new BankError('refused', `${what} (nothing was changed; lamportctl why ${this.name})`)
    }
  }

  async #appendUnder(
    lock: Lock,
    entry: Entry,
    what: string,
    options: AppendOptions,
  ): Promise<Block> {
    const { delayMs = 0, resolveMs = RESOLVE_MS, signal: given } = options
    const signal = given === undefined ? lock.lost : AbortSignal.any([lock.lost, given])
    const author = { token: lock.token, host: this.#client.host.name }
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { block: newest, version } = await whileHeld(signal, () => this.#newest(signal))
      // A later holder was here: ours is a lock of the past, whatever our clock says.
      if (newest !== undefined && newest.token >= lock.token) throw lost(lock, what)
      const block = blockAfter(newest, entry, author)
      if ('problem' in block) throw new BankError('refused', block.problem)
      if (delayMs > 0) await pause(delayMs, undefined, { signal })
      if (newest !== undefined) await whileHeld(signal, () => this.#keep(newest, signal))
      signal.throwIfAborted()
      checkHeld(lock, what)
      if (await this.#moveHead(block, version, resolveMs)) return block
      checkHeld(lock, what)
    }
    const others = `${this.#head} is changed by others who do not take the lock ${this.name}`
    throw new BankError('refused', `${others} (lamportctl history ${this.#head})`)
  }

  /** Copies the block that the head holds to its own place, where it is not there yet. */
  async #keep(block: Block, signal: AbortSignal): Promise<void> {
    const place = this.#place(block.number)
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#client.set(place, block.text, { create: true, signal })
        return
      } catch (error) {
        if (!(error instanceof LamportError)) throw error
        if (error.code === 'versionDiffers') {
          if (error.current?.value === block.text) return
          const what = `${place} holds another block than ${this.#head} had (lamport-bank verify)`
          throw new BankError('damaged', what)
        }
        // It is the same write whoever makes it, and however often.
        if (error.code !== 'uncertain' || tries === KEEPS_MAX) throw error
      }
    }
  }

  /**
   * The one step by which a block is done; whether it was. From the first try on it is the only thing
   * that may happen here: where an answer is missing the very same is asked again, the same block for
   * the same version of the head. Whichever of the two comes first, the other is refused, and says by
   * that what there is.
   */
  async #moveHead(block: Block, ifVersion: number, resolveMs: number): Promise<boolean> {
    const begun = performance.now()
    let doubt: LamportError | undefined
    for (let tries = 0; ; tries += 1) {
      if (tries > 1) await pause(PAUSE_MS)
      try {
        await this.#client.set(this.#head, block.text, { ifVersion })
        return true
      } catch (error) {
        if (!(error instanceof LamportError)) throw error
        if (error.code === 'versionDiffers' && doubt === undefined) return false
        if (error.code === 'uncertain') doubt ??= error
        else if (doubt === undefined) throw error
        else if (error.code === 'versionDiffers') {
          const isDone = await this.#isDone(block).catch(() => undefined)
          if (isDone !== undefined) return isDone
        }
      }
      if (performance.now() - begun > resolveMs) {
        const what = `whether "${describe(block)}" is done is not known: ${doubt.message}`
        throw new BankError(
          'uncertain',
          `${what} (look for block ${block.number}: lamport-bank chain)`,
        )
      }
    }
  }

  /** The head has gone on from the version that the block was for: it is in the chain, or never will be. */
  async #isDone(block: Block): Promise<boolean> {
    const { block: newest } = await this.#newest()
    if (newest === undefined || newest.number < block.number) return false
    if (newest.number === block.number) return newest.text === block.text
    return (await this.#client.get(this.#place(block.number))).value === block.text
  }

  /** A block that the next one knows by its hash needs no majority: it can be no other. */
  async #find(
    number: number,
    here: Variable['value'],
    hash: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Found> {
    const local = parseBlock(here)
    if (!('problem' in local) && local.hash === hash) return { block: local }
    const { value } = await this.#client.get(this.#place(number), { signal })
    const block = parseBlock(value)
    // What this host has not heard of yet is no fault of its copy.
    if (here === undefined || here === value) return { block }
    const what = `${this.#place(number)} on ${this.#client.host.name}`
    return { block, copy: `${what} is not as a majority has it` }
  }
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new BankError('refused', problem)
}

function whole(place: string, value: Variable['value']): Block {
  const block = parseBlock(value)
  if (!('problem' in block)) return block
  const advice = `lamportctl history ${place}`
  throw new BankError('damaged', `the block in ${place} is bad: ${block.problem} (${advice})`)
}

/**
 * What may be asked any number of times is asked again where lamportd has ended under it: the next
 * one may go on with the lock. Ends with `signal`, at the latest when the lock is lost.
 */
async function whileHeld<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
      if (error.code !== 'disconnected' && error.code !== 'unreachable') throw error
    }
    await pause(PAUSE_MS, undefined, { signal })
  }
}

function checkHeld(lock: Lock, what: string): void {
  if (!lock.isHeld) throw lost(lock, what)
}

function lost(lock: Lock, what: string): BankError {
  const reason: unknown = lock.lost.reason
  const why = reason instanceof LamportError ? reason.message : 'another holder came after it'
  const message = `the lock ${lock.names.join(' ')} was lost: ${why}`
  return new BankError('lost', `${message} (nothing was changed by "${what}": try again)`)
}
