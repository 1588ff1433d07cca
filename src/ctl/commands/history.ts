import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, print, printJson } from '../output.ts'
import { hasColours, heading, table, type Cell } from '../table.ts'
import type { Past } from '../variables/access.ts'
import { oneName, withVariables } from '../variables/line.ts'
import { shortValue, valueJson } from '../variables/show.ts'

/** Past versions of one variable. */
export const history: Command = command(
  {
    name: 'history',
    operands: ['variable'],
    usage: ['history NAME'],
    summary: 'Shows the last versions of a variable, as this host knows them, the newest first.',
    options: {},
    examples: [
      ['lamportctl history fan/speed', 'who wrote what, in which order'],
      ['lamportctl --json history fan/speed', 'for programs, with whole values'],
    ],
    notes:
      'TIME is the Lamport time of the write. VALUE is - where this host no longer has it, and ' +
      'unset where it was taken away.',
    exits: [['1', 'it was never set']],
    order: 'anywhere',
  },
  async (options, operands) => {
    const named = oneName('history', operands)
    if ('problem' in named) return usageError('history', named.problem)
    const list = await withVariables(options, variables => variables.history(named.name))
    if (options.flag('json')) printJson(list.map(historyJson))
    else if (list.length > 0) print(historyText(list))
    if (list.length > 0) return Exit.done
    complain(`${named.name} was never set (lamportctl vars lists what is set)`)
    return Exit.notAcquired
  },
)

function historyJson({ name, bytes, version, writer, size }: Past): object {
  const value = bytes === undefined ? {} : { value: valueJson(bytes) }
  const about = size === undefined ? { deleted: true } : { size }
  return { name, ...value, ...about, version, writer: writer ?? null }
}

function historyText(list: readonly Past[]): string {
  const rows: Cell[][] = [heading('VERSION', 'HOST', 'TIME', 'SIZE', 'VALUE')]
  for (const { version, writer, size, bytes } of list) {
    const value = bytes === undefined ? '-' : shortValue(bytes)
    rows.push([
      String(version),
      writer?.host ?? '-',
      writer === undefined ? '-' : String(writer.time),
      size === undefined ? '-' : String(size),
      size === undefined ? 'unset' : value,
    ])
  }
  return table(rows, hasColours(1))
}
