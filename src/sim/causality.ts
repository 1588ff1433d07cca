import {
  describeToken,
  timestampOf,
  tokenOf,
  type HostId,
  type Timestamp,
  type Token,
} from '../core/clock.ts'
import {
  CHANNELS,
  channelOf,
  isMutexMessage,
  isVariableMessage,
  type Message,
} from '../core/message.ts'
import type { View } from '../core/view.ts'
import { unreachable } from '../lib/assert.ts'
import type { TraceEvent } from '../node.ts'
import type { Checker, Rest } from './checkers.ts'
import { Findings, type Violation } from './findings.ts'
import { Links } from './links.ts'
import type { Observation } from './observation.ts'

/** How many events of each host are known of. `a → b` where b's knows of a's own event. */
type Vector = Map<HostId, number>

type Sent = { readonly text: string; readonly vector: Vector }

type Request = {
  readonly host: HostId
  readonly incarnation: number
  /** The event that made it: how manieth of its host, and what had happened before it. */
  readonly count: number
  readonly vector: Vector
  readonly names: readonly string[]
  readonly limit: number
}

/** Whether a host still has a request of its own in its queue: a withdrawal need not be told. */
export type IsQueued = (host: HostId, token: Token) => boolean

/**
 * Messages are delivered once and in the order sent; and of two rival requests that keep their
 * timestamps, the one that happened before the other (Lamport 1978, "→") enters first. It keeps
 * vector clocks for that, so that it rests on nothing that the nodes say about their own clocks.
 */
export class CausalityChecker implements Checker {
  readonly #isQueued: IsQueued
  readonly #findings = new Findings()
  readonly #vectors = new Map<HostId, Vector>()
  readonly #links = new Links()
  readonly #incarnations = new Map<HostId, number>()
  /** Highest incarnation of each host that some view has excluded. */
  readonly #retired = new Map<HostId, number>()
  readonly #channels = new Map<string, Sent[]>()
  readonly #waiting = new Map<Token, Request>()
  /** Requests that may stand for more than one entry: until their RELEASE is sent. */
  readonly #standing = new Map<Token, Request>()
  /** What each host has in its queue of other hosts, and for which names. */
  readonly #foreign = new Map<HostId, Map<Token, readonly string[]>>()

  constructor(isQueued: IsQueued) {
    this.#isQueued = isQueued
  }

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  observe(observation: Observation): void {
    const fresh = this.#links.observe(observation)
    for (const channel of fresh === undefined ? [] : CHANNELS)
      this.#channels.delete(`${fresh ?? ''} ${channel}`)
    if (observation.type === 'trace')
      this.#trace(observation.at, observation.host, observation.event)
    else if (observation.type === 'incarnated')
      this.#incarnations.set(observation.host, observation.incarnation)
    else if (observation.type === 'died') {
      this.#drop(request => request.host === observation.host)
      this.#foreign.delete(observation.host)
    }
  }

  finish(rest: Rest): void {
    for (const [key, channel] of this.#channels) {
      const link = key.slice(0, key.lastIndexOf(' '))
      if (channel.length > 0 && this.#links.isOpen(link, rest.locks))
        this.#findings.add(
          rest.at,
          `${channel.length} messages were never delivered on ${link}, first ${channel[0]?.text ?? ''}`,
        )
    }
  }

  #trace(at: number, host: HostId, event: TraceEvent): void {
    switch (event.type) {
      case 'send':
        // What a host sends itself is no event of anybody else.
        if (event.to !== host) this.#send(host, event.to, event.message)
        return
      case 'deliver':
        if (event.from !== host) this.#deliver(at, event.from, host, event.message)
        return
      case 'request':
        this.#request(at, host, event)
        return
      case 'insert':
        if (timestampOf(event.token).host !== host)
          this.#queueOf(host).set(event.token, event.names)
        return
      case 'remove':
        this.#queueOf(host).delete(event.token)
        return
      case 'enter':
        this.#enter(at, host, event)
        return
      case 'leave':
        this.#waiting.delete(event.token)
        return
      case 'install':
        this.#retire(event.view)
        return
      case 'reincarnate':
        this.#drop(request => request.host === host)
        this.#foreign.delete(host)
        return
      case 'complete':
      case 'lose':
      case 'retransmit':
      case 'session-up':
      case 'session-lost':
        return
      default:
        return unreachable(event)
    }
  }

  /**
   * Whoever is admitted by a request that stands has asked when that was made; and its host knows of
   * nobody else who waits.
   */
  #request(at: number, host: HostId, event: Extract<TraceEvent, { type: 'request' }>): void {
    const { token, names, limit, standing } = event
    for (const [other, wanted] of standing === undefined ? [] : this.#queueOf(host))
      if (wanted.some(name => names.includes(name)))
        this.#findings.add(
          at,
          `${describeToken(token)} is admitted by one that stands, though ${describeToken(other)} has come`,
        )
    const before = standing === undefined ? undefined : this.#standing.get(standing)
    const request = before ?? {
      host,
      incarnation: this.#incarnations.get(host) ?? 0,
      count: this.#count(host),
      vector: new Map(this.#vector(host)),
      names,
      limit,
    }
    this.#waiting.set(token, request)
    if (standing === undefined) this.#standing.set(token, request)
  }

  #retire({ retired }: View): void {
    for (const [host, incarnation] of retired)
      this.#retired.set(host, Math.max(incarnation, this.#retired.get(host) ?? 0))
  }

  /** A view has excluded its host, which may not know yet and ask and enter all the same. */
  #isRetired({ host, incarnation }: Request): boolean {
    return incarnation <= (this.#retired.get(host) ?? -1)
  }

  #drop(isOver: (request: Request) => boolean): void {
    for (const requests of [this.#waiting, this.#standing])
      for (const [token, request] of requests) if (isOver(request)) requests.delete(token)
  }

  #send(from: HostId, to: HostId, message: Message): void {
    if (message.type === 'release') {
      const token = tokenOf({ time: message.request, host: from })
      this.#waiting.delete(token)
      this.#standing.delete(token)
    }
    this.#count(from)
    const vector = new Map(this.#vector(from))
    this.#channel(this.#links.sent(from, to), message).push({ text: textOf(message), vector })
  }

  #deliver(at: number, from: HostId, to: HostId, message: Message): void {
    const channel = this.#channel(this.#links.delivered(from, to), message)
    const text = textOf(message)
    // About variables no order is promised, only that each comes once.
    const place = isVariableMessage(message) ? channel.findIndex(sent => sent.text === text) : 0
    const [sent] = channel.splice(Math.max(0, place), 1)
    if (sent?.text !== text)
      this.#findings.add(
        at,
        `host ${to} is delivered ${text} from ${from}, which sent ${sent?.text ?? 'nothing'}`,
      )
    this.#count(to)
    const vector = this.#vector(to)
    for (const [host, count] of sent?.vector ?? [])
      vector.set(host, Math.max(count, vector.get(host) ?? 0))
  }

  #enter(at: number, host: HostId, event: { readonly token: Token }): void {
    const entering = this.#waiting.get(event.token)
    this.#waiting.delete(event.token)
    if (entering === undefined) {
      this.#findings.add(at, `host ${host} enters with ${event.token}, which is no request`)
      return
    }
    for (const [token, other] of this.#waiting) {
      if (this.#isRetired(other) || (entering.limit !== 1 && other.limit !== 1)) continue
      if (!other.names.some(name => entering.names.includes(name))) continue
      if ((entering.vector.get(other.host) ?? 0) < other.count) continue
      if (this.#isQueued(other.host, token))
        this.#findings.add(
          at,
          `${describeToken(event.token)} enters ${entering.names.join(' and ')} before ${describeToken(token)}, which happened before it`,
        )
    }
  }

  #queueOf(host: HostId): Map<Token, readonly string[]> {
    const queue = this.#foreign.get(host) ?? new Map<Token, readonly string[]>()
    this.#foreign.set(host, queue)
    return queue
  }

  /** One more event of a host; how many that makes. */
  #count(host: HostId): number {
    const vector = this.#vector(host)
    const count = (vector.get(host) ?? 0) + 1
    vector.set(host, count)
    return count
  }

  #vector(host: HostId): Vector {
    const vector = this.#vectors.get(host) ?? new Map<HostId, number>()
    this.#vectors.set(host, vector)
    return vector
  }

  #channel(link: string, message: Message): Sent[] {
    const key = `${link} ${channelOf(message)}`
    const channel = this.#channels.get(key) ?? []
    this.#channels.set(key, channel)
    return channel
  }
}

/** At most this many messages about one request are under way from one host to another. */
const IN_FLIGHT_MAX = 3

/**
 * Of each type at most one message about one request is under way from one host to another in one
 * view, which makes three at most: nothing is ever repeated on a channel that does the repeating.
 */
export class InFlightChecker implements Checker {
  readonly #findings = new Findings()
  readonly #links = new Links()
  /** By link, and then by request and view. */
  readonly #requests = new Map<string, Map<string, Map<Message['type'], number>>>()
  #most = 0

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  /** The most that there ever were under way for one request and ordered pair. */
  get most(): number {
    return this.#most
  }

  observe(observation: Observation): void {
    const fresh = this.#links.observe(observation)
    if (fresh !== undefined) this.#requests.delete(fresh)
    if (observation.type !== 'trace') return
    const { at, host, event } = observation
    if (event.type === 'send' && event.to !== host) {
      const subject = subjectOf(host, event.to, event.message)
      if (subject !== undefined)
        this.#sent(at, this.#links.sent(host, event.to), subject, event.message.type)
    } else if (event.type === 'deliver' && event.from !== host) {
      const subject = subjectOf(event.from, host, event.message)
      if (subject !== undefined)
        this.#delivered(this.#links.delivered(event.from, host), subject, event.message.type)
    }
  }

  #sent(at: number, link: string, subject: string, type: Message['type']): void {
    const requests = this.#requests.get(link) ?? new Map<string, Map<Message['type'], number>>()
    this.#requests.set(link, requests)
    const types = requests.get(subject) ?? new Map<Message['type'], number>()
    requests.set(subject, types)
    const count = (types.get(type) ?? 0) + 1
    types.set(type, count)
    const sum = [...types.values()].reduce((total, some) => total + some, 0)
    this.#most = Math.max(this.#most, sum)
    if (count > 1 || sum > IN_FLIGHT_MAX)
      this.#findings.add(
        at,
        `${sum} messages about ${subject} are under way on ${link}, ${count} of them ${type}`,
      )
  }

  #delivered(link: string, subject: string, type: Message['type']): void {
    const requests = this.#requests.get(link)
    const types = requests?.get(subject)
    if (requests === undefined || types === undefined) return
    const count = (types.get(type) ?? 0) - 1
    if (count > 0) types.set(type, count)
    else types.delete(type)
    if (types.size === 0) requests.delete(subject)
  }
}

/** The request that a message is about, and the view that it belongs to. */
function subjectOf(from: HostId, to: HostId, message: Message): string | undefined {
  if (!isMutexMessage(message)) return undefined
  switch (message.type) {
    case 'request':
      return describe({ time: message.time, host: from }, message.view)
    case 'reply':
      return describe({ time: message.request, host: to }, message.view)
    case 'release':
    case 'adopt':
      return describe({ time: message.request, host: from }, message.view)
    // One for each client, and their number is bounded by time.
    case 'pass':
    case 'sync':
    case 'leave':
      return undefined
    default:
      return unreachable(message)
  }
}

function describe(timestamp: Timestamp, view: number): string {
  return `${describeToken(tokenOf(timestamp))} in view ${view}`
}

/** Enough to tell any two messages of one channel apart: every one of a host has its own time. */
function textOf(message: Message): string {
  const { type, time } = message
  if (!isMutexMessage(message)) return `${type} ${time}`
  switch (message.type) {
    case 'request':
      return `${type} ${time} for ${message.limit} ${message.names.join(' ')}`
    case 'reply':
    case 'release':
    case 'adopt':
    case 'pass':
      return `${type} ${time} of ${message.request}`
    case 'sync':
      return `${type} ${time} of ${message.requests.map(request => request.time).join(' ')}`
    case 'leave':
      return `${type} ${time}`
    default:
      return unreachable(message)
  }
}
