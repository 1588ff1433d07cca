import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const main = fileURLToPath(new URL('../../src/daemon/main.js', import.meta.url))

/** A lamportd in a process of its own. */
export class DaemonProcess {
  readonly child: ChildProcess
  readonly exited: Promise<number | NodeJS.Signals>
  stderr = ''
  stdout = ''
  #wake: () => void = () => undefined

  constructor(t: ExecutionContext, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const env = { PATH: process.env.PATH, ...environment }
    const child = spawn(process.execPath, [main, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child = child
    child.stdout.on('data', text => (this.stdout += String(text)))
    child.stderr.on('data', text => {
      this.stderr += String(text)
      this.#wake()
    })
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.#wake()
      return (code ?? signal) as number | NodeJS.Signals
    })
    // Gone before its folder is: the next folder may get the same inode, which names its lock.
    t.teardown(async () => {
      child.kill('SIGKILL')
      await this.exited
    })
  }

  /** Waits for a line of the log; throws if the process ends without it. */
  async said(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`lamportd ended without ${String(pattern)}: ${this.stderr}`)
      }
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }
}
