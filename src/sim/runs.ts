import { breadthRun, SETTLED_MS } from './breadth.ts'
import type { Violation } from './findings.ts'
import type { SimulationRules } from './simulation.ts'
import { runSeed } from './swarm.ts'

/**
 * `depth`: whole nodes, with transport, disks and clients, all that a machine can do to them.
 * `breadth`: their protocol above ideal channels, many more schedules in the same time.
 */
export type Simulator = 'depth' | 'breadth'

export type RunOptions = {
  readonly seed: number
  /** `undefined`: drawn from the seed. */
  readonly hosts: number | undefined
  readonly rules: SimulationRules
}

/** What one seed did and found, the same of both simulators. */
export type RunResult = {
  readonly simulator: Simulator
  readonly seed: number
  readonly hosts: number
  /** Of all that was sent and happened; equal for equal runs. */
  readonly hash: string | undefined
  readonly grants: number
  /** What happened, and how often. */
  readonly counts: Readonly<Record<string, number>>
  readonly violations: readonly Violation[]
  readonly isStuck: boolean
}

/** Of the seeds of both simulators, one in so many goes all the way down. */
const DEPTH_SHARE = 6

const BREADTH_HOSTS = [3, 5, 7] as const

/** By which simulator a seed is run where both are wanted. */
export function simulatorOf(seed: number): Simulator {
  return seed % DEPTH_SHARE === 0 ? 'depth' : 'breadth'
}

/** One seed by one simulator. */
export function run(simulator: Simulator, options: RunOptions): RunResult {
  return simulator === 'depth' ? runDepth(options) : runBreadth(options)
}

function runDepth(options: RunOptions): RunResult {
  const { seed, hash, hosts, violations, isStuck, faults, ...counts } = runSeed(options)
  return {
    simulator: 'depth',
    seed,
    hosts: hosts.length,
    hash,
    grants: counts.grants,
    counts: { ...counts, ...faults },
    violations,
    isStuck,
  }
}

function runBreadth({ seed, hosts, rules }: RunOptions): RunResult {
  const count = hosts ?? BREADTH_HOSTS[Math.floor(seed / DEPTH_SHARE) % BREADTH_HOSTS.length] ?? 3
  const { violations, isStuck, stuck, ...counts } = breadthRun(seed, count, rules)
  return {
    simulator: 'breadth',
    seed,
    hosts: count,
    hash: undefined,
    grants: counts.grants,
    counts,
    violations: stuck === undefined ? violations : [...violations, { at: SETTLED_MS, text: stuck }],
    isStuck,
  }
}
