import { monotonicNow } from '../control/monotonic.ts'
import { ErrorCode } from '../control/protocol.ts'
import type { ErrorObject } from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { after, elapsed, milliseconds } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import { nameOfProcess, Processes, type ProcessName } from './processes.ts'
import type { Of } from './requests.ts'

/** Enough for the scripts of a small box; whoever takes more forgets to release. */
export const DETACHED_MAX = 1000

/** How long a lock lasts that belongs to no connection. */
export type Detachment = {
  readonly ttl: Duration
  /** With whose death it ends. */
  readonly process: ProcessName | undefined
}

type Entry = {
  readonly end: Instant
  timer: NodeJS.Timeout | undefined
}

/** Locks that belong to this host and not to a connection: until their time, or their process, ends. */
export class Detached {
  readonly #entries = new Map<Token, Entry>()
  readonly #ended: (token: Token) => void
  readonly #processes = new Processes(token => this.#end(token))

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
    const entry: Entry = { end: after(monotonicNow(), ttl), timer: undefined }
    this.#entries.set(token, entry)
    this.#arm(token, entry)
    if (process !== undefined) this.#processes.add(token, process)
  }

  remove(token: Token): void {
    const entry = this.#entries.get(token)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    this.#entries.delete(token)
    this.#processes.remove(token)
  }

  #arm(token: Token, entry: Entry): void {
    const wait = Math.ceil(elapsed(monotonicNow(), entry.end))
    entry.timer = setTimeout(() => {
      // Timers are whole milliseconds of another reading: they may be early.
      if (monotonicNow() < entry.end) this.#arm(token, entry)
      else this.#end(token)
    }, wait).unref()
  }

  #end(token: Token): void {
    this.remove(token)
    this.#ended(token)
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
