import { assert } from '../lib/assert.ts'
import { earliest, NEVER, toInstant } from '../lib/time.ts'
import { fromHex, toHex } from './bytes.ts'
import { Gate } from './gate.ts'
import { formatAddress } from './notices.ts'
import {
  DATAGRAM_MAX,
  DGRAM_MAX,
  HEADER_SIZE,
  PacketType,
  PacketWriter,
  readIndex,
  TAG_SIZE,
} from './packet.ts'
import { Peer } from './peer.ts'
import { Budget } from './budget.ts'
import {
  clusterHash,
  COOKIE_SIZE,
  HELLO_ACK_SIZE,
  HELLO_SIZE,
  hasOurVersion,
  readHelloHeader,
} from './seal.ts'
import { Strangers } from './strangers.ts'

import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { Local } from './peer.ts'
import type { HelloHeader, KeyName, Seal } from './seal.ts'

/** Another machine, as this one's configuration numbers it: 1..1023. */
export type PeerId = number

/** Where datagrams go to and come from: a literal IPv4 or IPv6 address and a port. */
export type Address = { readonly ip: string; readonly port: number }

/** Reliable FIFO streams beside each other: a loss on one does not hold up the rest. 0 goes first. */
export type ChannelId = 0 | 1 | 2 | 3

/**
 * `soon`: may wait for a millisecond, so that a datagram which must go takes it along; for what
 * nobody waits for. `along`: waits with what waits `soon`, or not at all. `whenever`: as `soon`; and
 * that it was lost may be found out when the peer says something.
 */
export type Urgency = 'now' | 'along' | 'soon' | 'whenever'

export type EndpointConfig = {
  readonly cluster: string
  readonly self: PeerId
  /** Digest of the table that safety rests on: a peer with another one is refused. 8 bytes. */
  readonly tableDigest: Uint8Array
  /** Lines of that table, 24 bits each, of which each handshake tells one. */
  readonly tableLines?: readonly number[]
  /** What a peer's digest, and lines of its table, tell of where it differs; for people. */
  readonly describeDifference: (theirs: Uint8Array, lines: Iterable<number>) => string
  /** Rises with each life of this machine's protocol state. */
  readonly incarnation: number
  /** All the others; an address may be known later. */
  readonly peers: readonly { readonly id: PeerId; readonly address: Address | undefined }[]
}

/**
 * How a session came to its end: the peer or its owner began another incarnation; or it broke, and
 * is never made again between these two: its owner begins another incarnation.
 */
export type SessionEnd = 'peer-incarnation' | 'own-incarnation' | 'broken'

/** What an endpoint tells its owner, synchronously, from within `receive`, `send`, `tick`. */
export type EndpointOutput = {
  /** Put this on the wire. It may be lost. */
  transmit(to: Address, bytes: Uint8Array): void
  /** Exactly once and in the order sent, for each channel of one pair of incarnations. */
  deliver(from: PeerId, channel: ChannelId, payload: Uint8Array): void
  /** A payload of `sendDatagram`: may be lost, doubled, overtaken. */
  deliverDatagram(from: PeerId, payload: Uint8Array): void
  /** For who traces: the beginning of a payload is taken for lost; or is put into a packet again. */
  carried?(what: 'lose' | 'retransmit', to: PeerId, payload: Uint8Array): void
  /** A handshake is confirmed: channels to this incarnation of the peer are open and empty. */
  sessionUp(peer: PeerId, incarnation: number): void
  /** Channels to this incarnation of the peer have ended for ever; why, for people. */
  sessionLost(peer: PeerId, end: SessionEnd, reason: string): void
  /** Something that people should hear of: a peer whose table differs, a doubled host id. */
  notice(peer: PeerId | undefined, text: string): void
}

export type PeerState = {
  readonly up: boolean
  readonly incarnation: number | undefined
  /** Which key its packets are sealed with, if they are. */
  readonly key: KeyName | undefined
  readonly srtt: Duration | undefined
  readonly loss: number
  readonly lastReceived: Instant | undefined
  readonly queuedBytes: number
  readonly inFlight: number
}

export type Counters = {
  sent: number
  received: number
  bytesSent: number
  bytesReceived: number
  /** Of those sent: with a payload of `sendDatagram`, and perhaps an ACK, but nothing else. */
  beats: number
  /** Datagrams that carried again what an earlier one had carried. */
  retransmitted: number
  /** Ignored, by reason: docs/protocol.md lists them. */
  readonly dropped: Record<string, number>
}

/** A key that a live session uses. */
export type KeyInUse = { readonly peer: PeerId; readonly key: KeyName }

/** One socket's worth of protocol: sessions with every peer, without a socket and without a clock. */
export class Endpoint {
  readonly #local: Local
  readonly #cluster: string
  readonly #peers = new Map<PeerId, Peer>()
  readonly #counters: Counters = {
    sent: 0,
    received: 0,
    bytesSent: 0,
    bytesReceived: 0,
    beats: 0,
    retransmitted: 0,
    dropped: {},
  }
  /** Peers with something to transmit. */
  #dirty: Peer[] = []
  /** No timer is due before; perhaps none is then, for it is only moved forward by a tick. */
  #next: Instant = toInstant(0)
  #now: Instant = toInstant(0)
  readonly #strangers = new Strangers()

  constructor(config: EndpointConfig, output: EndpointOutput, random: Random, seal: Seal) {
    assert(config.tableDigest.length === 8, 'the digest of the table has 8 bytes')
    this.#cluster = config.cluster
    this.#local = {
      self: config.self,
      cluster: clusterHash(config.cluster),
      tableDigest: toHex(config.tableDigest),
      tableLines: config.tableLines ?? [],
      describeDifference: (theirs, lines) => config.describeDifference(fromHex(theirs), lines),
      incarnation: { counter: config.incarnation, life: toHex(random.bytes(8)) },
      tools: {
        writer: new PacketWriter(),
        counters: this.#counters,
        budget: new Budget(),
      },
      seal,
      gate: new Gate(() => this.#now),
      now: this.#now,
      jitter: random.fork(),
      random,
      routes: new Map(),
      output,
    }
    for (const { id, address } of config.peers) {
      assert(id !== config.self, 'a machine is not its own peer')
      this.#peers.set(id, new Peer(id, address, this.#local))
    }
  }

  /** Handles one datagram as it came. Whatever it holds, it never throws. */
  receive(now: Instant, from: Address, bytes: Uint8Array): void {
    this.#witness(now)
    this.#counters.received++
    this.#counters.bytesReceived += bytes.length
    const reason = this.#receive(now, from, bytes)
    this.#offerRoom()
    if (reason === undefined) return
    this.#counters.dropped[reason] = (this.#counters.dropped[reason] ?? 0) + 1
  }

  /**
   * Queues a payload (at most 1 MiB), kept until acknowledged. False: above the high-water mark,
   * slow down. The peer must have a session; the payload is not copied.
   * @param isAnswer the peer has asked for it, and says more before long: its ACK may wait for that
   */
  send(
    now: Instant,
    to: PeerId,
    channel: ChannelId,
    payload: Uint8Array,
    urgency: Urgency = 'now',
    isAnswer = false,
  ): boolean {
    this.#witness(now)
    const peer = this.#peer(to)
    const isBelowMark = peer.send(now, channel, payload, urgency, isAnswer)
    this.#touch(peer)
    return isBelowMark
  }

  /** Sends a payload once; one not yet flushed to the same peer is replaced. */
  sendDatagram(now: Instant, to: PeerId, payload: Uint8Array): void {
    assert(payload.length <= DGRAM_MAX, `a datagram's payload has at most ${DGRAM_MAX} bytes`)
    this.#witness(now)
    const peer = this.#peer(to)
    peer.sendDatagram(payload)
    this.#touch(peer)
  }

  /** Timers that are due, then one flush for each peer that has something to be sent. */
  tick(now: Instant): void {
    this.#witness(now)
    if (now >= this.#next) {
      this.#next = NEVER
      for (const peer of this.#peers.values()) {
        if (peer.dueAt <= now) {
          peer.tick(now)
          this.#touch(peer)
        } else this.#next = earliest(this.#next, peer.dueAt)
      }
      this.#offerRoom()
    }
    const dirty = this.#dirty
    this.#dirty = []
    for (const peer of dirty) {
      peer.isDirty = false
      if (peer.flush(now)) this.#mark(peer)
      this.#noteDeadline(peer)
    }
  }

  /** When `tick` is due next; the instant of the last call while something waits to be flushed. */
  get deadline(): Instant {
    return this.#dirty.length > 0 ? earliest(this.#now, this.#next) : this.#next
  }

  setAddress(now: Instant, peer: PeerId, address: Address): void {
    this.#witness(now)
    const moved = this.#peer(peer)
    moved.setAddress(now, address)
    this.#touch(moved)
  }

  /** The receive buffer of the socket as the kernel gave it: it bounds what is in flight. */
  fitReceiveBuffer(bytes: number): void {
    this.#local.tools.budget.fit(bytes)
  }

  /** Another life of this machine: every session ends and is made anew. */
  reincarnate(now: Instant, incarnation: number): void {
    this.#witness(now)
    const { counter, life } = this.#local.incarnation
    assert(incarnation > counter, 'incarnations rise')
    this.#local.incarnation = { counter: incarnation, life }
    for (const peer of this.#peers.values()) {
      peer.reincarnate(now)
      this.#touch(peer)
    }
  }

  /**
   * Seals with other keys from now on: sessions get the first one within 10 s, and go on. Where a
   * live session uses one that is gone, nothing changes, and the result says which.
   */
  changeKeys(now: Instant, seal: Seal): readonly KeyInUse[] {
    this.#witness(now)
    const used: KeyInUse[] = []
    for (const peer of this.#peers.values()) {
      const key = peer.missesKey(now, seal.names)
      if (key !== undefined) used.push({ peer: peer.id, key })
    }
    if (used.length > 0) return used
    this.#local.seal = seal
    for (const peer of this.#peers.values()) {
      peer.changeKeys(now)
      this.#touch(peer)
    }
    return []
  }

  /** The keys that are accepted, the first one to call with; none where nothing is sealed. */
  get keys(): readonly KeyName[] {
    return this.#local.seal.names
  }

  /** What people hear of hosts that call and are not in hosts.yml, or were until now. */
  strangers(now: Instant): readonly string[] {
    return this.#strangers.recent(now)
  }

  peer(id: PeerId): PeerState {
    return this.#peer(id).state
  }

  get counters(): Counters {
    return this.#counters
  }

  #receive(now: Instant, from: Address, bytes: Uint8Array): string | undefined {
    if (bytes.length > DATAGRAM_MAX) return 'oversized'
    switch (bytes[0]) {
      case PacketType.data:
        return this.#receiveData(now, from, bytes)
      case PacketType.hello:
        return this.#receiveHello(now, from, bytes)
      case PacketType.helloAck:
        return this.#receiveAnswer(now, from, bytes, HELLO_ACK_SIZE)
      case PacketType.cookie:
        return this.#receiveAnswer(now, from, bytes, COOKIE_SIZE)
      case undefined:
        return 'truncated'
      default:
        return 'unknown-type'
    }
  }

  #receiveData(now: Instant, from: Address, bytes: Uint8Array): string | undefined {
    if (bytes.length < HEADER_SIZE + TAG_SIZE) return 'truncated'
    const route = this.#local.routes.get(readIndex(bytes))
    if (route === undefined) {
      const peer = this.#peerAt(from)
      peer?.hint(now)
      if (peer !== undefined) this.#touch(peer)
      return 'unknown-index'
    }
    if (!route.peer.isAt(from)) return 'address'
    const reason = route.peer.receivePacket(now, route, bytes)
    this.#touch(route.peer)
    return reason
  }

  /** What is cheap comes first, and nothing that a stranger may say is believed. */
  #receiveHello(now: Instant, from: Address, bytes: Uint8Array): string | undefined {
    if (bytes.length !== HELLO_SIZE) return 'truncated'
    if (!hasOurVersion(bytes)) return this.#refuseVersion(from)
    const header = readHelloHeader(bytes)
    if (header.cluster !== this.#local.cluster) return this.#refuseCluster(header, from)
    if (header.to !== this.#local.self || header.from === this.#local.self) return 'misdirected'
    const peer = this.#peers.get(header.from)
    if (peer === undefined) {
      const news = this.#strangers.note(now, header.from, from)
      if (news !== undefined) this.#local.output.notice(undefined, news)
      return 'unknown-host'
    }
    if (!peer.isAt(from)) {
      this.#noticeAddress(peer, from)
      return 'address'
    }
    const reason = peer.receiveHello(now, from, bytes)
    this.#touch(peer)
    return reason
  }

  /** A HELLO_ACK or a COOKIE. */
  #receiveAnswer(now: Instant, from: Address, bytes: Uint8Array, size: number): string | undefined {
    if (bytes.length !== size) return 'truncated'
    if (!hasOurVersion(bytes)) return this.#refuseVersion(from)
    const route = this.#local.routes.get(readIndex(bytes))
    if (route?.type !== 'attempt') return 'unexpected'
    if (!route.peer.isAt(from)) return 'address'
    const reason =
      size === COOKIE_SIZE
        ? route.peer.receiveCookie(now, bytes)
        : route.peer.receiveAnswer(now, bytes)
    this.#touch(route.peer)
    return reason
  }

  #refuseCluster({ cluster }: HelloHeader, from: Address): string {
    const text = `the host at ${formatAddress(from)} is of another cluster than ${this.#cluster}; it is ignored (compare the names and addresses in both hosts.yml)`
    this.#peerAt(from)?.notice('cluster', `${cluster}`, text)
    return 'cluster'
  }

  #refuseVersion(from: Address): string {
    const text = `the host at ${formatAddress(from)} speaks another version of the protocol; it is ignored until both run the same release of lamportd`
    this.#peerAt(from)?.notice('version', '', text)
    return 'version'
  }

  #noticeAddress(peer: Peer, from: Address): void {
    const known = peer.address
    if (known === undefined) return
    const text = `host ${peer.id} calls from ${formatAddress(from)}, but its address is ${formatAddress(known)}; it is ignored there (correct hosts.yml)`
    peer.notice('address', formatAddress(from), text)
  }

  #peer(id: PeerId): Peer {
    const peer = this.#peers.get(id)
    assert(peer !== undefined, `host ${id} is one of the peers`)
    return peer
  }

  #peerAt(from: Address): Peer | undefined {
    for (const peer of this.#peers.values()) if (peer.isAt(from)) return peer
    return undefined
  }

  #witness(now: Instant): void {
    assert(now >= this.#now, 'time does not run backwards')
    this.#now = now
    this.#local.now = now
  }

  /** After anything that may have changed what the peer waits for. */
  #touch(peer: Peer): void {
    if (peer.isDirty) return
    if (peer.wantsFlush(this.#now)) this.#mark(peer)
    // What waits to be flushed has its deadline after that: an ACK that leaves with a reply would
    // else set a timer of a millisecond for nothing, which on some machines costs as much as a send.
    else this.#noteDeadline(peer)
  }

  #noteDeadline(peer: Peer): void {
    peer.dueAt = peer.deadline
    this.#next = earliest(this.#next, peer.dueAt)
  }

  /** What one peer has acknowledged makes room for what waits for another. */
  #offerRoom(): void {
    if (!this.#local.tools.budget.takeRoom()) return
    for (const peer of this.#peers.values()) this.#touch(peer)
  }

  #mark(peer: Peer): void {
    if (peer.isDirty) return
    peer.isDirty = true
    this.#dirty.push(peer)
  }
}
