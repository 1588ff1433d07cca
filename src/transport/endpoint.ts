import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'

/** Another machine, as this one's configuration numbers it: 1..1023. */
export type PeerId = number

/** Where datagrams go to and come from: a literal IPv4 or IPv6 address and a port. */
export type Address = { readonly ip: string; readonly port: number }

/** Reliable FIFO streams beside each other: a loss on one does not hold up the rest. 0 goes first. */
export type ChannelId = 0 | 1 | 2 | 3

export type EndpointConfig = {
  readonly cluster: string
  readonly self: PeerId
  /** Digest of the table that safety rests on: a peer with another one is refused. 8 bytes. */
  readonly tableDigest: Uint8Array
  /** Rises with each life of this machine's protocol state. */
  readonly incarnation: number
  /** All the others; an address may be known later. */
  readonly peers: readonly { readonly id: PeerId; readonly address: Address | undefined }[]
}

/** What an endpoint tells its owner, synchronously, from within `receive`, `send`, `tick`. */
export type EndpointOutput = {
  /** Put this on the wire. It may be lost. */
  transmit(to: Address, bytes: Uint8Array): void
  /** Exactly once and in the order sent, for each channel of one pair of incarnations. */
  deliver(from: PeerId, channel: ChannelId, payload: Uint8Array): void
  /** A payload of `sendDatagram`: may be lost, doubled, overtaken. */
  deliverDatagram(from: PeerId, payload: Uint8Array): void
  /** A handshake is confirmed: channels to this incarnation of the peer are open and empty. */
  sessionUp(peer: PeerId, incarnation: number): void
  /** Channels to this incarnation of the peer have ended for ever. */
  sessionLost(peer: PeerId, incarnation: number, reason: string): void
  /** Something that people should hear of: a peer whose table differs, a doubled host id. */
  notice(peer: PeerId | undefined, text: string): void
}

export type PeerState = {
  readonly up: boolean
  readonly incarnation: number | undefined
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
  /** Datagrams that carried again what an earlier one had carried. */
  retransmitted: number
  /** Ignored, by reason. */
  readonly dropped: Record<string, number>
}

/** One socket's worth of protocol: sessions with every peer, without a socket and without a clock. */
export class Endpoint {
  constructor(config: EndpointConfig, output: EndpointOutput, random: Random) {
    void [config, output, random]
  }

  /** Handles one datagram as it came. Whatever it holds, it never throws. */
  receive(now: Instant, from: Address, bytes: Uint8Array): void {
    void [now, from, bytes]
  }

  /**
   * Queues a payload (at most 1 MiB), kept until acknowledged. False: above the high-water mark,
   * slow down. The peer must have a session; the payload is not copied.
   */
  send(now: Instant, to: PeerId, channel: ChannelId, payload: Uint8Array): boolean {
    void [now, to, channel, payload]
    return true
  }

  /** Sends a payload once; one not yet flushed to the same peer is replaced. */
  sendDatagram(now: Instant, to: PeerId, payload: Uint8Array): void {
    void [now, to, payload]
  }

  /** Timers that are due, then one flush for each peer that has something to be sent. */
  tick(now: Instant): void {
    void now
  }

  /** When `tick` is due next; the instant of the last call while something waits to be flushed. */
  get deadline(): Instant {
    throw new Error('to be written')
  }

  setAddress(now: Instant, peer: PeerId, address: Address): void {
    void [now, peer, address]
  }

  /** Another life of this machine: every session ends and is made anew. */
  reincarnate(now: Instant, incarnation: number): void {
    void [now, incarnation]
  }

  peer(id: PeerId): PeerState {
    void id
    throw new Error('to be written')
  }

  get counters(): Counters {
    throw new Error('to be written')
  }
}
