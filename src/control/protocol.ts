/** What lamportd and its clients say to each other: JSON-RPC 2.0, one object a line. */

export const PROTOCOL_VERSION = 1

/** Longest line either side accepts, in bytes. */
export const LINE_BYTES_MAX: number = 1024 * 1024

/** Names a request may have, and bytes of UTF-8 in each. */
export const NAMES_MAX = 64
export const NAME_BYTES_MAX = 255

/** A lock without a connection lasts at most a week. */
export const TTL_MS_MAX: number = 7 * 86_400_000

/** `pid`, `user`, `command` and `why` together, in bytes. */
export const INFO_BYTES_MAX = 512

/** Error codes beside JSON-RPC's own. */
export const ErrorCode = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  notAcquired: -32001,
  noMajority: -32002,
  versionDiffers: -32003,
  limit: -32004,
  notHeld: -32005,
  busy: -32006,
  leaving: -32007,
  notBlank: -32008,
} as const

export type RequestId = number | string

export type RequestLine = {
  readonly jsonrpc: '2.0'
  readonly id?: RequestId
  readonly method: string
  readonly params?: unknown
}

export type ResponseLine =
  | { readonly jsonrpc: '2.0'; readonly id: RequestId | null; readonly result: unknown }
  | { readonly jsonrpc: '2.0'; readonly id: RequestId | null; readonly error: ErrorObject }

export type ErrorObject = {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

/** First line of the daemon on every connection. */
export type HelloParams = {
  readonly protocol: number
  /** Of the lamportd package. */
  readonly version: string
  readonly host: { readonly id: number; readonly name: string }
}

export type AcquireParams = {
  readonly names: readonly string[]
  /** 0: shared; 1: exclusive; k: at most k holders. */
  readonly limit: number
  /** Absent: for ever. 0: not for the lock, only for the answer. */
  readonly waitMs?: number | undefined
  readonly why?: string | undefined
  readonly command?: string | undefined
  readonly pid?: number | undefined
  readonly user?: string | undefined
  /** False: nobody is told with `queued` how many precede. */
  readonly positions?: boolean | undefined
  /**
   * The lock belongs to this host, and not to the connection: nobody is told of its lease or its
   * loss. It ends after `ttlMs` of the monotonic clock, with `release`, when the process `pid` is
   * gone (of this machine, as lamportd sees it; looked for once a second), or as any other lock
   * does. Until it is granted, the request is the connection's.
   */
  readonly detached?: { readonly ttlMs: number; readonly pid?: number } | undefined
}

/**
 * `until`: absolute CLOCK_MONOTONIC milliseconds of this machine (`process.hrtime`), by which the
 * holder must have stopped; null where the daemon gives no lease.
 */
export type AcquireResult = {
  readonly token: number
  readonly until: number | null
  readonly leaseMs: number | null
}

/**
 * By `token`, a lock of this connection, or a detached one; by `name`, a detached one: whoever may
 * use this socket may release those. With `force`, on the administrator's socket, any lock of a
 * client of this host: its holder is told that it is lost, and another may enter at once.
 */
export type ReleaseParams =
  | { readonly token: number; readonly force?: boolean }
  | { readonly name: string; readonly force?: boolean }
/** Of a lock of the connection itself there is nothing to tell. */
export type ReleaseResult = { readonly token?: number; readonly names?: readonly string[] }
/** `data` of the error `notHeld` where a detached lock had been lost before it was released. */
export type LostBeforeData = { readonly lost: string }
/**
 * A lock that the last lamportd of this host granted, to a holder that has not stopped: `until` is
 * what it was told last. The answer is that of `acquire`, with the same token, or `notHeld`.
 */
export type AdoptParams = {
  readonly names: readonly string[]
  readonly token: number
  readonly until: number
  /** Where the connection ends first, it is held until this process has, looked at once a second. */
  readonly pid?: number
}
/** On a second connection: it holds the lock too, and nothing is written to it after the answer. */
export type AnchorParams = { readonly token: number }
/** `id`: that of the `acquire` on the same connection. */
export type CancelParams = { readonly id: RequestId }
export type CancelResult = { readonly wasGranted: boolean }

/** Notifications of the daemon. */
export type QueuedParams = { readonly id: RequestId; readonly position: number }
export type LeaseParams = {
  readonly token: number
  readonly until: number
  readonly leaseMs: number
}
export type LostParams = { readonly token: number; readonly reason: string }

export type LockMode = 'exclusive' | 'shared' | 'count'

export type LocksResult = readonly LockEntry[]
export type LockEntry = {
  readonly name: string
  readonly holders: readonly HolderEntry[]
  readonly waiters: readonly (HolderEntry & { readonly position: number })[]
}
export type HolderEntry = {
  /** The host's name; its id beside it. */
  readonly host: string
  readonly hostId: number
  readonly token: number
  readonly mode: LockMode
  /** 0: shared. */
  readonly limit: number
  readonly pid?: number
  readonly user?: string
  readonly command?: string
  readonly why?: string
  readonly sinceMs: number
  /** Known only of the asked host's own clients: the client is gone, its child still runs. */
  readonly unattended?: true
  /** Likewise: it is detached, and ends after so long. */
  readonly ttlMs?: number
  /** Its host was excluded while it may have held the lock: it counts for so long. */
  readonly ghostMs?: number
}

/** Bytes of a variable's value, at most. */
export const VALUE_BYTES_MAX: number = 64 * 1024

/** A value on the socket: text, or base64 where it is not UTF-8. */
export type ValueField = string | { readonly base64: string }

/** One version of a variable. */
export type VariableEntry = {
  readonly name: string
  /** Absent where it is not set. */
  readonly value?: ValueField
  /** In place of `value`: it was unset, or never set (then its version is 0). */
  readonly deleted?: true
  /** Rises by one with each change, for ever. */
  readonly version: number
  /** The host's name, and the Lamport time of the change; null where it was never set. */
  readonly writer: { readonly host: string; readonly time: number } | null
}

/** `waitMs`: how long a majority is waited for, at most; absent: 5,000. */
export type GetParams = {
  readonly name: string
  /** What this host knows, without asking the others. */
  readonly local?: boolean | undefined
  readonly waitMs?: number | undefined
}
/** `majority`, of a local answer: whether this host hears a majority, so that it is likely the newest. */
export type GetResult = VariableEntry & { readonly majority?: boolean }

export type SetParams = {
  readonly name: string
  readonly value: ValueField
  /** Only while it has this version; 0: only if it was never set. Else error `versionDiffers`. */
  readonly ifVersion?: number | undefined
  /** Only if it is not set. Else error `versionDiffers`. */
  readonly create?: boolean | undefined
  readonly waitMs?: number | undefined
}
export type UnsetParams = {
  readonly name: string
  readonly ifVersion?: number | undefined
  readonly waitMs?: number | undefined
}
/** `data` of the error `versionDiffers`. */
export type VersionDiffersData = { readonly current: VariableEntry }
/**
 * `data` of the error `noMajority` for a get, set or unset. `none`: nothing was written, and nothing
 * will be. `unknown`: the write may still take effect; `seen` is what this host knew last.
 */
export type NoMajorityData = {
  readonly effect: 'none' | 'unknown'
  readonly seen?: VariableEntry
}

/** How long a majority is waited for where `waitMs` is absent. */
export const WAIT_MS: number = 5000

/** Set variables by name, as this host knows them, in pages. */
export type VarsParams = {
  readonly prefix?: string | undefined
  /** With their values, which are left out else. */
  readonly values?: boolean | undefined
  /** `next` of the page before. */
  readonly after?: string | undefined
}
export type VarsResult = {
  readonly variables: readonly VarsEntry[]
  /** What to give as `after` for the next page; null: this was the last. */
  readonly next: string | null
}
export type VarsEntry = VariableEntry & {
  /** Bytes of the value. */
  readonly size: number
}

export type HistoryParams = { readonly name: string }
/** The newest first. `size` is absent for an unset; `value` where this host no longer has it. */
export type HistoryResult = readonly HistoryEntry[]
export type HistoryEntry = VariableEntry & { readonly size?: number }

/** One of `name` and `prefix`. */
export type WatchParams = {
  readonly name?: string
  readonly prefix?: string
  /** First tell of what is set now (of a name: also that it is not set); then `current` is told. */
  readonly initial?: boolean
}
export type WatchResult = { readonly watch: number }
export type UnwatchParams = { readonly watch: number }
/**
 * Notification `change`: for each name the versions rise; a slow reader gets the newest only. One
 * line a connection, however many of its watches match.
 */
export type ChangeParams = VariableEntry & {
  readonly watches: readonly number[]
  /** No change: so it was when the watch began. */
  readonly initial?: true
  /** Of how many changes before it this connection was not told, because it read too slowly. */
  readonly skipped?: number
}
/** Notification `current`: everything that was set when the watch began has been told. */
export type CurrentParams = { readonly watch: number }

/** What happened in this host: each event as the notification `event`, see `TraceEntry`. */
export type TraceParams = {
  /** Also what happens from now on; else the notification `traced` follows the last event. */
  readonly follow?: boolean
  /** At most so many of those that are kept; absent: all. */
  readonly last?: number
}
/** The first line of a trace, but for its type. */
export type TraceResult = {
  readonly version: number
  readonly cluster: string
  readonly hosts: readonly { readonly id: number; readonly name: string }[]
  readonly host: number
  /** How many are kept. */
  readonly events: number
}

/** All counters and gauges, as Prometheus reads them. */
export type MetricsResult = { readonly contentType: string; readonly text: string }

export type HostState = 'member' | 'heard' | 'connected' | 'silent'

export type WhyParams = { readonly name: string }
export type WhyResult = {
  readonly name: string
  /** One sentence a reason, with what to do. */
  readonly reasons: readonly string[]
  readonly holders: LockEntry['holders']
  readonly waiters: LockEntry['waiters']
}

export type DoctorParams = {
  /** Also whether hosts may be added or taken away now; it may write, and take some seconds. */
  readonly beforeChange?: boolean
}
export type DoctorResult = { readonly findings: readonly DoctorFinding[] }
/** One thing that was looked at. */
export type DoctorFinding = {
  /** What was looked at: `config`, `key`, `disk` and so on. */
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failure'
  readonly text: string
  /** What to do; null where there is nothing to do. */
  readonly advice: string | null
}

export type StatusResult = {
  readonly host: { readonly id: number; readonly name: string }
  readonly cluster: string
  readonly version: string
  /** Short names of the keys that are accepted, the first one to seal with; empty: not sealed. */
  readonly keys: readonly string[]
  readonly incarnation: number
  readonly uptimeMs: number
  /** The Lamport time. */
  readonly clock: number
  /** The numbered, agreed set of hosts that runs the mutex; null before the first. */
  readonly view: { readonly number: number; readonly members: readonly string[] } | null
  /** Whether this host is a member, and its lease is renewed by a majority: then it can grant. */
  readonly majority: boolean
  /** What is left of the lease; 0 where there is none. */
  readonly leaseMs: number
  /** Whether this host knows all requests of the others: it grants nothing before. */
  readonly complete: boolean
  /** What a blank host waits for (first start, or a new disk); null once it may vote. */
  readonly blank: string | null
  readonly grants: number
  readonly connections: number
  /** Set variables, bytes of their values, and whether this host knows all of them. */
  readonly variables: {
    readonly count: number
    readonly bytes: number
    readonly complete: boolean
  }
  readonly hosts: readonly {
    readonly id: number
    readonly name: string
    readonly address: string
    readonly self: boolean
    readonly votes: number
    /** In the view; heard, but not in it; connected, but not heard; or silent. */
    readonly state: HostState
    readonly rttMs: number | null
    readonly loss: number
    readonly silentMs: number | null
    /** The key that packets between it and this host are sealed with; null where there is none. */
    readonly key: string | null
    /** What keeps it from being connected, where that is known. */
    readonly notice: string | null
    /** Its lamportd's version, once it has said so. */
    readonly version: string | null
    /** In what its hosts.yml differs from this host's, a text a line. */
    readonly differences: readonly string[]
  }[]
  /** What people should hear of hosts that hosts.yml does not name. */
  readonly notices: readonly string[]
  readonly messages: {
    readonly sent: Readonly<Record<string, number>>
    readonly received: Readonly<Record<string, number>>
  }
  readonly datagrams: {
    readonly sent: number
    readonly received: number
    readonly retransmitted: number
    readonly dropped: Readonly<Record<string, number>>
  }
}
