import { isatty } from 'node:tty'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'
import { hasColours, heading, table, type Cell } from '../table.ts'
import type { Entry } from '../variables/access.ts'
import { withVariables } from '../variables/line.ts'
import { entryJson, shortValue } from '../variables/show.ts'

/** What is set. */
export const vars: Command = command(
  {
    name: 'vars',
    operands: ['prefix'],
    usage: ['vars [PREFIX]'],
    summary: 'Lists the variables that are set, as this host knows them, by name.',
    options: {},
    examples: [
      ['lamportctl vars', 'all of them'],
      ['lamportctl vars fan/', 'those whose names begin with fan/'],
      ['lamportctl --json vars', 'for programs, with their values'],
    ],
    notes: 'On a terminal the beginning of each value is shown as well.',
    order: 'anywhere',
  },
  async (options, operands) => {
    const [prefix = '', ...more] = operands
    if (more.length > 0) return usageError('vars', 'vars takes one PREFIX at most')
    const isJson = options.flag('json')
    const hasValues = isJson || isatty(1)
    const list = await withVariables(options, variables => variables.list(prefix, hasValues))
    if (isJson) printJson(list.map(entry => ({ ...entryJson(entry), size: entry.size })))
    else print(varsText(list, prefix, hasValues))
    return Exit.done
  },
)

type Listed = Entry & { readonly size: number }

function varsText(list: readonly Listed[], prefix: string, hasValues: boolean): string {
  if (list.length === 0) {
    return prefix === '' ? 'no variable is set' : `no variable is set that begins with ${prefix}`
  }
  const titles = ['NAME', 'VERSION', 'SIZE', 'HOST', ...(hasValues ? ['VALUE'] : [])]
  const rows: Cell[][] = [heading(...titles)]
  for (const { name, version, size, writer, bytes } of list) {
    const value = bytes === undefined ? '-' : shortValue(bytes)
    const about = [name, String(version), String(size), writer?.host ?? '-']
    rows.push([...about, ...(hasValues ? [value] : [])])
  }
  return table(rows, hasColours(1))
}
