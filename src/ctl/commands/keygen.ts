import { randomBytes } from 'node:crypto'
import { command, usageError, type Command } from '../command.ts'
import { Exit } from '../exit.ts'
import { print, printJson } from '../output.ts'

/** The transport seals with keys of 256 bits. */
const KEY_BYTES = 32

/** A new cluster key. */
export const keygen: Command = command(
  {
    name: 'keygen',
    operands: [],
    usage: ['keygen'],
    summary: 'Prints a new cluster key: 32 random bytes in base64.',
    options: {},
    isOffline: true,
    examples: [
      ['(umask 077; lamportctl keygen > cluster.key)', 'a key that only its owner can read'],
    ],
    notes: 'Copy the file to every host, beside hosts.yml. Others must not be able to read it.',
  },
  (options, operands) => {
    if (operands.length > 0) {
      return Promise.resolve(usageError('keygen', `keygen takes no operand: ${operands.join(' ')}`))
    }
    const key = randomBytes(KEY_BYTES).toString('base64')
    if (options.flag('json')) printJson({ key })
    else print(key)
    return Promise.resolve(Exit.done)
  },
)
