import { tokenOf, type HostId, type Token } from './clock.ts'
import type { Memory } from './memory.ts'
import type { Ballot } from './register.ts'
import type { VariableValue, VersionName } from './variable.ts'
import type { View } from './view.ts'

/** One request as its owner made it. The owner alone creates and removes it. */
export type LockRequest = {
  readonly time: number
  readonly host: HostId
  /** Sorted, without duplicates, 1..64 of them. */
  readonly names: readonly string[]
  /** How many may be inside: 1 a mutex, k a semaphore, Infinity a reader. */
  readonly limit: number
  /** For people: who asks, and why; at most 512 bytes; opaque to the rules. */
  readonly info: string
  /**
   * It has so many timestamps, `time` and those that follow it: while nobody else wants these names,
   * it admits one client of its host after the other, each by a timestamp of its own.
   */
  readonly span: number
  /** How many of them are used up: who is inside, or next, has `time + used`. */
  readonly used: number
}

/** The fencing token of the client that a request is for at present. */
export function tokenInUse({ time, host, used }: LockRequest): Token {
  return tokenOf({ time: time + used, host })
}

/** The same request with another client: field by field, for that is done for each entry. */
export function passed(request: LockRequest, used: number, info: string): LockRequest {
  const { time, host, names, limit, span } = request
  return { time, host, names, limit, info, span, used }
}

/** A request of an excluded incarnation that may be inside without knowing. */
export type Ghost = LockRequest & {
  /** Milliseconds that it keeps its place. */
  readonly remaining: number
}

/** Timestamps a request may have. */
export const SPAN_MAX = 1024

/** Names a request may have, and bytes of UTF-8 in each; bytes of `info`. */
export const NAMES_MAX = 64
export const NAME_BYTES_MAX = 255
export const INFO_BYTES_MAX = 512

/**
 * `soon`: nobody waits for it before something else goes the same way, and it may wait a moment to
 * go with that; `transport/endpoint.ts` says how long. `along`: it goes with what waits so, or now.
 * `whenever`: as `soon`, and nobody will miss it before he asks us for something.
 */
export type Urgency = 'now' | 'along' | 'soon' | 'whenever'

/** On every message: the sender's clock at the send (of a REQUEST, the request's first timestamp). */
type Timed = { readonly time: number }

/** On every message of the mutex: the number of the sender's view. */
type Viewed = Timed & { readonly view: number }

/** The messages of the mutex (Lamport 1978, rules 1-5) and of views, on channel 0. */
export type MutexMessage =
  | (Viewed & {
      readonly type: 'request'
      readonly names: readonly string[]
      readonly limit: number
      readonly info: string
      readonly span: number
    })
  /** My request with this time, which stands, has another client: that many were before it. */
  | (Viewed & {
      readonly type: 'pass'
      readonly request: number
      readonly used: number
      readonly info: string
    })
  /** I have your request with this time: explicit, and for each request. */
  | (Viewed & { readonly type: 'reply'; readonly request: number })
  /** Remove my request with this time, wherever it stands in the queue. */
  | (Viewed & { readonly type: 'release'; readonly request: number })
  /** My predecessor's request with this time is mine now, if it stands with you as a ghost. */
  | (Viewed & { readonly type: 'adopt'; readonly request: number })
  /** All my outstanding requests, in parts; it counts when the last part has come. */
  | (Viewed & {
      readonly type: 'sync'
      /** Whether the sender knew every request when it installed this view. */
      readonly basis: boolean
      readonly requests: readonly Omit<LockRequest, 'host'>[]
      readonly ghosts: readonly Ghost[]
      readonly last: boolean
    })
  /** This incarnation goes, and has RELEASEd everything: it used the times above `since`. */
  | (Viewed & { readonly type: 'leave'; readonly incarnation: number; readonly since: number })

/** The messages of the register of views (CASPaxos), on channel 1. */
export type RegisterMessage =
  | (Timed & { readonly type: 'prepare'; readonly ballot: Ballot })
  | (Timed & {
      readonly type: 'promise'
      readonly ballot: Ballot
      readonly accepted: Ballot
      readonly value: View | undefined
    })
  /** A PREPARE or ACCEPT with this ballot was refused, for a higher one was promised. */
  | (Timed & { readonly type: 'conflict'; readonly ballot: Ballot; readonly promised: Ballot })
  | (Timed & { readonly type: 'accept'; readonly ballot: Ballot; readonly value: View })
  | (Timed & { readonly type: 'accepted'; readonly ballot: Ballot })
  /** This view was decided. */
  | (Timed & { readonly type: 'learn'; readonly value: View })

/** How far a blank host has come with its recovery. */
export type RecoveryPhase = 0 | 1 | 2

/** The messages of hosts without a disk of their own, on channel 1. */
export type BlankMessage =
  /**
   * I have no vote. In phase 2: refuse every ballot below `floor` from now on, and vote by no other
   * table than the one that we have in common.
   */
  | (Timed & {
      readonly type: 'blank'
      readonly life: number
      readonly phase: RecoveryPhase
      readonly floor: number
      /** It has voted by another table: there is nothing to found. */
      readonly remembers: boolean
    })
  | (Timed & {
      readonly type: 'answer'
      /** The life that is answered. */
      readonly to: number
      readonly phase: RecoveryPhase
      readonly ready: boolean
      /** Of one that has voted before, by whatever table. */
      readonly memory: Memory | undefined
      readonly life: number
      /** The life of the receiver with which the sender founded, or 0. */
      readonly foundedWith: number
      /** The life that the receiver had when the table came into use without its vote, or 0. */
      readonly newcomer: number
      /** Of a host that is blank: it has not voted by this table and forgotten it. */
      readonly isNewcomer: boolean
      readonly accepted: Ballot
      readonly value: View | undefined
      /** The highest incarnation of the receiver that the sender has met. */
      readonly known: number
      /** In phase 2: how many records of variables there are to fetch. */
      readonly records: number
    })

/** The messages of the registers of variables (CASPaxos, one register each), on channel 2. */
export type VariableMessage =
  | (Timed & { readonly type: 'variable-prepare'; readonly name: string; readonly ballot: Ballot })
  | (Timed & {
      readonly type: 'variable-promise'
      readonly name: string
      readonly ballot: Ballot
      readonly accepted: Ballot
      readonly value: VariableValue | undefined
    })
  | (Timed & {
      readonly type: 'variable-conflict'
      readonly name: string
      readonly ballot: Ballot
      readonly promised: Ballot
    })
  /** Accept this, and promise `next` along with it: then the proposer's next change needs no PREPARE. */
  | (Timed & {
      readonly type: 'variable-accept'
      readonly name: string
      readonly ballot: Ballot
      readonly value: VariableValue
      readonly next: Ballot
    })
  | (Timed & { readonly type: 'variable-accepted'; readonly name: string; readonly ballot: Ballot })
  /** This value was chosen. Whoever has not accepted it asks for it by WANT. */
  | (Timed & {
      readonly type: 'variable-learn'
      readonly name: string
      readonly version: VersionName
    })
  /** What have you accepted? `known` need not be sent. */
  | (Timed & {
      readonly type: 'variable-read'
      readonly name: string
      readonly read: number
      readonly known: VersionName | undefined
    })
  | (Timed & {
      readonly type: 'variable-state'
      readonly name: string
      readonly read: number
      readonly accepted: Ballot
      /** `known`: what the reader said that it knows. */
      readonly value: VariableValue | 'known' | undefined
    })

/** What one register has accepted, for a host that recovers. */
export type CopiedRecord = {
  readonly name: string
  readonly accepted: Ballot
  /** The sender knows that what it accepted was chosen. */
  readonly isChosen: boolean
}

/** How hosts come to know what they have missed, on channel 3: long, and never in a hurry. */
export type CatchUpMessage =
  /** Digests of all that the sender knows, by bucket. */
  | (Timed & { readonly type: 'compare'; readonly buckets: readonly number[] })
  /** What the sender knows of the buckets that differ. */
  | (Timed & {
      readonly type: 'listing'
      readonly entries: readonly { readonly name: string; readonly version: VersionName }[]
      readonly last: boolean
    })
  | (Timed & { readonly type: 'want'; readonly names: readonly string[] })
  /** Chosen values; `last`: there are no more of those that were wanted. */
  | (Timed & {
      readonly type: 'values'
      readonly entries: readonly { readonly name: string; readonly value: VariableValue }[]
      readonly last: boolean
    })
  /** From a host that recovers: your records from this place on, as they were at that floor. */
  | (Timed & { readonly type: 'fetch'; readonly floor: number; readonly index: number })
  | (Timed & {
      readonly type: 'records'
      readonly floor: number
      readonly index: number
      readonly records: readonly CopiedRecord[]
    })
  /** From a host that recovers: the values of these, as they were at that floor. */
  | (Timed & { readonly type: 'copy'; readonly floor: number; readonly names: readonly string[] })
  | (Timed & {
      readonly type: 'copies'
      readonly floor: number
      readonly entries: readonly { readonly name: string; readonly value: VariableValue }[]
      readonly last: boolean
    })

export type Message =
  MutexMessage | RegisterMessage | BlankMessage | VariableMessage | CatchUpMessage

export type MessageType = Message['type']

/** Every type, in the order of the protocol's tables. */
export const MESSAGE_TYPES: readonly MessageType[] = [
  'request',
  'reply',
  'release',
  'sync',
  'leave',
  'prepare',
  'promise',
  'conflict',
  'accept',
  'accepted',
  'learn',
  'blank',
  'answer',
  'variable-prepare',
  'variable-promise',
  'variable-conflict',
  'variable-accept',
  'variable-accepted',
  'variable-learn',
  'variable-read',
  'variable-state',
  'compare',
  'listing',
  'want',
  'values',
  'fetch',
  'records',
  'copy',
  'copies',
  'adopt',
  'pass',
]

export const CHANNELS = [0, 1, 2, 3] as const

/**
 * Messages of the mutex need the order among each other; registers must not hold them up, nor those
 * of variables the view's, nor what is long any of them.
 */
export function channelOf({ type }: Message): (typeof CHANNELS)[number] {
  return CHANNEL_OF[type]
}

/** The sender's clock after the send: a REQUEST takes up a time for each entry that it stands for. */
export function clockOf(message: Message): number {
  return message.type === 'request' ? message.time + message.span - 1 : message.time
}

/** Of the mutex and of views, which need the order. */
export function isMutexMessage(message: Message): message is MutexMessage {
  return channelOf(message) === 0
}

/** About variables, on the last two channels. */
export function isVariableMessage(message: Message): message is VariableMessage | CatchUpMessage {
  return channelOf(message) >= 2
}

/** Long, and never in a hurry. */
export function isCatchUpMessage(message: Message): message is CatchUpMessage {
  return channelOf(message) === 3
}

/** Also to and from a host that has no vote yet. */
export function isCopyMessage(
  message: Message,
): message is Extract<CatchUpMessage, { readonly type: (typeof COPY_TYPES)[number] }> {
  return COPY_TYPES.some(type => type === message.type)
}

const COPY_TYPES = ['fetch', 'records', 'copy', 'copies'] as const

const CHANNEL_OF: Readonly<Record<MessageType, (typeof CHANNELS)[number]>> = {
  request: 0,
  reply: 0,
  release: 0,
  adopt: 0,
  pass: 0,
  sync: 0,
  leave: 0,
  prepare: 1,
  promise: 1,
  conflict: 1,
  accept: 1,
  accepted: 1,
  learn: 1,
  blank: 1,
  answer: 1,
  'variable-prepare': 2,
  'variable-promise': 2,
  'variable-conflict': 2,
  'variable-accept': 2,
  'variable-accepted': 2,
  'variable-learn': 2,
  'variable-read': 2,
  'variable-state': 2,
  compare: 3,
  listing: 3,
  want: 3,
  values: 3,
  fetch: 3,
  records: 3,
  copy: 3,
  copies: 3,
}
