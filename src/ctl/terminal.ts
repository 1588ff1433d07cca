import { closeSync, openSync } from 'node:fs'

/** Whether a terminal controls us: it then sends its own signals to all in the foreground. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r+'))
    return true
  } catch {
    return false
  }
}
