import { Exit, signalExit } from '../exit.ts'
import { Interrupted } from '../lock/signals.ts'

/**
 * Ends as the signal that interrupted us would have ended us, so that a shell stops its loop, and
 * systemd takes it for the clean end that it is.
 */
export async function diedOf(interrupted: AbortSignal): Promise<number> {
  const reason: unknown = interrupted.reason
  if (!(reason instanceof Interrupted)) return Exit.done
  process.removeAllListeners(reason.signal)
  process.kill(process.pid, reason.signal)
  // The first process of a container is not ended by a signal that it does not catch.
  await new Promise(resolve => setTimeout(resolve, 100))
  return signalExit(reason.signal)
}
