import { LamportError } from '../../client/client.ts'
import { Variables, type Entry } from './access.ts'
import { apply, type Edit } from './edits.ts'
import { pause } from './follow.ts'
import { outcomeOf } from './outcome.ts'

/** How long we wait before we try again where there is no majority or no daemon. */
const AGAIN_MS = 300

/** How long a write may wait for a majority. */
const WAIT_MS = 2000

export type AppenderOptions = {
  readonly name: string
  readonly socket: string | undefined
  /** Gives up what is not written yet. */
  readonly signal: AbortSignal
  readonly changed: (entry: Entry) => void
  /** What people should know of; `undefined`: all is well again. */
  readonly told: (message: string | undefined) => void
}

/** A write of ours of which we do not know whether it took effect. */
type Doubt = { readonly version: number; readonly bytes: Buffer; readonly edits: readonly Edit[] }

/**
 * Brings edits into a variable that others edit too: each write rests on the version that it was
 * made from, and where another came first, the edits are applied to that one. So nothing typed is
 * lost, and nothing is in it twice.
 */
export class Appender {
  readonly #options: AppenderOptions
  #variables: Variables | undefined
  #newest: Entry | undefined
  #edits: Edit[] = []
  #work: Promise<void> = Promise.resolve()
  #isAtWork = false
  #hasLeftOut = false
  #doubt: Doubt | undefined

  constructor(options: AppenderOptions) {
    this.#options = options
  }

  /** Whether something was typed that is not written. */
  get isBehind(): boolean {
    return this.#edits.length > 0
  }

  /** Whether something was left out because the value had become too long. */
  get hasLeftOut(): boolean {
    return this.#hasLeftOut
  }

  /** A version that exists. */
  seen(entry: Entry): void {
    if (this.#newest !== undefined && entry.version <= this.#newest.version) return
    this.#newest = entry
    this.#options.changed(entry)
    this.#begin()
  }

  type(edits: readonly Edit[]): void {
    this.#edits.push(...edits)
    this.#begin()
  }

  /** Resolves when all is written, or given up. */
  async written(): Promise<void> {
    await this.#work
  }

  async end(): Promise<void> {
    await this.#work
    await this.#forget()
  }

  #begin(): void {
    if (!this.#isAtWork && this.#newest !== undefined) this.#work = this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    this.#isAtWork = true
    const { signal, told } = this.#options
    const isOver = (): boolean => signal.aborted
    // What is typed in one go comes in several pieces.
    await Promise.resolve()
    while (this.#edits.length > 0 && !isOver()) {
      try {
        await this.#writeOnce()
      } catch (error) {
        if (isOver()) break
        if (!(error instanceof LamportError)) throw error
        told(`${error.message}; what was typed last is not written yet, trying again`)
        await this.#forget()
        await pause(AGAIN_MS, signal)
      }
    }
    this.#isAtWork = false
  }

  async #writeOnce(): Promise<void> {
    const { name, told } = this.#options
    const variables = await this.#open()
    if (this.#doubt !== undefined) await this.#resolve(variables, this.#doubt)
    const [newest, edits] = [this.#newest, [...this.#edits]]
    if (newest === undefined || edits.length === 0) return
    const before = newest.bytes ?? Buffer.alloc(0)
    const { bytes, isFull } = apply(before, edits)
    this.#hasLeftOut ||= isFull
    if (isFull) told('the variable is full: what was typed last is left out (Backspace makes room)')
    if (bytes.equals(before)) {
      this.#edits.splice(0, edits.length)
      return
    }
    try {
      const options = { ifVersion: newest.version, waitMs: WAIT_MS }
      this.#wrote(await variables.set(name, bytes, options), edits)
      if (!isFull) told(undefined)
    } catch (error) {
      const outcome = outcomeOf(error)
      if (outcome?.type === 'differs') {
        // Whatever it is: the next write rests on it.
        this.#newest = outcome.current
        this.#options.changed(outcome.current)
        return
      }
      if (outcome?.type === 'unknown') this.#doubt = { version: newest.version + 1, bytes, edits }
      throw error
    }
  }

  #wrote(entry: Entry, edits: readonly Edit[]): void {
    // First they are no longer waiting, then it is shown.
    this.#edits.splice(0, edits.length)
    this.seen(entry)
  }

  /**
   * A `get` settles what was under way: after it, the version that we tried to write is ours, is
   * someone else's, or will never be.
   */
  async #resolve(variables: Variables, doubt: Doubt): Promise<void> {
    const { name, told } = this.#options
    const now = await variables.get(name, { waitMs: WAIT_MS })
    const past = now.version <= doubt.version ? [now] : await variables.history(name)
    const written = [now, ...past].find(({ version }) => version === doubt.version)
    const isOurs = written?.writer?.host === variables.host && isWriteOf(doubt, written)
    this.#doubt = undefined
    if (isOurs) this.#edits.splice(0, doubt.edits.length)
    const isLost = now.version > doubt.version && written === undefined
    if (isOurs) told('a write without an answer has taken effect after all')
    else if (isLost) told('a write without an answer cannot be told apart: it is made again')
    else told('a write without an answer took no effect: it is made again')
    this.seen(now)
  }

  async #open(): Promise<Variables> {
    if (this.#variables !== undefined) return this.#variables
    const { socket, signal } = this.#options
    const variables = await Variables.open(socket, signal)
    signal.addEventListener('abort', () => void variables.close())
    this.#variables = variables
    return variables
  }

  async #forget(): Promise<void> {
    const variables = this.#variables
    this.#variables = undefined
    await variables?.close()
  }
}

/** A host may no longer have the value itself. */
function isWriteOf(
  doubt: Doubt,
  { bytes, size }: Entry & { readonly size?: number | undefined },
): boolean {
  return bytes === undefined ? size === doubt.bytes.length : bytes.equals(doubt.bytes)
}
