import type { HostId } from '../core/clock.ts'
import { traceTime, traceWhat, TRACE_VERSION } from '../trace.ts'
import type { TraceHosts, TraceLine, TraceWhat } from '../trace.ts'
import type { Observation } from './observation.ts'

type Seen = { n: number; incarnation: number; time: number; view: TraceWhat | undefined }

/**
 * A whole run in the shape of traces, by an onlooker who sees all hosts at once: so its times are
 * true, and the lines of all hosts are in one order. It begins when it is told to, with the view
 * that each host has by then.
 */
export class RunTrace {
  readonly #emit: (line: TraceLine) => void
  readonly #hosts = new Map<HostId, Seen>()
  #start: number | undefined

  constructor(emit: (line: TraceLine) => void) {
    this.#emit = emit
  }

  /** Lines from now on; this is the time from which they count. */
  begin(now: number, hosts: readonly HostId[]): void {
    this.#start = now
    const named = hosts.map(id => ({ id, name: `host${id}` }))
    const head: TraceHosts = {
      type: 'hosts',
      version: TRACE_VERSION,
      cluster: 'simulated',
      hosts: named,
    }
    this.#emit(head)
    for (const host of hosts) {
      const { view } = this.#seen(host)
      if (view !== undefined) this.#line(now, host, view)
    }
  }

  observe(observation: Observation): void {
    const { type, at, host } = observation
    const seen = this.#seen(host)
    if (type === 'died') this.#line(at, host, { type: 'crash' })
    else if (type === 'booted') this.#line(at, host, { type: 'start' })
    else if (type === 'trace') {
      const { event, time, incarnation } = observation
      const what = traceWhat(host, event)
      seen.time = traceTime(event, time)
      seen.incarnation = incarnation
      if (what?.type === 'view') seen.view = what
      if (what !== undefined) this.#line(at, host, what)
    }
  }

  #line(at: number, host: HostId, what: TraceWhat): void {
    if (this.#start === undefined) return
    const seen = this.#seen(host)
    seen.n += 1
    const { n, incarnation, time } = seen
    // Microseconds are enough, and sums of fractions do not show their last bits.
    const since = Math.round((at - this.#start) * 1000) / 1000
    this.#emit({ host, incarnation, n, time, at: since, ...what })
  }

  #seen(host: HostId): Seen {
    const present = this.#hosts.get(host)
    if (present !== undefined) return present
    const seen = { n: 0, incarnation: 0, time: 0, view: undefined }
    this.#hosts.set(host, seen)
    return seen
  }
}
