import type { Lock } from '../../client/client.ts'
import { Exit } from '../exit.ts'
import { print, printJson, type Notes } from '../output.ts'
import type { Ended } from './child.ts'
import { Guard } from './guard.ts'
import type { LockPlan } from './plan.ts'
import type { Signals } from './signals.ts'

/**
 * Holds the lock for a script that reads our stdout: until it closes our stdin, or sends a signal.
 * A loss is told when a command would be asked to stop; at `until` we are gone.
 */
export async function holdUntilStdinEnds(
  plan: LockPlan,
  lock: Lock,
  signals: Signals,
  notes: Notes,
): Promise<Ended> {
  const { names, token, mode } = lock
  if (plan.isJson) printJson({ event: 'held', names, token, mode })
  else print(`held ${names.join(' ')} token=${token}`)
  return new Promise<Ended>(resolve => {
    const lost = (reason: string): void => {
      if (plan.isJson) printJson({ event: 'lost', names, token, reason })
      else notes.complain(`${reason}; stop what rests on it`)
    }
    const finish = (): void => {
      const wasLost = guard.end()
      signals.receive(undefined)
      process.stdin.destroy()
      resolve({ code: wasLost ? plan.lostCode : Exit.done, wasLost, hasStarted: false })
    }
    const guard: Guard = new Guard(lock, plan.graceMs, {
      stop: lost,
      kill: reason => {
        if (reason !== undefined) lost(reason)
        setImmediate(finish)
      },
    })
    signals.receive(finish)
    for (const event of ['end', 'close', 'error']) process.stdin.once(event, finish)
    process.stdin.resume()
  })
}
