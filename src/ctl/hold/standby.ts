import { LamportError, type Client, type Lock } from '../../client/client.ts'
import { errorExit, Exit } from '../exit.ts'
import { lockEnvironment } from '../lock/child.ts'
import { Guard } from '../lock/guard.ts'
import { connectPatiently, letGo, pause, userName } from '../lock/parts.ts'
import type { LockPlan } from '../lock/plan.ts'
import { Interrupted, type Signals } from '../lock/signals.ts'
import type { Notes } from '../output.ts'
import { Line } from './line.ts'
import type { Supervisor } from '../../control/supervisor.ts'

/** What one line of `lamportctl hold` asks for. */
export type HoldPlan = {
  readonly lock: LockPlan
  readonly onAcquire: string
  readonly onLost: string
  readonly socket: string | undefined
}

/** How soon the lock is asked for again where the daemon refused. */
const AGAIN_MS = 1000

/** A host that cannot do the work leaves it to others, longer each time. */
const FAILED_MS = 1000
const FAILED_MS_MAX = 60_000

/** Why the work of a holder ends. */
type Ending =
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'lost'; readonly reason: string }

/**
 * Active where it holds the lock, standing by where it does not. Once on-acquire has begun on-lost
 * follows, whatever happens, and nothing of either runs when another host can be in.
 */
export class Standby {
  readonly #plan: HoldPlan
  readonly #signals: Signals
  readonly #notes: Notes
  readonly #supervisor: Supervisor
  readonly #stop = new AbortController()
  #failures = 0
  /** What was said last of the daemon: saying it again would say nothing. */
  #complaint: string | undefined

  constructor(plan: HoldPlan, signals: Signals, notes: Notes, supervisor: Supervisor) {
    this.#plan = plan
    this.#signals = signals
    this.#notes = notes
    this.#supervisor = supervisor
  }

  /** Until a signal; then 0. */
  async run(): Promise<number> {
    const signal = this.#stop.signal
    this.#signals.receive(caught => {
      if (caught !== 'SIGUSR1' && caught !== 'SIGUSR2') this.#stop.abort(new Interrupted(caught))
    })
    while (!signal.aborted) {
      try {
        await this.#once(signal)
        if (this.#failures === 0) continue
        await pause(Math.min(FAILED_MS * 2 ** (this.#failures - 1), FAILED_MS_MAX), signal)
      } catch (error) {
        if (error instanceof Interrupted) break
        if (!(error instanceof LamportError)) throw error
        if (isHopeless(error)) {
          this.#notes.complain(error.message)
          return errorExit(error.code)
        }
        if (error.message !== this.#complaint) this.#say(error.message)
        this.#complaint = error.message
        await pause(AGAIN_MS, signal).catch(() => undefined)
      }
    }
    this.#supervisor.tell('STOPPING=1', 'STATUS=stopped')
    return Exit.done
  }

  /** One time of holding it, from the wait to the end. */
  async #once(signal: AbortSignal): Promise<void> {
    const { lock: plan, socket } = this.#plan
    const user = userName()
    this.#tell({ event: 'waiting' }, `waiting for ${plan.names.join(' ')}`)
    const client = await connectPatiently(socket, 0, signal).catch((error: unknown) => {
      if (!(error instanceof LamportError) || error.code !== 'unreachable') throw error
      if (error.message !== this.#complaint) this.#say(error.message)
      this.#complaint = error.message
      return connectPatiently(socket, Infinity, signal)
    })
    try {
      const lock = await client.lock(plan.names, {
        mode: plan.mode,
        count: plan.count,
        why: plan.why,
        user,
        command: 'hold',
        signal,
        onQueued: position => this.#status(`standing by, ${position} before us`),
      })
      this.#complaint = undefined
      try {
        await this.#held(client, lock, signal)
      } finally {
        await letGo(lock)
      }
    } finally {
      await client.close()
    }
  }

  async #held(client: Client, lock: Lock, signal: AbortSignal): Promise<void> {
    const { lock: plan, onAcquire, onLost } = this.#plan
    const { names, token, mode } = lock
    let line: Line | undefined
    const time = { isOver: false }
    let end: (ending: Ending) => void = () => undefined
    const ending = new Promise<Ending>(resolve => (end = resolve))
    const guard = new Guard(lock, plan.graceMs, {
      stop: reason => end({ type: 'lost', reason }),
      kill: reason => {
        // Whoever was stopped for long has nothing to kill, and on-lost before it.
        time.isOver = true
        if (reason === undefined) line?.kill()
        end({ type: 'lost', reason: reason ?? 'the lease ran out' })
      },
    })
    const stop = (): void => end({ type: 'stopped' })
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      const env = lockEnvironment(plan, client, lock, this.#notes)
      this.#tell({ event: 'held', token, mode }, `held ${names.join(' ')}, token ${token}`)
      line = new Line(onAcquire, env)
      const why = await this.#work(line, ending, end)
      if (time.isOver) this.#say('on-lost begins late: another host may be active already')
      line = new Line(onLost, env)
      const failure = await line.ended
      if (failure !== undefined) this.#say(`on-lost ${failure}`)
      this.#ended(lock, why)
    } finally {
      signal.removeEventListener('abort', stop)
      guard.end()
    }
  }

  /** Active, until there is a reason to end it. */
  async #work(line: Line, ending: Promise<Ending>, end: (why: Ending) => void): Promise<Ending> {
    const { names } = this.#plan.lock
    const began = line.ended.then(failure => {
      if (failure === undefined) {
        this.#failures = 0
        this.#supervisor.tell('READY=1', `STATUS=active: holds ${names.join(' ')}`)
      } else end({ type: 'failed', reason: `on-acquire ${failure}` })
    })
    const why = await ending
    if (why.type === 'lost') {
      this.#tell({ event: 'lost', reason: why.reason }, `${why.reason}; running on-lost`)
      line.kill()
    } else if (why.type === 'stopped') line.signal('SIGTERM')
    await began
    return why
  }

  #ended({ token }: Lock, why: Ending): void {
    const name = this.#plan.lock.names.join(' ')
    if (why.type === 'failed') {
      this.#failures += 1
      this.#tell(
        { event: 'failed', token, reason: why.reason },
        `${why.reason}; letting ${name} go`,
      )
    }
    if (why.type === 'stopped') this.#tell({ event: 'released', token }, `letting ${name} go`)
  }

  #tell(event: Readonly<Record<string, unknown>>, text: string): void {
    const { isJson, names } = this.#plan.lock
    const { event: what, ...rest } = event
    if (isJson) this.#notes.json({ event: what, names, ...rest })
    else this.#notes.complain(text)
    if (what !== 'released') this.#status(text)
  }

  #say(message: string): void {
    this.#notes.complain(message)
  }

  #status(text: string): void {
    this.#supervisor.tell(`STATUS=${text.replace(/\p{Cc}/gu, ' ')}`)
  }
}

/** Nothing would change if it were asked again. */
function isHopeless({ code }: LamportError): boolean {
  return ['argument', 'socket', 'permission', 'invalidParams', 'methodNotFound'].includes(code)
}
