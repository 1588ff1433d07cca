import { userInfo } from 'node:os'
import type { Socket } from 'node:net'
import { connect, LamportError, type Client, type Lock } from '../../client/client.ts'
import { monotonicNow } from '../../control/monotonic.ts'
import { TIMEOUT_MS_MAX } from '../../lib/time.ts'

/** How long the daemon may take to confirm a release, and stderr to take what is said. */
export const FAREWELL_MS = 1000

/** How often a daemon that is not there yet is looked for. */
const CONNECT_AGAIN_MS = 200

/** Connects; a daemon that is not there is looked for again for so long. */
export async function connectPatiently(
  socket: string | undefined,
  waitMs: number,
  signal: AbortSignal,
): Promise<Client> {
  const deadline = monotonicNow() + waitMs
  for (;;) {
    try {
      return await connect({ socket, signal })
    } catch (error) {
      const mayCome = error instanceof LamportError && error.code === 'unreachable'
      if (!mayCome || monotonicNow() >= deadline) throw error
    }
    await pause(CONNECT_AGAIN_MS, signal)
  }
}

/** The connection that ties the lock to the command. */
export async function anchorOf(lock: Lock): Promise<Socket> {
  try {
    return await lock.anchor()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const what = `the lock cannot be tied to the command: ${reason}`
    const code = error instanceof LamportError ? error.code : 'disconnected'
    throw new LamportError(code, `${what} (-o does without)`)
  }
}

/** Lets go; a daemon that does not answer is not waited for. */
export async function letGo(lock: Lock): Promise<void> {
  await Promise.race([lock.release(), pause(FAREWELL_MS)])
}

export function userName(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // A user without an entry in the list of users.
    return undefined
  }
}

/** Resolves after a while, or rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      },
      Math.min(ms, TIMEOUT_MS_MAX),
    )
    if (signal?.aborted === true) aborted()
    else signal?.addEventListener('abort', aborted, { once: true })
  })
}
