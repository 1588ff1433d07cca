import { LamportError, type Client, type Lock, type Variable } from '../../client/client.ts'
import {
  formatRuns,
  isDue,
  parseRuns,
  stampOf,
  withoutRun,
  withRun,
  type Runs,
  type Stamp,
  type Wanted,
} from './record.ts'

/** How often a change is tried that others came before, or whose fate is not known. */
const TRIES_MAX = 5

/** The variable holds what `once` did not write. */
export class ForeignRecord extends Error {
  override readonly name = 'ForeignRecord'
}

/** What the variable says. */
export type Look = {
  readonly runs: Runs
  readonly version: number
  readonly isDue: boolean
  /** Who had it last, where that is known. */
  readonly stamp: Stamp | undefined
}

/** What has become of a claim. */
export type Claimed =
  | { readonly type: 'ours' }
  | { readonly type: 'not-due'; readonly stamp: Stamp | undefined }
  /** It may be written, or may yet be. */
  | { readonly type: 'unknown'; readonly reason: string }

/** Which periods and keys of one name are used: a variable, written under the lock of that name. */
export class Ledger {
  readonly #client: Client
  readonly #variable: string
  readonly #wanted: Wanted
  readonly #now: () => number

  /** @param now the wall clock, in milliseconds of the epoch */
  constructor(client: Client, variable: string, wanted: Wanted, now: () => number) {
    this.#client = client
    this.#variable = variable
    this.#wanted = wanted
    this.#now = now
  }

  /** As a majority has it. */
  async look(waitMs: number | undefined, signal: AbortSignal): Promise<Look> {
    return this.judge(await this.#client.get(this.#variable, { waitMs, signal }))
  }

  judge({ value, version }: Variable): Look {
    const runs = parseRuns(value)
    if (runs === undefined) {
      const advice = `lamportctl get ${this.#variable}; to begin anew: lamportctl unset ${this.#variable}`
      const what = `the variable ${this.#variable} holds something that once has not written`
      throw new ForeignRecord(`${what} (${advice})`)
    }
    const stamp = stampOf(runs, this.#wanted)
    return { runs, version, isDue: isDue(runs, this.#wanted, this.#now()), stamp }
  }

  /**
   * Uses the period or the key for the holder of this lock. It is ours only if a majority has it on
   * disk: where an answer is missing, what stands there is read, and written again if it is not
   * there, by the same version, so that not both can take effect.
   */
  async claim(lock: Lock): Promise<Claimed> {
    const mine: Stamp = {
      started: this.#now(),
      host: this.#client.host.name,
      token: lock.token,
    }
    let doubt: string | undefined
    for (let tries = 0; tries < TRIES_MAX && lock.isHeld; tries++) {
      try {
        const found = this.judge(await this.#client.get(this.#variable))
        if (isSame(found.stamp, mine)) return { type: 'ours' }
        // Ours, if it is under way still, was for another version: it comes to nothing.
        if (!found.isDue) return { type: 'not-due', stamp: found.stamp }
        await this.#write(withRun(found.runs, this.#wanted, mine), found.version)
        return { type: 'ours' }
      } catch (error) {
        if (!isLamport(error)) throw error
        if (error.code === 'uncertain') doubt = error.message
        else if (error.code !== 'versionDiffers' && doubt === undefined) throw error
      }
    }
    if (doubt !== undefined) return { type: 'unknown', reason: doubt }
    lock.lost.throwIfAborted()
    if (!lock.isHeld) throw new LamportError('expired', 'the lock ran out before anything was run')
    throw new LamportError(
      'busy',
      `${this.#variable} is written by others all the time (try again)`,
    )
  }

  /** Makes it due again, if it is still ours; else what keeps it from being so. */
  async giveBack(lock: Lock): Promise<string | undefined> {
    let reason = 'it is written by others all the time'
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        const found = this.judge(await this.#client.get(this.#variable))
        if (found.stamp?.token !== lock.token) return undefined
        await this.#write(withoutRun(found.runs, this.#wanted), found.version)
        return undefined
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error)
        if (!isLamport(error)) return reason
        if (error.code !== 'uncertain' && error.code !== 'versionDiffers') return reason
      }
    }
    return reason
  }

  async #write(runs: Runs, ifVersion: number): Promise<void> {
    const text = formatRuns(runs)
    if (text === undefined) await this.#client.unset(this.#variable, { ifVersion })
    else await this.#client.set(this.#variable, text, { ifVersion })
  }
}

function isSame(stamp: Stamp | undefined, mine: Stamp): boolean {
  return stamp?.token === mine.token && stamp.host === mine.host
}

function isLamport(error: unknown): error is LamportError {
  return error instanceof LamportError
}
