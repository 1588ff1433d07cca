import { LamportError } from '../../client/client.ts'
import { TTL_MS_MAX, type AcquireParams } from '../../control/protocol.ts'
import { parseDuration } from '../../lib/duration.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { errorExit, Exit, signalExit } from '../exit.ts'
import { acquireDetached, socketPath } from '../lock/asked.ts'
import { SHARING, WAITING, WHY } from '../lock/options.ts'
import { userName } from '../lock/parts.ts'
import { planLock, type LockPlan } from '../lock/plan.ts'
import { Interrupted, Signals } from '../lock/signals.ts'
import { complain, print, printJson } from '../output.ts'

const PID_MAX = 2 ** 31 - 1

const SPEC: CommandSpec = {
  name: 'acquire',
  operands: ['lock'],
  usage: ['acquire NAME --ttl DURATION [--pid PID] [-w SECONDS | -n] [OPTION...]'],
  summary:
    'Takes a lock, prints its token, and leaves it taken: until lamportctl release, until the ' +
    'DURATION is over, or until the process PID is gone. It belongs to this host.',
  options: {
    ttl: {
      type: 'text',
      value: 'DURATION',
      describe: 'at most so long: 30s, 15m, 1h (at most 7d)',
    },
    pid: { type: 'text', value: 'PID', describe: 'at most as long as this process lives: $$' },
    ...WAITING,
    ...SHARING,
    ...WHY,
  },
  examples: [
    ['token=$(lamportctl acquire backup --ttl 1h --pid $$) || exit', 'in a script'],
    ['lamportctl acquire maintenance --ttl 8h --why "new disk"', 'by hand, for a day'],
    ['lamportctl release backup', 'when done'],
  ],
  notes:
    'Where one command does the work, lamportctl lock is better: it stops the command if the lock ' +
    'is lost. Nobody tells a script: lamportctl release exits 75 if the lock had been lost before, ' +
    'and lamportctl locks shows what is held, and for how long yet.\n\n' +
    'The DURATION is counted by the monotonic clock from when the lock is granted. Whether PID ' +
    'lives is looked at once a second; another process with the same number does not count. As any ' +
    'lock it ends, too, when lamportd stops or its lease runs out.',
  exits: [['1', 'not acquired (-n, -w)']],
  order: 'anywhere',
}

/** Take a lock for a while. */
export const acquire: Command = command(SPEC, async (options, operands) => {
  if (operands.length > 1) return usageError('acquire', 'acquire takes one NAME (--and takes more)')
  const plan = planLock(options, operands)
  if ('problem' in plan) return usageError('acquire', plan.problem)
  const life = lifeOf(options)
  if ('problem' in life) return usageError('acquire', life.problem)
  const signals = new Signals()
  try {
    const params = paramsOf(plan, life)
    const path = socketPath(options.text('socket'))
    const { token } = await acquireDetached(path, params, signals.interrupted)
    const { names, mode } = plan
    if (plan.isJson) printJson({ names, token, mode, ...life })
    else print(String(token))
    return Exit.done
  } catch (error) {
    if (error instanceof Interrupted) return signalExit(error.signal)
    if (!(error instanceof LamportError)) throw error
    // Silent, as lock is.
    if (error.code === 'notAcquired') return plan.conflictCode
    complain(error.message)
    return error.code === 'invalidParams' ? Exit.usage : errorExit(error.code)
  }
})

type Life = { readonly ttlMs: number; readonly pid?: number }

function lifeOf(options: Options): Life | { readonly problem: string } {
  const [ttl, pid] = [options.text('ttl'), options.text('pid')]
  if (ttl === undefined) {
    return { problem: '--ttl is missing (say how long at most: --ttl 1h)' }
  }
  const ttlMs = parseDuration(ttl)
  if (ttlMs === undefined || ttlMs <= 0 || ttlMs > TTL_MS_MAX) {
    const form = 'a duration of at most 7d, such as 30s, 15m or 1h'
    return { problem: `--ttl is ${form}, not ${JSON.stringify(ttl)}` }
  }
  if (pid === undefined) return { ttlMs }
  const number = /^\d{1,10}$/.test(pid) ? Number(pid) : 0
  if (number >= 1 && number <= PID_MAX) return { ttlMs, pid: number }
  return { problem: `--pid is a process id, such as $$, not ${JSON.stringify(pid)}` }
}

function paramsOf(plan: LockPlan, life: Life): AcquireParams {
  const { names, mode, count = 1, waitMs, why } = plan
  const user = userName()
  const limit = { shared: 0, exclusive: 1, count }[mode]
  return {
    names,
    limit,
    ...(waitMs === undefined ? {} : { waitMs }),
    ...(why === undefined ? {} : { why }),
    ...(user === undefined ? {} : { user }),
    ...(life.pid === undefined ? {} : { pid: life.pid }),
    detached: life,
  }
}
