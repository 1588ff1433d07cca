import type { HostId } from '../core/clock.ts'
import type { HostConfig } from '../core/host.ts'
import type { Rules } from '../core/rules.ts'
import { AssertionError } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import { milliseconds } from '../lib/time.ts'
import { BreadthClients } from './breadth-clients.ts'
import { EagerClients } from './breadth-eager.ts'
import { BreadthFaults, type FaultCounts } from './breadth-faults.ts'
import { BreadthTables } from './breadth-tables.ts'
import type { Violation } from './findings.ts'
import { IdealWorld } from './ideal.ts'
import {
  drawVariables,
  NO_VARIABLES,
  VariableClients,
  type VariableCounts,
  type VariableOptions,
} from './variable-clients.ts'

/** What one seed of the breadth simulation did and found. */
export type BreadthResult = FaultCounts &
  VariableCounts & {
    readonly grants: number
    /** Those of them by a request that stands. */
    readonly again: number
    /** Locks that went on in the next life of their host's daemon. */
    readonly adopted: number
    readonly lost: number
    /** The number of the last view. */
    readonly views: number
    readonly violations: readonly Violation[]
    /** All faults were over, and somebody waited for ever: `stuck` says who. */
    readonly isStuck: boolean
    readonly stuck: string | undefined
  }

/** Faster than the defaults by four, so that a run of seconds holds many views. */
export const BREADTH_TIMING: HostConfig['timing'] = {
  heartbeat: milliseconds(50),
  suspect: milliseconds(250),
  lease: milliseconds(300),
  drift: 0.02,
}

/** As roomy as the defaults: then heartbeats are rarer where nothing happens. */
const ROOMY_TIMING: HostConfig['timing'] = {
  ...BREADTH_TIMING,
  suspect: milliseconds(400),
  lease: milliseconds(500),
}

const FAULTS_MS = 16_000

/** Clients of variables have a chance of their own. */
const VARIABLES_SALT = 0x7a12

/** How often hosts.yml changes during a run. */
const TABLES_CHANCE = 0.15

/** How often daemons are restarted under their clients. */
const RESTARTS_CHANCE = 0.5
const RESTARTS_SALT = 0x4e57

/** Half of the runs have clients that enter one lock again and again. */
const EAGER_SALT = 0xea77
const EAGER_CHANCE = 0.5

/** By then whoever crashed late is up again, and every cut has healed. */
const WHOLE_MS = 18_600

/**
 * A host that crashed again and again is kept waiting for up to 20 s before it is let in; and where a
 * disk takes seconds for a vote without which there is no majority, a view takes ten of them.
 */
export const SETTLED_MS: number = WHOLE_MS + 50_000

/** One run: hosts under faults of all kinds, and at the end a quiet time in which all must go on. */
export function breadthRun(seed: number, hostCount: number, rules: Rules): BreadthResult {
  const random = new Random(seed)
  const swarm = random.fork()
  const options = drawVariables(new Random(seed ^ VARIABLES_SALT))
  const world = breadthWorld(swarm, random, hostCount, { rules, variables: options })
  const clients = new BreadthClients(world, random.fork())
  const variables = options && variablesOf(world, options)
  const late = swarm.chance(0.15) && hostCount > 2 ? swarm.pick(world.ids) : undefined
  const faults = new BreadthFaults(world, random.fork(), FAULTS_MS)
  // Where hosts.yml changes while they run, other faults are enough without lost disks.
  if (late === undefined && hostCount > 2 && new Random(seed).fork().chance(TABLES_CHANCE)) {
    faults.keepDisks()
    new BreadthTables(world, random.fork(), FAULTS_MS).start()
  }
  for (const id of world.ids) {
    if (id !== late) world.boot(id)
    else faults.startLate(id, swarm.between(500, 6000))
  }
  const restarts = new Random(seed ^ RESTARTS_SALT)
  if (restarts.chance(RESTARTS_CHANCE)) faults.restartHolders(restarts)
  const eagerness = new Random(seed ^ EAGER_SALT)
  const eager = eagerness.chance(EAGER_CHANCE) ? new EagerClients(world, eagerness) : undefined
  clients.start()
  eager?.start()
  variables?.start()
  faults.start()
  let stuck: string | undefined
  const crash: Violation[] = []
  try {
    world.run(WHOLE_MS)
    if (world.violations.length === 0) stuck = settle(world, clients, eager)
    if (stuck === undefined) variables?.finish(ms => world.run(world.now + ms))
  } catch (error) {
    // A broken invariant of ours is a violation like any other; all else is a fault of this code.
    if (!(error instanceof AssertionError)) throw error
    crash.push({ at: world.now, text: `broken invariant: ${error.message}` })
  }
  const violations = [...crash, ...world.violations, ...(variables?.violations ?? [])]
  return {
    ...world.counts,
    ...faults.counts,
    ...(variables?.counts ?? NO_VARIABLES),
    violations,
    isStuck: stuck !== undefined,
    stuck,
  }
}

/** Clients of shared variables beside those of locks. */
function variablesOf(world: IdealWorld, options: VariableOptions): VariableClients {
  const variables = new VariableClients(world, options)
  const { onResponse } = world
  world.onResponse = (host, id, response) => {
    onResponse(host, id, response)
    variables.response(host, id, response)
  }
  world.onEvent = (host, event) => variables.event(host, event)
  return variables
}

function breadthWorld(
  swarm: Random,
  random: Random,
  hostCount: number,
  { rules, variables }: { rules: Rules; variables: VariableOptions | undefined },
): IdealWorld {
  const votes = drawVotes(swarm, hostCount)
  const slowest = swarm.chance(0.2) ? 120 : 8
  // One SD card that is much slower than the others.
  const slowHost = swarm.chance(0.2) ? 1 + swarm.below(hostCount) : undefined
  const slowHandshake = swarm.chance(0.3)
  const { areAll, syncMsMax } = variables?.slowDisks ?? { areAll: false, syncMsMax: 400 }
  const slow = variables?.slowDisks === undefined ? slowHost : hostCount
  return new IdealWorld({
    hosts: votes.map((share, i) => ({ id: i + 1, name: `h${i + 1}`, votes: share })),
    timing: slowHandshake ? ROOMY_TIMING : BREADTH_TIMING,
    rules,
    random: random.fork(),
    delayMs: () =>
      0.2 + random.fraction() ** 2 * 8 + (random.chance(0.02) ? random.between(0, 150) : 0),
    handshakeMs: () => random.between(5, slowHandshake ? 300 : 40),
    syncMs: host => random.between(0.5, areAll || host === slow ? syncMsMax : slowest),
    heartbeatLoss: swarm.chance(0.5) ? 0.1 : 0,
  })
}

/** Mostly one each; else hosts that weigh more, and hosts that have no vote. */
function drawVotes(swarm: Random, hostCount: number): number[] {
  const votes = Array.from({ length: hostCount }, () => 1)
  const draw = swarm.fraction()
  if (draw < 0.2) votes[swarm.below(hostCount)] = 2
  else if (draw < 0.3 && hostCount > 2) votes[swarm.below(hostCount)] = 0
  return votes
}

/** Every host must become a member of one view, and enter; then every queue must become empty. */
function settle(
  world: IdealWorld,
  clients: BreadthClients,
  eager: EagerClients | undefined,
): string | undefined {
  clients.forgetGrants()
  while (world.now < SETTLED_MS && unsettled(world, clients.grants) !== undefined) {
    world.run(world.now + 250)
  }
  const waiting = unsettled(world, clients.grants)
  if (waiting !== undefined || world.violations.length > 0) return waiting
  clients.stop()
  eager?.stop()
  world.run(world.now + 3000)
  for (const { id, host } of world.machines.values()) {
    const [left] = host.locks(world.reading(id))
    if (left !== undefined) return `host ${id} still has a request for ${left.name} in its queue`
  }
  return undefined
}

function unsettled(world: IdealWorld, grants: ReadonlyMap<HostId, number>): string | undefined {
  const views = new Set<number>()
  for (const { id, isUp, host } of world.machines.values()) {
    if (!isUp) return `host ${id} is down`
    const { isMember, view, blank } = host.status(world.reading(id))
    if (blank !== undefined) return `host ${id} is blank and waits for ${blank}`
    if (!isMember || view === undefined) return `host ${id} is not in a view`
    views.add(view.number)
    if ((grants.get(id) ?? 0) === 0) return `host ${id} was granted nothing`
  }
  return views.size === 1 ? undefined : `hosts are in different views: ${[...views].join(', ')}`
}
