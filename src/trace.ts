/** What happens inside a node, in the shape of a trace: for the daemon and the simulator alike. */
import { messageId, type TraceMessage, type TraceWhat } from './control/trace.ts'
import { tokenOf, type HostId } from './core/clock.ts'
import type { TraceEvent } from './core/command.ts'
import type { Message } from './core/message.ts'
import { unreachable } from './lib/assert.ts'

export type { TraceEntry, TraceHosts, TraceLine, TraceWhat } from './control/trace.ts'
export { TRACE_VERSION } from './control/trace.ts'

/**
 * An event of this host; `undefined` for what it sends to itself, which is no message. Nothing in
 * the result holds on to a value of a variable.
 */
export function traceWhat(self: HostId, event: TraceEvent): TraceWhat | undefined {
  switch (event.type) {
    case 'send':
    case 'lose':
    case 'retransmit': {
      const { type, to, message } = event
      return to === self ? undefined : { type, to, message: traceMessage(self, to, message) }
    }
    case 'deliver': {
      const { type, from, message } = event
      return from === self ? undefined : { type, from, message: traceMessage(from, self, message) }
    }
    case 'request':
    case 'enter':
    case 'leave':
    case 'insert':
    case 'remove': {
      const { type, token, names } = event
      return { type, token, names, limit: plainLimit(event.limit) }
    }
    case 'install': {
      const { number, members } = event.view
      const list = [...members].map(([host, { incarnation }]) => ({ host, incarnation }))
      return { type: 'view', view: number, members: list }
    }
    case 'complete':
      return undefined
    case 'reincarnate':
      return { type: 'reincarnate', reason: event.reason }
    case 'session-up':
      return { type: 'connect', peer: event.peer, peerIncarnation: event.incarnation }
    case 'session-lost':
      return { type: 'disconnect', peer: event.peer, peerIncarnation: event.incarnation }
    default:
      return unreachable(event)
  }
}

/** The time of an event: of a send, that on the message, for several may leave together. */
export function traceTime(event: TraceEvent, clock: number): number {
  return event.type === 'send' ? event.message.time : clock
}

function traceMessage(from: HostId, to: HostId, message: Message): TraceMessage {
  const { type } = message
  const id = messageId(from, message.time)
  switch (message.type) {
    case 'request': {
      const { view, time, names, limit } = message
      const token = tokenOf({ time, host: from })
      return { type, id, view, token, names, limit: plainLimit(limit) }
    }
    case 'reply':
    case 'release': {
      const host = message.type === 'reply' ? to : from
      return { type, id, view: message.view, token: tokenOf({ time: message.request, host }) }
    }
    case 'sync': {
      const requests = message.requests.map(({ time }) => tokenOf({ time, host: from }))
      const ghosts = message.ghosts.map(ghost => tokenOf(ghost))
      return { type, id, view: message.view, requests, ghosts }
    }
    case 'leave':
      return { type, id, view: message.view }
    case 'variable-prepare':
    case 'variable-promise':
    case 'variable-conflict':
    case 'variable-accept':
    case 'variable-accepted':
    case 'variable-learn':
    case 'variable-read':
    case 'variable-state':
      return { type, id, variable: message.name }
    default:
      return { type, id }
  }
}

/** As on the control socket: 0 is shared. */
function plainLimit(limit: number): number {
  return limit === Infinity ? 0 : limit
}
