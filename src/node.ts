import { decodeAbout, encodeAbout } from './core/about.ts'
import type { HostId } from './core/clock.ts'
import { decodeHeartbeat, decodeMessage, encodeHeartbeat, encodeMessage } from './core/codec.ts'
import type {
  CopyState,
  Command,
  CommandId,
  HostStatus,
  LockStatus,
  Lsn,
  NodeEvent,
  Response,
  StoreEntry,
  TraceEvent,
  WhyStatus,
} from './core/command.ts'
import { Host, type HostConfig } from './core/host.ts'
import { channelOf, type Message } from './core/message.ts'
import type { Rules } from './core/rules.ts'
import type { Durable } from './core/store.ts'
import { describeDifference, digestOf, linesOf, type Places } from './core/table.ts'
import type { PastVersion, Variable } from './core/variable.ts'
import { assert, unreachable } from './lib/assert.ts'
import type { Random } from './lib/random.ts'
import {
  earliest,
  elapsed,
  milliseconds,
  toInstant,
  type Duration,
  type Instant,
} from './lib/time.ts'
import type { KeyName, Seal } from './transport/seal.ts'
import { QUEUE_HIGH_BYTES } from './transport/sender.ts'
import { Endpoint, type Address, type ChannelId, type SessionEnd } from './transport/endpoint.ts'

export type {
  Command,
  CommandId,
  LockStatus,
  LossCause,
  Lsn,
  NodeEvent,
  Refusal,
  RequestStatus,
  Response,
  StoreEntry,
  TraceEvent,
  WhyStatus,
} from './core/command.ts'
export type { PastVersion, Variable } from './core/variable.ts'
export { NOTHING_DURABLE, recover, RecordReader, type Durable } from './core/store.ts'

/** One line of hosts.yml. */
export type HostLine = {
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
  readonly hosts: readonly HostLine[]
  readonly timing: HostConfig['timing']
  /** Where hosts.yml says what safety rests on; for people: see `describeDifference`. */
  readonly places?: Places
  readonly limits?: HostConfig['limits']
  /** What this host says of itself to the others, for people; nothing is decided by it. */
  readonly about?: string
}

/** Everything that can happen to a node. */
export type Input =
  | { readonly type: 'tick' }
  | { readonly type: 'datagram'; readonly from: Address; readonly bytes: Uint8Array }
  | { readonly type: 'address'; readonly host: HostId; readonly address: Address }
  /** The key file was read again. Refused, with a log event, where a live session needs the old. */
  | { readonly type: 'keys'; readonly seal: Seal }
  /** Every batch up to this one is on the disk. */
  | { readonly type: 'synced'; readonly lsn: Lsn }
  | { readonly type: 'command'; readonly id: CommandId; readonly command: Command }
  /** Withdraw an acquire: unstamped it is dropped, stamped RELEASEd, granted released as well. */
  | { readonly type: 'cancel'; readonly id: CommandId }
  /** This machine slept, or its clock jumped: no promise made to it can be relied on. */
  | { readonly type: 'suspended' }
  /** This process could not run for so long, and what came in meanwhile may not all be handled yet. */
  | { readonly type: 'stalled'; readonly lag: Duration }
  /** The receive buffer of the socket has this many bytes. */
  | { readonly type: 'receive-buffer'; readonly bytes: number }
  /** Grant nothing more, and go as soon as no client holds anything: see the event `left`. */
  | { readonly type: 'leave' }

/** Everything a node asks of the world, to be done in this order. */
export type Effect =
  | { readonly type: 'datagram'; readonly to: Address; readonly bytes: Uint8Array }
  /** Make durable as a whole, after every batch before it; then give the input `synced`. */
  | { readonly type: 'append'; readonly lsn: Lsn; readonly entries: readonly StoreEntry[] }
  | { readonly type: 'response'; readonly id: CommandId; readonly response: Response }
  | { readonly type: 'event'; readonly event: NodeEvent }

/** A peer that was heard within this time is not kept from being connected. */
const HEARD_WITHIN: Duration = milliseconds(10_000)

/** What happened, with the Lamport time and the incarnation of the host. */
export type Trace = (event: TraceEvent, time: number, incarnation: number) => void

export type PeerStatus = {
  readonly id: HostId
  readonly name: string
  readonly address: Address | undefined
  /** `member` of the view; `heard` but outside; `connected` but not heard; or `silent`. */
  readonly state: 'member' | 'heard' | 'connected' | 'silent'
  readonly votes: number
  readonly incarnation: number | undefined
  /** Which key its session uses; none without a session, or where packets are not sealed. */
  readonly key: KeyName | undefined
  readonly rtt: Duration | undefined
  /** Smoothed share of datagrams to it that were lost, 0..1. */
  readonly loss: number
  /** Since something authentic was last received from it. */
  readonly silent: Duration | undefined
  /** What keeps it from being connected, where that is known: another hosts.yml, say. */
  readonly notice: string | undefined
  /** What it says of itself. */
  readonly about: string | undefined
  /** How much faster its clock runs than ours: 0.001 is a thousandth. */
  readonly drift: number | undefined
  /** How its values and its disk are, as it has said last. */
  readonly copy: CopyState | undefined
}

export type Status = Omit<HostStatus, 'states' | 'drifts' | 'copies'> & {
  readonly host: { readonly id: HostId; readonly name: string; readonly votes: number }
  readonly cluster: string
  /** The keys that are accepted, the first one to call with; none: packets are not sealed. */
  readonly keys: readonly KeyName[]
  readonly peers: readonly PeerStatus[]
  /** What people should hear of hosts that hosts.yml does not name. */
  readonly notices: readonly string[]
  readonly datagrams: {
    readonly sent: number
    readonly received: number
    readonly bytesSent: number
    readonly bytesReceived: number
    /** Of those sent: with a heartbeat, and perhaps an ACK, but no message. */
    readonly beats: number
    readonly retransmitted: number
    /** Datagrams and messages that were not taken, by reason. */
    readonly dropped: Readonly<Record<string, number>>
  }
}

/**
 * Transport and core, wired: the one thing that a driver steps. One law: step, perform every effect
 * in order, then wait for `deadline` or the next input.
 */
export class Node {
  readonly #config: NodeConfig
  readonly #host: Host
  readonly #trace: Trace
  readonly #endpoint: Endpoint
  readonly #dropped: Record<string, number> = {}
  /** What keeps a peer from being connected, where it is known. */
  readonly #notices = new Map<HostId, string>()
  readonly #abouts = new Map<HostId, string>()
  /** Hosts whose queue has been above the high-water mark, and perhaps still is. */
  readonly #slow = new Set<HostId>()
  #encoded: { readonly message: Message; readonly payload: Uint8Array } | undefined
  #now: Instant = toInstant(-Infinity)
  #effects: Effect[] = []

  /** @param durable what the store held at the start, see `recover` */
  constructor(
    config: NodeConfig,
    durable: Durable,
    random: Random,
    trace: Trace,
    rules: Rules,
    seal: Seal,
  ) {
    this.#config = config
    this.#trace = trace
    this.#host = new Host(config, durable, random.fork(), rules, {
      send: (to, message, urgency) => {
        const [payload, channel] = [this.#encode(message), channelOf(message)]
        const isAnswer = message.type === 'reply'
        const isBelowMark = this.#endpoint.send(this.#now, to, channel, payload, urgency, isAnswer)
        if (!isBelowMark) this.#slow.add(to)
      },
      sendHeartbeat: (to, heartbeat) => {
        this.#endpoint.sendDatagram(this.#now, to, encodeHeartbeat(heartbeat))
      },
      reincarnate: incarnation => this.#endpoint.reincarnate(this.#now, incarnation),
      append: (lsn, entries) => this.#effects.push({ type: 'append', lsn, entries }),
      respond: (id, response) => this.#effects.push({ type: 'response', id, response }),
      event: event => this.#effects.push({ type: 'event', event }),
      isDrained: () => this.#others.every(({ id }) => this.#isDrained(id)),
      isCongested: to => this.#endpoint.peer(to).queuedBytes > QUEUE_HIGH_BYTES,
      trace,
    })
    this.#endpoint = new Endpoint(
      {
        cluster: config.cluster,
        self: config.self,
        tableDigest: digestOf(config),
        tableLines: linesOf(config, config.self),
        describeDifference: (theirs, lines) =>
          describeDifference(config, theirs, lines, config.places),
        incarnation: this.#host.incarnation,
        peers: this.#others.map(({ id, address }) => ({ id, address })),
      },
      {
        transmit: (to, bytes) => this.#effects.push({ type: 'datagram', to, bytes }),
        deliver: (from, channel, payload) => this.#deliver(from, channel, payload),
        deliverDatagram: (from, payload) => this.#hear(from, payload),
        carried: (what, to, payload) => this.#carried(what, to, payload),
        sessionUp: (peer, incarnation) => {
          this.#notices.delete(peer)
          this.#log('info', `${this.#name(peer)} is connected`)
          this.#host.open(this.#now, peer, incarnation)
          this.#tellAbout(peer)
        },
        sessionLost: (peer, end, reason) => this.#sessionLost(peer, end, reason),
        notice: (peer, text) => {
          if (peer !== undefined) this.#notices.set(peer, text)
          this.#log('warning', text)
        },
      },
      random.fork(),
      seal,
    )
  }

  /** One input, handled to completion. */
  step(now: Instant, input: Input): readonly Effect[] {
    assert(now >= this.#now, 'time does not run backwards')
    this.#now = now
    switch (input.type) {
      case 'tick':
        this.#host.tick(now)
        if (this.#host.isAwake) this.#endpoint.tick(now)
        break
      case 'datagram':
        // Before its incarnation is durable a host has no name to answer in.
        if (!this.#host.isAwake) break
        this.#host.together(() => this.#endpoint.receive(now, input.from, input.bytes))
        break
      case 'address':
        this.#endpoint.setAddress(now, input.host, input.address)
        break
      case 'keys':
        this.#changeKeys(input.seal)
        break
      case 'synced':
        this.#host.synced(now, input.lsn)
        break
      case 'command':
        this.#execute(now, input.id, input.command)
        break
      case 'cancel':
        this.#host.cancel(now, input.id)
        break
      case 'suspended':
        this.#host.rebirth(now, 'this machine was suspended, or its clock has jumped')
        break
      case 'stalled':
        this.#host.stalled(now, input.lag)
        break
      case 'receive-buffer':
        this.#endpoint.fitReceiveBuffer(input.bytes)
        break
      case 'leave':
        this.#host.leave(now)
        break
      default:
        unreachable(input)
    }
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /**
   * When the next `tick` is due. A deadline that is not after `now` asks for a tick as soon as what
   * arrived together has been handled (the daemon's setImmediate): then one datagram carries all.
   */
  get deadline(): Instant {
    const { deadline } = this.#host
    return this.#host.isAwake ? earliest(deadline, this.#endpoint.deadline) : deadline
  }

  /** A plain picture for `lamportctl status` and for the checkers. */
  status(now: Instant): Status {
    const { states, drifts, copies, ...host } = this.#host.status(now)
    const { dropped, ...counters } = this.#endpoint.counters
    const self = this.#config.hosts.find(({ id }) => id === this.#config.self)
    return {
      ...host,
      host: {
        id: this.#config.self,
        name: self?.name ?? '',
        votes: self?.votes ?? 0,
      },
      cluster: this.#config.cluster,
      keys: this.#endpoint.keys,
      peers: this.#others.map(line => ({
        ...this.#peerStatus(now, line, states.get(line.id) ?? 'silent'),
        drift: drifts.get(line.id),
        copy: copies.get(line.id),
      })),
      notices: this.#endpoint.strangers(now),
      datagrams: {
        ...counters,
        dropped: { ...dropped, ...this.#dropped },
      },
    }
  }

  /** Every lock in use, by name; holders and waiters in order. */
  locks(now: Instant): readonly LockStatus[] {
    return this.#host.locks(now)
  }

  /** A variable as this host knows it, without asking anybody. */
  variable(name: string): Variable {
    return this.#host.variable(name)
  }

  /** Every variable that is set, as this host knows them, by name. */
  variables(): readonly Variable[] {
    return this.#host.variables()
  }

  /** Every name of a variable that was ever set, also of what is unset now. */
  variableNames(): readonly string[] {
    return this.#host.variableNames()
  }

  /** The versions of a variable, the newest first. */
  history(name: string): readonly PastVersion[] {
    return this.#host.history(name)
  }

  /** Why a lock is not to be had, as this host sees it. */
  why(now: Instant, name: string): WhyStatus {
    return this.#host.why(now, name)
  }

  get #others(): readonly HostLine[] {
    return this.#config.hosts.filter(({ id }) => id !== this.#config.self)
  }

  /** What goes to all is put into bytes once: it is the same message, one host after another. */
  #encode(message: Message): Uint8Array {
    if (this.#encoded?.message !== message) {
      this.#encoded = { message, payload: encodeMessage(message) }
    }
    return this.#encoded.payload
  }

  #execute(now: Instant, id: CommandId, command: Command): void {
    const member = command.type === 'acquire' ? this.#slowMember(now) : undefined
    if (member === undefined) {
      this.#host.execute(now, id, command)
      return
    }
    const detail = `${this.#name(member)} does not keep up with what it is sent`
    const response: Response = { type: 'refused', reason: 'busy', detail }
    this.#effects.push({ type: 'response', id, response })
  }

  /**
   * A member to which more waits than may: a queue that overflows ends our incarnation, and a new
   * request would only be in it. What waits for a host outside the view holds nothing up.
   */
  #slowMember(now: Instant): HostId | undefined {
    if (this.#slow.size === 0) return undefined
    const members = this.#host.status(now).view?.members ?? []
    for (const host of this.#slow) {
      if (this.#endpoint.peer(host).queuedBytes <= QUEUE_HIGH_BYTES) this.#slow.delete(host)
      else if (members.includes(host)) return host
    }
    return undefined
  }

  #deliver(from: HostId, channel: ChannelId, payload: Uint8Array): void {
    const about = channel === 3 ? decodeAbout(payload) : undefined
    if (about !== undefined) {
      this.#abouts.set(from, about)
      return
    }
    const message = decodeMessage(payload)
    if ('malformed' in message) {
      this.#drop('malformed message')
      this.#log('error', `${this.#name(from)} sent a malformed message (${message.malformed})`)
      return
    }
    if (channel !== channelOf(message)) {
      this.#drop('message on the wrong channel')
      return
    }
    this.#host.deliver(this.#now, from, message)
  }

  /** Rare, so that the message is read from its bytes again and not kept beside them. */
  #carried(type: 'lose' | 'retransmit', to: HostId, payload: Uint8Array): void {
    const message = decodeMessage(payload)
    if ('malformed' in message) return
    this.#trace({ type, to, message }, this.#host.time, this.#host.incarnation)
  }

  #hear(from: HostId, payload: Uint8Array): void {
    const heartbeat = decodeHeartbeat(payload)
    if ('malformed' in heartbeat) this.#drop('malformed heartbeat')
    else this.#host.hear(this.#now, from, heartbeat)
  }

  #sessionLost(peer: HostId, end: SessionEnd, reason: string): void {
    if (end !== 'own-incarnation') {
      this.#log('warning', `the session with ${this.#name(peer)} has ended: ${reason}`)
    }
    this.#host.close(this.#now, peer)
    // A message may be lost, and a lost REQUEST or RELEASE would be waited for without end.
    if (end === 'broken') this.#host.rebirth(this.#now, `a channel broke: ${reason}`)
  }

  #isDrained(peer: HostId): boolean {
    const { up, queuedBytes, inFlight } = this.#endpoint.peer(peer)
    return !up || (queuedBytes === 0 && inFlight === 0)
  }

  #tellAbout(peer: HostId): void {
    const { about } = this.#config
    if (about === undefined) return
    this.#endpoint.send(this.#now, peer, 3, encodeAbout(about))
  }

  #peerStatus(
    now: Instant,
    line: HostLine,
    state: PeerStatus['state'],
  ): Omit<PeerStatus, 'drift' | 'copy'> {
    const { id, name, address, votes } = line
    const peer = this.#endpoint.peer(id)
    const silent = elapsed(peer.lastReceived ?? toInstant(-Infinity), now)
    return {
      id,
      name,
      address,
      votes,
      state,
      incarnation: peer.incarnation,
      key: peer.key,
      rtt: peer.srtt,
      loss: peer.loss,
      silent: peer.lastReceived === undefined ? undefined : silent,
      about: this.#abouts.get(id),
      // A stranger can cause one, too: of whoever is heard, it says nothing.
      notice: silent < HEARD_WITHIN ? undefined : this.#notices.get(id),
    }
  }

  #changeKeys(seal: Seal): void {
    const used = this.#endpoint.changeKeys(this.#now, seal)
    if (used.length > 0) {
      const who = used.map(({ peer, key }) => `${this.#name(peer)} uses key ${key}`).join(', ')
      const next = 'put it back, and drop it when lamportctl status shows it nowhere'
      this.#log('error', `the key file is not taken, all keys stay: ${who}, not in it (${next})`)
      return
    }
    const [first, ...others] = seal.names
    const rest = others.length === 0 ? '' : `, ${others.join(', ')} accepted as well`
    this.#log('info', `the key file was read again: packets are sealed with key ${first}${rest}`)
  }

  #drop(reason: string): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1
  }

  #log(level: 'info' | 'warning' | 'error', text: string): void {
    this.#effects.push({ type: 'event', event: { type: 'log', level, text } })
  }

  #name(id: HostId): string {
    const host = this.#config.hosts.find(candidate => candidate.id === id)
    return host === undefined ? `host ${id}` : `${host.name} (${id})`
  }
}
