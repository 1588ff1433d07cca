import { monotonicNow } from '../control/monotonic.ts'
import type { AdoptParams } from '../control/protocol.ts'
import { isAcquireResult, isCancelResult } from './answers.ts'
import type { LamportError } from './error.ts'
import type { Line, Link } from './link.ts'
import type { HeldLock, LockOwner } from './lock.ts'
import { Pauses } from './pauses.ts'

/** A lock has no time for pauses that grow. */
const PAUSE_MS = 50

/**
 * lamportd has ended under a lock: the next one is asked to go on with it. Whoever holds it may work
 * on meanwhile, until there is only time to stop; then, or when the answer is no, it is lost.
 */
export async function goOn(
  link: Link,
  lock: HeldLock,
  cause: LamportError,
  ownerOn: (line: Line) => LockOwner,
): Promise<void> {
  const { names, token, until, leaseMs, over } = lock
  if (until === null || leaseMs === null) {
    lock.lose(cause)
    return
  }
  const giveUpAt = until - leaseMs / 4
  const timer = setTimeout(() => lock.lose(cause), Math.max(0, giveUpAt - monotonicNow()))
  try {
    for (;;) {
      const line = await link.line(giveUpAt, over, new Pauses(PAUSE_MS))
      const { keeper } = lock
      const params = { names, token, until, ...(keeper === undefined ? {} : { pid: keeper }) }
      if (await adopt(line, lock, params, ownerOn)) return
    }
  } catch {
    lock.lose(cause)
  } finally {
    clearTimeout(timer)
  }
}

/** False: this connection has ended as well. Rejects where the lock is not to be had. */
async function adopt(
  { connection, granted }: Line,
  lock: HeldLock,
  params: AdoptParams,
  ownerOn: (line: Line) => LockOwner,
): Promise<boolean> {
  const take = (result: unknown): boolean | undefined => {
    if (!isAcquireResult(result)) return undefined
    granted.locks.set(lock.token, lock)
    lock.goOn(ownerOn({ connection, granted }), result)
    return true
  }
  const { id, answer } = connection.request('adopt', params, { take })
  // The next lamportd must not keep it for somebody who has stopped.
  const withdraw = (): void => {
    const options = { take: (result: unknown) => (isCancelResult(result) ? result : undefined) }
    connection.request('cancel', { id }, options).answer.catch(() => undefined)
  }
  lock.over.addEventListener('abort', withdraw)
  try {
    return await answer
  } catch (error) {
    if (connection.isOpen) throw error
    return false
  } finally {
    lock.over.removeEventListener('abort', withdraw)
  }
}
