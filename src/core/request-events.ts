import { tokenOf } from './clock.ts'
import type { TraceEvent } from './command.ts'
import { tokenInUse, type LockRequest } from './message.ts'

/** A request of this host has its timestamp, perhaps as one of those of a request that stands. */
export function requestEvent(request: LockRequest): TraceEvent {
  const { names, limit, used } = request
  const standing = used > 0 ? tokenOf(request) : undefined
  return { type: 'request', token: tokenInUse(request), names, limit, standing }
}

/** The client that has a request at present goes in or out. */
export function entryEvent(type: 'enter' | 'leave', request: LockRequest): TraceEvent {
  const { names, limit } = request
  return { type, token: tokenInUse(request), names, limit }
}

/** A request comes into the queue, or goes out of it. */
export function queueEvent(type: 'insert' | 'remove', request: LockRequest): TraceEvent {
  const { names, limit } = request
  return { type, token: tokenOf(request), names, limit }
}
