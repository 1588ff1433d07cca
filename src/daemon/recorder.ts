import { monotonicNow } from '../control/monotonic.ts'
import type { TraceEntry, TraceWhat } from '../control/trace.ts'
import { assert } from '../lib/assert.ts'
import type { TraceEvent } from '../node.ts'
import { traceTime, traceWhat } from '../trace.ts'

/** Events that are kept at most: some thousand locks, or a minute of a busy host. */
const EVENTS_MAX = 8192

/** What may be kept beside their numbers, all together; names of locks can be long. */
const BYTES_MAX = 2 * 1024 * 1024

/** Of what is kept whole: a few small objects. */
const WHOLE_BYTES = 250

/** Names whose lists are shared; when there are more, those that come are collected anew. */
const LISTS_MAX = 1024

/** The numbers of an event, one after the other. */
const Column = {
  kind: 0,
  incarnation: 1,
  time: 2,
  at: 3,
  /** Of a message: the other host, the time on it, its view. */
  peer: 4,
  sent: 5,
  view: 6,
  /** Of a request its token; of a REPLY or RELEASE, the time of the request that it is for. */
  token: 7,
  limit: 8,
} as const
const COLUMNS = 9

/** An event that is rare is kept as it will be told. Kinds of others are `LOCK + i` or `MESSAGE + …`. */
const WHOLE = 0
const LOCK = 1
const MESSAGE = 16

const LOCK_EVENTS = ['request', 'enter', 'leave', 'insert', 'remove'] as const
const MESSAGE_EVENTS = ['send', 'deliver', 'lose', 'retransmit'] as const

type LockEvent = Extract<TraceEvent, { readonly type: (typeof LOCK_EVENTS)[number] }>
type MessageEvent = Extract<TraceEvent, { readonly type: (typeof MESSAGE_EVENTS)[number] }>
type Message = MessageEvent['message']

/** The messages that are frequent. */
const FREQUENT = [
  'request',
  'reply',
  'release',
  'variable-prepare',
  'variable-promise',
  'variable-conflict',
  'variable-accept',
  'variable-accepted',
  'variable-learn',
  'variable-read',
  'variable-state',
] as const

/** What an event holds beside its numbers: names of locks, the name of a variable, or all of it. */
type Thing = readonly string[] | string | TraceWhat

/**
 * What happened last in this host, in a ring. A frequent event is a row of numbers: objects that
 * live for as long as the ring goes round would be moved about by each collection of garbage. What
 * people read is made of them when somebody reads. Idle hosts record nothing.
 */
export class Recorder {
  readonly #self: number
  readonly #eventsMax: number
  readonly #bytesMax: number
  readonly #numbers: Float64Array
  readonly #things: (Thing | undefined)[]
  /** A list of each name alone: one for all requests of that name. */
  readonly #lists = new Map<string, readonly string[]>()
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
    this.#numbers = new Float64Array(eventsMax * COLUMNS)
    this.#things = new Array<Thing | undefined>(eventsMax)
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
    switch (event.type) {
      case 'send':
      case 'lose':
      case 'retransmit':
        this.#message(event, event.to, time)
        return
      case 'deliver':
        this.#message(event, event.from, time)
        return
      case 'request':
      case 'enter':
      case 'leave':
      case 'insert':
      case 'remove':
        this.#lock(event, time)
        return
      default:
        this.#whole(event, time)
    }
  }

  /** Something that only the daemon knows, after what the node did last. */
  note(what: TraceWhat): void {
    this.#begin(WHOLE, this.#time, what)
    this.#end()
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
    assert(n >= this.#first && n < this.#next, 'who reads knows what is kept')
    const stamp = {
      host: this.#self,
      incarnation: this.#number(n, 'incarnation'),
      n,
      time: this.#number(n, 'time'),
      at: Math.round(this.#number(n, 'at') * 1000) / 1000,
    }
    return { ...stamp, ...this.#what(n) }
  }

  /** In place of those between `from` and the first one that is kept. */
  skipped(from: number): TraceEntry {
    const { incarnation, time, at } = this.entry(this.#first)
    const n = this.#first - 1
    const skipped = this.#first - from
    return { type: 'skipped', host: this.#self, incarnation, n, time, at, skipped }
  }

  #lock({ type, token, names, limit }: LockEvent, time: number): void {
    const row = this.#begin(LOCK + LOCK_EVENTS.indexOf(type), time, this.#shared(names))
    this.#numbers[row + Column.token] = token
    this.#numbers[row + Column.limit] = limit
    this.#end()
  }

  #message(event: MessageEvent, peer: number, time: number): void {
    // What it sends to itself is no message.
    if (peer === this.#self) return
    const { message } = event
    const kind = FREQUENT.indexOf(message.type as (typeof FREQUENT)[number])
    if (kind < 0) {
      this.#whole(event, time)
      return
    }
    const way = MESSAGE_EVENTS.indexOf(event.type)
    const row = this.#begin(
      MESSAGE + way * FREQUENT.length + kind,
      traceTime(event, time),
      this.#thingOf(message),
    )
    const numbers = this.#numbers
    numbers[row + Column.peer] = peer
    numbers[row + Column.sent] = message.time
    if ('view' in message) numbers[row + Column.view] = message.view
    if (message.type === 'request') numbers[row + Column.limit] = message.limit
    else if (message.type === 'reply' || message.type === 'release') {
      numbers[row + Column.token] = message.request
    }
    this.#end()
  }

  #whole(event: TraceEvent, time: number): void {
    const what = traceWhat(this.#self, event)
    if (what === undefined) return
    this.#begin(WHOLE, traceTime(event, time), what)
    this.#end()
  }

  /** What happened, as it was told to `record`, is told anew from what was kept of it. */
  #what(n: number): TraceWhat {
    const thing = this.#things[n % this.#eventsMax]
    const kind = this.#number(n, 'kind')
    if (kind === WHOLE) return thing as TraceWhat
    const event = kind < MESSAGE ? this.#lockEvent(n, kind) : this.#messageEvent(n, kind - MESSAGE)
    const what = traceWhat(this.#self, event)
    assert(what !== undefined, 'only what is told is kept')
    return what
  }

  #lockEvent(n: number, kind: number): LockEvent {
    const type = LOCK_EVENTS[kind - LOCK]
    assert(type !== undefined, 'a kind that was recorded')
    const names = this.#things[n % this.#eventsMax] as readonly string[]
    const [token, limit] = [this.#number(n, 'token'), this.#number(n, 'limit')]
    // On which request it rests a trace does not tell.
    if (type === 'request') return { type, token, names, limit, standing: undefined }
    return { type, token, names, limit }
  }

  #messageEvent(n: number, kind: number): MessageEvent {
    const type = MESSAGE_EVENTS[Math.floor(kind / FREQUENT.length)]
    const frequent = FREQUENT[kind % FREQUENT.length]
    assert(type !== undefined && frequent !== undefined, 'a kind that was recorded')
    const [thing, time] = [this.#things[n % this.#eventsMax], this.#number(n, 'sent')]
    const [view, limit] = [this.#number(n, 'view'), this.#number(n, 'limit')]
    const request = this.#number(n, 'token')
    // Of a message about a variable, what a trace tells is its name.
    const message = (
      frequent === 'request'
        ? { type: frequent, view, time, names: thing, limit, info: '', span: 1 }
        : frequent === 'reply' || frequent === 'release'
          ? { type: frequent, view, time, request }
          : { type: frequent, time, name: thing }
    ) as Message
    const peer = this.#number(n, 'peer')
    return type === 'deliver' ? { type, from: peer, message } : { type, to: peer, message }
  }

  #number(n: number, column: keyof typeof Column): number {
    const number = this.#numbers[(n % this.#eventsMax) * COLUMNS + Column[column]]
    assert(number !== undefined, 'the ring has a row for each event')
    return number
  }

  /** Makes room, and the next row, of which the result is the place. */
  #begin(kind: number, time: number, thing: Thing | undefined): number {
    if (this.#next - this.#first === this.#eventsMax) this.#drop()
    const place = this.#next % this.#eventsMax
    const row = place * COLUMNS
    this.#things[place] = thing
    this.#bytes += weight(thing)
    this.#numbers[row + Column.kind] = kind
    this.#numbers[row + Column.incarnation] = this.#incarnation
    this.#numbers[row + Column.time] = time
    this.#numbers[row + Column.at] = monotonicNow()
    return row
  }

  #end(): void {
    this.#next += 1
    while (this.#bytes > this.#bytesMax) this.#drop()
    const wake = this.#wake
    if (wake === undefined) return
    this.#wake = undefined
    wake()
  }

  #drop(): void {
    const place = this.#first % this.#eventsMax
    this.#bytes -= weight(this.#things[place])
    this.#things[place] = undefined
    this.#first += 1
  }

  #thingOf(message: Message): Thing | undefined {
    if (message.type === 'request') return this.#shared(message.names)
    return 'name' in message ? message.name : undefined
  }

  #shared(names: readonly string[]): readonly string[] {
    const [name] = names
    if (name === undefined || names.length > 1) return names
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    if (this.#lists.size >= LISTS_MAX) this.#lists.clear()
    this.#lists.set(name, names)
    return names
  }
}

/** What is kept of an event beside its row, about, in bytes. */
function weight(thing: Thing | undefined): number {
  if (thing === undefined) return 0
  if (typeof thing === 'string') return 2 * thing.length
  if (isNames(thing)) return lengths(thing)
  if ('members' in thing) return WHOLE_BYTES + MEMBER_BYTES * thing.members.length
  if (!('message' in thing)) return WHOLE_BYTES
  const { requests = [], ghosts = [] } = thing.message
  return WHOLE_BYTES + 8 * (requests.length + ghosts.length)
}

function isNames(thing: readonly string[] | TraceWhat): thing is readonly string[] {
  return Array.isArray(thing)
}

/** Of a member in a view: about what an object with two numbers takes. */
const MEMBER_BYTES = 64

function lengths(names: readonly string[]): number {
  let sum = 0
  for (const name of names) sum += 2 * name.length
  return sum
}
