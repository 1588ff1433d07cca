import { checkName } from '../../control/names.ts'
import { parseDuration } from '../../lib/duration.ts'
import type { Options } from '../arguments.ts'
import { Exit } from '../exit.ts'
import { planLock, type LockPlan } from '../lock/plan.ts'
import { ONCE_PREFIX, type Wanted } from './record.ts'

/** What one line of `lamportctl once` asks for. */
export type OncePlan = {
  /** How the command is run, as `lock` would. */
  readonly lock: LockPlan & { readonly command: readonly [string, ...string[]] }
  readonly name: string
  /** Where it stands what has run. */
  readonly variable: string
  readonly wanted: Wanted
  /** What to exit with where it is not ours to run. */
  readonly loserCode: number
  readonly retryFailed: boolean
}

/** A period must be longer than what lies between two hosts' answers. */
const PERIOD_MS_MIN = 1000

type Problem = { readonly problem: string }

/** The plan, or what cannot be meant. */
export function planOnce(options: Options, operands: readonly string[]): OncePlan | Problem {
  const wanted = wantedOf(options)
  if ('problem' in wanted) return wanted
  const lock = planLock(options, operands)
  if ('problem' in lock) return lock
  const { command } = lock
  const [name] = operands
  if (name === undefined || command === undefined) {
    return { problem: 'no COMMAND is given (once runs one)' }
  }
  const variable = ONCE_PREFIX + name
  const problem = checkName(variable)
  if (problem !== undefined) return { problem }
  const hasCode = options.text('conflict-exit-code') !== undefined
  return {
    lock: { ...lock, command },
    name,
    variable,
    wanted,
    loserCode: hasCode ? lock.conflictCode : Exit.done,
    retryFailed: options.flag('retry-failed'),
  }
}

function wantedOf(options: Options): Wanted | Problem {
  const [every, key] = [options.text('every'), options.text('key')]
  if ((every === undefined) === (key === undefined)) {
    const what = every === undefined ? 'neither is given' : 'both are given'
    return { problem: `once takes --every DURATION or --key KEY; ${what} (choose one)` }
  }
  if (every === undefined) {
    if (key !== undefined && key !== '') return { type: 'key', key }
    return { problem: '--key is empty (give what names this run, such as a date or a version)' }
  }
  const periodMs = parseDuration(every)
  if (periodMs !== undefined && periodMs >= PERIOD_MS_MIN) return { type: 'every', periodMs }
  const form = 'a duration of at least 1s, such as 30s, 15m, 1h or 1d'
  return { problem: `--every is ${form}, not ${JSON.stringify(every)}` }
}
