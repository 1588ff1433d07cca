/**
 * Traces: what happened in hosts, one JSON object a line. `lamportctl trace` and `simulate --trace`
 * write them, `lamportctl diagram` reads them.
 *
 * A trace begins with a line `hosts`; lines of several hosts may follow each other in any order, but
 * those of one host are in its order.
 */
export type TraceLine = TraceHosts | TraceEntry

/** The shape is changed by a higher number. */
export const TRACE_VERSION = 1

/** First line: who there is. */
export type TraceHosts = {
  readonly type: 'hosts'
  readonly version: typeof TRACE_VERSION
  readonly cluster: string
  readonly hosts: readonly { readonly id: number; readonly name: string }[]
  /** Whose events follow, where they are of one host. */
  readonly host?: number
}

/** One event of one host: where and when, then what. */
export type TraceEntry = TraceStamp & TraceWhat

export type TraceStamp = {
  /** Id of the host. */
  readonly host: number
  /** Of its protocol state: rises at each start, and whenever the others went on without it. */
  readonly incarnation: number
  /** Counts the events of the host, from 1 at the start of its process: a gap is one that is missing. */
  readonly n: number
  /** Its Lamport time after the event; of a send, the time on the message. */
  readonly time: number
  /** Milliseconds by its own monotonic clock, which means nothing on another host. */
  readonly at: number
}

/** A message. Copies of one that goes to several hosts are the same message. */
export type TraceMessage = {
  /** As in docs/protocol.md: `request`, `reply`, `release`, `sync`, … */
  readonly type: string
  /** Sender and time, `1@17`: no host uses a Lamport time for two messages. */
  readonly id: string
  /** Number of the sender's view, on messages of the mutex. */
  readonly view?: number
  /** Of REQUEST, REPLY and RELEASE: the token of the request, which is `time × 1024 + host`. */
  readonly token?: number
  /** Of a REQUEST: locks, and how many may hold them (0: shared). */
  readonly names?: readonly string[]
  readonly limit?: number
  /** Of a SYNC: tokens of the sender's own requests, and of those that excluded hosts may hold. */
  readonly requests?: readonly number[]
  readonly ghosts?: readonly number[]
  /** Name of the variable. */
  readonly variable?: string
}

/** What happened. */
export type TraceWhat =
  /** The process began. */
  | { readonly type: 'start' }
  /** The process ended: cleanly; or not, where an onlooker saw it. */
  | { readonly type: 'stop' | 'crash' }
  | { readonly type: 'send'; readonly to: number; readonly message: TraceMessage }
  | { readonly type: 'deliver'; readonly from: number; readonly message: TraceMessage }
  /** A datagram with it is taken for lost; it was put into another one. Often both, or the second. */
  | { readonly type: 'lose' | 'retransmit'; readonly to: number; readonly message: TraceMessage }
  | {
      /** A request of this host got its timestamp; it entered the critical section; it left. */
      readonly type: 'request' | 'enter' | 'leave'
      readonly token: number
      readonly names: readonly string[]
      readonly limit: number
    }
  | {
      /** A request, of whatever host, came into this host's queue, or went out of it. */
      readonly type: 'insert' | 'remove'
      readonly token: number
      readonly names: readonly string[]
      readonly limit: number
    }
  /** A lock of this host was lost: `leave` follows, or has preceded. */
  | { readonly type: 'lost'; readonly token: number; readonly reason: string }
  /** It goes on in this view. Queue and replies of hosts that are not in it count no more, or as ghosts. */
  | {
      readonly type: 'view'
      readonly view: number
      readonly members: readonly { readonly host: number; readonly incarnation: number }[]
    }
  /** Everything of its old incarnation is forgotten; `incarnation` is the new one. */
  | { readonly type: 'reincarnate'; readonly reason: string }
  /** Channels to an incarnation of another host opened, or ended for ever. */
  | {
      readonly type: 'connect' | 'disconnect'
      readonly peer: number
      readonly peerIncarnation: number
    }
  /** So many events before the next one are not told: whoever reads did so too slowly, or too late. */
  | { readonly type: 'skipped'; readonly skipped: number }

/** The message id: `host@time`. */
export function messageId(host: number, time: number): string {
  return `${host}@${time}`
}
