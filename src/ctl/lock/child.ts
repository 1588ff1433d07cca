import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Client, Lock } from '../../client/client.ts'
import { keepFor } from '../../client/lock.ts'
import { monotonicNow } from '../../control/monotonic.ts'
import { Exit, signalExit } from '../exit.ts'
import type { Notes } from '../output.ts'
import { hasTerminal } from '../terminal.ts'
import { stdioOf, type Inherited } from './descriptors.ts'
import { Family, send } from './family.ts'
import { Guard } from './guard.ts'
import type { LockPlan } from './plan.ts'
import type { CaughtSignal, Signals } from './signals.ts'

/** How often we look whether the family of a command that was asked to stop has gone. */
const LOOK_MS = 20

/** What a command is run with. */
export type Setting = {
  readonly plan: LockPlan
  readonly client: Client
  readonly lock: Lock
  readonly anchor: Socket | undefined
  readonly inherited: Inherited
  readonly signals: Signals
  readonly notes: Notes
}

/** How it ended. */
export type Ended = {
  readonly code: number
  readonly wasLost: boolean
  /** `false`: there is no such command, or it may not be run. */
  readonly hasStarted: boolean
}

/** Runs the command under the lock: forwards signals to it, stops it if the lock is lost. */
export async function runCommand(
  command: readonly [string, ...string[]],
  setting: Setting,
): Promise<Ended> {
  const { signals, anchor, plan, lock } = setting
  const ownsGroup = !hasTerminal()
  const child = start(command, setting, ownsGroup)
  if (anchor !== undefined && child instanceof StartedChild && child.pid > 0) {
    keepFor(lock, child.pid)
  }
  // The child has it now. Closing our copy writes nothing and ends nothing.
  anchor?.destroy()
  if (!(child instanceof StartedChild)) {
    return { code: child.code, wasLost: false, hasStarted: false }
  }
  const family = new Family(child.pid, ownsGroup)
  signals.receive(signal => forward(signal, child, ownsGroup))
  const guard = new Guard(lock, plan.graceMs, guardOutput(setting, family))
  const code = await child.ended
  const wasLost = guard.end()
  if (wasLost && plan.onLost === 'stop') await outlive(family, guard.killAt)
  signals.receive(undefined)
  return { code: wasLost ? plan.lostCode : code, wasLost, hasStarted: child.pid > 0 }
}

class StartedChild {
  readonly pid: number
  /** With its exit code, or the code that stands for the signal that ended it. */
  readonly ended: Promise<number>

  constructor(pid: number, ended: Promise<number>) {
    this.pid = pid
    this.ended = ended
  }
}

function start(
  [file, ...args]: readonly [string, ...string[]],
  { plan, client, lock, anchor, inherited, notes }: Setting,
  detached: boolean,
): StartedChild | { readonly code: number } {
  const failed = (error: unknown): { readonly code: number } => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    const isMissing = code === 'ENOENT'
    const advice = isMissing ? 'is it installed, and in $PATH?' : code
    notes.complain(`${file}: ${isMissing ? 'not found' : 'cannot be run'} (${advice})`)
    return { code: isMissing ? Exit.notFound : Exit.notExecutable }
  }
  let child: ChildProcess
  try {
    const env = lockEnvironment(plan, client, lock, notes)
    child = spawn(file, args, { stdio: stdioOf(inherited, anchor), env, detached })
  } catch (error) {
    return failed(error)
  }
  const { pid } = child
  const ended = new Promise<number>(resolve => {
    child.once('error', error => (pid === undefined ? resolve(failed(error).code) : undefined))
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? Exit.internal) : signalExit(signal)),
    )
  })
  return new StartedChild(pid ?? 0, ended)
}

/** After what is inherited, so that a lock within a lock tells of its own. */
export function lockEnvironment(
  plan: LockPlan,
  client: Client,
  lock: Lock,
  notes: Notes,
): Record<string, string | undefined> {
  const env: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(process.env)) {
    // Node reads the environment as UTF-8 and gives on what it read.
    if (`${name}${value ?? ''}`.includes('\ufffd')) {
      notes.complain(
        `the environment variable ${name} is not UTF-8 and changed (write it in UTF-8)`,
      )
    }
    if (!name.startsWith('LAMPORT_LOCK_')) env[name] = value
  }
  env.LAMPORT_LOCK_NAME = plan.names.join(' ')
  env.LAMPORT_LOCK_TOKEN = String(lock.token)
  env.LAMPORT_LOCK_MODE = plan.mode
  env.LAMPORT_HOST = client.host.name
  env.LAMPORT_SOCKET = client.socket
  return env
}

/**
 * What ends a command ends all of it, as a terminal would: else a shell would go, and what it runs
 * would work on without the lock. What only tells it something is for the command itself.
 */
function forward(signal: CaughtSignal, child: StartedChild, ownsGroup: boolean): void {
  switch (signal) {
    case 'SIGINT':
    case 'SIGQUIT':
      // The terminal has sent them to the command as well.
      if (ownsGroup) send(-child.pid, signal)
      return
    case 'SIGTERM':
    case 'SIGHUP':
      send(ownsGroup ? -child.pid : child.pid, signal)
      return
    case 'SIGUSR1':
    case 'SIGUSR2':
      send(child.pid, signal)
      return
    default:
      signal satisfies never
  }
}

function guardOutput({ plan, lock, notes }: Setting, family: Family) {
  const told = (reason: string, what: string): void => {
    if (plan.isJson) notes.json({ event: 'lost', names: lock.names, token: lock.token, reason })
    else notes.complain(`${reason}; ${what}`)
  }
  const warned = 'the command runs on with a stale token (--on-lost warn)'
  return {
    stop: (reason: string, killMs: number): void => {
      if (plan.onLost === 'stop') family.signal(plan.killSignal)
      const wait = (killMs / 1000).toFixed(2)
      const stopping = `stopping the command (${plan.killSignal} now, SIGKILL in ${wait} s)`
      told(reason, plan.onLost === 'warn' ? warned : stopping)
    },
    kill: (reason: string | undefined): void => {
      if (plan.onLost === 'stop') family.kill()
      if (reason !== undefined) told(reason, plan.onLost === 'warn' ? warned : 'killed the command')
    },
  }
}

/** The command itself has ended; what it started has until the deadline. */
async function outlive(family: Family, killAt: number): Promise<void> {
  while (family.isAlive()) {
    if (monotonicNow() >= killAt) {
      family.kill()
      return
    }
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  }
}
