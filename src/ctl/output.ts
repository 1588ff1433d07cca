import { write, writeSync } from 'node:fs'
import { Exit } from './exit.ts'

// Descriptors are written directly. `process.stdout` and `process.stderr` would make pipes
// non-blocking, and a command that is run shares them.
const STDOUT = 1
const STDERR = 2

/** How long a reader that cannot take more at once is left alone. */
const FULL_MS = 5

/** Everything about failure, for people: one line on stderr. */
export function complain(message: string): void {
  writeAll(STDERR, complaint(message))
}

/** For people, on stdout. */
export function print(text: string): void {
  writeAll(STDOUT, text + '\n')
}

/** A value as it is. */
export function printBytes(bytes: Uint8Array): void {
  writeAll(STDOUT, bytes)
}

/** What a command that follows something has to say: a reader that has gone is its proper end. */
export function stream(what: string | Uint8Array): void {
  writeAll(STDOUT, what, Exit.done)
}

/** For programs: one document a line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/**
 * Lines that must never hold up what is to be done: where nobody reads stderr, a write waits, and a
 * deadline with it.
 */
export class Notes {
  #written: Promise<void> = Promise.resolve()

  complain(message: string): void {
    this.#write(complaint(message))
  }

  json(value: unknown): void {
    this.#write(JSON.stringify(value) + '\n')
  }

  /** Resolves when all is written, or after `waitMs`. */
  async flush(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, waitMs)))
    await Promise.race([this.#written, late])
    clearTimeout(timer)
  }

  #write(line: string): void {
    const next = (): Promise<void> => new Promise(resolve => write(STDERR, line, () => resolve()))
    this.#written = this.#written.then(next)
  }
}

function complaint(message: string): string {
  return `lamportctl: ${printable(message)}\n`
}

function writeAll(
  descriptor: number,
  what: string | Uint8Array,
  goneCode: number = Exit.pipe,
): void {
  let rest = Buffer.from(what)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      // Someone else made it non-blocking.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS)
      else if (descriptor === STDERR) return
      // The reader has gone (`lamportctl locks | head -1`): as if SIGPIPE had ended us.
      else if (code === 'EPIPE') process.exit(goneCode)
      else {
        complain(`the output cannot be written: ${String(code)} (is the disk full?)`)
        process.exit(Exit.output)
      }
    }
  }
}

/**
 * What comes from other hosts is shown, never obeyed: no control character reaches the terminal,
 * nor one that turns the direction of what follows.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

/** Columns as wide as their widest cell, two spaces between, none at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, width(cell))))
  }
  return rows
    .map(row => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join('  '))
    .map(line => line.trimEnd())
    .join('\n')
}

function pad(cell: string, columns: number): string {
  return printable(cell) + ' '.repeat(columns - width(cell))
}

/** Characters as people count them; wide ones count as one. */
function width(cell: string): number {
  return Array.from(cell).length
}

/** `0.25 s`, `12 s`, `3 min`, `5 h`, `2 d`: what one glance takes in. */
export function humanDuration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 10) return `${seconds.toFixed(2)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** `1 variable`, `3 variables`. */
export function counted(variables: number): string {
  return `${variables} variable${variables === 1 ? '' : 's'}`
}
