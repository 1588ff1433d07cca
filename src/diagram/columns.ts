import type { TraceEntry } from '../control/trace.ts'
import { requestOf, type Point } from './model.ts'

/** How far right of its send a delivery is, at least: no arrow points straight down. */
export const SLANT = 1

/** Characters of a label that a column has room for. */
export const COLUMN_CHARACTERS = 12

/** Requests of a queue that are told along the line; of more it is told how many. */
export const QUEUE_TOLD = 4

/** The column of what comes next on a line, if nothing from elsewhere moves it further right. */
export function gapBefore(
  last: Point | undefined,
  entry: TraceEntry | undefined,
  base: number,
): number {
  if (last === undefined) return 0
  return last.column + Math.max(gap(last.entry, entry), labelLength(last, base) / COLUMN_CHARACTERS)
}

/** About how long the queue and the replies are, told along the line. */
function labelLength({ queue, replies }: Point, base: number): number {
  if (queue.length <= 1 && replies.length === 0) return 0
  const longest = queue.reduce((most, token) => Math.max(most, tokenLength(token, base)), 0)
  const sets = replies.reduce((sum, { from }) => sum + 3 + 2 * from.length, 0)
  return Math.min(queue.length, QUEUE_TOLD + 1) * (longest + 1) + 1 + sets
}

/** Of a request's host and time. */
function tokenLength(token: number, base: number): number {
  const { host, time } = requestOf(token)
  return `${host}@${time - base}`.length
}

function gap(before: TraceEntry | undefined, entry: TraceEntry | undefined): number {
  if (entry === undefined) return 0.7
  switch (entry.type) {
    case 'send':
      // An answer leaves as soon as what it answers has come.
      return before?.type === 'deliver' ? 0.35 : 0.8
    case 'deliver':
      return 0.8
    case 'enter':
      return 0.55
    case 'leave': {
      const isEmpty = before?.type === 'enter' && before.token === entry.token
      return isEmpty ? Math.max(1, (entry.names.join(' ').length + 3) / COLUMN_CHARACTERS) : 0.8
    }
    case 'request':
      return 0.8
    default:
      return 1
  }
}
