import { fstatSync } from 'node:fs'

/** Important events, one line each: the thing, the reason, the next step. */
export type Log = {
  info(text: string): void
  warning(text: string): void
  error(text: string): void
}

/** Priorities of sd-daemon(3), understood by the journal at the head of a line. */
const PRIORITY = { info: '<6>', warning: '<4>', error: '<3>' } as const

/** A log whose lines go to `write`; `isJournal`: with priorities, without our name in front. */
export function createLog(write: (line: string) => void, isJournal: boolean): Log {
  const log = (level: keyof typeof PRIORITY, text: string): void => {
    // A line break in a text of others must not look like a line of ours.
    const line = text.trim().replace(/\s*[\r\n]+\s*/g, ' | ')
    write(isJournal ? `${PRIORITY[level]}${line}\n` : `lamportd: ${line}\n`)
  }
  return {
    info: text => log('info', text),
    warning: text => log('warning', text),
    error: text => log('error', text),
  }
}

/**
 * Whether stderr is the journal's: $JOURNAL_STREAM names the device and inode of its stream, and is
 * inherited by shells whose stderr is a terminal (systemd.exec(5)).
 */
export function stderrIsJournal(): boolean {
  const stream = process.env.JOURNAL_STREAM
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(2)
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}
