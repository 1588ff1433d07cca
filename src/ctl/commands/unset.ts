import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { printJson } from '../output.ts'
import {
  IF,
  oneName,
  versionOf,
  WAIT,
  waitOf,
  withVariables,
  WRITE_EXITS,
} from '../variables/line.ts'
import { failedWrite } from '../variables/outcome.ts'
import { entryJson } from '../variables/show.ts'

/** Take a variable away. */
export const unset: Command = command(
  {
    name: 'unset',
    operands: ['variable'],
    usage: ['unset NAME [--if VERSION] [--wait SECONDS]'],
    summary: 'Takes a variable away, on all hosts. Done as well where it was not set.',
    options: { if: IF, wait: WAIT },
    examples: [
      ['lamportctl unset fan/speed', ''],
      ['lamportctl unset fan/speed --if 7', 'only if nobody wrote after version 7'],
    ],
    exits: WRITE_EXITS,
    order: 'anywhere',
  },
  async (options, operands) => {
    const named = oneName('unset', operands)
    if ('problem' in named) return usageError('unset', named.problem)
    const [wait, version] = [waitOf(options), versionOf(options)]
    if ('problem' in wait) return usageError('unset', wait.problem)
    if ('problem' in version) return usageError('unset', version.problem)
    return withVariables(options, async variables => {
      try {
        const entry = await variables.unset(named.name, { ...version, ...wait })
        if (options.flag('json')) printJson(entryJson(entry))
        return Exit.done
      } catch (error) {
        return failedWrite(named.name, error)
      }
    })
  },
)
