import { connect } from '../../client/client.ts'
import { adminSocketPath, findSocketPath } from '../../control/paths.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, print, printJson } from '../output.ts'

/** The operator's word that the hosts which are missing never ran, or never will again. */
export const found: Command = command(
  {
    name: 'found',
    operands: [],
    usage: ['found'],
    summary: 'Goes on without hosts that never ran, or are gone for good.',
    options: {},
    examples: [
      ['sudo lamportctl found', 'once, on one of the hosts that are up; the others follow'],
    ],
    notes:
      'At the very first start, if no host of hosts.yml has ever run: hosts with a majority of\n' +
      'votes must be up; one that ran before may have promised what the others do not know.\n' +
      'Later only where lamportctl status names it as the way: the hosts that it waits for must\n' +
      'have lost their disks or never run again, or a lock may be given twice.\n' +
      'It asks on admin.sock, which root may open, or whoever runs lamportd.',
  },
  async (options, operands) => {
    if (operands.length > 0) return usageError('found', 'found takes no operand')
    const socket = findSocketPath(options.text('socket'))
    if ('problem' in socket) {
      complain(socket.problem)
      return Exit.usage
    }
    const client = await connect({ socket: adminSocketPath(socket.path) })
    try {
      await client.found()
    } finally {
      await client.close()
    }
    if (options.flag('json')) printJson({ founding: true })
    else print('founding: the other hosts that are up follow within a second (lamportctl status)')
    return Exit.done
  },
)
