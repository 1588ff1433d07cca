import type { TraceEntry, TraceMessage } from '../control/trace.ts'
import { gapBefore, SLANT } from './columns.ts'
import { copyKey, type Merged } from './merge.ts'
import { isShown, kindOf, namesOfTokens, requestOf, senderOf } from './model.ts'
import type { Arrow, Diagram, Life, Point, Section, Shown } from './model.ts'

/** What is known of a host as the order goes on. */
type HostState = {
  readonly row: number
  readonly isTraced: boolean
  queue: number[]
  readonly replies: Map<number, number[]>
  /** The newest point; what changes without a point of its own belongs to it. */
  last: Point | undefined
  /** It is complete: what changes belongs to the next point. */
  isSealed: boolean
  life: Life | undefined
  /** It is up again, and the next point is the first that is known of that. */
  isBack: boolean
  /** Nothing of an earlier one counts. */
  incarnation: number
}

/** Puts together what is drawn. */
export function build(merged: Merged, shown: Shown): Diagram {
  return new Builder(merged, shown).build()
}

class Builder {
  readonly #merged: Merged
  readonly #shown: Shown
  readonly #names: ReadonlyMap<number, readonly string[]>
  readonly #states = new Map<number, HostState>()
  readonly #points: Point[] = []
  readonly #arrows: Arrow[] = []
  readonly #copies = new Map<string, Arrow>()
  readonly #sections = new Map<number, Section>()
  readonly #lives: Life[] = []
  #skipped = 0
  /** About what times are told less. */
  readonly #first: number

  constructor(merged: Merged, shown: Shown) {
    this.#merged = merged
    this.#shown = shown
    this.#names = namesOfTokens(merged)
    this.#first =
      merged.entries.find(({ type }) => type === 'request' || type === 'send')?.time ?? 0
    for (const [row, { id, isTraced }] of merged.hosts.entries()) {
      const nothing = { queue: [], replies: new Map<number, number[]>() }
      const state = {
        row,
        isTraced,
        ...nothing,
        last: undefined,
        isSealed: false,
        life: undefined,
        incarnation: 0,
        isBack: false,
      }
      this.#states.set(id, state)
    }
  }

  build(): Diagram {
    for (const entry of this.#merged.entries) this.#take(entry)
    const { cluster, hosts } = this.#merged
    return {
      cluster,
      hosts,
      points: this.#points,
      arrows: this.#arrows,
      sections: [...this.#sections.values()].filter(({ request, enter }) => request ?? enter),
      lives: this.#lives,
      base: this.#base(),
      columns: this.#points.reduce((most, { column }) => Math.max(most, column), 0),
      skipped: this.#skipped,
      shown: this.#shown,
    }
  }

  #take(entry: TraceEntry): void {
    const state = this.#state(entry.host)
    if (entry.incarnation > state.incarnation) {
      if (state.incarnation > 0) state.isSealed = true
      state.incarnation = entry.incarnation
      state.queue = []
      state.replies.clear()
    }
    this.#live(state, entry)
    if (!isShown(entry, this.#shown, this.#names)) return
    switch (entry.type) {
      case 'insert':
      case 'remove':
        this.#changeQueue(state, entry)
        return
      case 'send':
        this.#send(state, entry, entry.to, entry.message)
        return
      case 'deliver':
        this.#deliver(state, entry, entry.from, entry.message)
        return
      case 'lose':
      case 'retransmit': {
        const arrow = this.#copies.get(copyKey(entry.message.id, entry.to))
        if (arrow === undefined) return
        if (entry.type === 'lose') arrow.losses += 1
        else arrow.retransmissions += 1
        return
      }
      case 'request':
      case 'enter':
      case 'leave':
        this.#section(state, entry)
        return
      default:
        this.#mark(state, entry)
    }
  }

  /** What has no message: views, lives, losses. */
  #mark(state: HostState, entry: TraceEntry): void {
    // REPLIES of an earlier view do not count.
    if (entry.type === 'view')
      for (const token of state.replies.keys()) state.replies.set(token, [])
    if (entry.type === 'skipped') this.#skipped += entry.skipped
    const point = this.#point(state, entry)
    if (entry.type === 'start') state.life = this.#begin(state, entry, point)
    if (entry.type === 'crash' || entry.type === 'stop') this.#end(state, point)
    if (entry.type === 'disconnect') this.#cut(entry.host, entry.peer)
    if (entry.type === 'lost') {
      const section = this.#sections.get(entry.token)
      if (section !== undefined) section.reason = entry.reason
      // It may have been told a moment late.
      if (section?.how === 'left') section.how = 'lost'
    }
  }

  /** Whoever does something is up, whether its start was seen or not. */
  #live(state: HostState, entry: TraceEntry): void {
    if (entry.type === 'start') {
      // Its end was not seen, and there must have been one.
      if (state.life?.end === undefined && state.last !== undefined) this.#end(state, state.last)
      return
    }
    if (state.life === undefined || state.life.end !== undefined) {
      state.isBack = state.life !== undefined
      state.life = this.#begin(state, entry, undefined)
    }
  }

  #begin(state: HostState, { incarnation }: TraceEntry, start: Point | undefined): Life {
    const life: Life = { row: state.row, incarnation, start, end: undefined }
    this.#lives.push(life)
    return life
  }

  /** Nothing goes on here, and nothing under way from here or to here need arrive. */
  #end(state: HostState, point: Point): void {
    if (state.life !== undefined) state.life.end = point
    for (const section of this.#sections.values()) {
      if (section.row !== state.row || section.end !== undefined) continue
      section.end = point
      section.how = 'crashed'
    }
    for (const arrow of this.#arrows) {
      if (arrow.toRow === state.row) arrow.isLost = true
    }
  }

  /** A session has ended: what one has sent to the other and has not come never will. */
  #cut(host: number, peer: number): void {
    const [a, b] = [this.#state(host).row, this.#state(peer).row]
    for (const arrow of this.#arrows) {
      if (arrow.fromRow === a && arrow.toRow === b) arrow.isLost = true
      if (arrow.fromRow === b && arrow.toRow === a) arrow.isLost = true
    }
  }

  #changeQueue(
    state: HostState,
    { type, token, host }: TraceEntry & { readonly type: 'insert' | 'remove' },
  ): void {
    const isOwn = requestOf(token).host === host
    const { last } = state
    const hasLeft = last?.entry?.type === 'leave' && last.entry.token === token
    // One's own request comes into the queue with what is told next.
    if (isOwn && !(type === 'remove' && hasLeft)) state.isSealed = true
    if (type === 'remove') {
      state.queue = state.queue.filter(other => other !== token)
      state.replies.delete(token)
      const section = this.#sections.get(token)
      if (isOwn && section?.enter === undefined && section?.end === undefined && section) {
        section.how = 'withdrawn'
      }
    } else {
      state.queue = [...state.queue.filter(other => other !== token), token].sort((a, b) => a - b)
    }
    this.#touch(state)
  }

  #send(state: HostState, entry: TraceEntry, to: number, message: TraceMessage): void {
    const { last } = state
    const isSame = last !== undefined && !state.isSealed && isContinued(last.entry, message)
    const point = isSame ? last : this.#point(state, entry)
    const arrow = this.#arrow(message, state.row, this.#state(to).row, point)
    this.#copies.set(copyKey(message.id, to), arrow)
    if (message.type === 'release') this.#withdrawn(message.token, point)
    const receiver = this.#state(to)
    if (!receiver.isTraced) this.#infer(receiver, arrow, 0)
  }

  #deliver(state: HostState, entry: TraceEntry, from: number, message: TraceMessage): void {
    const key = copyKey(message.id, entry.host)
    let arrow = this.#copies.get(key)
    if (arrow === undefined) {
      const sender = this.#state(from)
      const { time } = senderOf(message.id)
      const send = sender.isTraced ? untold(sender.row, time) : this.#infer(sender, undefined, time)
      arrow = this.#arrow(message, sender.row, state.row, send)
      this.#copies.set(key, arrow)
    }
    if (message.type === 'reply' && message.token !== undefined) {
      const replies = state.replies.get(message.token)
      if (replies !== undefined && !replies.includes(from)) replies.push(from)
    }
    const point = this.#point(state, entry, arrow.send.column + SLANT)
    point.arrows.push(arrow)
    arrow.deliver = point
    if (arrow.send.index < 0) arrow.send.column = point.column - SLANT
  }

  #section(
    state: HostState,
    entry: TraceEntry & { readonly type: 'request' | 'enter' | 'leave' },
  ): void {
    const { type, token, names, limit } = entry
    const known = this.#sections.get(token)
    const nothing = { request: undefined, enter: undefined, end: undefined, reason: undefined }
    const section: Section = known ?? {
      row: state.row,
      token,
      names,
      limit,
      ...nothing,
      how: 'open',
    }
    this.#sections.set(token, section)
    if (type === 'request') state.replies.set(token, [])
    // All have: that is why it enters.
    if (type === 'enter') state.replies.delete(token)
    const point = this.#point(state, entry)
    if (type === 'request') section.request = point
    if (type === 'enter') section.enter = point
    if (type !== 'leave') return
    section.end = point
    section.how = section.reason === undefined ? 'left' : 'lost'
  }

  #withdrawn(token: number | undefined, point: Point): void {
    const section = token === undefined ? undefined : this.#sections.get(token)
    if (section?.how === 'withdrawn') section.end ??= point
  }

  #arrow(message: TraceMessage, fromRow: number, toRow: number, send: Point): Arrow {
    const names = message.names ?? this.#names.get(message.token ?? -1) ?? []
    const counts = { retransmissions: 0, losses: 0, isLost: false }
    const [index, kind] = [this.#arrows.length, kindOf(message)]
    const arrow: Arrow = {
      index,
      message,
      kind,
      names,
      fromRow,
      toRow,
      send,
      deliver: undefined,
      ...counts,
    }
    this.#arrows.push(arrow)
    send.arrows.push(arrow)
    return arrow
  }

  /** What must have happened on a host that nobody traced. */
  #infer(state: HostState, arrow: Arrow | undefined, time: number): Point {
    const from = arrow === undefined ? 0 : arrow.send.column + SLANT
    const point = this.#add(state, undefined, time, from)
    if (arrow === undefined) return point
    point.arrows.push(arrow)
    arrow.deliver = point
    return point
  }

  #point(state: HostState, entry: TraceEntry, from = 0): Point {
    return this.#add(state, entry, entry.time, from)
  }

  #add(state: HostState, entry: TraceEntry | undefined, time: number, from: number): Point {
    const index = this.#points.length
    const column = Math.max(from, gapBefore(state.last, entry, this.#first))
    const { row } = state
    const point: Point = { index, row, entry, time, arrows: [], queue: [], replies: [], column }
    this.#points.push(point)
    state.last = point
    if (state.isBack && state.life !== undefined) state.life.start ??= point
    state.isBack = false
    state.isSealed = false
    this.#touch(state)
    return point
  }

  /** The newest point shows how things are after it. */
  #touch({ last, isSealed, queue, replies }: HostState): void {
    if (last === undefined || isSealed) return
    last.queue = queue
    last.replies = [...replies].map(([token, from]) => ({ token, from: [...from] }))
  }

  #state(host: number): HostState {
    const state = this.#states.get(host)
    if (state === undefined) throw new RangeError(`host ${host} is in no trace`)
    return state
  }

  /** So that the first thing that is told of is at 1. */
  #base(): number {
    let first = Infinity
    for (const { entry, time, queue } of this.#points) {
      if (entry === undefined || !('token' in entry || 'message' in entry)) continue
      first = Math.min(first, time, ...queue.map(token => requestOf(token).time))
    }
    for (const { message } of this.#arrows) first = Math.min(first, senderOf(message.id).time)
    return first === Infinity ? 0 : first - 1
  }
}

/** A send that its host's trace no longer has: it is not on the line. */
function untold(row: number, time: number): Point {
  const nothing = { entry: undefined, arrows: [], queue: [], replies: [] }
  return { index: -1, row, time, ...nothing, column: 0 }
}

/** Whether a send is of the same moment as what was told before: its copies, and what it says. */
function isContinued(before: TraceEntry | undefined, message: TraceMessage): boolean {
  switch (before?.type) {
    case 'send':
      return before.message.id === message.id
    case 'request':
      return message.type === 'request' && message.token === before.token
    case 'leave':
      return message.type === 'release' && message.token === before.token
    default:
      return false
  }
}
