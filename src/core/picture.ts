import { elapsed, milliseconds, type Duration, type Instant } from '../lib/time.ts'
import type { HostId, Token } from './clock.ts'
import type { LockStatus, MemberState, RequestStatus, WhyStatus } from './command.ts'
import type { HostConfig } from './host.ts'
import type { Lease } from './lease.ts'
import type { Membership } from './membership.ts'
import { tokenInUse } from './message.ts'
import type { Mutex } from './mutex.ts'
import type { QueueEntry } from './queue.ts'
import { includes, type Votes } from './view.ts'

/** Everything that a host needs to tell people how things stand. */
export type Picture = {
  readonly now: Instant
  readonly config: HostConfig
  readonly votes: Votes
  readonly mutex: Mutex
  readonly membership: Membership
  readonly lease: Lease
  readonly sessions: ReadonlyMap<HostId, number>
  /** Whom a blank host waits for. */
  readonly blank: string | undefined
}

/** Every lock in use, by name; holders and waiters in order. */
export function lockStatuses(picture: Picture): LockStatus[] {
  const names = [...picture.mutex.queue.names()].sort((a, b) => (a < b ? -1 : 1))
  const locks = names.map(name => lockStatus(picture, name))
  return locks.filter(({ holders, waiters }) => holders.length + waiters.length > 0)
}

/** How each other host stands with this one. */
export function memberStates(picture: Picture): Map<HostId, MemberState> {
  const { config, membership, sessions, now } = picture
  const heard = membership.hearing.heard(now)
  const states = new Map<HostId, MemberState>()
  for (const { id } of config.hosts) {
    if (id === config.self) states.set(id, picture.mutex.isMember ? 'member' : 'connected')
    else if (!heard.has(id)) states.set(id, sessions.has(id) ? 'connected' : 'silent')
    else if (includes(membership.view, id, heard.get(id) ?? 0)) states.set(id, 'member')
    else states.set(id, 'heard')
  }
  return states
}

/** How much faster the clocks of others run than this host's, where that can be told. */
export function clockDrifts({ config, membership }: Picture): Map<HostId, number> {
  const drifts = new Map<HostId, number>()
  for (const { id } of config.hosts) {
    const drift = membership.hearing.drift(id)
    if (drift !== undefined) drifts.set(id, drift)
  }
  return drifts
}

/** Why a lock is not to be had, and what to do. */
export function explainLock(picture: Picture, name: string): WhyStatus {
  const { mutex } = picture
  const lock = lockStatus(picture, name)
  const tokens = mutex.queue.line(name).map(({ request }) => tokenInUse(request))
  const isUsed = (token: Token): boolean =>
    !mutex.isIdle(token) && mutex.keptUntil(token) === undefined
  const own = tokens.find(token => mutex.isOwn(token) && isUsed(token))
  const waiting = own === undefined || mutex.isHeld(own) ? undefined : own
  const awaited = waiting === undefined ? [] : mutex.awaited(waiting)
  const reasons: string[] = []
  const stall = stallReason(picture, waiting)
  if (stall !== undefined) reasons.push(stall)
  for (const holder of lock.holders) {
    const who = nameOf(picture, holder.host)
    if (holder.ghostFor === undefined) reasons.push(`held by ${who} for ${seconds(holder.since)}`)
    else {
      reasons.push(
        `${who} was excluded while it may have held it: its last lease ends in at most ${seconds(holder.ghostFor)}`,
      )
    }
  }
  if (lock.waiters.length > 0) reasons.push(`${lock.waiters.length} waiting`)
  return { lock, awaited, reasons }
}

/** Why a request that nothing precedes has not entered. */
export function explainStall(picture: Picture, token: Token | undefined): string {
  return stallReason(picture, token) ?? 'no answer came in time'
}

/** Why an operation on a variable had no answer from a majority. */
export function explainNoMajority(picture: Picture): string {
  return silenceReason(picture) ?? 'a majority did not answer in time (is a disk slow? try again)'
}

function silenceReason(picture: Picture): string | undefined {
  const { membership, now, config } = picture
  if (picture.blank !== undefined) return `this host is blank: it waits for ${picture.blank}`
  if (membership.hearsMajority(now)) return undefined
  const heard = membership.hearing.heard(now)
  const silent = config.hosts
    .filter(({ id }) => id !== config.self && !heard.has(id))
    .map(({ id }) => describeSilence(picture, id))
  return `no majority of votes: ${silent.join(', ')} (bring one of them back, or check the network)`
}

function stallReason(picture: Picture, token: Token | undefined): string | undefined {
  const { mutex, lease, now } = picture
  const silence = silenceReason(picture)
  if (silence !== undefined) return silence
  if (!mutex.isMember) return 'this host is not yet in the view: the others are about to let it in'
  if (!lease.isValid(now)) return 'the lease has not been renewed by a majority'
  if (!mutex.isComplete) {
    const missing = mutex.unsynced.map(id => nameOf(picture, id))
    if (missing.length > 0) return `a new view is being settled: ${missing.join(', ')} must answer`
    const end = mutex.quarantineEnd
    return `after a restart of all hosts one lease is waited out: ${seconds(elapsed(now, end ?? now))} left`
  }
  const awaited = token === undefined ? [] : mutex.awaited(token)
  if (awaited.length === 0) return undefined
  return `the REPLY of ${awaited.map(id => describeSilence(picture, id)).join(', ')} is missing`
}

function lockStatus(picture: Picture, name: string): LockStatus {
  const holders: RequestStatus[] = []
  const waiters: RequestStatus[] = []
  const { queue } = picture.mutex
  let place = 0
  for (const entry of queue.line(name)) {
    // One of ours that stands, and that nobody uses: it makes way for whoever comes.
    if (picture.mutex.isIdle(tokenInUse(entry.request))) continue
    const isHolder = holds(picture, entry)
    const status = requestStatus(
      picture,
      entry,
      isHolder,
      entry.request.names.length > 1 ? queue.position(entry) : place,
    )
    if (isHolder) holders.push(status)
    else waiters.push(status)
    place += 1
  }
  return { name, holders, waiters }
}

/** Of our own requests we know it; a request of another host is inside once it may be. */
function holds({ mutex }: Picture, entry: QueueEntry): boolean {
  const token = tokenInUse(entry.request)
  if (!mutex.isOwn(token)) return mutex.queue.isAdmitted(entry)
  return mutex.isHeld(token) || mutex.keptUntil(token) !== undefined
}

function requestStatus(
  { now, mutex }: Picture,
  entry: QueueEntry,
  isHolder: boolean,
  position: number,
): RequestStatus {
  const { host, limit, info } = entry.request
  const since = elapsed((isHolder ? entry.admitted : undefined) ?? entry.inserted, now)
  const { ghostUntil, isAdopted } = entry
  const keptUntil = mutex.keptUntil(tokenInUse(entry.request))
  const until = keptUntil ?? (isAdopted ? undefined : ghostUntil)
  const ghostFor = until === undefined ? undefined : milliseconds(elapsed(now, until))
  return {
    host,
    token: tokenInUse(entry.request),
    limit,
    info,
    since,
    position: isHolder ? 0 : position,
    ghostFor,
  }
}

function describeSilence(picture: Picture, host: HostId): string {
  const last = picture.membership.hearing.lastHeard(host)
  const name = nameOf(picture, host)
  if (last === undefined) return `${name} was never heard`
  return `${name} not heard for ${seconds(elapsed(last, picture.now))}`
}

function nameOf({ config }: Picture, id: HostId): string {
  return `${config.hosts.find(host => host.id === id)?.name ?? 'host'} (${id})`
}

function seconds(duration: Duration): string {
  return `${(Math.max(0, duration) / 1000).toFixed(1)} s`
}
