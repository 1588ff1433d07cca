import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { send } from '../lock/family.ts'
import { hasTerminal } from '../terminal.ts'

/** How a command ended. */
export type Ended =
  | { readonly type: 'exit'; readonly code: number }
  | { readonly type: 'signal'; readonly signal: NodeJS.Signals }
  /** It could not be run at all. */
  | { readonly type: 'failed'; readonly isMissing: boolean; readonly reason: string }

export type ChildOptions = {
  readonly env: NodeJS.ProcessEnv
  /** Its stdin; without it the child has ours. */
  readonly input?: Buffer
  readonly stdio?: StdioOptions
}

/** A command that runs beside us. */
export class Child {
  readonly ended: Promise<Ended>
  readonly #pid: number | undefined
  /** Without a terminal it leads a group of its own: what ends it ends what it has started. */
  readonly #ownsGroup: boolean

  constructor([file, ...args]: readonly string[], { env, input, stdio }: ChildOptions) {
    this.#ownsGroup = stdio === undefined && !hasTerminal()
    const inputs: StdioOptions = [input === undefined ? 0 : 'pipe', 1, 2]
    let child: ChildProcess
    try {
      child = spawn(file ?? '', args, { env, stdio: stdio ?? inputs, detached: this.#ownsGroup })
    } catch (error) {
      this.ended = Promise.resolve(failed(error))
      return
    }
    const pid = child.pid
    this.#pid = pid
    this.ended = new Promise(resolve => {
      child.once('error', error => (pid === undefined ? resolve(failed(error)) : undefined))
      child.once('exit', (code, signal) =>
        resolve(signal === null ? { type: 'exit', code: code ?? 0 } : { type: 'signal', signal }),
      )
    })
    // A command need not read what it is given.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  }

  /** What a terminal has sent to us it has sent to the command as well. */
  forward(signal: NodeJS.Signals): void {
    const isFromTerminal = signal === 'SIGINT' || signal === 'SIGQUIT'
    if (this.#pid === undefined) return
    if (this.#ownsGroup) send(-this.#pid, signal)
    else if (!isFromTerminal || !hasTerminal()) send(this.#pid, signal)
  }
}

/** What is wrong with how a command ended; `undefined`: nothing. */
export function failureText(ended: Ended): string | undefined {
  switch (ended.type) {
    case 'exit':
      return ended.code === 0 ? undefined : `ended with exit code ${ended.code}`
    case 'signal':
      return `was ended by ${ended.signal}`
    case 'failed':
      return ended.isMissing ? 'was not found' : `cannot be run: ${ended.reason}`
  }
}

function failed(error: unknown): Ended {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return { type: 'failed', isMissing: code === 'ENOENT', reason: code }
}
