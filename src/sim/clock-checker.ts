import { timestampOf, type HostId } from '../core/clock.ts'
import { clockOf, type Message } from '../core/message.ts'
import type { Checker } from './checkers.ts'
import { Findings, type Violation } from './findings.ts'
import type { Observation } from './observation.ts'

/** The last event of a host: a message that it sends, a request that is yet to be sent, or a receipt. */
type Stamped = { readonly time: number; readonly what: Message | 'request' | 'receipt' }

/**
 * The clock condition (Lamport 1978, IR1 and IR2): each event of a host is later than the one before
 * it, and the receipt of a message later than its sending. Copies of one message to several hosts
 * are one event, and so are a request and its REQUEST.
 */
export class ClockChecker implements Checker {
  readonly #findings = new Findings()
  readonly #last = new Map<HostId, Stamped>()

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  observe(observation: Observation): void {
    const { type, at, host } = observation
    if (type === 'booted') this.#last.delete(host)
    if (type !== 'trace') return
    const { event, time } = observation
    if (event.type === 'send')
      this.#stamp(at, host, { time: event.message.time, what: event.message })
    // One that stands has reserved its times.
    else if (event.type === 'request' && event.standing === undefined)
      this.#stamp(at, host, { time: timestampOf(event.token).time, what: 'request' })
    // What a host sends itself tells it nothing.
    else if (event.type === 'deliver' && event.from !== host)
      this.#stamp(at, host, { time, what: 'receipt' }, clockOf(event.message))
  }

  #stamp(at: number, host: HostId, stamped: Stamped, told = 0): void {
    const last = this.#last.get(host)
    this.#last.set(host, stamped)
    if (last !== undefined && isSame(last, stamped)) return
    const { time, what } = stamped
    const used = typeof last?.what === 'object' ? clockOf(last.what) : last?.time
    const floor = Math.max(used ?? 0, told)
    if (time <= floor)
      this.#findings.add(
        at,
        `host ${host} stamps a ${typeof what === 'string' ? what : what.type} with ${time}, which is not after ${floor}`,
      )
  }
}

/** Whether a message is the event before it, told to one more host: the very same, and not one alike. */
function isSame(last: Stamped, { time, what }: Stamped): boolean {
  if (typeof what === 'string') return false
  return (
    last.what === what || (last.what === 'request' && what.type === 'request' && last.time === time)
  )
}
