import type { Socket } from 'node:net'
import { LamportError, type Client, type LamportErrorCode, type Lock } from '../../client/client.ts'
import { monotonicNow } from '../../control/monotonic.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { errorExit, signalExit } from '../exit.ts'
import { runCommand, type Setting } from '../lock/child.ts'
import { inheritedDescriptors, type Inherited } from '../lock/descriptors.ts'
import { holdUntilStdinEnds } from '../lock/hold.ts'
import { CONNECTING, SHARING, STOPPING, VERBOSE, WAITING, WHY } from '../lock/options.ts'
import { anchorOf, connectPatiently, FAREWELL_MS, letGo, pause, userName } from '../lock/parts.ts'
import { commandLabel, planLock, type LockPlan } from '../lock/plan.ts'
import { Interrupted, Signals } from '../lock/signals.ts'
import { WaitingLine } from '../lock/waiting-line.ts'
import { humanDuration, Notes } from '../output.ts'

const SPEC: CommandSpec = {
  name: 'lock',
  operands: ['lock', 'command'],
  usage: [
    'lock [OPTION...] NAME [--] COMMAND [ARGUMENT...]',
    "lock [OPTION...] NAME -c 'SHELL COMMAND'",
    'lock [OPTION...] NAME',
  ],
  summary:
    'Runs a command while holding a lock that all hosts respect; options as in flock(1).\n' +
    'Without a command: prints "held NAME token=N" and holds until stdin ends or a signal.',
  options: {
    ...WAITING,
    ...SHARING,
    close: {
      type: 'flag',
      alias: ['o'],
      describe: 'if lamportctl is killed, let go at once and not when the command ends',
    },
    ...VERBOSE,
    ...STOPPING,
    'on-lost': {
      type: 'text',
      value: 'stop|warn',
      choices: ['stop', 'warn'],
      describe: 'warn: let the command run on without the lock',
    },
    'lost-code': {
      type: 'text',
      value: 'CODE',
      describe: 'exit with this if it is lost (else 75)',
    },
    'min-hold': { type: 'text', value: 'SECONDS', describe: 'keep it at least so long' },
    ...WHY,
    ...CONNECTING,
  },
  examples: [
    ['lamportctl lock backup rsync -a /home nas:', 'one backup at a time'],
    ['lamportctl lock -n report ./report || exit 0', 'only if nobody else is at it'],
    ["lamportctl lock -w 10 door -c 'date >> log'", 'a line for the shell; at most 10 seconds'],
    ['lamportctl lock --count 2 uplink ./upload', 'at most two at a time'],
  ],
  notes:
    'Like flock, -n and -w say nothing without -v.\n\n' +
    'If lamportd is restarted while a lock is waited for, it is asked for again, at the end of the ' +
    'queue, until -w ends (not with -n). A lock that is held goes on if the next lamportd is there ' +
    'before the lease has only the grace left, and is not stopped by SIGTERM before; else it is lost.\n\n' +
    'If the lock is lost the command is gone before anyone else can have it. A --grace longer than ' +
    'a quarter of the lease gives that promise up, and so does --on-lost warn: the command then ' +
    'runs on with a stale token, and lamportctl exits 75 at its end.\n\n' +
    'The command finds LAMPORT_LOCK_NAME, LAMPORT_LOCK_TOKEN, LAMPORT_LOCK_MODE, LAMPORT_HOST and ' +
    'LAMPORT_SOCKET in its environment. The token grows with every grant.',
  exits: [
    ['0..255', "the command's own (128+n if signal n ended it); without a command 0"],
    ['1', 'not acquired (-n, -w)'],
    ['75', 'the lock was lost and the command was stopped'],
    ['126', 'the command is not executable'],
    ['127', 'the command is not found'],
  ],
  instead: {
    u: 'a lock ends with its command: there is nothing to unlock',
    unlock: 'a lock ends with its command: there is nothing to unlock',
    F: 'leave it out: somebody has to watch the lease while the command runs',
    'no-fork': 'leave it out: somebody has to watch the lease while the command runs',
    c: "-c stands behind NAME: lamportctl lock NAME -c 'LINE'",
    command: "-c stands behind NAME: lamportctl lock NAME -c 'LINE'",
    V: 'write --version',
  },
}

/** A lock that did not last until its command could start is asked for so often. */
const TIES_MAX = 5

const TIE_AGAIN_MS = 100

/** How it is told that a lock has ended which nobody has let go of. */
const LOST: ReadonlySet<LamportErrorCode> = new Set(['lost', 'expired', 'notHeld', 'leaving'])

/** Or that its lamportd has. One that goes is gone at once; one that says nothing for longer hangs. */
const GONE: ReadonlySet<LamportErrorCode> = new Set(['disconnected', 'unreachable'])
const GONE_MS = 1000

function isLoss(error: unknown, tookMs: number): error is LamportError {
  if (!(error instanceof LamportError)) return false
  return LOST.has(error.code) || (GONE.has(error.code) && tookMs < GONE_MS)
}

/** A lock that is held, since when, and what ties it to the command. */
type Taken = {
  readonly lock: Lock
  readonly anchor: Socket | undefined
  readonly grantedAt: number
}

/** Hold a lock, mostly while a command runs. */
export const lock: Command = {
  spec: SPEC,
  run: args => {
    // Looked at before anything is opened, even to read the line.
    const inherited = inheritedDescriptors()
    return command(SPEC, async (options, operands) => {
      const plan = planLock(options, operands)
      if ('problem' in plan) return usageError('lock', plan.problem)
      const notes = new Notes()
      const code = await new Session(plan, options, inherited, notes).run()
      await notes.flush(FAREWELL_MS)
      return code
    }).run(args)
  },
}

/** One run of `lamportctl lock`. */
class Session {
  readonly #plan: LockPlan
  readonly #socket: string | undefined
  readonly #inherited: Inherited
  readonly #notes: Notes
  readonly #signals = new Signals()
  #wasAway = false

  constructor(plan: LockPlan, options: Options, inherited: Inherited, notes: Notes) {
    this.#plan = plan
    this.#socket = options.text('socket')
    this.#inherited = inherited
    this.#notes = notes
  }

  async run(): Promise<number> {
    try {
      const { connectWaitMs } = this.#plan
      const { interrupted } = this.#signals
      const client = await connectPatiently(this.#socket, connectWaitMs, interrupted)
      return await this.#hold(client, await this.#take(client))
    } catch (error) {
      return this.#failed(error)
    }
  }

  /**
   * A lock that is held, and tied to the command that is about to start. One that is lost before that
   * (its lamportd stops just then) has done nothing yet, and is asked for anew.
   */
  async #take(client: Client): Promise<Taken> {
    const { waitMs, command, hasAnchor } = this.#plan
    const started = monotonicNow()
    const giveUpAt = waitMs === undefined ? Infinity : started + waitMs
    let restMs = waitMs
    for (let left = TIES_MAX; ; left--) {
      const lock = await this.#acquire(client, restMs)
      const grantedAt = monotonicNow()
      let anchor: Socket | undefined
      try {
        if (hasAnchor && command !== undefined) anchor = await anchorOf(lock)
        this.#signals.interrupted.throwIfAborted()
        lock.lost.throwIfAborted()
        this.#held(lock, grantedAt - started)
        return { lock, anchor, grantedAt }
      } catch (error) {
        // Else the lock would be held by what is tied to nothing.
        anchor?.destroy()
        await letGo(lock)
        const isLost = isLoss(error, monotonicNow() - grantedAt)
        if (!isLost || left === 1 || waitMs === 0 || monotonicNow() >= giveUpAt) throw error
        this.#away(error)
      }
      await pause(TIE_AGAIN_MS, this.#signals.interrupted)
      // 0 would be another question.
      if (waitMs !== undefined) restMs = Math.max(1, giveUpAt - monotonicNow())
    }
  }

  async #acquire(client: Client, waitMs: number | undefined): Promise<Lock> {
    const plan = this.#plan
    const user = userName()
    this.#say(`waiting for ${plan.names.join(' ')}`)
    const line = plan.isJson ? undefined : new WaitingLine(client, plan.names, this.#notes)
    const asked = client.lock(plan.names, {
      mode: plan.mode,
      count: plan.count,
      waitMs,
      why: plan.why,
      user,
      command: commandLabel(plan, user),
      signal: this.#signals.interrupted,
      onQueued: position => this.#queued(position),
      onAway: reason => this.#away(reason),
    })
    return asked.finally(() => line?.end())
  }

  async #hold(client: Client, { lock, anchor, grantedAt }: Taken): Promise<number> {
    const plan = this.#plan
    try {
      if (plan.command === undefined) {
        const ended = await holdUntilStdinEnds(plan, lock, this.#signals, this.#notes)
        if (!ended.wasLost) await this.#keep(lock, grantedAt)
        return ended.code
      }
      this.#say(`running ${plan.command.join(' ')}`)
      const ended = await runCommand(plan.command, this.#setting(client, lock, anchor))
      if (!ended.wasLost) await this.#keep(lock, grantedAt)
      return ended.code
    } finally {
      await letGo(lock)
    }
  }

  #setting(client: Client, lock: Lock, anchor: Socket | undefined): Setting {
    const [plan, signals, notes] = [this.#plan, this.#signals, this.#notes]
    return { plan, client, lock, anchor, inherited: this.#inherited, signals, notes }
  }

  /** A box whose cron fires later finds the lock taken. */
  async #keep(lock: Lock, grantedAt: number): Promise<void> {
    const rest = grantedAt + this.#plan.minHoldMs - monotonicNow()
    if (rest <= 0) return
    this.#say(`keeping ${this.#plan.names.join(' ')} for another ${humanDuration(rest)}`)
    const enough = AbortSignal.any([lock.lost, this.#signals.interrupted])
    await pause(rest, enough).catch(() => undefined)
  }

  #failed(error: unknown): number {
    if (error instanceof Interrupted) return signalExit(error.signal)
    if (!(error instanceof LamportError)) throw error
    if (error.code !== 'notAcquired') {
      this.#notes.complain(error.message)
      return errorExit(error.code)
    }
    // Silent, as in flock(1): the code says it, and cron mails every word.
    this.#say(`${this.#plan.names.join(' ')} not acquired: ${error.message}`)
    if (this.#plan.isJson) this.#notes.json({ event: 'not-acquired', names: this.#plan.names })
    return this.#plan.conflictCode
  }

  #queued(position: number): void {
    const { names, isJson } = this.#plan
    if (isJson) this.#notes.json({ event: 'queued', names, position })
    else this.#say(`${names.join(' ')}: ${position} before us`)
  }

  /** Once: if it comes again, nothing new is to be said. */
  #away({ message }: LamportError): void {
    if (!this.#wasAway) this.#say(`${message}; asking again for ${this.#plan.names.join(' ')}`)
    this.#wasAway = true
  }

  #held(lock: Lock, waitedMs: number): void {
    const { names, token, mode } = lock
    this.#say(`got ${names.join(' ')} after ${(waitedMs / 1000).toFixed(3)} s, token ${token}`)
    if (!this.#plan.isJson || this.#plan.command === undefined) return
    this.#notes.json({ event: 'held', names, token, mode })
  }

  #say(message: string): void {
    if (this.#plan.isVerbose && !this.#plan.isJson) this.#notes.complain(message)
  }
}
