import { isUtf8 } from 'node:buffer'
import type { Entry } from './access.ts'
import { Child, failureText } from './child.ts'
import type { Change } from './follow.ts'

/**
 * Runs a command for each change, one at a time. What comes while it runs is kept, the newest of
 * each name; a value that is what the command was told last is no change.
 */
export class Hook {
  readonly #command: readonly string[]
  readonly #failed: (message: string) => void
  /** What the command knows: was told, or found when we began. */
  readonly #told = new Map<string, Entry>()
  readonly #waiting = new Map<string, Change>()
  #child: Child | undefined
  #work: Promise<void> = Promise.resolve()
  #isAtWork = false
  #isOver = false

  constructor(command: readonly string[], failed: (message: string) => void) {
    this.#command = command
    this.#failed = failed
  }

  /** Something that is so already, of which the command need not be told. */
  know(entry: Entry): void {
    this.#told.set(entry.name, entry)
  }

  take(change: Change): void {
    this.#waiting.set(change.name, change)
    if (!this.#isAtWork) this.#work = this.#runAll()
  }

  /** A signal for what runs. */
  forward(signal: NodeJS.Signals): void {
    this.#child?.forward(signal)
  }

  /** Runs nothing more; resolves when what runs has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#isOver = true
    this.forward(signal)
    await this.#work
  }

  async #runAll(): Promise<void> {
    this.#isAtWork = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const old = this.#told.get(next.name)
      this.#told.set(next.name, next)
      if (next.isInitial || !isSame(old, next)) await this.#run(next, old)
    }
    this.#isAtWork = false
  }

  /** The first by name. */
  #next(): Change | undefined {
    if (this.#isOver) return undefined
    const [name] = [...this.#waiting.keys()].sort()
    const change = name === undefined ? undefined : this.#waiting.get(name)
    if (name !== undefined) this.#waiting.delete(name)
    return change
  }

  async #run(change: Change, old: Entry | undefined): Promise<void> {
    const env = { ...inherited(), ...environment(change, old) }
    this.#child = new Child(this.#command, { env, input: change.bytes ?? Buffer.alloc(0) })
    const ended = await this.#child.ended
    this.#child = undefined
    const failure = failureText(ended)
    if (failure === undefined) return
    const what = `version ${change.version} of ${change.name}`
    this.#failed(
      `${this.#command[0] ?? ''} ${failure}, for ${what} (it is run again for the next change)`,
    )
  }
}

function isSame(old: Entry | undefined, { bytes }: Entry): boolean {
  if (old?.bytes === undefined || bytes === undefined) return old?.bytes === bytes
  return old.bytes.equals(bytes)
}

/** A watch within a watch tells of its own. */
function inherited(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('LAMPORT_VAR_'))
  return Object.fromEntries(kept)
}

function environment(change: Change, old: Entry | undefined): NodeJS.ProcessEnv {
  return {
    LAMPORT_VAR_NAME: change.name,
    LAMPORT_VAR_VERSION: String(change.version),
    ...(change.bytes === undefined ? { LAMPORT_VAR_DELETED: '1' } : {}),
    ...valueEnvironment('LAMPORT_VAR_VALUE', change.bytes),
    ...valueEnvironment('LAMPORT_VAR_OLD_VALUE', change.isInitial ? undefined : old?.bytes),
  }
}

/** The longest value, in base64, is shorter than the longest string that Linux gives to a command. */
function valueEnvironment(name: string, bytes: Buffer | undefined): NodeJS.ProcessEnv {
  if (bytes === undefined) return {}
  const isText = isUtf8(bytes) && !bytes.includes(0)
  return isText ? { [name]: bytes.toString() } : { [`${name}_BASE64`]: bytes.toString('base64') }
}
