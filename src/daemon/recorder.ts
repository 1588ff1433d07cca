import { monotonicNow } from '../control/monotonic.ts'
import type { TraceEntry, TraceWhat } from '../control/trace.ts'
import { assert } from '../lib/assert.ts'
import type { TraceEvent } from '../node.ts'
import { traceTime, traceWhat } from '../trace.ts'

/** Events that are kept at most: some thousand locks, or a minute of a busy host. */
const EVENTS_MAX = 8192

/** What they may take together; names of locks can be long. */
const BYTES_MAX = 4 * 1024 * 1024

/** Of an event without names: a few small objects. */
const EVENT_BYTES = 250

/** An event as it is kept. Lines are made of it when somebody reads. */
type Record = {
  readonly what: TraceWhat
  readonly incarnation: number
  readonly time: number
  readonly at: number
  readonly bytes: number
}

/**
 * What happened last in this host, in a ring: an event costs an object or two, and a line of text
 * only if somebody reads it. Idle hosts record nothing.
 */
export class Recorder {
  readonly #self: number
  readonly #eventsMax: number
  readonly #bytesMax: number
  readonly #ring: (Record | undefined)[]
  /** Number of the next event, from 1. */
  #next = 1
  /** Number of the first one that is kept. */
  #first = 1
  #bytes = 0
  /** Of the last event of the node. */
  #time = 0
  #incarnation = 0
  /** Called when something was recorded, once; whoever reads asks again. */
  #wake: (() => void) | undefined

  constructor(self: number, eventsMax: number = EVENTS_MAX, bytesMax: number = BYTES_MAX) {
    this.#self = self
    this.#eventsMax = eventsMax
    this.#bytesMax = bytesMax
    this.#ring = new Array<Record | undefined>(eventsMax)
  }

  /** Number of the first event that is kept. */
  get first(): number {
    return this.#first
  }

  /** Number that the next event will have. */
  get next(): number {
    return this.#next
  }

  /** An event of the node. */
  record(event: TraceEvent, time: number, incarnation: number): void {
    this.#time = time
    this.#incarnation = incarnation
    const what = traceWhat(this.#self, event)
    if (what !== undefined) this.#add(what, traceTime(event, time))
  }

  /** Something that only the daemon knows, after what the node did last. */
  note(what: TraceWhat): void {
    this.#add(what, this.#time)
  }

  /** The first event. */
  start(time: number, incarnation: number): void {
    this.#time = time
    this.#incarnation = incarnation
    this.note({ type: 'start' })
  }

  /** Calls when there is more than now, once. */
  whenMore(wake: () => void): void {
    this.#wake = wake
  }

  /** The event with this number, which is kept, as a line tells it. */
  entry(n: number): TraceEntry {
    const record = n < this.#first ? undefined : this.#ring[n % this.#eventsMax]
    assert(record !== undefined, 'who reads knows what is kept')
    const { what, incarnation, time, at } = record
    const stamp = { host: this.#self, incarnation, n, time, at: Math.round(at * 1000) / 1000 }
    return { ...stamp, ...what }
  }

  /** In place of those between `from` and the first one that is kept. */
  skipped(from: number): TraceEntry {
    const { incarnation, time, at } = this.entry(this.#first)
    const n = this.#first - 1
    const skipped = this.#first - from
    return { type: 'skipped', host: this.#self, incarnation, n, time, at, skipped }
  }

  #add(what: TraceWhat, time: number): void {
    const bytes = EVENT_BYTES + weight(what)
    if (this.#next - this.#first === this.#eventsMax) this.#drop()
    this.#ring[this.#next % this.#eventsMax] = {
      what,
      incarnation: this.#incarnation,
      time,
      at: monotonicNow(),
      bytes,
    }
    this.#next += 1
    this.#bytes += bytes
    while (this.#bytes > this.#bytesMax) this.#drop()
    const wake = this.#wake
    if (wake === undefined) return
    this.#wake = undefined
    wake()
  }

  #drop(): void {
    const at = this.#first % this.#eventsMax
    this.#bytes -= this.#ring[at]?.bytes ?? 0
    this.#ring[at] = undefined
    this.#first += 1
  }
}

/** Of a member in a view: about what an object with two numbers takes. */
const MEMBER_BYTES = 64

function weight(what: TraceWhat): number {
  if ('members' in what) return MEMBER_BYTES * what.members.length
  if ('names' in what) return lengths(what.names)
  if (!('message' in what)) return 0
  const { names = [], requests = [], ghosts = [], variable = '' } = what.message
  return lengths(names) + 8 * (requests.length + ghosts.length) + 2 * variable.length
}

function lengths(names: readonly string[]): number {
  let sum = 0
  for (const name of names) sum += 2 * name.length
  return sum
}
