import { readFileSync } from 'node:fs'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, counted, print, printJson } from '../output.ts'
import { parseBackup, type Saved } from '../variables/backup.ts'
import { FileError, wrapped } from '../variables/files.ts'
import { readStdin, WAIT, waitOf, withVariables } from '../variables/line.ts'
import { restore, type Restored } from '../variables/restore.ts'

/** More than all values of a cluster together. */
const FILE_BYTES_MAX = 512 * 1024 * 1024

/** Set what a backup says. */
export const importVariables: Command = command(
  {
    name: 'import',
    operands: ['file'],
    usage: ['import FILE [--create]', 'import - [--create]'],
    summary: 'Sets the variables of a file that export wrote; - is stdin.',
    options: {
      create: { type: 'flag', describe: 'leave alone what is set, whatever its value' },
      wait: WAIT,
    },
    examples: [
      ['lamportctl import /var/backups/variables.jsonl', 'back to what they were'],
      ['lamportctl import defaults.jsonl --create', 'only what is missing'],
    ],
    notes:
      'The file is read whole first: a bad line is told as FILE:LINE, and nothing is written. What ' +
      'has the same value already is kept as it is, so that it can be run again. Variables that are ' +
      'not in the file stay. A line is {"name":"…","value":"…"}, or {"base64":"…"} for a value that ' +
      'is not UTF-8.',
    exits: [
      ['65', 'the file is not what export writes; nothing was written'],
      ['69', 'lamportd cannot be reached, or no majority; run it again'],
      ['74', 'the file cannot be read'],
      ['76', 'one write may still take effect; run it again'],
    ],
    order: 'anywhere',
  },
  async (options, operands) => {
    const [file, ...more] = operands
    if (file === undefined || more.length > 0) return usageError('import', 'import takes one FILE')
    const wait = waitOf(options)
    if ('problem' in wait) return usageError('import', wait.problem)
    const saved = await readBackup(file)
    if (typeof saved === 'number') return saved
    const restored = await withVariables(options, variables =>
      restore(variables, saved, { create: options.flag('create'), ...wait }),
    )
    const { set, kept, failed } = restored
    if (options.flag('json')) printJson({ set, kept, variables: saved.length })
    else print(restoredText(restored))
    if (failed === undefined) return Exit.done
    const rest = saved.length - set - kept
    complain(`${counted(rest)} of ${saved.length} not imported (run it again: what is set is kept)`)
    return failed
  },
)

/** What is in the file, or the exit code after its faults have been told. */
async function readBackup(file: string): Promise<readonly Saved[] | number> {
  try {
    const bytes =
      file === '-'
        ? await readStdin(FILE_BYTES_MAX)
        : wrapped(file, 'cannot be read', () => readFileSync(file))
    const saved = parseBackup(file === '-' ? 'stdin' : file, bytes)
    if (!('problem' in saved)) return saved
    complain(saved.problem)
    return Exit.data
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    complain(error.message)
    return Exit.output
  }
}

function restoredText({ set, kept }: Restored): string {
  return `${set} set, ${kept} kept`
}
