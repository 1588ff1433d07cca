import { spawn } from 'node:child_process'
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** How long anything that must come about in the end may take, on a machine that is busy. */
const PATIENCE_MS = 30_000

/** How a process ended: its exit code, or the signal. */
export type Ending = number | NodeJS.Signals

/** The bundle that is shipped. */
export function program(name: 'lamportd' | 'lamportctl' | 'lamport-bank'): string {
  return fileURLToPath(new URL(`../../${name}.js`, import.meta.url))
}

/** Asks until the answer is true; throws, naming what it waited for, when patience ends. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  waitMs: number = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + waitMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`in ${waitMs} ms it did not come: ${what}`)
    await pause(2)
  }
}

/**
 * Told of every process and of a folder, it outlives a test that is killed: when its stdin ends, it
 * kills what still runs and removes the folder.
 */
export class Reaper {
  readonly #shell: ChildProcess
  readonly #running = new Set<ChildProcess>()

  constructor(t: ExecutionContext, folder: string) {
    const script = `
      pids=' '
      while read -r change pid; do
        case $change in
          +) pids="$pids$pid " ;;
          -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
        esac
      done
      for pid in $pids; do kill -KILL $pid 2>/dev/null; done
      rm -rf "$1"`
    this.#shell = spawn('/bin/sh', ['-c', script, 'reaper', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    t.teardown(async () => {
      const running = [...this.#running]
      for (const child of running) child.kill('SIGKILL')
      await Promise.all(running.map(child => ended(child)))
      this.#shell.stdin?.end()
      await ended(this.#shell)
      rmSync(folder, { recursive: true, force: true })
    })
  }

  watch(child: ChildProcess): void {
    const { pid } = child
    if (pid === undefined) return
    this.#running.add(child)
    this.#shell.stdin?.write(`+ ${pid}\n`)
    child.once('exit', () => {
      this.#running.delete(child)
      this.#shell.stdin?.write(`- ${pid}\n`)
    })
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** A program of ours whose output is kept, with no terminal, gone with the test. */
export class Program {
  readonly child: ChildProcessWithoutNullStreams
  /** When it has ended; what it started may still write. */
  readonly exited: Promise<Ending>
  /** When everybody who could write has ended, too. */
  readonly closed: Promise<Ending>
  stdout = ''
  stderr = ''
  #isClosed = false
  readonly #wakes = new Set<() => void>()

  /** @param via runs Node in a place of its own: `ip netns exec NAME`, `unshare` and the like */
  constructor(
    reaper: Reaper,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    via: readonly string[] = [],
  ) {
    const [file = '', ...rest] = [...via, process.execPath, ...args]
    const child = spawn(file, rest, {
      env: { PATH: process.env.PATH, ...env },
      stdio: 'pipe',
      detached: true,
    })
    this.child = child
    reaper.watch(child)
    child.stdin.on('error', () => undefined)
    child.stdout.on('data', text => {
      this.stdout += String(text)
      this.#wake()
    })
    child.stderr.on('data', text => {
      this.stderr += String(text)
      this.#wake()
    })
    this.exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as Ending)
    this.closed = once(child, 'close').then(([code, signal]) => {
      this.#isClosed = true
      this.#wake()
      return (code ?? signal) as Ending
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Waits for it to say this, on stdout or stderr; throws if it ends without. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr)
      if (match !== null) return match
      if (this.#isClosed) {
        const all = JSON.stringify(this.stdout + this.stderr)
        throw new Error(`it ended without ${String(pattern)}, having said ${all}`)
      }
      await new Promise<void>(resolve => this.#wakes.add(resolve))
    }
  }

  /** `[how it ended, stdout, stderr]`. */
  async outcome(): Promise<readonly [Ending, string, string]> {
    return [await this.closed, this.stdout, this.stderr]
  }

  #wake(): void {
    for (const wake of this.#wakes) wake()
    this.#wakes.clear()
  }
}
