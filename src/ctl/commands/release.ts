import { LamportError } from '../../client/client.ts'
import { checkName } from '../../control/names.ts'
import { adminSocketPath } from '../../control/paths.ts'
import type {
  HolderEntry,
  LocksResult,
  ReleaseParams,
  ReleaseResult,
} from '../../control/protocol.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { errorExit, Exit } from '../exit.ts'
import { locksAt, releaseDetached, socketPath } from '../lock/asked.ts'
import { complain, printJson } from '../output.ts'

const SPEC: CommandSpec = {
  name: 'release',
  operands: ['held'],
  usage: ['release NAME', 'release --token N', 'release --force NAME | --token N'],
  summary: 'Gives back a lock that lamportctl acquire took on this host.',
  options: {
    token: {
      type: 'text',
      value: 'N',
      describe: 'the lock with this token, as acquire printed it',
    },
    force: {
      type: 'flag',
      describe: 'whoever on this host holds it, and however: its work is told, and not waited for',
    },
  },
  examples: [
    ['lamportctl release backup', 'whoever took it on this host, with acquire'],
    ['lamportctl release --token "$token"', 'this one and no other'],
    ['sudo lamportctl release --force backup', 'from a command that hangs'],
  ],
  notes:
    'Whoever may use the socket of lamportd may release what was taken with acquire. One that was ' +
    'taken by lamportctl lock, or by a program, ends with it; --force ends it before that. Its ' +
    'holder is told that it is lost, and lamportctl lock stops its command at once; but another ' +
    'host may enter before that has ended. It asks on admin.sock, which root may open, or whoever ' +
    'runs lamportd, of the host that holds the lock.',
  exits: [
    ['1', 'it is not held, or no longer'],
    ['64', 'the command line is wrong, or several are meant'],
    ['75', 'it was lost before: what was done under it may have met with others'],
  ],
  order: 'anywhere',
}

/** Give a lock back. */
export const release: Command = command(SPEC, async (options, operands) => {
  const which = whichOf(options, operands)
  if ('problem' in which) return usageError('release', which.problem)
  const isForced = options.flag('force')
  try {
    const path = socketPath(options.text('socket'))
    const socket = isForced ? adminSocketPath(path) : path
    const before = isForced ? await locksAt(socket) : []
    const params: ReleaseParams = isForced ? { ...which, force: true } : which
    const released = await releaseDetached(socket, params)
    if (isForced) complain(riskOf(released, before))
    if (options.flag('json')) printJson(released)
    return Exit.done
  } catch (error) {
    if (!(error instanceof LamportError)) throw error
    complain(error.message)
    if (error.code === 'notHeld') return wasLost(error.data) ? Exit.lost : Exit.notAcquired
    return error.code === 'invalidParams' ? Exit.usage : errorExit(error.code)
  }
})

function whichOf(
  options: Options,
  operands: readonly string[],
): { readonly token: number } | { readonly name: string } | { readonly problem: string } {
  const text = options.text('token')
  const [name, ...more] = operands
  if ((text === undefined) === (name === undefined) || more.length > 0) {
    return { problem: 'release takes one NAME, or --token N' }
  }
  if (name !== undefined) {
    const problem = checkName(name)
    return problem === undefined ? { name } : { problem }
  }
  const token = /^\d{1,16}$/.test(text ?? '') ? Number(text) : NaN
  if (Number.isSafeInteger(token)) return { token }
  return { problem: `--token is a number that acquire printed, not ${JSON.stringify(text)}` }
}

/** What whoever forces has to know. */
function riskOf({ token, names = [] }: ReleaseResult, before: LocksResult): string {
  const holders = before.flatMap(({ holders: of }) => of)
  const holder = holders.find(entry => entry.token === token)
  const what = `${names.join(' ')} was taken from ${holder === undefined ? 'its holder' : describe(holder)}`
  return `${what}, which may still be at work while another host enters (see that it has ended)`
}

function describe({ pid, user, command: ran }: HolderEntry): string {
  const parts = [
    pid === undefined ? undefined : `process ${pid}`,
    user === undefined ? undefined : `of ${user}`,
    ran === undefined ? undefined : `(${ran})`,
  ].filter(part => part !== undefined)
  return parts.length === 0 ? 'its holder' : parts.join(' ')
}

function wasLost(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'lost' in data
}
