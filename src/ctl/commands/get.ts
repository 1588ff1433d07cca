import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, printBytes, printJson } from '../output.ts'
import { oneName, WAIT, waitOf, withVariables } from '../variables/line.ts'
import { entryJson } from '../variables/show.ts'

/** One value, as it is. */
export const get: Command = command(
  {
    name: 'get',
    operands: ['variable'],
    usage: ['get NAME [--local] [--wait SECONDS]'],
    summary: 'Prints the newest value of a variable and nothing else, not even a newline.',
    options: {
      local: { type: 'flag', describe: 'what this host knows, without asking the others' },
      wait: WAIT,
    },
    examples: [
      ['speed=$(lamportctl get fan/speed)', 'in a script'],
      ['lamportctl get motd --local', 'also where there is no majority'],
      ['lamportctl --json get fan/speed', 'with its version, and who wrote it'],
    ],
    notes:
      'With --json what is not set is printed as well, with "deleted" for the value: its ' +
      'version is what set --if wants.',
    exits: [
      ['1', 'it is not set'],
      ['69', 'lamportd cannot be reached, or no majority (--local does without)'],
    ],
    order: 'anywhere',
  },
  async (options, operands) => {
    const named = oneName('get', operands)
    if ('problem' in named) return usageError('get', named.problem)
    const wait = waitOf(options)
    if ('problem' in wait) return usageError('get', wait.problem)
    const local = options.flag('local')
    const entry = await withVariables(options, variables =>
      variables.get(named.name, { ...(local ? { local } : {}), ...wait }),
    )
    if (entry.majority === false) {
      complain('this host hears no majority: there may be a newer value (lamportctl status)')
    }
    if (options.flag('json')) printJson(entryJson(entry))
    else if (entry.bytes !== undefined) printBytes(entry.bytes)
    if (entry.bytes !== undefined) return Exit.done
    complain(`${named.name} is not set (lamportctl vars lists what is)`)
    return Exit.notAcquired
  },
)
