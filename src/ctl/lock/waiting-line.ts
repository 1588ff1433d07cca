import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import type { Client } from '../../client/client.ts'
import type { HolderEntry, WhyResult } from '../../control/protocol.ts'
import { humanDuration, type Notes } from '../output.ts'
import { cutEnd } from '../width.ts'

const STDERR = 2

/** Who is served at once sees nothing. */
const PATIENCE_MS = 1000

/** How often the line is drawn anew, and the daemon asked. */
const REDRAW_MS = 500

/** Of so many names it is asked why they are not to be had. */
const NAMES_MAX = 8

/** How long the terminal may take to lose the line before the command has it. */
const ERASE_MS = 200

/** Columns where the terminal does not say how many it has. */
const COLUMNS = 80

/**
 * What one waits for, on a terminal: a line on stderr that goes when the wait is over. Never in a
 * pipe or a file, so that cron has nothing to mail; nor while the shell has put us into the
 * background, where it would stand in what is typed.
 */
export class WaitingLine {
  readonly #client: Client
  readonly #names: readonly string[]
  readonly #notes: Notes
  #timer: NodeJS.Timeout | undefined
  #isDrawn = false
  #isOver = false

  constructor(client: Client, names: readonly string[], notes: Notes) {
    this.#client = client
    this.#names = names
    this.#notes = notes
    if (!isatty(STDERR) || process.env.TERM === 'dumb') return
    this.#timer = setTimeout(() => void this.#draw(), PATIENCE_MS)
  }

  /** Resolves when it is gone. */
  async end(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    if (!this.#isDrawn) return
    this.#notes.live(undefined)
    await this.#notes.flush(ERASE_MS)
  }

  async #draw(): Promise<void> {
    const asked = this.#names.slice(0, NAMES_MAX).map(name => this.#client.why(name))
    // Where the daemon is gone, whoever waits for the lock says so.
    const answers = await Promise.all(asked).catch(() => [])
    if (this.#isOver) return
    const stuck = answers.find(({ holders }) => holders.length > 0) ?? answers[0]
    if (stuck !== undefined && isInForeground()) {
      this.#isDrawn = true
      const text = waitingText(stuck, { host: this.#client.host.name, pid: process.pid })
      // The last column stays free: some terminals go to the next line when it is filled.
      this.#notes.live(cutEnd(text, (process.stderr.columns || COLUMNS) - 1))
    }
    this.#timer = setTimeout(() => void this.#draw(), REDRAW_MS)
  }
}

/** `backup: 1 before us; held by pi on attic for 65 s: rsync -a /home nas:` */
export function waitingText(
  { name, reasons, holders, waiters }: WhyResult,
  us: { readonly host: string; readonly pid: number },
): string {
  const own = waiters.find(({ host, pid }) => host === us.host && pid === us.pid)
  const parts: string[] = []
  // What the table below `why` says as well is left out of its sentences.
  parts.push(...reasons.filter(reason => !/^(held by .*|\d+ waiting)$/.test(reason)))
  const [holder, ...others] = holders
  if (own !== undefined && own.position > 0) parts.push(`${own.position} before us`)
  if (holder !== undefined) {
    const more = others.length === 0 ? '' : ` and ${others.length} more`
    parts.push(`held by ${holderText(holder)}${more}`)
  }
  return `waiting for ${name}${parts.length === 0 ? '' : `: ${parts.join('; ')}`}`
}

function holderText({ host, user, sinceMs, command, why }: HolderEntry): string {
  const who = user === undefined ? host : `${user} on ${host}`
  const what = why ?? command
  return `${who} for ${humanDuration(sinceMs)}${what === undefined ? '' : ` (${what})`}`
}

/** proc_pid_stat(5): our group, and the one that the terminal belongs to. */
function isInForeground(): boolean {
  try {
    const text = readFileSync('/proc/self/stat', 'latin1')
    const [, , group, , , foreground] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return group === foreground
  } catch {
    return false
  }
}
