import { monotonicNow } from '../control/monotonic.ts'
import { unreachable } from '../lib/assert.ts'
import { NEVER } from '../lib/time.ts'
import type { Instant } from '../lib/time.ts'
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
import { bootTime, SleepDetector } from './sleep.ts'

/** What is driven: a `Node`, or what a test puts in its place. */
export type Driven = Pick<Node, 'step' | 'deadline' | 'status' | 'locks' | 'why'>

/** Where the effects of a node go. */
export type DriverOutput = {
  transmit(to: Address, bytes: Uint8Array): void
  /** Make it durable; the driver is given `synced` when it is. */
  append(lsn: Lsn, entries: readonly StoreEntry[]): void
  respond(id: CommandId, response: Response): void
  notify(event: NodeEvent): void
}

/** A timeout of Node's that is longer fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** Drives one node in real time: step, perform every effect in order, wait for the deadline. */
export class Driver {
  readonly #node: Driven
  readonly #output: DriverOutput
  readonly #inputs: Input[] = []
  readonly #sleep = new SleepDetector(bootTime)
  #isStepping = false
  #isStopped = false
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #timerAt: Instant = NEVER

  constructor(node: Driven, output: DriverOutput) {
    this.#node = node
    this.#output = output
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
    if (this.#sleep.wasAsleep(monotonicNow())) this.#inputs.unshift({ type: 'suspended' })
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const effect of this.#node.step(monotonicNow(), next)) this.#perform(effect)
    }
    this.#isStepping = false
    this.#rearm()
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

  #rearm(): void {
    const { deadline } = this.#node
    const now = monotonicNow()
    if (deadline <= now) {
      // After the poll phase: what arrived together is handled before anything is flushed.
      this.#immediate ??= setImmediate(() => {
        this.#immediate = undefined
        this.drive({ type: 'tick' })
      })
      return
    }
    // A timer that fires early is armed again, which costs less than to move it at every datagram.
    if (deadline >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = deadline
    const wait = Math.min(Math.ceil(deadline - now), TIMEOUT_MS_MAX)
    this.#timer = setTimeout(() => {
      this.#timerAt = NEVER
      if (this.#node.deadline <= monotonicNow()) this.drive({ type: 'tick' })
      else this.#rearm()
    }, wait)
  }
}
