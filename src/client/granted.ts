import { monotonicNow } from '../control/monotonic.ts'
import type { LostParams, RequestId } from '../control/protocol.ts'
import { isLease, isLost, isQueued } from './answers.ts'
import { LamportError } from './error.ts'
import type { HeldLock } from './lock.ts'

/** What the daemon's notifications are about. */
export type Granted = {
  /** By token. */
  readonly locks: Map<number, HeldLock>
  /** By the id of the acquire. */
  readonly queued: Map<RequestId, (position: number) => void>
}

/** Something that the daemon tells unasked. */
export function notified({ locks, queued }: Granted, method: string, params: unknown): void {
  switch (method) {
    case 'lease':
      // A lease is the host's: one line speaks for every lock of the connection.
      if (isLease(params)) for (const lock of locks.values()) lock.renew(params, monotonicNow())
      return
    case 'lost':
      if (isLost(params)) lose(locks, params)
      return
    case 'queued':
      if (isQueued(params)) queued.get(params.id)?.(params.position)
      return
    default:
    // A newer daemon says more.
  }
}

function lose(locks: Map<number, HeldLock>, { token, reason }: LostParams): void {
  const lock = locks.get(token)
  locks.delete(token)
  const what = `the lock ${lock?.names.join(' ') ?? ''} was lost: ${reason}`
  lock?.lose(new LamportError('lost', what))
}
