import { connect } from '../../client/client.ts'
import { adminSocketPath, findSocketPath } from '../../control/paths.ts'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { complain, print, printJson } from '../output.ts'

/** The operator's word that the hosts which never ran do not have to be waited for. */
export const found: Command = command(
  {
    name: 'found',
    usage: ['found'],
    summary: 'Founds the cluster though not all of its hosts have been started yet.',
    options: {},
    examples: [
      ['sudo lamportctl found', 'once, on one of the hosts that are up; the others follow'],
    ],
    notes:
      'Only at the very first start, and only if no host of hosts.yml has ever run: a host that\n' +
      'ran before may have promised what the others do not know. Hosts with a majority of votes\n' +
      'must be up. It asks on admin.sock, which root may open, or whoever runs lamportd.',
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
