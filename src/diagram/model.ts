/** What is drawn, wherever it is drawn: points on the lines of hosts, arrows and boxes between them. */
import type { TraceEntry, TraceMessage } from '../control/trace.ts'
import type { Merged, MergedHost } from './merge.ts'

/** The kinds of messages: of locks; of how hosts agree on who takes part; of variables. */
export type Kind = 'locks' | 'views' | 'variables'

export type Shown = {
  readonly kinds: ReadonlySet<Kind>
  /** Locks; `undefined`: all. */
  readonly names?: ReadonlySet<string> | undefined
}

/** Something that happened on the line of a host. */
export type Point = {
  /** Place in the order of all. */
  readonly index: number
  /** Place among the hosts. */
  readonly row: number
  /** `undefined`: nobody traced it, and it must have been. */
  readonly entry: TraceEntry | undefined
  readonly time: number
  readonly arrows: Arrow[]
  /** Requests in this host's queue after it, in their order. */
  queue: readonly number[]
  /** For each request of this host that waits: who has REPLIED. */
  replies: readonly Replies[]
  /** From left to right; causes are left of their effects. */
  column: number
}

export type Replies = { readonly token: number; readonly from: readonly number[] }

export type Arrow = {
  readonly index: number
  readonly message: TraceMessage
  readonly kind: Kind
  readonly names: readonly string[]
  readonly fromRow: number
  readonly toRow: number
  readonly send: Point
  /** `undefined`: it has not come, as far as the traces say. */
  deliver: Point | undefined
  retransmissions: number
  /** Datagrams with it that were taken for lost. */
  losses: number
  /** It can never come: its session has ended, or one of the two hosts has. */
  isLost: boolean
}

/** A critical section, from the request on. */
export type Section = {
  readonly row: number
  readonly token: number
  readonly names: readonly string[]
  readonly limit: number
  request: Point | undefined
  enter: Point | undefined
  end: Point | undefined
  /** Why it ended: `open` where the trace ends before it does. */
  how: 'left' | 'lost' | 'crashed' | 'withdrawn' | 'open'
  reason: string | undefined
}

/** A host was up from here to there. */
export type Life = {
  readonly row: number
  readonly incarnation: number
  /** `undefined`: it was up before the trace begins. */
  start: Point | undefined
  end: Point | undefined
}

export type Diagram = {
  readonly cluster: string
  readonly hosts: readonly MergedHost[]
  readonly points: readonly Point[]
  readonly arrows: readonly Arrow[]
  readonly sections: readonly Section[]
  readonly lives: readonly Life[]
  /** Lamport times are told less this. */
  readonly base: number
  readonly columns: number
  /** Events that the traces say are missing. */
  readonly skipped: number
  readonly shown: Shown
}

const VIEW_MESSAGES = new Set([
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
])

export function kindOf({ type }: TraceMessage): Kind {
  if (type === 'request' || type === 'reply' || type === 'release') return 'locks'
  return VIEW_MESSAGES.has(type) ? 'views' : 'variables'
}

/** Time and host of a request, by its token. */
export function requestOf(token: number): { readonly host: number; readonly time: number } {
  return { host: token % 1024, time: Math.floor(token / 1024) }
}

/** Sender and time of a message, by its id. */
export function senderOf(id: string): { readonly host: number; readonly time: number } {
  const [host = '0', time = '0'] = id.split('@')
  return { host: Number(host), time: Number(time) }
}

/** The names of each request that the traces know. */
export function namesOfTokens({ entries }: Merged): Map<number, readonly string[]> {
  const names = new Map<number, readonly string[]>()
  for (const entry of entries) {
    if ('names' in entry) names.set(entry.token, entry.names)
    else if ('message' in entry) {
      const { token, names: wanted } = entry.message
      if (token !== undefined && wanted !== undefined) names.set(token, wanted)
    }
  }
  return names
}

/** All names of locks in the traces. */
export function lockNames(merged: Merged): readonly string[] {
  return [...new Set([...namesOfTokens(merged).values()].flat())].sort((a, b) => (a < b ? -1 : 1))
}

/** Whether an event has a point of its own, as far as the choice of what is shown goes. */
export function isShown(
  entry: TraceEntry,
  shown: Shown,
  names: ReadonlyMap<number, readonly string[]>,
): boolean {
  const isNamed = (token: number | undefined): boolean => {
    if (shown.names === undefined || token === undefined) return true
    return (names.get(token) ?? []).some(name => shown.names?.has(name))
  }
  switch (entry.type) {
    case 'send':
    case 'deliver':
    case 'lose':
    case 'retransmit':
      return shown.kinds.has(kindOf(entry.message)) && isNamed(entry.message.token)
    case 'request':
    case 'enter':
    case 'leave':
    case 'insert':
    case 'remove':
    case 'lost':
      return shown.kinds.has('locks') && isNamed(entry.token)
    case 'connect':
    case 'disconnect':
      return shown.kinds.has('views')
    default:
      return true
  }
}
