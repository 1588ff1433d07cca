import type { Duration, Instant } from '../lib/time.ts'
import type { HostId, Token } from './clock.ts'
import type { Message, MessageType } from './message.ts'
import type { Condition, Variable, VariablesStatus } from './variable.ts'
import type { View } from './view.ts'

/** The driver's name of a command under way: unique in the life of a node, never reused. */
export type CommandId = number

/** What a client wants. Its connection is the driver's business. */
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
  /** A lock that this host's last incarnation granted, to a client that has until then to stop. */
  | {
      readonly type: 'adopt'
      readonly token: Token
      readonly names: readonly string[]
      readonly until: Instant
    }
  /** The operator says that blank hosts may found the cluster. */
  | { readonly type: 'found' }
  /** The newest value of a variable, as a majority has it: no older than any that was acknowledged. */
  | {
      readonly type: 'get'
      readonly name: string
      readonly wait: Duration
      /** All who can be reached are to accept it as well, and not just a majority. */
      readonly spread?: true
    }
  | {
      readonly type: 'change'
      readonly name: string
      /** At most `VALUE_BYTES_MAX`, copied by whoever gives them; `undefined`: unset. */
      readonly bytes: Uint8Array | undefined
      readonly condition: Condition
      readonly wait: Duration
    }

/** The one answer to a command. */
export type Response =
  | {
      readonly type: 'granted'
      readonly token: Token
      /** When the client must have stopped, by this host's clock, unless it hears of a renewal. */
      readonly until: Instant
    }
  | { readonly type: 'released' }
  | { readonly type: 'founding' }
  /** The answer to an acquire that was cancelled; `wasGranted` if the grant was on its way. */
  | { readonly type: 'cancelled'; readonly wasGranted: boolean }
  /** The answer to a get. */
  | { readonly type: 'value'; readonly variable: Variable }
  /** The answer to a change: it is done, durable on a majority, and this is what it made. */
  | { readonly type: 'changed'; readonly variable: Variable }
  /** The answer to a change whose condition does not hold; nothing was changed. */
  | { readonly type: 'differs'; readonly current: Variable }
  /** The answer to a change that was not finished in its time, and may still take effect. */
  | {
      readonly type: 'uncertain'
      readonly detail: string
      /** What this host knew last. */
      readonly seen: Variable
    }
  /** Nothing has changed, and nothing will. */
  | { readonly type: 'refused'; readonly reason: Refusal; readonly detail: string }

export type Refusal =
  'not-acquired' | 'no-majority' | 'not-held' | 'busy' | 'leaving' | 'limit' | 'not-blank'

/** Why a lock was lost, for who counts: the lease ran out, our incarnation ended, or we leave. */
export type LossCause = 'lease' | 'incarnation' | 'leaving'

/** What people or clients should hear of, unasked. */
export type NodeEvent =
  /** Requests that precede it, where it was not granted at once; sent again when it changes. */
  | { readonly type: 'queued'; readonly id: CommandId; readonly position: number }
  /** The lease of every lock held here was renewed. */
  | { readonly type: 'lease'; readonly until: Instant }
  | {
      readonly type: 'lost'
      readonly token: Token
      readonly cause: LossCause
      readonly reason: string
    }
  | { readonly type: 'log'; readonly level: 'info' | 'warning' | 'error'; readonly text: string }
  /** This host has learned a newer version of a variable; some in between it may have missed. */
  | { readonly type: 'change'; readonly variable: Variable }
  /** Everything that `leave` asked for is done, or it took too long: the process may end. */
  | { readonly type: 'left' }

/** What happened inside, for diagrams, checkers and transcripts. */
export type TraceEvent =
  | { readonly type: 'send'; readonly to: HostId; readonly message: Message }
  | { readonly type: 'deliver'; readonly from: HostId; readonly message: Message }
  | {
      /** A datagram that carried it is taken for lost; it is put into another. */
      readonly type: 'lose' | 'retransmit'
      readonly to: HostId
      readonly message: Message
    }
  | {
      /** It got its timestamp. */
      readonly type: 'request'
      readonly token: Token
      readonly names: readonly string[]
      readonly limit: number
      /** The request of this host that stands, where it is admitted by that one. */
      readonly standing: Token | undefined
    }
  | {
      readonly type: 'enter' | 'leave'
      readonly token: Token
      readonly names: readonly string[]
      readonly limit: number
    }
  | {
      /** Into this host's queue, or out of it; whose it is the token says. */
      readonly type: 'insert' | 'remove'
      readonly token: Token
      readonly names: readonly string[]
      readonly limit: number
    }
  | { readonly type: 'install'; readonly view: View }
  | { readonly type: 'complete'; readonly view: number }
  | { readonly type: 'reincarnate'; readonly incarnation: number; readonly reason: string }
  | { readonly type: 'session-up'; readonly peer: HostId; readonly incarnation: number }
  | { readonly type: 'session-lost'; readonly peer: HostId; readonly incarnation: number }

/** Where a log sequence number stands: one for each batch that was given to the store. */
export type Lsn = number

/** One record of the store, by its key. */
export type StoreEntry = { readonly key: string; readonly value: Uint8Array }

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
  /** Its host has been excluded: it keeps its place for so long. */
  readonly ghostFor: Duration | undefined
}

/** Why a lock is not to be had, as one host sees it; for people. */
export type WhyStatus = {
  readonly lock: LockStatus
  /** Members whose REPLY to the first of our own requests in line is missing. */
  readonly awaited: readonly HostId[]
  /** One line a reason, with what to do. */
  readonly reasons: readonly string[]
}

/** What another host said last of the values of variables that it has. */
export type CopyState = {
  /** It knows the same values as this host. */
  readonly agrees: boolean
  /** Its disk has accepted every one that it knows, and the view. */
  readonly whole: boolean
}

export type MemberState = 'member' | 'heard' | 'connected' | 'silent'

/** What the protocol knows of itself; the transport's part is added by the node. */
export type HostStatus = {
  readonly incarnation: number
  /** The Lamport time. */
  readonly clock: number
  readonly view: { readonly number: number; readonly members: readonly HostId[] } | undefined
  readonly isMember: boolean
  /** Whether this host knows all requests of the others: it enters nothing before. */
  readonly complete: boolean
  /** Whether hosts with a majority of votes are heard. */
  readonly majority: boolean
  /** What is left of the lease; 0 where there is none. */
  readonly lease: Duration
  /** Whom a blank host waits for. */
  readonly blank: string | undefined
  readonly states: ReadonlyMap<HostId, MemberState>
  /** How much faster the clock of each other host runs: 0.001 is a thousandth. */
  readonly drifts: ReadonlyMap<HostId, number>
  /** Whether this host's disk has accepted every chosen value and the view as they are. */
  readonly whole: boolean
  /** How the others' values and disks are, by their last heartbeats. */
  readonly copies: ReadonlyMap<HostId, CopyState>
  /** Protocol messages since the start, by type, apart from datagrams. */
  readonly messages: {
    readonly sent: Readonly<Record<MessageType, number>>
    readonly received: Readonly<Record<MessageType, number>>
  }
  readonly grants: number
  readonly views: number
  readonly variables: VariablesStatus
}
