import type { HostId } from '../core/clock.ts'
import type { DiskOptions } from './disk.ts'
import { AssertionError } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import { scaled } from '../lib/time.ts'
import type { NodeConfig } from '../node.ts'
import type { Violation } from './findings.ts'
import type { LinkOptions, NetworkCounters } from './network.ts'
import { Simulation, TIMING, type SimulationRules } from './simulation.ts'
import { Trouble, type TroubleCounts } from './trouble.ts'
import { EagerLoad, RandomLoad, type Habits } from './workload.ts'
import { drawVariables, type VariableCounts } from './variable-clients.ts'
import type { World } from './world.ts'

export type SeedOptions = {
  readonly seed: number
  /** `undefined`: drawn with the rest. */
  readonly hosts: number | undefined
  readonly rules: SimulationRules
}

/** What was done to a run, to show that it was put to the test. */
export type Faults = Readonly<NetworkCounters> & Readonly<TroubleCounts>

export type SeedResult = VariableCounts & {
  readonly seed: number
  readonly hash: string
  readonly hosts: readonly HostId[]
  readonly asked: number
  readonly grants: number
  /** Locks that ended before their clients had done with them. */
  readonly lostLocks: number
  /** Number of the last view. */
  readonly views: number
  readonly messages: number
  readonly faults: Faults
  readonly events: number
  readonly simulatedMs: number
  readonly violations: readonly Violation[]
  readonly isStuck: boolean
}

/** Of all clients together: no seed takes much longer than the rest. */
const ASKS_MAX = 400

/** Clients of variables have a chance of their own. */
const VARIABLES_SALT = 0x7a12

/** Half of the runs have clients that enter one lock again and again. */
const EAGER_SALT = 0xea77

const EVENTS_MAX = 1_000_000

/**
 * One seed, whole: a world whose options are drawn at random as well, because a fault that is
 * always there hides those that it drowns (swarm testing). Faults and requests go on for a while;
 * then all must come to rest.
 */
export function runSeed(options: SeedOptions): SeedResult {
  const { seed, rules } = options
  // Not the seed itself: the world draws from that.
  const random = new Random(seed ^ 0x5eed)
  const hosts = drawHosts(random, options.hosts)
  const timing = drawTiming(random)
  const simulation = new Simulation({
    seed,
    hosts,
    rules,
    votes: drawVotes(random, hosts),
    link: drawLink(random),
    disk: drawDisk(random),
    timing,
    stopMsMax: random.pick([0, 50, timing.lease]),
    skewMaxMs: random.pick([0, 1000, 1_000_000]),
    drift: random.pick([0, 0.0001, timing.drift]),
    turnMaxMs: random.pick([0, 0.02, 1]),
    eventsMax: EVENTS_MAX,
  })
  const { world, clients } = simulation
  const longMs = timing.suspect + timing.lease
  const untilMs = longMs * random.pick([1, 2, 4])
  const crash: Violation[] = []
  // From a seed of their own: the rest of the run is drawn as it would be without.
  const drawn = drawVariables(new Random(seed ^ VARIABLES_SALT))
  const trouble = new Trouble(world, { random: random.fork(), untilMs, longMs })
  try {
    if (random.chance(0.2)) beginLate(world, random)
    if (random.chance(0.2)) slowDown(world, [random.pick(world.hosts)], random.pick([100, 600]))
    const load = { random: random.fork(), untilMs, asksMax: ASKS_MAX }
    new RandomLoad(world, clients, drawHabits(random), load)
    const eagerness = new Random(seed ^ EAGER_SALT)
    if (eagerness.chance(0.5)) {
      const names = ['A', 'D']
      new EagerLoad(world, clients, { random: eagerness, untilMs, names })
    }
    if (drawn?.slowDisks !== undefined) {
      const { areAll, syncMsMax } = drawn.slowDisks
      slowDown(world, areAll ? world.hosts : [drawn.random.pick(world.hosts)], syncMsMax)
    }
    if (drawn !== undefined) simulation.useVariables(drawn)
    world.run(untilMs)
    simulation.finish()
  } catch (error) {
    // A broken invariant of ours is a violation like any other; all else is a fault of this code.
    if (!(error instanceof AssertionError)) throw error
    crash.push({ at: world.now, text: `broken invariant: ${error.message}` })
  }
  return {
    seed,
    hash: world.hash,
    hosts,
    asked: clients.asked,
    grants: clients.granted,
    lostLocks: clients.lost,
    views: Math.max(...hosts.map(host => simulation.status(host).view?.number ?? 0)),
    messages: simulation.mutexMessages,
    ...simulation.variableCounts,
    faults: { ...world.network.counters, ...trouble.counts },
    events: world.events,
    simulatedMs: world.now,
    violations: [...crash, ...simulation.violations],
    isStuck: simulation.isStuck || world.isExhausted,
  }
}

/** Ids near each other, or anywhere: 2 and 10 among them, which text would put the other way. */
function drawHosts(random: Random, wanted: number | undefined): readonly HostId[] {
  const count = wanted ?? random.pick([3, 3, 5, 5, 7])
  if (random.chance(0.5)) return Array.from({ length: count }, (_, i) => i + 1)
  const hosts = new Set<HostId>([10, 2].slice(0, count))
  while (hosts.size < count) hosts.add(1 + random.below(1023))
  return [...hosts]
}

/** The defaults, or all of it faster, for then more happens in a run. */
function drawTiming(random: Random): NodeConfig['timing'] {
  const factor = random.pick([1, 0.4, 0.4])
  const { heartbeat, suspect, lease, drift } = TIMING
  return {
    heartbeat: scaled(heartbeat, factor),
    suspect: scaled(suspect, factor),
    lease: scaled(lease, factor),
    drift,
  }
}

/** One each, or some have more; at times one is a majority by itself. */
function drawVotes(random: Random, hosts: readonly HostId[]): ReadonlyMap<HostId, number> {
  if (random.chance(0.7)) return new Map()
  return new Map(hosts.map(host => [host, random.pick([1, 1, 2, 3])]))
}

function drawDisk(random: Random): DiskOptions {
  return { syncMsMin: random.pick([0, 0.5]), syncMsMax: random.pick([0.5, 5, 30]) }
}

/** Disks that take their time. */
function slowDown(world: World, hosts: readonly HostId[], syncMsMax: number): void {
  for (const host of hosts) world.disk(host).options = { syncMsMin: 1, syncMsMax }
}

/** One host is not there when the cluster is founded, by an operator who tries until it is. */
function beginLate(world: World, random: Random): void {
  const [late] = world.hosts
  if (late === undefined) return
  world.crash(late)
  world.after(random.between(0, 3000), () => {
    if (!world.isUp(late)) world.boot(late)
  })
  for (const at of [200, 500, 1000]) world.after(at, () => found(world, random))
}

function found(world: World, random: Random): void {
  const host = random.pick(world.hosts)
  if (!world.isUp(host)) return
  world.input(host, { type: 'command', id: world.nextCommand(), command: { type: 'found' } })
}

function drawLink(random: Random): LinkOptions {
  return {
    delayMs: random.pick([0.01, 0.2, 1, 5]),
    jitterMs: random.pick([0, 0.2, 3, 20]),
    late: random.pick([0, 0, 0.01, 0.1]),
    lateMs: random.pick([50, 500]),
    loss: random.pick([0, 0, 0.01, 0.1, 0.3]),
    duplicate: random.pick([0, 0, 0.05, 0.5]),
    duplicatesMax: 1 + random.below(5),
    corrupt: random.pick([0, 0, 0.02, 0.2]),
  }
}

function drawHabits(random: Random): Habits {
  return {
    names: ['A', 'B', 'C'].slice(0, 1 + random.below(3)),
    clientsPerHost: 1 + random.below(3),
    thinkMsMax: random.pick([5, 50, 300]),
    holdMsMax: random.pick([0.1, 10, 100, 3000]),
    shared: random.pick([0, 0, 0.2, 0.5]),
    counted: random.pick([0, 0, 0.3]),
    several: random.pick([0, 0.3]),
    tries: random.pick([0, 0.2, 1]),
    impatient: random.pick([0, 0.3]),
    waitMsMax: random.pick([5, 100]),
    cancels: random.pick([0, 0.2]),
    crashes: random.pick([0, 0.1]),
  }
}
