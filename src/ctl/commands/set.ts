import { checkName } from '../../control/names.ts'
import { VALUE_BYTES_MAX } from '../../control/protocol.ts'
import type { CommandSpec } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { printJson } from '../output.ts'
import {
  checkSize,
  IF,
  readStdin,
  versionOf,
  WAIT,
  waitOf,
  withVariables,
  WRITE_EXITS,
} from '../variables/line.ts'
import { failedWrite } from '../variables/outcome.ts'
import { entryJson } from '../variables/show.ts'

const SPEC: CommandSpec = {
  name: 'set',
  operands: ['variable'],
  usage: ['set NAME VALUE [--if VERSION | --create] [--wait SECONDS]', 'set NAME -'],
  summary: 'Writes a variable, for all hosts. The value - is read from stdin, byte by byte.',
  options: {
    if: IF,
    create: { type: 'flag', describe: 'only if it is not set; else exit 1' },
    wait: WAIT,
  },
  examples: [
    ['lamportctl set fan/speed 12', ''],
    ['lamportctl set motd - < motd.txt', 'a file, at most 64 KiB'],
    ['lamportctl set fan/speed 13 --if 7', 'only if nobody wrote after version 7'],
    ['lamportctl set -- offset -5', 'a value that begins with -'],
  ],
  exits: WRITE_EXITS,
  order: 'anywhere',
}

/** Write one variable. */
export const set: Command = command(SPEC, async (options, operands) => {
  const [name, text, ...more] = operands
  if (name === undefined || text === undefined || more.length > 0) {
    const hint = 'quote a VALUE with spaces; one that begins with - goes behind --'
    return usageError('set', `set takes one NAME and one VALUE (${hint})`)
  }
  const problem = checkName(name)
  if (problem !== undefined) return usageError('set', problem)
  const [wait, version] = [waitOf(options), versionOf(options)]
  if ('problem' in wait) return usageError('set', wait.problem)
  if ('problem' in version) return usageError('set', version.problem)
  const create = options.flag('create')
  if (create && version.ifVersion !== undefined) {
    return usageError('set', '--create and --if exclude each other (choose one)')
  }
  const bytes = text === '-' ? await readStdin(VALUE_BYTES_MAX) : Buffer.from(text)
  const tooLong = checkSize(bytes.length)
  if (tooLong !== undefined) return usageError('set', tooLong)
  return withVariables(options, async variables => {
    try {
      const condition = { ...version, ...(create ? { create } : {}) }
      const entry = await variables.set(name, bytes, { ...condition, ...wait })
      if (options.flag('json')) printJson(entryJson(entry))
      return Exit.done
    } catch (error) {
      return failedWrite(name, error)
    }
  })
})
