import { spawn } from 'node:child_process'
import { signalExit } from '../exit.ts'
import { Family, send } from '../lock/family.ts'

const SHELL = '/bin/sh'

/** A line of shell in a session of its own: what is sent to us by a terminal does not reach it. */
export class Line {
  /** What is wrong with how it ended; `undefined`: nothing. */
  readonly ended: Promise<string | undefined>
  /** While it runs: afterwards the number may be another's. */
  #pid: number | undefined

  constructor(text: string, env: NodeJS.ProcessEnv) {
    const stdio = ['ignore', 1, 2] as ['ignore', number, number]
    const child = spawn(SHELL, ['-c', text], { env, stdio, detached: true })
    this.#pid = child.pid
    this.ended = new Promise(resolve => {
      child.once('error', error => resolve(`cannot be run: ${error.message}`))
      child.once('exit', (code, signal) => {
        this.#pid = undefined
        resolve(failureOf(code, signal))
      })
    })
  }

  /** Asks it to end. */
  signal(signal: NodeJS.Signals): void {
    if (this.#pid !== undefined) send(-this.#pid, signal)
  }

  /** It and all that it started; what it left behind when it ended is for others to end. */
  kill(): void {
    if (this.#pid !== undefined) new Family(this.#pid, true).kill()
  }
}

function failureOf(code: number | null, signal: NodeJS.Signals | null): string | undefined {
  if (signal !== null) return `was ended by ${signal} (${signalExit(signal)})`
  return code === 0 ? undefined : `ended with exit code ${code ?? '?'}`
}
