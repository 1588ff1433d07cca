import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The bundle, as it is installed. */
export const LAMPORTCTL: string = fileURLToPath(new URL('../../lamportctl.cjs', import.meta.url))

export type RunOptions = {
  readonly socket?: string
  readonly env?: Readonly<Record<string, string>>
  /** Written to its stdin, which is then closed; without it stdin stays open. */
  readonly input?: string
  readonly stdio?: StdioOptions
  /** By default node, on the bundle. */
  readonly via?: readonly string[]
}

/** A lamportctl that runs, without a controlling terminal. */
export class Running {
  readonly process: ChildProcess
  /** With its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>
  stdout = ''
  stderr = ''
  #watchers: (() => void)[] = []

  constructor(process: ChildProcess) {
    this.process = process
    process.stdout?.on('data', chunk => this.#grow('stdout', String(chunk)))
    process.stderr?.on('data', chunk => this.#grow('stderr', String(chunk)))
    this.ended = once(process, 'close').then(([code, signal]: unknown[]) =>
      typeof code === 'number' ? code : String(signal),
    )
  }

  get pid(): number {
    return this.process.pid!
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  /** Resolves with what `pattern` matches on stdout, as soon as it does. */
  says(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(this[where])
        if (match !== null) resolve(match)
      }
      this.#watchers.push(look)
      look()
      void this.ended.then(code => {
        look()
        reject(new Error(`ended with ${code}: ${this.stdout}${this.stderr}`))
      })
    })
  }

  #grow(where: 'stdout' | 'stderr', text: string): void {
    this[where] += text
    for (const look of this.#watchers) look()
  }
}

export function lamportctl(args: readonly string[], options: RunOptions = {}): Running {
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env }
  delete env.LAMPORT_SOCKET
  if (options.socket !== undefined) env.LAMPORT_SOCKET = options.socket
  const [file, ...before] = options.via ?? [process.execPath, LAMPORTCTL]
  const child = spawn(file!, [...before, ...args], {
    env,
    detached: true,
    stdio: options.stdio ?? 'pipe',
  })
  child.stdin?.on('error', () => undefined)
  if (options.input !== undefined) child.stdin?.end(options.input)
  return new Running(child)
}
