import type { HostId } from '../core/clock.ts'
import { FAST_DISK } from './disk.ts'
import { AssertionError } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import type { Violation } from './findings.ts'
import type { LinkOptions, NetworkCounters } from './network.ts'
import { Simulation, TIMING, type SimulationRules } from './simulation.ts'
import { RandomLoad, type Habits } from './workload.ts'
import type { World } from './world.ts'

export type SeedOptions = {
  readonly seed: number
  /** `undefined`: drawn with the rest. */
  readonly hosts: number | undefined
  readonly rules: SimulationRules
}

/** What was done to a run, to show that it was put to the test. */
export type Faults = Readonly<NetworkCounters> & { readonly reboots: number }

export type SeedResult = {
  readonly seed: number
  readonly hash: string
  readonly hosts: readonly HostId[]
  readonly asked: number
  readonly grants: number
  readonly messages: number
  readonly faults: Faults
  readonly events: number
  readonly simulatedMs: number
  readonly violations: readonly Violation[]
  readonly isStuck: boolean
}

/** Faults and requests go on for so long; then all must come to rest. */
const FAULTY_MS = 2500

/** Of all clients together: no seed takes much longer than the rest. */
const ASKS_MAX = 600

const EVENTS_MAX = 400_000

/**
 * One seed, whole: a world whose options are drawn at random as well, because a fault that is
 * always there hides those that it drowns (swarm testing).
 */
export function runSeed(options: SeedOptions): SeedResult {
  const { seed, rules } = options
  // Not the seed itself: the world draws from that.
  const random = new Random(seed ^ 0x5eed)
  const hosts = drawHosts(random, options.hosts)
  const simulation = new Simulation({
    seed,
    hosts,
    rules,
    votes: new Map(),
    disk: FAST_DISK,
    stopMsMax: 0,
    link: drawLink(random),
    timing: TIMING,
    skewMaxMs: random.pick([0, 1000, 1_000_000]),
    drift: random.pick([0, 0.0001, TIMING.drift]),
    turnMaxMs: random.pick([0, 0.02, 1]),
    eventsMax: EVENTS_MAX,
  })
  const { world, clients } = simulation
  let reboots = 0
  simulation.watch(observation => {
    if (observation.type === 'booted') reboots += 1
  })
  const crash: Violation[] = []
  try {
    new RandomLoad(world, clients, drawHabits(random), {
      random: random.fork(),
      untilMs: FAULTY_MS,
      asksMax: ASKS_MAX,
    })
    trouble(simulation, random.fork())
    world.run(FAULTY_MS)
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
    messages: simulation.mutexMessages,
    faults: { ...world.network.counters, reboots },
    events: world.events,
    simulatedMs: world.now,
    violations: [...crash, ...simulation.violations],
    isStuck: simulation.isStuck || world.isExhausted,
  }
}

/** Ids near each other, or anywhere: 2 and 10 among them, which text would put the other way. */
function drawHosts(random: Random, wanted: number | undefined): readonly HostId[] {
  const count = wanted ?? random.pick([2, 3, 3, 3, 4, 5, 7])
  if (random.chance(0.5)) return Array.from({ length: count }, (_, i) => i + 1)
  const hosts = new Set<HostId>([10, 2].slice(0, count))
  while (hosts.size < count) hosts.add(1 + random.below(1023))
  return [...hosts]
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
    holdMsMax: random.pick([0.1, 10, 100]),
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

/** Ways that are cut, hosts that stop for a while, and hosts that reboot. */
function trouble(simulation: Simulation, random: Random): void {
  const { world } = simulation
  for (let cuts = random.pick([0, 0, 2, 6]); cuts > 0; cuts--) {
    const length = random.pick([5, 100, 800])
    cutInTwo(world, random, { start: random.between(0, FAULTY_MS), length })
  }
  for (let pauses = random.pick([0, 0, 3]); pauses > 0; pauses--) {
    const host = random.pick(world.hosts)
    const length = random.between(0, 400)
    world.after(random.between(0, FAULTY_MS), () => {
      if (world.isUp(host)) world.pause(host, length)
    })
  }
  // One after the other: what all have forgotten, nobody can tell those who come back.
  let start = 0
  for (let reboots = random.pick([0, 0, 1, 3]); reboots > 0; reboots--) {
    const host = random.pick(world.hosts)
    start += random.between(0, FAULTY_MS / 3)
    reboot(simulation, host, { start, length: random.pick([1, 50, 500]) })
  }
}

type Span = { readonly start: number; readonly length: number }

/** Some hosts do not reach the others, or neither reaches the other. */
function cutInTwo(world: World, random: Random, { start, length }: Span): void {
  const side = new Set(world.hosts.filter(() => random.chance(0.5)))
  const isOneWay = random.chance(0.3)
  for (const from of world.hosts)
    for (const to of world.hosts) {
      if (side.has(from) === side.has(to) || (isOneWay && side.has(to))) continue
      world.after(start, () => world.network.cut(from, to))
      world.after(start + length, () => world.network.heal(from, to))
    }
}

/** Only while all are complete, so that each other host knows everything that this one forgets. */
function reboot(simulation: Simulation, host: HostId, { start, length }: Span): void {
  const { world } = simulation
  world.after(start, () => {
    if (!simulation.isConnected) return
    world.crash(host)
    world.after(length, () => {
      if (!world.isUp(host)) world.boot(host)
    })
  })
}
