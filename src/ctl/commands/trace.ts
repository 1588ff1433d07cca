import { LamportError } from '../../client/client.ts'
import { readTrace } from '../../client/trace.ts'
import { findSocketPath } from '../../control/paths.ts'
import type { TraceHosts } from '../../control/trace.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { Signals } from '../lock/signals.ts'
import { stream } from '../output.ts'
import { diedOf } from '../variables/interrupted.ts'

/** This host's protocol events. */
export const trace: Command = command(
  {
    name: 'trace',
    usage: ['trace [--follow] [--last N]'],
    summary:
      'Prints what happened in this host, an event a line, as JSON: messages that it sent and got, ' +
      'requests, critical sections, views. lamportctl diagram draws it.',
    options: {
      follow: { type: 'flag', alias: ['f'], describe: 'go on with what happens from now on' },
      last: { type: 'text', value: 'N', describe: 'of what is kept, at most the last N events' },
    },
    examples: [
      ['lamportctl trace > kitchen.trace', 'what is kept: the last 8192 events'],
      ['lamportctl trace --follow --last 0 > kitchen.trace', 'from now on, until Ctrl-C'],
      ['lamportctl trace | lamportctl diagram -', 'look at it at once'],
    ],
    notes:
      'lamportd keeps the last 8192 events in memory (4 MiB at most), whether anybody reads them or ' +
      'not. Where some are missing, a line of the type skipped says how many. docs/diagram.md ' +
      'describes the lines.',
    order: 'anywhere',
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('trace', 'trace takes no operands')
    const given = options.text('last')
    const last = given === undefined ? undefined : Number(given)
    if (last !== undefined && !/^\d{1,9}$/.test(given ?? '')) {
      return usageError('trace', `--last is ${JSON.stringify(given)} (write how many events)`)
    }
    const found = findSocketPath(options.text('socket'))
    if ('problem' in found) throw new LamportError('socket', found.problem)
    const signals = new Signals()
    const follow = options.flag('follow')
    const asked = { follow, ...(last === undefined ? {} : { last }), signal: signals.interrupted }
    await readTrace(found.path, asked, {
      begin: ({ cluster, hosts, host }) => {
        const line: TraceHosts = { type: 'hosts', version: 1, cluster, host, hosts }
        stream(JSON.stringify(line) + '\n')
      },
      event: entry => stream(JSON.stringify(entry) + '\n'),
    })
    return signals.interrupted.aborted ? diedOf(signals.interrupted) : Exit.done
  },
)
