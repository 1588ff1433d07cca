/** What the line is about, before any option of a command is read. */
export type Found =
  | { readonly type: 'command'; readonly name: string; readonly args: readonly string[] }
  | { readonly type: 'help' | 'version' | 'nothing' }
  | { readonly type: 'usage'; readonly problem: string }

/** Finds the command; the global options before it are put in front of its own. */
export function findCommand(args: readonly string[]): Found {
  const globals: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (arg === '--help' || arg === '-h') return { type: 'help' }
    if (arg === '--version') return { type: 'version' }
    if (arg === '--json' || arg.startsWith('--socket=')) {
      globals.push(arg)
    } else if (arg === '--socket') {
      const path = args[++at]
      if (path === undefined) return { type: 'usage', problem: '--socket needs a path' }
      globals.push(`--socket=${path}`)
    } else if (arg.startsWith('-')) {
      return { type: 'usage', problem: `unknown option ${arg} (see lamportctl --help)` }
    } else if (arg === 'help') {
      const topic = args[at + 1]
      return topic === undefined
        ? { type: 'help' }
        : { type: 'command', name: topic, args: ['--help'] }
    } else {
      return { type: 'command', name: arg, args: [...globals, ...args.slice(at + 1)] }
    }
  }
  return { type: 'nothing' }
}

/** Nothing longer is a slip of the fingers. */
const TYPED_MAX = 32

/** The word that `typed` was probably meant to be, if one is near enough. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  if (typed.length > TYPED_MAX) return undefined
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(typed.length / 3)) + 1
  for (const word of words) {
    const distance = editDistance(typed, word)
    if (distance < bestDistance) [best, bestDistance] = [word, distance]
  }
  return best
}

/** Letters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const costs = [
        cell(rows, i - 1, j) + 1,
        (row[j - 1] ?? 0) + 1,
        cell(rows, i - 1, j - 1) + same,
      ]
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        costs.push(cell(rows, i - 2, j - 2) + 1)
      }
      row.push(Math.min(...costs))
    }
    rows.push(row)
  }
  return cell(rows, a.length, b.length)
}

function cell(rows: readonly (readonly number[])[], row: number, column: number): number {
  return rows[row]?.[column] ?? 0
}
