// One end of one transport, in a process and a network namespace of its own; the benchmark tells it
// what to send, and asks it what arrived.
import { monotonicNow } from '../src/control/monotonic.ts'
import { unreachable } from '../src/lib/assert.ts'
import { isBulk, Reader, Writer } from './message.ts'
import { pace } from './pacer.ts'
import { schedule } from './schedule.ts'
import { openDgram } from './transports/dgram.ts'
import { openLamport } from './transports/lamport.ts'
import { openTcp } from './transports/tcp.ts'
import { openUdx } from './transports/udx.ts'

import type { Kind } from './message.ts'
import type { Report, Task, TransportName } from './tasks.ts'
import type { Ends, Line, Transport } from './transports/transport.ts'

/** How the bytes get across; both kinds of TCP are one, on different routes. */
const TRANSPORTS: Record<TransportName, Transport> = {
  lamportd: openLamport,
  tcp: openTcp,
  udx: openUdx,
  dgram: openDgram,
}

/** From the receipt of one to the next: without it the processors have no time for anything else. */
const BULK_PAUSE_MS = 50

/** Every pair's end. Long messages travel beside the others, and are numbered by themselves. */
class Host {
  readonly #writers: readonly Writer[]
  readonly #readers: readonly Reader[]
  readonly #bulkWriters: readonly Writer[]
  readonly #bulkReaders: readonly Reader[]
  #lines: readonly Line[] = []
  #latencies: number[] = []
  #fromSend: number[] = []
  #bulk: number[] = []
  #wrong = 0
  #isBulkOn = false
  #roundsEnd = 0
  #requests = 0
  #notice: () => void = () => undefined

  constructor(pairs: number) {
    const each = <T>(make: () => T): T[] => Array.from({ length: pairs }, make)
    this.#writers = each(() => new Writer())
    this.#readers = each(() => new Reader())
    this.#bulkWriters = each(() => new Writer())
    this.#bulkReaders = each(() => new Reader())
  }

  use(lines: readonly Line[]): void {
    this.#lines = lines
  }

  receive(pair: number, message: Uint8Array): void {
    const now = monotonicNow()
    const readers = isBulk(message) ? this.#bulkReaders : this.#readers
    const content = readers[pair]?.read(message)
    if (content === undefined) {
      this.#wrong++
      return
    }
    const { kind, due, sent } = content
    switch (kind) {
      case 'request':
        this.#send(pair, 'reply', due, sent)
        return
      case 'bulk':
        this.#sendBulk(pair, 'receipt', due)
        return
      case 'receipt':
        this.#bulk.push(now - due)
        setTimeout(() => {
          if (this.#isBulkOn) this.#sendBulk(pair, 'bulk', monotonicNow())
        }, BULK_PAUSE_MS)
        return
      case 'lone':
      case 'reply':
        this.#latencies.push(now - due)
        this.#fromSend.push(now - sent)
        if (kind === 'reply' && now < this.#roundsEnd) this.#request(pair, now)
        this.#notice()
        return
      default:
        unreachable(kind)
    }
  }

  async perform(task: Task): Promise<Report> {
    switch (task.type) {
      case 'send': {
        const { due, pairs } = schedule(task.load)
        const start = monotonicNow() + START_MS
        await pace(start, due, i => {
          this.#send(pairs[i] as number, task.kind, start + (due[i] as number), monotonicNow())
        })
        return { ...NOTHING, sent: due.length }
      }
      case 'rounds': {
        const now = monotonicNow()
        this.#roundsEnd = now + task.durationMs
        this.#requests = 0
        for (let pair = 0; pair < task.pairs; pair++) this.#request(pair, now)
        await new Promise(resolve => setTimeout(resolve, task.durationMs))
        this.#roundsEnd = now
        return { ...NOTHING, sent: this.#requests }
      }
      case 'bulk':
        this.#isBulkOn = task.isOn
        if (task.isOn) this.#sendBulk(0, 'bulk', monotonicNow())
        return NOTHING
      case 'collect':
        return this.#collect(task.count, task.patienceMs)
      default:
        return unreachable(task)
    }
  }

  async #collect(count: number, patienceMs: number): Promise<Report> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, patienceMs)
      this.#notice = () => {
        if (this.#latencies.length < count) return
        clearTimeout(timer)
        resolve()
      }
      this.#notice()
    })
    this.#notice = () => undefined
    const report = {
      sent: 0,
      latencies: Float64Array.from(this.#latencies),
      fromSend: Float64Array.from(this.#fromSend),
      bulk: this.#bulk,
      wrong: this.#wrong,
    }
    this.#latencies = []
    this.#fromSend = []
    this.#bulk = []
    return report
  }

  #request(pair: number, now: number): void {
    this.#requests++
    this.#send(pair, 'request', now, now)
  }

  #send(pair: number, kind: Kind, due: number, sent: number): void {
    const message = this.#writers[pair]?.write(kind, due, sent)
    if (message !== undefined) this.#lines[pair]?.send(message)
  }

  #sendBulk(pair: number, kind: 'bulk' | 'receipt', due: number): void {
    const message = this.#bulkWriters[pair]?.write(kind, due, due)
    if (message !== undefined) this.#lines[pair]?.sendBulk(message)
  }
}

const NOTHING: Report = {
  sent: 0,
  latencies: new Float64Array(),
  fromSend: new Float64Array(),
  bulk: [],
  wrong: 0,
}

/** Until a thread that paces has started. */
const START_MS = 200

async function main(name: TransportName, ends: Ends): Promise<void> {
  const host = new Host(ends.pairs)
  process.on('message', (task: Task) => {
    void host.perform(task).then(report => process.send?.(report))
  })
  // Whoever started this is gone.
  process.on('disconnect', () => process.exit())
  host.use(await TRANSPORTS[name](ends, (pair, message) => host.receive(pair, message)))
  process.send?.(NOTHING)
}

const [, , name, ends] = process.argv
if (name !== undefined && ends !== undefined) {
  await main(name as TransportName, JSON.parse(ends) as Ends)
}
