import type { HostId } from '../core/clock.ts'
import { toInstant, type Instant } from '../lib/time.ts'
import type { Node, NodeConfig } from '../node.ts'
import type { Address } from '../transport/endpoint.ts'
import type { Disk } from './disk.ts'
import { RestlessCheck } from './restless.ts'

/** What the world needs of a node: a test may put something simpler in its place. */
export type Steppable = Pick<Node, 'step' | 'deadline' | 'status' | 'locks' | 'variable'>

/** One host of a world: what survives a crash of it, and the node that runs on it at present. */
export type Machine = {
  readonly id: HostId
  readonly address: Address
  readonly config: NodeConfig
  readonly disk: Disk
  node: Steppable
  /** Counts its boots: what was meant for the last life is void. */
  life: number
  isUp: boolean
  /** Its process was told to end, and does when it has done. */
  isLeaving: boolean
  /** Its reading at true time 0, and how fast it runs. */
  readonly skew: number
  readonly rate: number
  lastReading: Instant
  /** True time of the tick on the agenda; Infinity where there is none. */
  wakeAt: number
  pausedUntil: number
  readonly restless: RestlessCheck
}

/** One that has just been switched on. */
export function newMachine(
  parts: Pick<Machine, 'id' | 'config' | 'disk' | 'node' | 'skew' | 'rate'>,
): Machine {
  return {
    ...parts,
    address: addressOf(parts.id),
    life: 1,
    isUp: true,
    isLeaving: false,
    lastReading: toInstant(parts.skew),
    wakeAt: Infinity,
    pausedUntil: 0,
    restless: new RestlessCheck(),
  }
}

/** What its clock shows at this true time. */
export function readClock({ lastReading, skew, rate }: Machine, now: number): Instant {
  return toInstant(Math.max(lastReading, skew + now * rate))
}

/** The true time at which its clock shows this. */
export function trueTimeOf({ skew, rate }: Machine, reading: Instant): number {
  return (reading - skew) / rate
}

export function configOf(
  options: {
    readonly hosts: readonly HostId[]
    readonly votes: ReadonlyMap<HostId, number>
    readonly timing: NodeConfig['timing']
  },
  self: HostId,
): NodeConfig {
  const { hosts, votes, timing } = options
  const lines = hosts.map(id => ({
    id,
    name: `host${id}`,
    address: addressOf(id),
    votes: votes.get(id) ?? 1,
  }))
  return { cluster: 'simulated', self, hosts: lines, timing }
}

/** The address as a key. */
export function keyOf({ ip, port }: Address): string {
  return `${ip}:${port}`
}

function addressOf(id: HostId): Address {
  return { ip: `10.0.${id >> 8}.${id & 255}`, port: 7411 }
}
