import { orAborted } from '../../client/abort.ts'
import { isAcquireResult, isLocksResult } from '../../client/answers.ts'
import { Connection } from '../../client/connection.ts'
import { LamportError } from '../../client/client.ts'
import { findSocketPath } from '../../control/paths.ts'
import type {
  AcquireParams,
  AcquireResult,
  LocksResult,
  ReleaseParams,
  ReleaseResult,
  RequestId,
} from '../../control/protocol.ts'
import { FAREWELL_MS } from './parts.ts'

/** How long the daemon may take for an answer that waits for nobody. */
const ANSWER_MS = 10_000

/** Of the socket that was chosen; throws where none can be. */
export function socketPath(given: string | undefined): string {
  const found = findSocketPath(given)
  if ('problem' in found) throw new LamportError('socket', found.problem)
  return found.path
}

/**
 * Takes a lock that does not end with the connection. `Client` is for those that do: it would give
 * it back, and watch its lease.
 */
export async function acquireDetached(
  path: string,
  params: AcquireParams,
  signal: AbortSignal,
): Promise<AcquireResult> {
  return connected(path, signal, async connection => {
    const take = (result: unknown): AcquireResult | undefined =>
      isAcquireResult(result) ? result : undefined
    const { id, answer } = connection.request('acquire', params, { take })
    try {
      return await orAborted(answer, signal)
    } catch (error) {
      if (signal.aborted) await withdraw(connection, id, answer)
      throw error
    }
  })
}

/** A grant that has crossed the withdrawal would stay: nobody else knows of it. */
async function withdraw(
  connection: Connection,
  id: RequestId,
  answer: Promise<AcquireResult>,
): Promise<void> {
  const options = { take: (result: unknown) => result, timeoutMs: FAREWELL_MS }
  try {
    await connection.request('cancel', { id }, options).answer
    const { token } = await answer
    await connection.request('release', { token }, options).answer
  } catch {
    // It was withdrawn; or nobody answers, and the end of the connection withdraws it.
  }
}

/** Gives back a lock that is not a connection's. */
export function releaseDetached(path: string, params: ReleaseParams): Promise<ReleaseResult> {
  return ask(path, 'release', params, result =>
    typeof result === 'object' && result !== null ? result : undefined,
  )
}

/** Every lock in use; asked of the administrator's socket as well. */
export function locksAt(path: string): Promise<LocksResult> {
  return ask(path, 'locks', {}, result => (isLocksResult(result) ? result : undefined))
}

function ask<T>(
  path: string,
  method: string,
  params: unknown,
  take: (result: unknown) => T | undefined,
): Promise<T> {
  return connected(path, undefined, connection => {
    return connection.request(method, params, { take, timeoutMs: ANSWER_MS }).answer
  })
}

async function connected<T>(
  path: string,
  signal: AbortSignal | undefined,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const output = { notified: () => undefined, ended: () => undefined }
  const connection = await Connection.open(path, output, signal)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}
