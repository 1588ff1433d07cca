import { ErrorCode } from '../control/protocol.ts'
import type { CurrentParams, RequestId, WatchResult } from '../control/protocol.ts'
import type { Variable } from '../core/variable.ts'
import type { HostLine } from './config.ts'
import type { Session } from './sessions.ts'
import { Topics } from './topics.ts'
import type { Topic } from './variable-requests.ts'
import { firstAfter, variableEntry } from './variables.ts'
import type { KnownVariables } from './variables.ts'

/** Names and prefixes that one connection may watch. */
const WATCHES_MAX = 1000

/** With this much unread, a connection is told of the newest only, when it has read. */
const UNREAD_BYTES_HIGH = 256 * 1024

/** What is written to one connection before others have a turn: about a millisecond of work. */
const TURN_BYTES = 256 * 1024

type Watch = {
  readonly id: number
  readonly topic: Topic
  /** How many changes there had been when it began: it is told of later ones. */
  readonly since: number
  /** Up to which name it has been told of what was set when it began; `undefined`: of all. */
  after: string | undefined
}

/** A change that a connection has not been told of because it does not read. */
type Pending = { readonly variable: Variable; readonly at: number; readonly skipped: number }

/** One connection that watches something. */
type Subscriber = {
  readonly session: Session
  readonly topics: Topics<Watch>
  readonly watches: Map<number, Watch>
  /** The newest of each name: there are never more than there are names. */
  readonly pending: Map<string, Pending>
  /** Those that have not been told of all that was set when they began. */
  readonly beginning: Set<Watch>
  lastId: number
  /** It goes on when others have had a turn. */
  isNext: boolean
}

/** Who watches which variables, and what they have still to be told. */
export class Watches {
  readonly #hosts: readonly HostLine[]
  readonly #node: Pick<KnownVariables, 'variable' | 'variables'>
  readonly #topics = new Topics<Subscriber>()
  readonly #subscribers = new Map<Session, Subscriber>()
  /** Changes so far: their order. */
  #count = 0
  /** When each name was changed last, kept while a watch is beginning. */
  readonly #changedAt = new Map<string, number>()
  #beginnings = 0
  /** Many may watch one variable: it is put into JSON once. */
  #told: { readonly variable: Variable; readonly json: string } | undefined

  constructor(hosts: readonly HostLine[], node: Pick<KnownVariables, 'variable' | 'variables'>) {
    this.#hosts = hosts
    this.#node = node
  }

  watch(session: Session, requestId: RequestId, topic: Topic, initial: boolean): void {
    const { connection } = session
    if (session.watched >= WATCHES_MAX) {
      const what = `this connection has ${WATCHES_MAX} watches already`
      const message = `${what} (watch a prefix instead, or open another connection)`
      connection.error(requestId, { code: ErrorCode.limit, message })
      return
    }
    const subscriber = this.#subscribers.get(session) ?? this.#subscribe(session)
    const id = (subscriber.lastId += 1)
    const after = initial ? '' : undefined
    const watch: Watch = { id, topic, since: this.#count, after }
    subscriber.watches.set(id, watch)
    subscriber.topics.add(topic, watch)
    this.#topics.add(topic, subscriber)
    session.watched += 1
    const result: WatchResult = { watch: id }
    connection.result(requestId, result)
    if (!initial) return
    subscriber.beginning.add(watch)
    this.#beginnings += 1
    this.#proceed(subscriber)
  }

  unwatch(session: Session, requestId: RequestId, id: number): void {
    const subscriber = this.#subscribers.get(session)
    const watch = subscriber?.watches.get(id)
    if (subscriber === undefined || watch === undefined) {
      const message = `this connection has no watch ${id} (write the number that watch answered)`
      session.connection.error(requestId, { code: ErrorCode.invalidParams, message })
      return
    }
    this.#end(subscriber, watch)
    session.connection.result(requestId, {})
  }

  close(session: Session): void {
    const subscriber = this.#subscribers.get(session)
    if (subscriber === undefined) return
    for (const watch of subscriber.watches.values()) this.#end(subscriber, watch)
    this.#subscribers.delete(session)
  }

  /** A newer version of a variable is known here. */
  changed(variable: Variable): void {
    const { name } = variable
    this.#count += 1
    if (this.#beginnings > 0) this.#changedAt.set(name, this.#count)
    for (const subscriber of this.#topics.matching(name)) {
      const { pending, session } = subscriber
      const before = pending.get(name)
      const change = {
        variable,
        at: this.#count,
        skipped: before === undefined ? 0 : before.skipped + 1,
      }
      // Its place in the line stays: what changes often does not keep back the rest.
      if (before !== undefined || isFull(session)) pending.set(name, change)
      else session.connection.write(this.#changeLine(subscriber, change) ?? '')
    }
  }

  /** The connection has read what was written to it. */
  drained(session: Session): void {
    const subscriber = this.#subscribers.get(session)
    if (subscriber !== undefined) this.#proceed(subscriber)
  }

  #subscribe(session: Session): Subscriber {
    const subscriber: Subscriber = {
      session,
      topics: new Topics<Watch>(),
      watches: new Map<number, Watch>(),
      pending: new Map<string, Pending>(),
      beginning: new Set<Watch>(),
      lastId: 0,
      isNext: false,
    }
    this.#subscribers.set(session, subscriber)
    return subscriber
  }

  #end(subscriber: Subscriber, watch: Watch): void {
    subscriber.session.watched -= 1
    subscriber.watches.delete(watch.id)
    subscriber.topics.delete(watch.topic, watch)
    if (!subscriber.topics.has(watch.topic)) this.#topics.delete(watch.topic, subscriber)
    if (watch.after !== undefined) this.#begun(subscriber, watch)
  }

  #begun(subscriber: Subscriber, watch: Watch): void {
    watch.after = undefined
    subscriber.beginning.delete(watch)
    this.#beginnings -= 1
    if (this.#beginnings === 0) this.#changedAt.clear()
  }

  /** Tells what is to be told, as long as the connection reads and it is its turn. */
  #proceed(subscriber: Subscriber): void {
    const { session } = subscriber
    const all = subscriber.beginning.size === 0 ? [] : this.#node.variables()
    let room = TURN_BYTES
    // Where it is full, it will drain.
    while (!isFull(session)) {
      const line = this.#pendingLine(subscriber) ?? this.#beginningLine(subscriber, all)
      if (line === undefined) return
      session.connection.write(line)
      room -= line.length
      if (room > 0) continue
      if (subscriber.isNext) return
      subscriber.isNext = true
      setImmediate(() => {
        subscriber.isNext = false
        this.#proceed(subscriber)
      })
      return
    }
  }

  #pendingLine(subscriber: Subscriber): string | undefined {
    for (const [name, change] of subscriber.pending) {
      subscriber.pending.delete(name)
      const line = this.#changeLine(subscriber, change)
      if (line !== undefined) return line
    }
    return undefined
  }

  /** The next of what was set when a watch began, or that this was all. */
  #beginningLine(subscriber: Subscriber, all: readonly Variable[]): string | undefined {
    const [watch] = subscriber.beginning
    if (watch === undefined) return undefined
    for (;;) {
      const variable = this.#nextInitial(watch, all)
      if (variable === undefined) break
      watch.after = variable.name
      // It has been told of this already, as a change.
      if ((this.#changedAt.get(variable.name) ?? 0) > watch.since) continue
      return this.#line(variable, `"watches":[${watch.id}],"initial":true`)
    }
    this.#begun(subscriber, watch)
    const params: CurrentParams = { watch: watch.id }
    return JSON.stringify({ jsonrpc: '2.0', method: 'current', params }) + '\n'
  }

  #nextInitial({ topic, after = '' }: Watch, all: readonly Variable[]): Variable | undefined {
    if (topic.type === 'name') return after === '' ? this.#node.variable(topic.name) : undefined
    const { prefix } = topic
    const variable = all[firstAfter(all, name => name < prefix || name <= after)]
    return variable?.name.startsWith(prefix) === true ? variable : undefined
  }

  /** `undefined`: every watch that would be told has ended, or has begun after it. */
  #changeLine(subscriber: Subscriber, { variable, at, skipped }: Pending): string | undefined {
    const ids: number[] = []
    for (const { id, since } of subscriber.topics.matching(variable.name)) {
      if (since < at) ids.push(id)
    }
    if (ids.length === 0) return undefined
    const watches = `"watches":[${ids.join(',')}]`
    return this.#line(variable, skipped === 0 ? watches : `${watches},"skipped":${skipped}`)
  }

  /** The notification `change`; `ChangeParams` says what is in it. */
  #line(variable: Variable, about: string): string {
    if (this.#told?.variable !== variable) {
      const json = JSON.stringify(variableEntry(this.#hosts, variable))
      this.#told = { variable, json }
    }
    const params = `{${about},${this.#told.json.slice(1)}`
    return `{"jsonrpc":"2.0","method":"change","params":${params}}\n`
  }
}

function isFull({ connection }: Session): boolean {
  return connection.unreadBytes > UNREAD_BYTES_HIGH
}
