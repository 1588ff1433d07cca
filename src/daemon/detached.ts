import { readFileSync } from 'node:fs'
import { monotonicNow } from '../control/monotonic.ts'
import { ErrorCode } from '../control/protocol.ts'
import type { ErrorObject } from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { after, elapsed, milliseconds } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { Of } from './requests.ts'

/** Enough for the scripts of a small box; whoever takes more forgets to release. */
export const DETACHED_MAX = 1000

/** How often it is looked whether a process still lives: an end is noticed that much later. */
const LOOK_MS = 1000

/** How long a lock lasts that belongs to no connection. */
export type Detachment = {
  readonly ttl: Duration
  /** With whose death it ends. */
  readonly process: ProcessName | undefined
}

/** A process for good: pids come again. */
export type ProcessName = { readonly pid: number; readonly started: string }

type Entry = {
  readonly end: Instant
  readonly process: ProcessName | undefined
  timer: NodeJS.Timeout | undefined
}

/** Locks that belong to this host and not to a connection: until their time, or their process, ends. */
export class Detached {
  readonly #entries = new Map<Token, Entry>()
  readonly #ended: (token: Token) => void
  #looking: NodeJS.Timeout | undefined

  /** @param ended its time is over, or its process gone; it is on these books no more */
  constructor(ended: (token: Token) => void) {
    this.#ended = ended
  }

  get isFull(): boolean {
    return this.#entries.size >= DETACHED_MAX
  }

  has(token: Token): boolean {
    return this.#entries.has(token)
  }

  /** What is left of its time, or `undefined` where it is none of these. */
  left(token: Token): Duration | undefined {
    const entry = this.#entries.get(token)
    return entry && milliseconds(Math.max(0, elapsed(monotonicNow(), entry.end)))
  }

  add(token: Token, { ttl, process }: Detachment): void {
    const entry: Entry = { end: after(monotonicNow(), ttl), process, timer: undefined }
    this.#entries.set(token, entry)
    this.#arm(token, entry)
    if (process === undefined) return
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  remove(token: Token): void {
    const entry = this.#entries.get(token)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    this.#entries.delete(token)
    const isWatched = [...this.#entries.values()].some(({ process }) => process !== undefined)
    if (isWatched) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #arm(token: Token, entry: Entry): void {
    const wait = Math.ceil(elapsed(monotonicNow(), entry.end))
    entry.timer = setTimeout(() => {
      // Timers are whole milliseconds of another reading: they may be early.
      if (monotonicNow() < entry.end) this.#arm(token, entry)
      else this.#end(token)
    }, wait).unref()
  }

  #look(): void {
    for (const [token, { process }] of [...this.#entries]) {
      if (process !== undefined && nameOfProcess(process.pid)?.started !== process.started) {
        this.#end(token)
      }
    }
  }

  #end(token: Token): void {
    this.remove(token)
    this.#ended(token)
  }
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

/** With whose death it ends is known by its start as well; or why that cannot be. */
export function detachmentOf({ detached }: Of<'acquire'>): Detachment | ErrorObject | undefined {
  if (detached === undefined) return undefined
  const { ttl, pid } = detached
  const process = pid === undefined ? undefined : nameOfProcess(pid)
  if (pid === undefined || process !== undefined) return { ttl, process }
  const message = `there is no process ${pid} that lamportd could see (is it of this machine?)`
  return { code: ErrorCode.invalidParams, message }
}
