import { Claims } from './core/claims.ts'
import { LamportClock, TIME_AHEAD_MAX, tokenOf, type HostId, type Token } from './core/clock.ts'
import { decodeMessage, encodeMessage, type LockRequest, type Message } from './core/message.ts'
import { Mutex } from './core/mutex.ts'
import type { QueueEntry } from './core/queue.ts'
import type { Rules } from './core/rules.ts'
import { digestOf, safetyTable } from './core/table.ts'
import { assert, unreachable } from './lib/assert.ts'
import type { Random } from './lib/random.ts'
import { earliest, elapsed, milliseconds, NEVER, type Duration, type Instant } from './lib/time.ts'
import { Endpoint, type Address, type ChannelId } from './transport/endpoint.ts'

/** The driver's name of a command under way: unique in the life of a node, never reused. */
export type CommandId = number

/** One line of hosts.yml. */
export type HostConfig = {
  readonly id: HostId
  readonly name: string
  /** `undefined` until its name is resolved: see the input `address`. */
  readonly address: Address | undefined
  readonly votes: number
}

/** What a node is told once and for all. */
export type NodeConfig = {
  readonly cluster: string
  readonly self: HostId
  /** All hosts of hosts.yml, this one among them. */
  readonly hosts: readonly HostConfig[]
  readonly timing: {
    readonly heartbeat: Duration
    readonly suspect: Duration
    readonly lease: Duration
    /** How far the rate of a clock may be from real time: 0.02 is 2 %. */
    readonly drift: number
  }
}

/** What a driver read back from the store, or chose at random where nothing is durable yet. */
export type Recovered = {
  readonly incarnation: number
}

/** What a client wants of the locks. Its connection is the driver's business. */
export type Command =
  | {
      readonly type: 'acquire'
      /** 1..64 names, each 1..255 bytes; checked at the edge; sorted here. */
      readonly names: readonly string[]
      /** 1 exclusive, k a semaphore, Infinity shared. */
      readonly limit: number
      /** `undefined`: for ever; 0: only if nothing precedes (the answer is still waited for). */
      readonly wait: Duration | undefined
      readonly info: string
    }
  | { readonly type: 'release'; readonly token: Token }

/** Everything that can happen to a node. */
export type Input =
  | { readonly type: 'tick' }
  | { readonly type: 'datagram'; readonly from: Address; readonly bytes: Uint8Array }
  | { readonly type: 'address'; readonly host: HostId; readonly address: Address }
  | { readonly type: 'command'; readonly id: CommandId; readonly command: Command }
  /** Withdraw an acquire: unstamped it is dropped, stamped RELEASEd, granted released as well. */
  | { readonly type: 'cancel'; readonly id: CommandId }

/** The one answer to a command. */
export type Response =
  | {
      readonly type: 'granted'
      readonly token: Token
      /** When the client must have stopped, by this host's clock; NEVER while there are no leases. */
      readonly until: Instant
    }
  | { readonly type: 'released' }
  /** The answer to an acquire that was cancelled; `wasGranted` if the grant was on its way. */
  | { readonly type: 'cancelled'; readonly wasGranted: boolean }
  | { readonly type: 'refused'; readonly reason: Refusal; readonly detail: string }

export type Refusal = 'not-acquired' | 'no-majority' | 'not-held' | 'busy' | 'leaving' | 'limit'

/** What people or clients should hear of, unasked. */
export type NodeEvent =
  /** Requests that precede it, where it was not granted at once; sent again when it changes. */
  | { readonly type: 'queued'; readonly id: CommandId; readonly position: number }
  | { readonly type: 'lost'; readonly token: Token; readonly reason: string }
  | { readonly type: 'log'; readonly level: 'info' | 'warning' | 'error'; readonly text: string }

/** Everything a node asks of the world, to be done in this order. */
export type Effect =
  | { readonly type: 'datagram'; readonly to: Address; readonly bytes: Uint8Array }
  | { readonly type: 'response'; readonly id: CommandId; readonly response: Response }
  | { readonly type: 'event'; readonly event: NodeEvent }

/** What happened inside, for diagrams, checkers and transcripts. */
export type TraceEvent =
  | { readonly type: 'send'; readonly to: HostId; readonly message: Message }
  | { readonly type: 'deliver'; readonly from: HostId; readonly message: Message }
  /** A request got its timestamp. */
  | {
      readonly type: 'request' | 'enter' | 'leave'
      readonly token: Token
      readonly names: readonly string[]
      readonly limit: number
    }
  | {
      readonly type: 'session-up' | 'session-lost'
      readonly peer: HostId
      readonly incarnation: number
    }

export type Trace = (event: TraceEvent) => void

export type LockStatus = {
  readonly name: string
  readonly holders: readonly RequestStatus[]
  readonly waiters: readonly RequestStatus[]
}

export type RequestStatus = {
  readonly host: HostId
  readonly token: Token
  readonly limit: number
  readonly info: string
  /** How long this host has known it in its present state, waiting or holding. */
  readonly since: Duration
  /** How many precede it. */
  readonly position: number
}

export type PeerStatus = {
  readonly id: HostId
  readonly name: string
  readonly address: Address | undefined
  readonly state: 'up' | 'down'
  readonly incarnation: number | undefined
  readonly rtt: Duration | undefined
  /** Smoothed share of datagrams to it that were lost, 0..1. */
  readonly loss: number
  /** Since something authentic was last received from it. */
  readonly silent: Duration | undefined
}

export type Status = {
  readonly host: { readonly id: HostId; readonly name: string }
  readonly cluster: string
  readonly incarnation: number
  /** The Lamport time. */
  readonly clock: number
  /** Whether this host knows all requests of the others: it enters nothing before. */
  readonly complete: boolean
  readonly peers: readonly PeerStatus[]
  /** Protocol messages since the start, by type, apart from datagrams. */
  readonly messages: {
    readonly sent: Readonly<Record<Message['type'], number>>
    readonly received: Readonly<Record<Message['type'], number>>
  }
  readonly datagrams: {
    readonly sent: number
    readonly received: number
    readonly retransmitted: number
    /** Datagrams and messages that were not taken, by reason. */
    readonly dropped: Readonly<Record<string, number>>
  }
  readonly grants: number
}

/** The channel of REQUEST, REPLY, RELEASE and SYNC: they need the order among each other. */
const MUTEX_CHANNEL: ChannelId = 0

/**
 * Transport and core, wired: the one thing that a driver steps. One law: step, perform every effect
 * in order, then wait for `deadline` or the next input.
 */
export class Node {
  readonly #config: NodeConfig
  readonly #recovered: Recovered
  readonly #trace: Trace
  readonly #clock: LamportClock
  readonly #endpoint: Endpoint
  readonly #mutex: Mutex
  readonly #claims: Claims
  readonly #sent = noMessages()
  readonly #received = noMessages()
  readonly #refused: Record<string, number> = {}
  #grants = 0
  #now: Instant = 0 as Instant
  #effects: Effect[] = []

  constructor(
    config: NodeConfig,
    recovered: Recovered,
    random: Random,
    trace: Trace,
    rules: Rules,
  ) {
    this.#config = config
    this.#recovered = recovered
    this.#trace = trace
    const others = config.hosts.filter(host => host.id !== config.self)
    assert(others.length < config.hosts.length, 'this host is one of the hosts')
    this.#clock = new LamportClock(0)
    this.#endpoint = new Endpoint(
      {
        cluster: config.cluster,
        self: config.self,
        tableDigest: digestOf(safetyTable(config)),
        incarnation: recovered.incarnation,
        peers: others.map(({ id, address }) => ({ id, address })),
      },
      {
        transmit: (to, bytes) => this.#effects.push({ type: 'datagram', to, bytes }),
        deliver: (from, channel, payload) => this.#dispatch(from, channel, payload),
        deliverDatagram: () => this.#refuse('unexpected datagram frame'),
        sessionUp: (peer, incarnation) => this.#sessionUp(peer, incarnation),
        sessionLost: (peer, incarnation, reason) => this.#sessionLost(peer, incarnation, reason),
        notice: (_peer, text) => this.#log('warning', text),
      },
      random,
    )
    const ids = others.map(host => host.id)
    this.#mutex = new Mutex(config.self, ids, this.#clock, rules, {
      send: (to, message) => this.#send(to, message),
      requested: request => this.#traceRequest('request', request),
      granted: request => this.#entered(request),
      left: request => this.#traceRequest('leave', request),
    })
    const answerWait = milliseconds(config.timing.suspect + config.timing.lease)
    this.#claims = new Claims(this.#mutex, answerWait, {
      granted: (id, token) => this.#respond(id, { type: 'granted', token, until: NEVER }),
      refused: (id, reason, detail) => this.#respond(id, { type: 'refused', reason, detail }),
      cancelled: (id, wasGranted) => this.#respond(id, { type: 'cancelled', wasGranted }),
      queued: (id, position) =>
        this.#effects.push({ type: 'event', event: { type: 'queued', id, position } }),
    })
  }

  /** One input, handled to completion. */
  step(now: Instant, input: Input): readonly Effect[] {
    assert(now >= this.#now, 'time does not run backwards')
    this.#now = now
    switch (input.type) {
      case 'tick':
        this.#claims.tick(now)
        this.#endpoint.tick(now)
        break
      case 'datagram':
        this.#endpoint.receive(now, input.from, input.bytes)
        break
      case 'address':
        this.#endpoint.setAddress(now, input.host, input.address)
        break
      case 'command':
        this.#execute(input.id, input.command)
        break
      case 'cancel':
        this.#claims.cancel(now, input.id)
        break
      default:
        unreachable(input)
    }
    this.#claims.settle(now)
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /**
   * When the next `tick` is due. A deadline that is not after `now` asks for a tick as soon as what
   * arrived together has been handled (the daemon's setImmediate): then one datagram carries all.
   */
  get deadline(): Instant {
    return earliest(this.#endpoint.deadline, this.#claims.deadline)
  }

  /** A plain picture for `lamportctl status` and for the checkers. */
  status(now: Instant): Status {
    const config = this.#config
    const { sent, received, retransmitted, dropped } = this.#endpoint.counters
    return {
      host: { id: config.self, name: this.#name(config.self) },
      cluster: config.cluster,
      incarnation: this.#recovered.incarnation,
      clock: this.#clock.time,
      complete: this.#mutex.isComplete,
      peers: this.#peers(now),
      messages: { sent: { ...this.#sent }, received: { ...this.#received } },
      datagrams: {
        sent,
        received,
        retransmitted,
        dropped: { ...dropped, ...this.#refused },
      },
      grants: this.#grants,
    }
  }

  /** Every lock in use, by name; holders and waiters in order. */
  locks(now: Instant): readonly LockStatus[] {
    const { queue } = this.#mutex
    const names = [...queue.names()].sort((a, b) => (a < b ? -1 : 1))
    return names.map(name => {
      const holders: RequestStatus[] = []
      const waiters: RequestStatus[] = []
      for (const entry of queue.line(name)) {
        const holds = this.#holds(entry)
        const since = elapsed((holds ? entry.admitted : undefined) ?? entry.inserted, now)
        const { host, limit, info } = entry.request
        const position = holds ? 0 : queue.position(entry)
        const status = { host, token: entry.token, limit, info, since, position }
        if (holds) holders.push(status)
        else waiters.push(status)
      }
      return { name, holders, waiters }
    })
  }

  /** Of our own requests we know it; a request of another host is inside once it may be. */
  #holds(entry: QueueEntry): boolean {
    if (entry.request.host === this.#config.self) return this.#mutex.isHeld(entry.token)
    return this.#mutex.queue.isAdmitted(entry)
  }

  #execute(id: CommandId, command: Command): void {
    switch (command.type) {
      case 'acquire': {
        const { limit, wait, info } = command
        const names = [...new Set(command.names)].sort((a, b) => (a < b ? -1 : 1))
        this.#claims.acquire(this.#now, id, { names, limit, wait, info })
        return
      }
      case 'release':
        if (this.#claims.release(this.#now, command.token)) {
          this.#respond(id, { type: 'released' })
        } else {
          const detail = 'no client of this host holds a lock with that token'
          this.#respond(id, { type: 'refused', reason: 'not-held', detail })
        }
        return
      default:
        unreachable(command)
    }
  }

  /** The one place where a message between hosts is sent: encoded once for all who get it. */
  #send(to: readonly HostId[], message: Message): void {
    if (to.length === 0) return
    const payload = encodeMessage(message)
    for (const host of to) {
      this.#sent[message.type] += 1
      this.#trace({ type: 'send', to: host, message })
      this.#endpoint.send(this.#now, host, MUTEX_CHANNEL, payload)
    }
  }

  /** The one place where a message of another host arrives, and its time is witnessed, once. */
  #dispatch(from: HostId, channel: ChannelId, payload: Uint8Array): void {
    const message = decodeMessage(payload)
    if ('malformed' in message) {
      this.#refuse('malformed message')
      this.#log('error', `${this.#name(from)} sent a malformed message (${message.malformed})`)
      return
    }
    if (message.time > this.#clock.time + TIME_AHEAD_MAX) {
      this.#refuse('time too far ahead')
      this.#log('error', `${this.#name(from)} sent a time too far ahead: ${message.time}`)
      return
    }
    this.#received[message.type] += 1
    this.#clock.witness(message.time)
    this.#trace({ type: 'deliver', from, message })
    switch (message.type) {
      case 'request':
      case 'reply':
      case 'release':
      case 'sync':
        assert(channel === MUTEX_CHANNEL, 'messages of the mutex share one channel')
        this.#mutex.receive(this.#now, from, message)
        return
      default:
        unreachable(message)
    }
  }

  #sessionUp(peer: HostId, incarnation: number): void {
    this.#trace({ type: 'session-up', peer, incarnation })
    this.#log('info', `${this.#name(peer)} is connected`)
    this.#mutex.join(this.#now, peer)
  }

  #sessionLost(peer: HostId, incarnation: number, reason: string): void {
    this.#trace({ type: 'session-lost', peer, incarnation })
    this.#log('warning', `the session with ${this.#name(peer)} has ended: ${reason}`)
    this.#mutex.part(this.#now, peer)
  }

  #entered(request: LockRequest): void {
    this.#grants += 1
    this.#traceRequest('enter', request)
    this.#claims.entered(tokenOf(request))
  }

  #traceRequest(type: 'request' | 'enter' | 'leave', request: LockRequest): void {
    const { names, limit } = request
    this.#trace({ type, token: tokenOf(request), names, limit })
  }

  #peers(now: Instant): PeerStatus[] {
    const others = this.#config.hosts.filter(host => host.id !== this.#config.self)
    return others.map(({ id, name, address }) => {
      const peer = this.#endpoint.peer(id)
      return {
        id,
        name,
        address,
        state: peer.up ? 'up' : 'down',
        incarnation: peer.incarnation,
        rtt: peer.srtt,
        loss: peer.loss,
        silent: peer.lastReceived === undefined ? undefined : elapsed(peer.lastReceived, now),
      }
    })
  }

  #respond(id: CommandId, response: Response): void {
    this.#effects.push({ type: 'response', id, response })
  }

  #log(level: 'info' | 'warning' | 'error', text: string): void {
    this.#effects.push({ type: 'event', event: { type: 'log', level, text } })
  }

  #refuse(reason: string): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  #name(id: HostId): string {
    const host = this.#config.hosts.find(candidate => candidate.id === id)
    return host === undefined ? `host ${id}` : `${host.name} (${id})`
  }
}

function noMessages(): Record<Message['type'], number> {
  return { request: 0, reply: 0, release: 0, sync: 0 }
}
