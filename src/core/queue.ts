import type { Instant } from '../lib/time.ts'
import { timestampOf, tokenOf, type HostId, type Token } from './clock.ts'
import type { LockRequest } from './message.ts'
import type { Rules } from './rules.ts'

/** A request in the queue. The token of its first timestamp is its identity and its place in ⇒. */
export type QueueEntry = {
  /** As it stands: of one that has changed hands, who has it now. */
  request: LockRequest
  readonly token: Token
  /** When it came into this queue. */
  readonly inserted: Instant
  /** When this queue first had too few before it to keep it out; `undefined` while it waits. */
  admitted: Instant | undefined
  /**
   * Its owner's incarnation has been excluded and may be inside without knowing: it keeps its place
   * until this instant, when every lease that it may have had has ended.
   */
  ghostUntil: Instant | undefined
  /** A ghost that its owner's next incarnation has taken over: it stands until that lets go of it. */
  isAdopted: boolean
}

/** Of a long line, so many are looked at where it is not worth more. */
const GLANCE_MAX = 8

/**
 * The request queue of Lamport (1978), one line for each name. Requests are found by token, so that
 * a RELEASE removes its own request wherever that stands.
 */
export class RequestQueue {
  readonly #rules: Rules
  readonly #changed: (type: 'insert' | 'remove', request: LockRequest) => void
  readonly #entries = new Map<Token, QueueEntry>()
  /** For each name in use, its requests in ⇒. */
  readonly #lines = new Map<string, QueueEntry[]>()

  constructor(
    rules: Rules,
    changed: (type: 'insert' | 'remove', request: LockRequest) => void = () => undefined,
  ) {
    this.#rules = rules
    this.#changed = changed
  }

  get size(): number {
    return this.#entries.size
  }

  /** Names in use. */
  names(): IterableIterator<string> {
    return this.#lines.keys()
  }

  entries(): IterableIterator<QueueEntry> {
    return this.#entries.values()
  }

  find(token: Token): QueueEntry | undefined {
    return this.#entries.get(token)
  }

  /** The request of which this is one of the tokens, for these names among others. */
  findBy(token: Token, names: readonly string[]): QueueEntry | undefined {
    const { time, host } = timestampOf(token)
    const [name] = names
    return name === undefined
      ? undefined
      : this.line(name).find(({ request }) => {
          const count = time - request.time
          return request.host === host && count >= 0 && count < request.span
        })
  }

  /** Whether there is no request for any of these names. */
  isFree(names: readonly string[]): boolean {
    return !names.some(name => this.#lines.has(name))
  }

  /** Puts a request in its place in ⇒; one that is there already stays as it is. */
  insert(now: Instant, request: LockRequest): QueueEntry {
    const token = tokenOf(request)
    const present = this.#entries.get(token)
    if (present !== undefined) return present
    const entry: QueueEntry = {
      request,
      token,
      inserted: now,
      admitted: undefined,
      ghostUntil: undefined,
      isAdopted: false,
    }
    this.#entries.set(token, entry)
    for (const name of request.names) {
      const line = this.#lines.get(name)
      if (line === undefined) this.#lines.set(name, [entry])
      else {
        const place = this.#place(line, token)
        if (place === line.length) line.push(entry)
        else line.splice(place, 0, entry)
      }
    }
    this.#changed('insert', request)
    return entry
  }

  /** Removes a request and returns it; `undefined` where there is none. */
  remove(token: Token): LockRequest | undefined {
    const entry = this.#entries.get(token)
    if (entry === undefined) return undefined
    if (!this.#rules.releaseAnywhere && !this.#isHead(entry)) return undefined
    this.#entries.delete(token)
    for (const name of entry.request.names) {
      const line = this.#lines.get(name) ?? []
      if (line.length === 1) this.#lines.delete(name)
      else line.splice(line.indexOf(entry), 1)
    }
    this.#changed('remove', entry.request)
    return entry.request
  }

  /** The requests for a name, in ⇒. */
  line(name: string): readonly QueueEntry[] {
    return this.#lines.get(name) ?? []
  }

  /**
   * Those whom the rule of admission lets in as far as this name goes: fewer precede each than the
   * smallest limit among it and them. They are the first of the line, for as the line goes on the
   * number before rises and the smallest limit falls.
   */
  admittedBy(name: string): readonly QueueEntry[] {
    const line = this.line(name)
    let limit = Infinity
    let ahead = 0
    for (const entry of line) {
      limit = Math.min(limit, entry.request.limit)
      if (ahead >= limit) break
      ahead += 1
    }
    return ahead === line.length ? line : line.slice(0, ahead)
  }

  /** Whose requests are let in as far as one of these names goes. */
  hostsAdmittedBy(names: readonly string[]): ReadonlySet<HostId> {
    const hosts = new Set<HostId>()
    for (const name of names) {
      for (const { request } of this.admittedBy(name)) hosts.add(request.host)
    }
    return hosts
  }

  /** The rule of admission, over all names of a request. */
  isAdmitted(entry: QueueEntry): boolean {
    return entry.request.names.every(name => this.admittedBy(name).includes(entry))
  }

  /**
   * Whether one of those that `isMeant` keeps it out by itself, as far as is seen at a glance: of a
   * long line the first are looked at.
   */
  isKeptOut({ request, token }: QueueEntry, isMeant: (ahead: QueueEntry) => boolean): boolean {
    return request.names.some(name => {
      const line = this.line(name)
      for (let i = 0; i < GLANCE_MAX; i++) {
        const ahead = line[i]
        if (ahead === undefined || ahead.token >= token) return false
        const isExclusive = ahead.request.limit === 1 || request.limit === 1
        if (isExclusive && isMeant(ahead)) return true
      }
      return false
    })
  }

  /** Whether a request made now would be let in, after all that are known but those that give way. */
  wouldAdmit(
    names: readonly string[],
    limit: number,
    givesWay: (ahead: QueueEntry) => boolean,
  ): boolean {
    return names.every(name => {
      const line = this.line(name).filter(entry => !givesWay(entry))
      return line.length < Math.min(limit, ...line.map(entry => entry.request.limit))
    })
  }

  /** The first of a line, as many as are worth a glance. */
  glance(name: string): readonly QueueEntry[] {
    return this.line(name).slice(0, GLANCE_MAX)
  }

  /** How many requests that share a name with it precede it. */
  position(entry: QueueEntry): number {
    const { names } = entry.request
    const [only] = names
    if (names.length === 1 && only !== undefined) return this.line(only).indexOf(entry)
    const ahead = new Set<Token>()
    for (const name of names) {
      for (const other of this.line(name)) {
        if (other === entry) break
        ahead.add(other.token)
      }
    }
    return ahead.size
  }

  #place(line: readonly QueueEntry[], token: Token): number {
    if (!this.#rules.totalOrder) return line.length
    // Nearly every request comes last.
    let place = line.length
    while (place > 0 && (line[place - 1]?.token ?? 0) > token) place--
    return place
  }

  #isHead(entry: QueueEntry): boolean {
    return entry.request.names.every(name => this.line(name)[0] === entry)
  }
}
