import { readFileSync } from 'node:fs'
import { connect } from '../../client/client.ts'
import { Exit } from '../exit.ts'
import { Child, failureText } from './child.ts'
import { behindLinks, Draft, FileError, mannerOf, wrapped } from './files.ts'
import { fill, parseTemplate } from './template.ts'

export type Plan = {
  readonly template: string
  readonly destination: string
  readonly check: string | undefined
  readonly reload: string | undefined
  readonly lock: string | undefined
  readonly socket: string | undefined
  readonly signal: AbortSignal
}

/** What became of one rendering; `code` is what it would be to exit with. */
export type Rendered =
  | { readonly type: 'unchanged' }
  | { readonly type: 'replaced' }
  | { readonly type: 'failed'; readonly code: number; readonly message: string }

type Text = { readonly type: 'text'; readonly bytes: Buffer }

/** A file that is kept filled from a template. */
export class Rendering {
  readonly #plan: Plan
  #child: Child | undefined

  constructor(plan: Plan) {
    this.#plan = plan
  }

  /** Brings the file up to what `values` says by the time that it is replaced. */
  async run(values: () => ReadonlyMap<string, Buffer>): Promise<Rendered> {
    try {
      const made = this.#make(values())
      if (made.type !== 'text' || this.#isThere(made)) return asOutcome(made)
      const { lock } = this.#plan
      if (lock === undefined) return await this.#replace(made)
      return await this.#locked(lock, async () => {
        // Waiting may have taken long.
        const newest = this.#make(values())
        if (newest.type !== 'text' || this.#isThere(newest)) return asOutcome(newest)
        return this.#replace(newest)
      })
    } catch (error) {
      if (error instanceof FileError) return failed(Exit.output, error.message)
      throw error
    }
  }

  /** A signal for the command that runs now. */
  forward(signal: NodeJS.Signals): void {
    this.#child?.forward(signal)
  }

  #make(values: ReadonlyMap<string, Buffer>): Text | Rendered {
    const { template: path, destination } = this.#plan
    const template = parseTemplate(wrapped(path, 'cannot be read', () => readFileSync(path)))
    if ('problem' in template) return failed(Exit.data, `${path}: ${template.problem}`)
    const filled = fill(template, values)
    const kept = `${destination} is as it was`
    switch (filled.type) {
      case 'filled':
        return { type: 'text', bytes: Buffer.from(filled.text) }
      case 'unset': {
        const [first = ''] = filled.names
        const advice = `lamportctl set ${slashed(first)} VALUE, or {{#${first}}}…{{/${first}}}`
        return failed(Exit.notAcquired, `${filled.names.join(', ')} not set; ${kept} (${advice})`)
      }
      case 'not-text':
        return failed(
          Exit.data,
          `${filled.names.join(', ')} not UTF-8; ${kept} (no text, no template)`,
        )
    }
  }

  #isThere({ bytes }: Text): boolean {
    const destination = behindLinks(this.#plan.destination)
    try {
      return readFileSync(destination).equals(bytes)
    } catch {
      // It is not there, or is for writing it to say why not.
      return false
    }
  }

  /** Check, replace, reload. */
  async #replace({ bytes }: Text): Promise<Rendered> {
    const { check, reload, destination, signal } = this.#plan
    const path = behindLinks(destination)
    const draft = new Draft(path, bytes, mannerOf(path))
    try {
      const refused = check === undefined ? undefined : await this.#shell(check, draft.path)
      if (refused !== undefined) {
        const advice = 'mend the template or the variables'
        const message = `--check ${refused}; ${destination} is as it was (${advice})`
        return failed(Exit.notAcquired, message)
      }
      if (signal.aborted)
        return failed(Exit.notAcquired, `${destination} is as it was: interrupted`)
      draft.place()
    } finally {
      draft.discard()
    }
    const trouble = reload === undefined ? undefined : await this.#shell(reload, path)
    if (trouble === undefined) return { type: 'replaced' }
    const message = `${destination} was replaced, but --reload ${trouble}`
    return failed(Exit.notAcquired, `${message} (it is run again with the next change)`)
  }

  /** Runs a line of shell about the file; what went wrong with it, or `undefined`. */
  async #shell(line: string, path: string): Promise<string | undefined> {
    const command = ['/bin/sh', '-c', line.replaceAll('{}', () => quoted(path))]
    const env = { ...process.env, LAMPORT_RENDERED: path }
    this.#child = new Child(command, { env, input: Buffer.alloc(0) })
    const ended = await this.#child.ended
    this.#child = undefined
    return failureText(ended)
  }

  async #locked(name: string, work: () => Promise<Rendered>): Promise<Rendered> {
    const { socket, signal, destination } = this.#plan
    const client = await connect({ socket, signal })
    try {
      const lock = await client.lock(name, { signal, why: `render ${destination}`.slice(0, 100) })
      const stop = (): void => this.forward('SIGTERM')
      lock.lost.addEventListener('abort', stop)
      try {
        return await work()
      } finally {
        lock.lost.removeEventListener('abort', stop)
        await lock.release()
      }
    } finally {
      await client.close()
    }
  }
}

function asOutcome(made: Text | Rendered): Rendered {
  return made.type === 'text' ? { type: 'unchanged' } : made
}

function failed(code: number, message: string): Rendered {
  return { type: 'failed', code, message }
}

/** Only what the shell would take for something else: a user's own quotes around {} go on to work. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function slashed(name: string): string {
  return name.replaceAll('.', '/')
}
