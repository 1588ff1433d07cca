import type {
  HolderEntry,
  HostState,
  LockMode,
  LocksResult,
  StatusResult,
  WhyResult,
} from '../control/protocol.ts'
import type { HostId, Token } from '../core/clock.ts'
import type { LockStatus, RequestStatus, Status, WhyStatus } from '../node.ts'
import { differencesOf, parseAbout, type About } from './about.ts'
import { formatAddress } from './address.ts'
import type { HostLine, HostsFile } from './config.ts'
import { decodeInfo } from './info.ts'

/** What the answers to `status` and `locks` rest on, beside the node. */
export type ReportContext = {
  /** In the order of their ids. */
  readonly hosts: readonly HostLine[]
  readonly self: HostId
  readonly version: string
  /** Of hosts.yml, to be compared with what others say of theirs. */
  readonly about: About
  readonly places: HostsFile['places']
}

/** What is known of a lock of this host's own clients. */
export type Holding = Pick<HolderEntry, 'unattended' | 'ttlMs'>

/** The answer to `locks`. */
export function locksResult(
  locks: readonly LockStatus[],
  { hosts, self }: ReportContext,
  holding: (token: Token) => Holding,
): LocksResult {
  const entry = (request: RequestStatus): HolderEntry => ({
    host: nameOf(hosts, request.host),
    hostId: request.host,
    token: request.token,
    mode: modeOf(request.limit),
    limit: request.limit === Infinity ? 0 : request.limit,
    ...decodeInfo(request.info),
    sinceMs: Math.round(request.since),
    ...(request.host === self ? holding(request.token) : {}),
    ...(request.ghostFor === undefined ? {} : { ghostMs: Math.round(request.ghostFor) }),
  })
  return locks.map(({ name, holders, waiters }) => ({
    name,
    holders: holders.map(entry),
    waiters: waiters.map(waiter => ({ ...entry(waiter), position: waiter.position })),
  }))
}

/** The answer to `why`. */
export function whyResult(
  why: WhyStatus,
  context: ReportContext,
  holding: (token: Token) => Holding,
): WhyResult {
  const [lock] = locksResult([why.lock], context, holding)
  const { holders = [], waiters = [] } = lock ?? {}
  return { name: why.lock.name, reasons: why.reasons, holders, waiters }
}

/** The answer to `status`. */
export function statusResult(
  status: Status,
  context: ReportContext,
  { uptimeMs, connections }: { readonly uptimeMs: number; readonly connections: number },
): StatusResult {
  const { hosts, self, version } = context
  const { cluster, incarnation, clock, view, complete, grants, messages } = status
  const { sent, received, retransmitted, dropped } = status.datagrams
  return {
    host: { id: self, name: nameOf(hosts, self) },
    cluster,
    version,
    keys: status.keys,
    incarnation,
    uptimeMs: Math.round(uptimeMs),
    clock,
    view:
      view === undefined ? null : { ...view, members: view.members.map(id => nameOf(hosts, id)) },
    majority: status.majority,
    leaseMs: Math.round(status.lease),
    complete,
    blank: status.blank ?? null,
    grants,
    connections,
    variables: status.variables,
    hosts: hosts.map(line => hostEntry(line, context, status)),
    notices: status.notices,
    messages,
    datagrams: { sent, received, retransmitted, dropped },
  }
}

function hostEntry(
  line: HostLine,
  { self, version, about, places }: ReportContext,
  status: Status,
): StatusResult['hosts'][number] {
  const peer = status.peers.find(({ id }) => id === line.id)
  const theirs = peer?.about === undefined ? undefined : parseAbout(peer.about)
  const place = line.place.type === 'literal' ? line.place.ip : line.place.name
  const rounded = (ms: number | undefined): number | null =>
    ms === undefined ? null : Math.round(ms * 1000) / 1000
  return {
    id: line.id,
    name: line.name,
    address: formatAddress(peer?.address?.ip ?? place, line.port),
    self: line.id === self,
    votes: line.votes,
    state: peer?.state ?? ownState(line, self, status),
    rttMs: rounded(peer?.rtt),
    loss: peer?.loss ?? 0,
    silentMs: rounded(peer?.silent),
    key: peer?.key ?? null,
    notice: peer?.notice ?? null,
    version: line.id === self ? version : (theirs?.version ?? null),
    differences: theirs === undefined ? [] : differencesOf(about, theirs, places),
  }
}

function ownState(line: HostLine, self: HostId, { isMember }: Status): HostState {
  if (line.id !== self) return 'silent'
  return isMember ? 'member' : 'connected'
}

/** Its name, or its number where hosts.yml does not know it. */
export function nameOf(hosts: readonly HostLine[], host: HostId): string {
  return hosts.find(({ id }) => id === host)?.name ?? String(host)
}

function modeOf(limit: number): LockMode {
  if (limit === Infinity) return 'shared'
  return limit === 1 ? 'exclusive' : 'count'
}
