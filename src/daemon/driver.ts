import { monotonicNow } from '../control/monotonic.ts'
import { unreachable } from '../lib/assert.ts'
import { earliest, elapsed, milliseconds, NEVER, TIMEOUT_MS_MAX } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { PastVersion, Variable } from '../core/variable.ts'
import type {
  CommandId,
  Effect,
  Input,
  LockStatus,
  Lsn,
  Node,
  NodeEvent,
  Response,
  Status,
  StoreEntry,
  WhyStatus,
} from '../node.ts'
import type { Address } from '../transport/endpoint.ts'
import { atEndOfTurn } from '../lib/turn.ts'
import { createBootClock, SleepDetector } from './sleep.ts'

/** What is driven: a `Node`, or what a test puts in its place. */
export type Driven = Pick<
  Node,
  'step' | 'deadline' | 'status' | 'locks' | 'why' | 'variable' | 'variables' | 'history'
>

/** Where the effects of a node go. */
export type DriverOutput = {
  transmit(to: Address, bytes: Uint8Array): void
  /** Make it durable; the driver is given `synced` when it is. */
  append(lsn: Lsn, entries: readonly StoreEntry[]): void
  respond(id: CommandId, response: Response): void
  notify(event: NodeEvent): void
}

/** What timers of user space are good for; whatever is later than this, the loop was held up. */
const LATE: Duration = milliseconds(2)
/** A heartbeat that is so much older when it is read is worth an excuse. */
const STALL_MIN: Duration = milliseconds(20)
/** A poll takes 32 datagrams from a socket (libuv); so many polls empty the largest buffer. */
const POLLS_MAX = 32

const TICK: Input = { type: 'tick' }

/** Drives one node in real time: step, perform every effect in order, wait for the deadline. */
export class Driver {
  readonly #node: Driven
  readonly #output: DriverOutput
  readonly #inputs: Input[] = []
  readonly #sleep: SleepDetector
  #isStepping = false
  #isStopped = false
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt: Instant = NEVER
  /** When the tick that waits for this poll to end was asked for. */
  #immediateAt: Instant = NEVER
  /** When something was last done here. */
  #active: Instant = NEVER
  /** What just came in is answered within this turn of the loop, without a look at the sockets. */
  #isUrgent = false
  #hasTurnTick = false
  /** The loop was held up: no timer is due before what came in meanwhile has been taken. */
  #isBehind = false
  readonly #turnTick = (): void => {
    this.#hasTurnTick = false
    this.drive(TICK)
  }
  #datagrams = 0
  #datagramsBefore = 0
  #polls = 0

  constructor(
    node: Driven,
    output: DriverOutput,
    sleep: SleepDetector = new SleepDetector(createBootClock()),
  ) {
    this.#node = node
    this.#output = output
    this.#sleep = sleep
  }

  /**
   * One input, and all that it leads to. An effect may give inputs of its own: they are taken when
   * every effect before them has been performed.
   */
  drive(input: Input): void {
    if (this.#isStopped) return
    this.#inputs.push(input)
    if (this.#isStepping) return
    this.#isStepping = true
    if (input.type === 'datagram') this.#datagrams += 1
    // A commit has waited long enough; lines that a client wrote together come in one turn.
    if (input.type === 'synced' || input.type === 'command') this.#isUrgent = true
    let now = monotonicNow()
    this.#noticeStall(now)
    if (this.#sleep.wasAsleep(now)) this.#inputs.unshift({ type: 'suspended' })
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const effect of this.#node.step(now, next)) this.#perform(effect)
      now = monotonicNow()
    }
    this.#isStepping = false
    this.#active = now
    this.#rearm(now)
  }

  status(): Status {
    return this.#node.status(monotonicNow())
  }

  why(name: string): WhyStatus {
    return this.#node.why(monotonicNow(), name)
  }

  locks(): readonly LockStatus[] {
    return this.#node.locks(monotonicNow())
  }

  /** What this host knows of a variable. */
  variable(name: string): Variable {
    return this.#node.variable(name)
  }

  /** All that are set, by name. */
  variables(): readonly Variable[] {
    return this.#node.variables()
  }

  /** The newest first. */
  history(name: string): readonly PastVersion[] {
    return this.#node.history(name)
  }

  /** Nothing is stepped after this. */
  stop(): void {
    this.#isStopped = true
    clearImmediate(this.#immediate)
    clearTimeout(this.#timer)
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'datagram': {
        this.#output.transmit(effect.to, effect.bytes)
        return
      }
      case 'append': {
        this.#output.append(effect.lsn, effect.entries)
        return
      }
      case 'response': {
        this.#output.respond(effect.id, effect.response)
        return
      }
      case 'event': {
        this.#output.notify(effect.event)
        return
      }
      default:
        return unreachable(effect)
    }
  }

  /** Silence that was only ours is nobody else's fault: the node is told before anything else. */
  #noticeStall(now: Instant): void {
    const due = earliest(this.#timerAt, this.#immediateAt)
    // A step that takes long is over when it is over: the loop goes on from there.
    const lag = elapsed(due > this.#active ? due : this.#active, now)
    if (!(lag > LATE)) return
    this.#isBehind = true
    this.#active = now
    if (lag >= STALL_MIN) this.#inputs.unshift({ type: 'stalled', lag })
  }

  #rearm(now: Instant): void {
    const { deadline } = this.#node
    const isUrgent = this.#isUrgent
    this.#isUrgent = false
    if (deadline <= now) {
      if (isUrgent) this.#tickAfterTurn()
      else this.#tickAfterPoll(now)
      return
    }
    // A timer that fires early is armed again, which costs less than to move it at every datagram.
    if (deadline >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    const wait = Math.min(Math.ceil(deadline - now), TIMEOUT_MS_MAX)
    this.#timer = setTimeout(() => this.#timeout(), wait)
  }

  #timeout(): void {
    const now = monotonicNow()
    const isLate = elapsed(this.#timerAt, now) > LATE
    if (isLate) this.#isBehind = true
    if (this.#node.deadline > now) {
      this.#timerAt = NEVER
      this.#rearm(now)
    } else if (isLate) {
      // Whatever held up the timer held up the sockets: an ACK may be there that makes it void.
      this.#tickAfterPoll(this.#timerAt)
      this.#timerAt = NEVER
    } else {
      this.#timerAt = NEVER
      this.drive(TICK)
    }
  }

  /** When all that one commit has made durable, or one client has asked for, has been taken. */
  #tickAfterTurn(): void {
    if (this.#hasTurnTick) return
    this.#hasTurnTick = true
    atEndOfTurn(this.#turnTick)
  }

  /** After the poll phase: what arrived together is handled before anything is flushed. */
  #tickAfterPoll(since: Instant): void {
    this.#immediateAt = earliest(this.#immediateAt, since)
    this.#immediate ??= setImmediate(() => this.#polled())
  }

  #polled(): void {
    this.#immediate = undefined
    this.#noticeStall(monotonicNow())
    if (this.#isBehind && this.#datagrams > this.#datagramsBefore && this.#polls < POLLS_MAX) {
      this.#datagramsBefore = this.#datagrams
      this.#polls += 1
      this.#immediate = setImmediate(() => this.#polled())
      return
    }
    this.#datagramsBefore = this.#datagrams
    this.#polls = 0
    this.#isBehind = false
    this.#immediateAt = NEVER
    this.drive(TICK)
  }
}
