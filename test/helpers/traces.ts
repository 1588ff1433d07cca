import type { TraceEntry, TraceHosts, TraceLine } from '../../src/control/trace.ts'
import { traceTime, traceWhat, TRACE_VERSION } from '../../src/trace.ts'
import type { Schedule } from './schedule.ts'

/** Writes down what the hosts of a schedule do, as their own traces would. */
export class Tracing {
  readonly #schedule: Schedule
  readonly #entries: TraceEntry[] = []
  readonly #counts = new Map<number, number>()

  constructor(schedule: Schedule) {
    this.#schedule = schedule
    schedule.watch = (host, event, time, incarnation) => {
      const what = traceWhat(host, event)
      if (what !== undefined) this.#add(host, incarnation, traceTime(event, time), what)
    }
  }

  /** What only an onlooker sees. */
  crash(host: number): void {
    const last = this.#entries.findLast(entry => entry.host === host)
    this.#add(host, last?.incarnation ?? 1, last?.time ?? 0, { type: 'crash' })
  }

  /** The trace of one host. Its clock says nothing to anybody else: it is off by a thousand seconds. */
  of(host: number): readonly TraceLine[] {
    return [this.#hosts(host), ...this.#entries.filter(entry => entry.host === host)]
  }

  text(host: number): string {
    return this.of(host)
      .map(line => JSON.stringify(line) + '\n')
      .join('')
  }

  all(): readonly TraceLine[] {
    return this.#schedule.world.ids.flatMap(id => this.of(id))
  }

  #hosts(host: number): TraceHosts {
    const names = ['', 'kitchen', 'garage', 'attic', 'cellar', 'porch']
    const hosts = this.#schedule.world.ids.map(id => ({ id, name: names[id] ?? `h${id}` }))
    return { type: 'hosts', version: TRACE_VERSION, cluster: 'workshop', host, hosts }
  }

  #add(
    host: number,
    incarnation: number,
    time: number,
    what: NonNullable<ReturnType<typeof traceWhat>>,
  ): void {
    const n = (this.#counts.get(host) ?? 0) + 1
    this.#counts.set(host, n)
    const at = this.#schedule.world.now + host * 1_000_000
    this.#entries.push({ host, incarnation, n, time, at, ...what })
  }
}
