import { constants } from 'node:os'
import type { LamportErrorCode } from '../client/client.ts'
import { unreachable } from '../lib/assert.ts'

/** What lamportctl ends with, beside the code of the command that it ran. */
export const Exit = {
  done: 0,
  notAcquired: 1,
  /** What was measured or checked is not as it should be. */
  differs: 1,
  usage: 64,
  /** A file that was given, a template or a backup, is not what it should be. */
  data: 65,
  unavailable: 69,
  /** A fault of lamportctl itself; never 1, which says something about a lock. */
  internal: 70,
  /** stdout, or a file, could not be read or written. */
  output: 74,
  lost: 75,
  /** A write that may still take effect. */
  uncertain: 76,
  permission: 77,
  notExecutable: 126,
  notFound: 127,
  /** What a shell says of a process that SIGPIPE ended. */
  pipe: 141,
} as const

/** What a shell says of a process that signal `name` ended. */
export function signalExit(name: NodeJS.Signals): number {
  return 128 + constants.signals[name]
}

/** The exit code of an error that nobody further down knew what to do with. */
export function errorExit(code: LamportErrorCode): number {
  switch (code) {
    case 'notAcquired':
    case 'versionDiffers':
      return Exit.notAcquired
    case 'argument':
    case 'invalidParams':
    case 'socket':
      return Exit.usage
    case 'permission':
      return Exit.permission
    case 'uncertain':
      return Exit.uncertain
    case 'unreachable':
    case 'disconnected':
    case 'closed':
    case 'protocol':
    case 'timeout':
    case 'lost':
    case 'expired':
    case 'noMajority':
    case 'limit':
    case 'notHeld':
    case 'busy':
    case 'leaving':
    case 'notBlank':
    case 'parse':
    case 'invalidRequest':
    case 'methodNotFound':
    case 'internal':
      return Exit.unavailable
    default:
      return unreachable(code)
  }
}
