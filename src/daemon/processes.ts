import { readFileSync } from 'node:fs'
import type { Token } from '../core/clock.ts'

/** How often it is looked whether a process still lives: an end is noticed that much later. */
const LOOK_MS = 1000

/** A process for good: pids come again. */
export type ProcessName = { readonly pid: number; readonly started: string }

/** Processes with whose end a lock ends. */
export class Processes {
  readonly #processes = new Map<Token, ProcessName>()
  readonly #ended: (token: Token) => void
  #looking: NodeJS.Timeout | undefined

  /** @param ended its process is gone, and looked for no more */
  constructor(ended: (token: Token) => void) {
    this.#ended = ended
  }

  has(token: Token): boolean {
    return this.#processes.has(token)
  }

  add(token: Token, process: ProcessName): void {
    this.#processes.set(token, process)
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  remove(token: Token): void {
    this.#processes.delete(token)
    if (this.#processes.size > 0) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #look(): void {
    for (const [token, process] of [...this.#processes]) {
      if (isAlive(process)) continue
      this.remove(token)
      this.#ended(token)
    }
  }
}

/** Whether it is there, and the same one. */
export function isAlive({ pid, started }: ProcessName): boolean {
  return nameOfProcess(pid)?.started === started
}

/** proc_pid_stat(5): `undefined` where there is no such process, or nothing of it but its exit code. */
export function nameOfProcess(pid: number): ProcessName | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name stands in parentheses and may contain some itself.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state, started] = [fields[0], fields[19]]
    if (started === undefined || state === 'Z' || state === 'X') return undefined
    return { pid, started }
  } catch {
    return undefined
  }
}
