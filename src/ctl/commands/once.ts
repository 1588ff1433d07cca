import { LamportError, type Client, type Lock } from '../../client/client.ts'
import { monotonicNow } from '../../control/monotonic.ts'
import { WAIT_MS } from '../../control/protocol.ts'
import type { CommandSpec, Options } from '../arguments.ts'
import { command, usageError, type Command } from '../command.ts'
import { errorExit, Exit, signalExit } from '../exit.ts'
import { runCommand } from '../lock/child.ts'
import { inheritedDescriptors, type Inherited } from '../lock/descriptors.ts'
import { CONNECTING, STOPPING, VERBOSE, WHY } from '../lock/options.ts'
import { anchorOf, connectPatiently, FAREWELL_MS, letGo, pause, userName } from '../lock/parts.ts'
import { commandLabel } from '../lock/plan.ts'
import { Interrupted, Signals } from '../lock/signals.ts'
import { ForeignRecord, Ledger, type Look } from '../once/ledger.ts'
import { planOnce, type OncePlan } from '../once/plan.ts'
import type { Stamp } from '../once/record.ts'
import { humanDuration, Notes } from '../output.ts'

/** Where it is known at once that there is no majority. */
const LOOK_AGAIN_MS = 200

const SPEC: CommandSpec = {
  name: 'once',
  operands: ['once', 'command'],
  usage: [
    'once --every DURATION [OPTION...] NAME [--] COMMAND [ARGUMENT...]',
    'once --key KEY [OPTION...] NAME [--] COMMAND [ARGUMENT...]',
    "once --every DURATION [OPTION...] NAME -c 'SHELL COMMAND'",
  ],
  summary:
    'Runs a command at most once per period, or once per key, over all hosts: for the same line ' +
    'in the crontab of every box. Whoever comes too late exits 0 and says nothing.',
  options: {
    every: { type: 'text', value: 'DURATION', describe: 'once per period: 30s, 15m, 1h, 1d' },
    key: { type: 'text', value: 'KEY', describe: 'once for this key: a date, a version' },
    'retry-failed': {
      type: 'flag',
      describe: 'if it fails (exit code other than 0), the next one may try again at once',
    },
    'conflict-exit-code': {
      type: 'text',
      alias: ['E'],
      value: 'CODE',
      describe: 'exit with this instead of 0 if there is nothing to run',
    },
    nonblock: {
      type: 'flag',
      alias: ['n', 'nb'],
      describe: 'if it is due and the lock is taken, do not wait for it',
    },
    wait: { type: 'text', alias: ['w', 'timeout'], value: 'SECONDS', describe: 'at most so long' },
    ...STOPPING,
    ...WHY,
    ...CONNECTING,
    ...VERBOSE,
  },
  examples: [
    ['lamportctl once --every 1d backup rsync -a /home nas:', 'on one of the boxes, once a day'],
    [
      'lamportctl once --every 1h --retry-failed mail ./fetch',
      'a failure does not use up the hour',
    ],
    ['lamportctl once --key "$VERSION" migrate ./migrate', 'once for each version'],
  ],
  notes:
    'While the command runs its host holds the lock NAME, as lamportctl lock NAME would: both ' +
    'exclude each other. Whoever waits for it goes as soon as somebody else has used the period.\n\n' +
    '--every reads the wall clock, which nothing else here does: of the host that started the ' +
    'command, kept in the variable once/NAME, and of the one that asks. It is due when 90 % of the ' +
    'period have passed, or when that start lies more than 10 % of a period in the future, for ' +
    'then a clock was wrong. So clocks have to agree to a tenth of the period.\n\n' +
    'A period or key is used once a majority has it on disk, just before the command starts: a ' +
    'host that dies then has used it up. One whose command cannot be started has not. The last ' +
    '1,000 keys of a NAME are kept. lamportctl unset once/NAME makes everything due again.',
  exits: [
    ['0..255', "the command's own (128+n if signal n ended it); 0 if there is nothing to run (-E)"],
    ['65', 'once/NAME holds something else'],
    ['75', 'the lock was lost and the command was stopped'],
    ['76', 'whether the period is used is not known, and nothing ran'],
    ['126', 'the command is not executable'],
    ['127', 'the command is not found'],
  ],
}

/** Run a command on one host, once. */
export const once: Command = {
  spec: SPEC,
  run: args => {
    // Looked at before anything is opened, even to read the line.
    const inherited = inheritedDescriptors()
    return command(SPEC, async (options, operands) => {
      const plan = planOnce(options, operands)
      if ('problem' in plan) return usageError('once', plan.problem)
      const notes = new Notes()
      const code = await new Run(plan, options, inherited, notes).run()
      await notes.flush(FAREWELL_MS)
      return code
    }).run(args)
  },
}

/** Why there is nothing to run. */
class NotDue extends Error {
  override readonly name = 'NotDue'
  readonly stamp: Stamp | undefined

  constructor(stamp: Stamp | undefined) {
    super('it is not due')
    this.stamp = stamp
  }
}

/** One run of `lamportctl once`. */
class Run {
  readonly #plan: OncePlan
  readonly #socket: string | undefined
  readonly #inherited: Inherited
  readonly #notes: Notes
  readonly #signals = new Signals()
  /** The wait is over: for the lock, and for a majority. */
  readonly #deadline: number

  constructor(plan: OncePlan, options: Options, inherited: Inherited, notes: Notes) {
    this.#plan = plan
    this.#socket = options.text('socket')
    this.#inherited = inherited
    this.#notes = notes
    this.#deadline = monotonicNow() + (plan.lock.waitMs ?? Infinity)
  }

  async run(): Promise<number> {
    const { lock: plan, variable, wanted } = this.#plan
    const { interrupted } = this.#signals
    try {
      const client = await connectPatiently(this.#socket, plan.connectWaitMs, interrupted)
      const ledger = new Ledger(client, variable, wanted, () => Date.now())
      const { isDue, stamp } = await this.#look(ledger)
      if (!isDue) throw new NotDue(stamp)
      const lock = await this.#acquire(client, ledger)
      try {
        return await this.#claim(client, ledger, lock)
      } finally {
        await letGo(lock)
      }
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** Most hosts need no more than this: another one has run it. */
  async #look(ledger: Ledger): Promise<Look> {
    const { waitMs } = this.#plan.lock
    for (;;) {
      const rest = waitMs === 0 ? WAIT_MS : Math.max(0, this.#deadline - monotonicNow())
      try {
        return await ledger.look(Math.min(rest, WAIT_MS), this.#signals.interrupted)
      } catch (error) {
        const mayCome = error instanceof LamportError && error.code === 'noMajority'
        if (!mayCome || waitMs === 0 || monotonicNow() >= this.#deadline) throw error
      }
      await pause(LOOK_AGAIN_MS, this.#signals.interrupted)
    }
  }

  /** Whoever waits looks on, and goes when there is nothing left to wait for. */
  async #acquire(client: Client, ledger: Ledger): Promise<Lock> {
    const { lock: plan } = this.#plan
    const { interrupted } = this.#signals
    const [enough, done] = [new AbortController(), new AbortController()]
    const user = userName()
    const rest = plan.waitMs === undefined ? undefined : this.#deadline - monotonicNow()
    this.#say(`waiting for ${plan.names.join(' ')}`)
    let isWatching = false
    try {
      return await client.lock(plan.names, {
        waitMs: rest === undefined ? undefined : Math.max(0, rest),
        why: plan.why,
        user,
        command: commandLabel(plan, user),
        signal: AbortSignal.any([interrupted, enough.signal]),
        onQueued: () => {
          if (!isWatching) void this.#watch(client, ledger, done.signal, enough)
          isWatching = true
        },
      })
    } finally {
      done.abort()
    }
  }

  async #watch(
    client: Client,
    ledger: Ledger,
    signal: AbortSignal,
    enough: AbortController,
  ): Promise<void> {
    try {
      for await (const change of client.watch(this.#plan.variable, { initial: true, signal })) {
        const { isDue, stamp } = ledger.judge(change)
        if (!isDue) enough.abort(new NotDue(stamp))
      }
    } catch {
      // It is read again when we have the lock.
    }
  }

  async #claim(client: Client, ledger: Ledger, lock: Lock): Promise<number> {
    const { variable, retryFailed } = this.#plan
    const claimed = await ledger.claim(lock)
    if (claimed.type === 'not-due') throw new NotDue(claimed.stamp)
    if (claimed.type === 'unknown') {
      const advice = `look before you run it by hand: lamportctl get ${variable}`
      const what = `whether this run is noted in ${variable} is not known, so nothing was run`
      this.#notes.complain(`${what}: ${claimed.reason} (${advice})`)
      return Exit.uncertain
    }
    let isUsed = false
    try {
      const ended = await this.#execute(client, lock)
      isUsed = ended.hasStarted && !(retryFailed && ended.code !== 0)
      return ended.code
    } finally {
      if (!isUsed) await this.#giveBack(ledger, lock)
    }
  }

  async #execute(client: Client, lock: Lock): ReturnType<typeof runCommand> {
    const { lock: plan } = this.#plan
    const anchor = await anchorOf(lock)
    this.#signals.interrupted.throwIfAborted()
    lock.lost.throwIfAborted()
    const { names, token, mode } = lock
    if (plan.isJson) this.#notes.json({ event: 'held', names, token, mode })
    this.#say(`running ${plan.command.join(' ')}, token ${token}`)
    const [inherited, signals, notes] = [this.#inherited, this.#signals, this.#notes]
    const setting = { plan, client, lock, anchor, inherited, signals, notes }
    return runCommand(plan.command, setting)
  }

  async #giveBack(ledger: Ledger, lock: Lock): Promise<void> {
    const { variable, name } = this.#plan
    const problem = await ledger.giveBack(lock)
    if (problem === undefined) this.#say(`${name} is due again`)
    else {
      const advice = `to make it due: lamportctl unset ${variable}`
      this.#notes.complain(`${name} stays used although it was not done: ${problem} (${advice})`)
    }
  }

  #failed(error: unknown): number {
    const { name, loserCode } = this.#plan
    if (error instanceof Interrupted) return signalExit(error.signal)
    if (error instanceof NotDue) {
      this.#skipped('not-due', error.stamp)
      return loserCode
    }
    if (error instanceof ForeignRecord) {
      this.#notes.complain(error.message)
      return Exit.data
    }
    if (!(error instanceof LamportError)) throw error
    if (error.code !== 'notAcquired') {
      this.#notes.complain(error.message)
      return errorExit(error.code)
    }
    this.#say(`${name} not acquired: ${error.message}`)
    this.#skipped('not-acquired', undefined)
    return loserCode
  }

  /** Silent without -v: cron mails every word. */
  #skipped(event: 'not-due' | 'not-acquired', stamp: Stamp | undefined): void {
    const { lock: plan, name } = this.#plan
    if (plan.isJson) {
      const started = stamp === undefined ? {} : { started: new Date(stamp.started).toISOString() }
      const host = stamp === undefined ? {} : { host: stamp.host }
      this.#notes.json({ event, names: plan.names, ...started, ...host })
    } else if (event === 'not-due') {
      const ago = stamp === undefined ? '' : humanDuration(Math.max(0, Date.now() - stamp.started))
      const who = stamp === undefined ? '' : ` (started on ${stamp.host} ${ago} ago)`
      this.#say(`${name} is not due${who}`)
    }
  }

  #say(message: string): void {
    if (this.#plan.lock.isVerbose && !this.#plan.lock.isJson) this.#notes.complain(message)
  }
}
