import type { HostId, Token } from './core/clock.ts'
import type { Message } from './core/message.ts'
import type { Random } from './lib/random.ts'
import type { Duration, Instant } from './lib/time.ts'
import type { Address } from './transport/endpoint.ts'

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

/**
 * Transport and core, wired: the one thing that a driver steps. One law: step, perform every effect
 * in order, then wait for `deadline` or the next input.
 */
export class Node {
  constructor(config: NodeConfig, recovered: Recovered, random: Random, trace: Trace) {
    void [config, recovered, random, trace]
  }

  /** One input, handled to completion. */
  step(now: Instant, input: Input): readonly Effect[] {
    void [now, input]
    return []
  }

  /**
   * When the next `tick` is due. A deadline that is not after `now` asks for a tick as soon as what
   * arrived together has been handled (the daemon's setImmediate): then one datagram carries all.
   */
  get deadline(): Instant {
    throw new Error('to be written')
  }

  status(now: Instant): Status {
    void now
    throw new Error('to be written')
  }

  /** Every lock in use, by name; holders and waiters in order. */
  locks(now: Instant): readonly LockStatus[] {
    void now
    return []
  }
}
