import { ErrorCode } from '../control/protocol.ts'
import type { ErrorObject } from '../control/protocol.ts'
import { unreachable } from '../lib/assert.ts'
import type { Refusal } from '../node.ts'

const LEAVING: ErrorObject = {
  code: ErrorCode.leaving,
  message: 'this lamportd is stopping (try again when it runs)',
}

/** What a client is answered that the node has refused. */
export function errorOf(reason: Refusal, detail: string): ErrorObject {
  const say = (message: string): string => (detail === '' ? message : `${message}: ${detail}`)
  switch (reason) {
    case 'not-acquired':
      return { code: ErrorCode.notAcquired, message: detail === '' ? 'others precede' : detail }
    case 'no-majority': {
      // What is in the way names it, and what to do, as a rule.
      const isNamed = detail.startsWith('no majority')
      const message = isNamed ? detail : say('no majority answers (see lamportctl status)')
      return { code: ErrorCode.noMajority, message, data: { effect: 'none' } }
    }
    case 'not-held':
      return { code: ErrorCode.notHeld, message: say('that lock is not held (was it lost?)') }
    case 'busy':
      return { code: ErrorCode.busy, message: say('this lamportd is busy (try again)') }
    case 'limit':
      return { code: ErrorCode.limit, message: say('too much is asked (release something)') }
    case 'not-blank':
      return { code: ErrorCode.notBlank, message: detail }
    case 'leaving':
      return LEAVING
    default:
      return unreachable(reason)
  }
}
