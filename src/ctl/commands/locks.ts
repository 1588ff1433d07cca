import type { HolderEntry, LocksResult } from '../../control/protocol.ts'
import { checkName } from '../../control/names.ts'
import { asking, command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { humanDuration, print, printJson } from '../output.ts'
import { hasColours, heading, table, type Cell } from '../table.ts'

/** Every lock in use. */
export const locks: Command = command(
  {
    name: 'locks',
    operands: ['lock'],
    usage: ['locks [NAME]'],
    summary: 'Lists the locks in use on all hosts: who holds them, who waits, in order.',
    options: {},
    examples: [
      ['lamportctl locks', 'all of them'],
      ['lamportctl locks backup', 'who holds backup, and who is next'],
      ['lamportctl --json locks', 'for programs'],
    ],
  },
  async (options, operands) => {
    const [name, ...more] = operands
    if (more.length > 0) return usageError('locks', 'locks takes one NAME at most')
    const problem = name === undefined ? undefined : checkName(name)
    if (problem !== undefined) return usageError('locks', problem)
    const result = await asking(options, client => client.locks(name))
    if (options.flag('json')) printJson(result)
    else print(locksText(result, name))
    return Exit.done
  },
)

/** The table that people read. */
export function locksText(result: LocksResult, name: string | undefined): string {
  if (result.length === 0) return name === undefined ? 'no lock is in use' : `${name} is free`
  const rows = [heading('NAME', 'STATE', 'HOST', 'MODE', 'TOKEN', 'FOR', 'USER', 'PID', 'WHAT')]
  for (const lock of result) {
    for (const holder of lock.holders) {
      rows.push([lock.name, holderState(holder), ...entryCells(holder)])
    }
    for (const waiter of lock.waiters) {
      rows.push([lock.name, `waits (${waiter.position})`, ...entryCells(waiter)])
    }
  }
  return table(rows, hasColours(1))
}

function holderState({ unattended, ttlMs, ghostMs }: HolderEntry): Cell {
  if (ttlMs !== undefined) {
    return { text: `held (ttl ${humanDuration(ttlMs)})`, colour: 'green' }
  }
  if (unattended === true) return { text: 'unattended', colour: 'yellow' }
  return ghostMs === undefined
    ? { text: 'held', colour: 'green' }
    : { text: 'ghost', colour: 'red' }
}

function entryCells(entry: HolderEntry): string[] {
  return [
    entry.host,
    entry.mode === 'count' ? `count ${entry.limit}` : entry.mode,
    String(entry.token),
    humanDuration(entry.sinceMs),
    entry.user ?? '-',
    entry.pid === undefined ? '-' : String(entry.pid),
    what(entry),
  ]
}

function what({ command: ran, why }: HolderEntry): string {
  if (ran === undefined) return why ?? '-'
  return why === undefined ? ran : `${ran} (${why})`
}
