import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { connect, LamportError } from '../../client/client.ts'
import type { DoctorFinding, DoctorResult } from '../../control/protocol.ts'
import type { Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'
import { hasColours, table, type Cell, type Colour } from '../table.ts'

const COLOURS: Readonly<Record<DoctorFinding['state'], Colour>> = {
  ok: 'green',
  warning: 'yellow',
  failure: 'red',
}

/** lamportd looks at files for longer than this only where a disk hangs. */
const OFFLINE_MS = 60_000

/** What is wrong, or soon will be, and what to do. */
export const doctor: Command = command(
  {
    name: 'doctor',
    usage: ['doctor [--before-change]', 'doctor [--hosts FILE] [--id ID|NAME]'],
    summary: 'Looks for whatever is wrong, or soon will be, and says what to do.',
    options: {
      'before-change': {
        type: 'flag',
        describe: 'also whether hosts may be added or taken away now',
      },
      hosts: {
        type: 'text',
        value: 'FILE',
        describe: 'hosts.yml, where no lamportd runs (else $LAMPORT_HOSTS)',
      },
      id: {
        type: 'text',
        value: 'ID|NAME',
        describe: 'which host this is, where no lamportd runs',
      },
    },
    examples: [
      ['lamportctl doctor', 'a line for each thing that was looked at'],
      ['lamportctl doctor --before-change', 'before hosts.yml gets other hosts or votes'],
    ],
    exits: [
      ['0', 'nothing failed; there may be warnings'],
      ['1', 'something failed; with --before-change: do not change the hosts now'],
    ],
    notes:
      'Where lamportd does not run it looks at what files and this machine tell.\n' +
      '--before-change passes only when every host of hosts.yml is up, all have the same values\n' +
      'of variables, and the disk of each has accepted all of them; it sees to the last itself.\n' +
      'Then stop all, write the new hosts.yml on all, start all.',
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('doctor', 'doctor takes no operand')
    const { findings } = await examine(options)
    if (options.flag('json')) printJson({ findings })
    else print(findingsText(findings))
    return findings.some(({ state }) => state === 'failure') ? Exit.notAcquired : Exit.done
  },
)

/** A line for each thing, and what to do below it. */
export function findingsText(findings: readonly DoctorFinding[]): string {
  const rows: Cell[][] = []
  for (const { check, state, text, advice } of findings) {
    rows.push([{ text: state, colour: COLOURS[state] }, check, withAdvice(text, advice)])
  }
  return table(rows, hasColours(1))
}

function withAdvice(text: string, advice: string | null): string {
  return advice === null ? text : `${text} (${advice})`
}

async function examine(options: Options): Promise<DoctorResult> {
  const beforeChange = options.flag('before-change')
  try {
    const client = await connect({ socket: options.text('socket') })
    try {
      return await client.doctor({ beforeChange })
    } finally {
      await client.close()
    }
  } catch (error) {
    if (!(error instanceof LamportError) || error.code !== 'unreachable') throw error
    const { findings } = await examineOffline(options)
    const text = /\(.*\)$/.test(error.message)
      ? error.message.replace(/ \(.*\)$/, '')
      : error.message
    const advice = 'systemctl start lamportd; journalctl -u lamportd says why it ended'
    return { findings: [{ check: 'daemon', state: 'failure', text, advice }, ...findings] }
  }
}

/** lamportd itself looks, for it knows its files: it stands beside lamportctl. */
async function examineOffline(options: Options): Promise<DoctorResult> {
  const folder = dirname(realpathSync(process.argv[1] ?? ''))
  const daemon = ['lamportd.cjs', 'lamportd.js'].map(name => join(folder, name)).find(existsSync)
  if (daemon === undefined) return { findings: [] }
  const given = (name: string): string[] => {
    const value = options.text(name)
    return value === undefined ? [] : [`--${name}`, value]
  }
  const args = [daemon, '--doctor', ...given('hosts'), ...given('id')]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: OFFLINE_MS })
  return JSON.parse(stdout) as DoctorResult
}
