import { spawn } from 'node:child_process'
import { HOST_PROGRAM } from './tasks.ts'

import type { ChildProcess } from 'node:child_process'
import type { Report, Task, TransportName } from './tasks.ts'
import type { Ends, Side } from './transports/transport.ts'

/** What a measurement came to; every message is accounted for, or it is void. */
export type Measured = {
  readonly count: number
  readonly latencies: Float64Array
  readonly fromSend: Float64Array
  readonly bulk: readonly number[]
  /** Why this does not count, if so. */
  readonly fault: string | undefined
}

/** chrt(1): a host runs as soon as it can. What else this machine does shall not decide. */
const AT_ONCE = ['chrt', '--rr', '10']

/** Both ends of one transport, each a process of its own. */
export class HostPair {
  readonly #a: Remote
  readonly #b: Remote

  /** @param via what runs a program at that end */
  static async start(
    transport: TransportName,
    ends: Omit<Ends, 'side' | 'own' | 'other'> & { readonly addresses: readonly [string, string] },
    via: (side: Side) => readonly string[],
  ): Promise<HostPair> {
    const { addresses, port, pairs } = ends
    const [a, b] = addresses
    const pair = new HostPair(
      new Remote(via('a'), transport, { own: a, other: b, port, pairs, side: 'a' }),
      new Remote(via('b'), transport, { own: b, other: a, port, pairs, side: 'b' }),
    )
    await Promise.all([pair.#a.report(), pair.#b.report()])
    return pair
  }

  private constructor(a: Remote, b: Remote) {
    this.#a = a
    this.#b = b
  }

  /** Sends by the clock and waits until all has arrived. */
  async send(task: Extract<Task, { type: 'send' }>, patienceMs: number): Promise<Measured> {
    const { sent } = await this.#a.perform(task)
    const receiver = task.kind === 'lone' ? this.#b : this.#a
    const report = await receiver.perform({ type: 'collect', count: sent, patienceMs })
    return this.#measured(report, sent)
  }

  /** Request, reply, next request. */
  async rounds(pairs: number, durationMs: number, patienceMs: number): Promise<Measured> {
    const { sent } = await this.#a.perform({ type: 'rounds', pairs, durationMs })
    const report = await this.#a.perform({ type: 'collect', count: sent, patienceMs })
    return this.#measured(report, sent)
  }

  async bulk(isOn: boolean): Promise<void> {
    await this.#a.perform({ type: 'bulk', isOn })
  }

  end(): void {
    this.#a.end()
    this.#b.end()
  }

  async #measured(report: Report, count: number): Promise<Measured> {
    const { latencies, fromSend, bulk } = report
    const other = await this.#b.perform({ type: 'collect', count: 0, patienceMs: 0 })
    const wrong = Math.max(report.wrong, other.wrong)
    const missing = count - latencies.length
    const fault =
      wrong > 0
        ? `${wrong} messages were damaged, doubled or out of order`
        : missing !== 0
          ? `${missing} of ${count} messages did not arrive`
          : undefined
    return { count, latencies, fromSend, bulk, fault }
  }
}

/** A host as the benchmark sees it: a task, a report. */
class Remote {
  readonly #child: ChildProcess
  #hasEnded = false
  #reported: (report: Report) => void = () => undefined
  #failed: (error: Error) => void = () => undefined

  constructor(via: readonly string[], transport: TransportName, ends: Ends) {
    const host = [process.execPath, HOST_PROGRAM, transport, JSON.stringify(ends)]
    const [program, ...rest] = [...via, ...AT_ONCE, ...host] as [string, ...string[]]
    this.#child = spawn(program, rest, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#child.on('message', report => this.#reported(report as Report))
    this.#child.on('error', error => this.#failed(error))
    this.#child.on('exit', () => {
      this.#hasEnded = true
      this.#failed(new Error(`${host.join(' ')} has ended`))
    })
  }

  perform(task: Task): Promise<Report> {
    if (this.#hasEnded) return Promise.reject(new Error('a host of the benchmark has ended'))
    const report = this.report()
    this.#child.send(task)
    return report
  }

  report(): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.#reported = resolve
      this.#failed = reject
    })
  }

  end(): void {
    this.#child.removeAllListeners()
    this.#child.kill()
  }
}
