import { checkName } from '../../control/names.ts'
import type { WhyResult } from '../../control/protocol.ts'
import { asking, command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'
import { locksText } from './locks.ts'

/** Why a lock is not to be had. */
export const why: Command = command(
  {
    name: 'why',
    operands: ['lock'],
    usage: ['why NAME'],
    summary: 'Says why one waits for a lock, as this host sees it, and what to do.',
    options: {},
    examples: [
      ['lamportctl why backup', 'who holds it, which host is missing, how long it can last'],
      ['lamportctl --json why backup', 'for programs'],
    ],
  },
  async (options, operands) => {
    const [name, ...more] = operands
    if (name === undefined || more.length > 0) return usageError('why', 'why takes one NAME')
    const problem = checkName(name)
    if (problem !== undefined) return usageError('why', problem)
    const result = await asking(options, client => client.why(name))
    if (options.flag('json')) printJson(result)
    else print(whyText(result))
    return Exit.done
  },
)

/** The reasons first, then who holds and waits. */
export function whyText(result: WhyResult): string {
  const { name, reasons, holders, waiters } = result
  const isInUse = holders.length + waiters.length > 0
  const said = reasons.map(reason => `${name}: ${reason}`)
  if (said.length === 0) said.push(`${name}: nothing stands in the way`)
  if (isInUse) said.push('', locksText([{ name, holders, waiters }], name))
  return said.join('\n')
}
