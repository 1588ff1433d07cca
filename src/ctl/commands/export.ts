import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, counted, print, printBytes, printJson } from '../output.ts'
import { backupLine } from '../variables/backup.ts'
import { behindLinks, Draft, FileError, mannerOf } from '../variables/files.ts'
import { doubtOf, withVariables } from '../variables/line.ts'

/** A backup of all variables. */
export const exportVariables: Command = command(
  {
    name: 'export',
    operands: ['file'],
    usage: ['export FILE', 'export -'],
    summary: 'Writes all variables that are set to FILE, or to stdout, as JSON lines.',
    options: {},
    examples: [
      ['lamportctl export /var/backups/variables.jsonl', 'a backup, readable by its owner only'],
      ['lamportctl export - | ssh other-site lamportctl import -', 'to other hosts'],
    ],
    notes:
      'They are those that this host knows; on stderr it is said where that may not be all. FILE is ' +
      'complete or as it was before. Versions are noted, for people: import does not restore them.',
    exits: [['74', 'the file cannot be written']],
    order: 'anywhere',
  },
  async (options, operands) => {
    const [file, ...more] = operands
    if (file === undefined || more.length > 0) return usageError('export', 'export takes one FILE')
    const doubt = await doubtOf(options)
    const list = await withVariables(options, variables => variables.list('', true))
    if (doubt !== undefined) complain(doubt)
    const bytes = Buffer.from(list.map(backupLine).join(''))
    if (file === '-') {
      printBytes(bytes)
      return Exit.done
    }
    try {
      const path = behindLinks(file)
      // Never in the place of a device.
      mannerOf(path)
      new Draft(path, bytes, { mode: 0o600 }).place()
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      complain(error.message)
      return Exit.output
    }
    if (options.flag('json')) printJson({ file, variables: list.length })
    else print(`${counted(list.length)} written to ${file}`)
    return Exit.done
  },
)
