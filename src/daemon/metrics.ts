import type { MemberState } from '../core/command.ts'
import type { PeerStatus, Status } from '../node.ts'
import { Exposition, EXPOSITION_TYPE, type Samples } from './exposition.ts'
import type { Histogram } from './histogram.ts'
import type { Meter } from './meter.ts'
import type { LockCounts } from './sessions.ts'

/** What the answer to `metrics` rests on. */
export type MetricsPicture = {
  readonly status: Status
  readonly version: string
  readonly meter: Meter
  readonly commits: Histogram
  readonly uptimeMs: number
  readonly connections: number
  /** Names of locks that are held or waited for, on all hosts. */
  readonly lockNames: number
  /** Of this host's clients. */
  readonly locks: LockCounts
}

export const METRICS_TYPE: string = EXPOSITION_TYPE

const PEER_STATES: readonly MemberState[] = ['member', 'heard', 'connected', 'silent']

/** The answer to `metrics`: all that can be counted, for a time series database. */
export function metricsText(picture: MetricsPicture): string {
  const out = new Exposition()
  writeHost(out, picture)
  writeLocks(out, picture)
  writePeers(out, picture.status.peers)
  writeTraffic(out, picture.status)
  writeVariables(out, picture)
  writeProcess(out, picture)
  return out.text()
}

function writeHost(out: Exposition, { status, version }: MetricsPicture): void {
  const { host, cluster, view } = status
  out.gauge('lamport_build_info', 'The version that runs; always 1.', [
    [{ version, node: process.version }, 1],
  ])
  out.gauge('lamport_host_info', 'Which host of which cluster this is; always 1.', [
    [{ cluster, host: host.name, id: String(host.id) }, 1],
  ])
  out.gauge('lamport_incarnation', 'Incarnation of this host.', status.incarnation)
  out.gauge('lamport_clock', 'Lamport time of this host; it has no unit.', status.clock)
  out.counter('lamport_views_total', 'Views installed since the start.', status.views)
  out.gauge('lamport_view_number', 'Number of the view; 0 before the first.', view?.number ?? 0)
  out.gauge('lamport_view_members', 'Hosts in the view.', view?.members.length ?? 0)
  out.gauge('lamport_majority', '1 if this host hears a majority of votes.', flag(status.majority))
  out.gauge('lamport_complete', '1 if all requests of the view are known.', flag(status.complete))
  out.gauge('lamport_blank', '1 if this host may not vote yet.', flag(status.blank !== undefined))
  out.gauge('lamport_lease_left_seconds', 'What is left of the lease.', seconds(status.lease))
}

function writeLocks(out: Exposition, picture: MetricsPicture): void {
  const { status, meter, locks, lockNames } = picture
  out.counter('lamport_grants_total', 'Locks granted to clients of this host.', status.grants)
  out.counter(
    'lamport_lock_requests_total',
    'Requests for locks that were answered, by outcome.',
    each('outcome', meter.acquires),
  )
  out.histogram('lamport_lock_wait_seconds', 'From the request until the grant.', meter.waits)
  out.histogram('lamport_lock_hold_seconds', 'From the grant until the end.', meter.holds)
  out.counter(
    'lamport_locks_lost_total',
    'Locks lost while they were held, by cause: lease (it ran out), incarnation (this host was ' +
      'excluded or suspended), leaving (lamportd was stopped).',
    each('cause', meter.lost),
  )
  out.gauge('lamport_locks_held', 'Locks held by clients of this host.', locks.held)
  out.gauge(
    'lamport_locks_unattended',
    'Of these, locks whose client is gone while its command still runs.',
    locks.unattended,
  )
  out.gauge('lamport_locks_detached', 'Of these, locks held without a connection.', locks.detached)
  out.gauge('lamport_locks_waiting', 'Requests of its clients that wait.', locks.waiting)
  out.gauge('lamport_lock_names', 'Names held or waited for, on all hosts.', lockNames)
}

function writePeers(out: Exposition, peers: readonly PeerStatus[]): void {
  const some = (value: (peer: PeerStatus) => number | undefined): Samples =>
    peers.flatMap(peer => {
      const sample = value(peer)
      return sample === undefined ? [] : [[{ peer: peer.name }, sample] as const]
    })
  out.gauge(
    'lamport_peer_state',
    '1 for the state that a peer is in: member of the view; heard, but not in it; connected, but ' +
      'not heard; silent.',
    peers.flatMap(({ name, state }) =>
      PEER_STATES.map(each => [{ peer: name, state: each }, flag(each === state)] as const),
    ),
  )
  out.gauge(
    'lamport_peer_rtt_seconds',
    'Smoothed round trip time to a peer.',
    some(({ rtt }) => (rtt === undefined ? undefined : seconds(rtt))),
  )
  out.gauge(
    'lamport_peer_loss_ratio',
    'Smoothed share of datagrams to a peer that were lost, 0 to 1.',
    some(({ loss }) => loss),
  )
  out.gauge(
    'lamport_peer_silent_seconds',
    'Since something authentic was last received from a peer.',
    some(({ silent }) => (silent === undefined ? undefined : seconds(silent))),
  )
}

function writeTraffic(out: Exposition, { datagrams, messages }: Status): void {
  const { sent, received, bytesSent, bytesReceived, beats, retransmitted, dropped } = datagrams
  out.counter('lamport_datagrams_sent_total', 'UDP datagrams sent.', sent)
  out.counter(
    'lamport_heartbeat_datagrams_sent_total',
    'Those of them with a heartbeat and no message.',
    beats,
  )
  out.counter('lamport_datagrams_received_total', 'UDP datagrams received.', received)
  out.counter('lamport_datagram_sent_bytes_total', 'Bytes in datagrams sent.', bytesSent)
  out.counter('lamport_datagram_received_bytes_total', 'Bytes in those received.', bytesReceived)
  out.counter(
    'lamport_datagrams_retransmitted_total',
    'Datagrams that carried something again.',
    retransmitted,
  )
  out.counter(
    'lamport_dropped_total',
    'Datagrams and messages that were not taken, by reason.',
    each('reason', dropped),
  )
  out.counter('lamport_messages_sent_total', 'Protocol messages sent.', each('type', messages.sent))
  out.counter(
    'lamport_messages_received_total',
    'Protocol messages received.',
    each('type', messages.received),
  )
}

function writeVariables(out: Exposition, { status, meter, commits }: MetricsPicture): void {
  const { count, bytes, complete } = status.variables
  out.gauge('lamport_variables', 'Variables that are set.', count)
  out.gauge('lamport_variables_bytes', 'Bytes of their values.', bytes)
  out.gauge('lamport_variables_complete', '1 if this host knows all of them.', flag(complete))
  out.counter(
    'lamport_gets_total',
    'Reads of variables that were answered, by outcome; local: asked nobody else.',
    each('outcome', meter.gets),
  )
  out.counter(
    'lamport_sets_total',
    'Writes of variables (set and unset) that were answered, by outcome.',
    each('outcome', meter.sets),
  )
  out.histogram('lamport_set_duration_seconds', 'Of writes that were done.', meter.setDurations)
  out.histogram('lamport_store_commit_duration_seconds', 'Of commits to the disk.', commits)
}

function writeProcess(out: Exposition, picture: MetricsPicture): void {
  const { meter, connections, uptimeMs } = picture
  out.gauge('lamport_connections', 'Open connections of clients.', connections)
  out.counter('lamport_connections_total', 'Connections accepted.', meter.connectionsAccepted)
  out.counter(
    'lamport_connections_refused_total',
    'Connections refused: there were too many.',
    meter.connectionsRefused,
  )
  out.counter(
    'lamport_requests_over_limit_total',
    'Requests refused: their connection had too many.',
    meter.requestsOverLimit,
  )
  out.gauge('lamport_uptime_seconds', 'Since the start of lamportd.', uptimeMs / 1000)
  const { user, system } = process.cpuUsage()
  out.counter('process_cpu_seconds_total', 'CPU time of lamportd.', (user + system) / 1_000_000)
  const { rss, heapUsed } = process.memoryUsage()
  out.gauge('process_resident_memory_bytes', 'Memory of lamportd.', rss)
  out.gauge('nodejs_heap_size_used_bytes', 'What of it is objects of JavaScript.', heapUsed)
}

function each(label: string, counts: Readonly<Record<string, number>>): Samples {
  return Object.entries(counts).map(([key, count]) => [{ [label]: key }, count] as const)
}

function flag(holds: boolean): number {
  return holds ? 1 : 0
}

function seconds(ms: number): number {
  return ms / 1000
}
