import { RULES, type Rules } from '../core/rules.ts'
import { milliseconds } from '../lib/time.ts'
import { Node, type NodeConfig } from '../node.ts'
import { allCheckers, type Checker } from './checkers.ts'
import { Clients } from './clients.ts'
import type { Violation } from './findings.ts'
import { FAULTLESS } from './network.ts'
import type { Observation } from './observation.ts'
import { World, type WorldOptions } from './world.ts'

/** Rules that can be switched off: those of the core, and one of lamportd's server. */
export type SimulationRules = Rules & {
  /** What a client held or waited for ends with its connection. */
  readonly releaseOnClientDeath: boolean
}

export const SIMULATION_RULES: SimulationRules = { ...RULES, releaseOnClientDeath: true }

/** The defaults of hosts.yml. */
export const TIMING: NodeConfig['timing'] = {
  heartbeat: milliseconds(150),
  suspect: milliseconds(1200),
  lease: milliseconds(2000),
  drift: 0.02,
}

export type SimulationOptions = Omit<WorldOptions, 'createNode'> & {
  readonly rules: SimulationRules
}

/** A LAN on a good day, and hosts that were switched on at different times. */
export const CALM: Omit<SimulationOptions, 'seed' | 'hosts'> = {
  link: FAULTLESS,
  timing: TIMING,
  skewMaxMs: 1_000_000,
  drift: 0,
  turnMaxMs: 0,
  eventsMax: 20_000_000,
  rules: SIMULATION_RULES,
}

/** Once all is well, everyone who waits must have been served within this. */
const QUIET_MS_MAX = 60_000

/** And what is then still on its way has arrived after this: the transport tries once a second. */
const REST_MS = 3000

/** A world with clients in it and all checkers around it. */
export class Simulation {
  readonly world: World
  readonly clients: Clients
  readonly #checkers: readonly Checker[] = allCheckers()
  readonly #onlookers: ((observation: Observation) => void)[] = []
  #isStuck = false

  constructor(options: SimulationOptions) {
    const { rules } = options
    const observe = (observation: Observation): void => {
      for (const checker of this.#checkers) checker.observe?.(observation)
      for (const onlooker of this.#onlookers) onlooker(observation)
      if (observation.type === 'died') this.clients.hostDied(observation.host)
    }
    this.world = new World(
      {
        ...options,
        createNode: (config, recovered, random, trace) =>
          new Node(config, recovered, random, trace, rules),
      },
      {
        observe,
        response: (_host, id, response) => this.clients.response(id, response),
        event: (host, event) => this.clients.event(host, event),
      },
    )
    this.clients = new Clients(this.world, observe, {
      releasesOnDeath: rules.releaseOnClientDeath,
    })
  }

  get violations(): readonly Violation[] {
    return this.#checkers.flatMap(checker => checker.violations).sort((a, b) => a.at - b.at)
  }

  /** Whether somebody was still waiting when the run was given up. */
  get isStuck(): boolean {
    return this.#isStuck
  }

  /** Whether every host is up and knows the requests of all others. */
  get isConnected(): boolean {
    const { world } = this
    return world.hosts.every(
      host => world.isUp(host) && world.node(host).status(world.reading(host)).complete,
    )
  }

  /** REQUEST, REPLY and RELEASE that were sent, of all hosts. */
  get mutexMessages(): number {
    let sum = 0
    for (const host of this.world.hosts) {
      const { sent } = this.world.node(host).status(this.world.reading(host)).messages
      sum += sent.request + sent.reply + sent.release
    }
    return sum
  }

  /** Lets somebody else look on, too. */
  watch(onlooker: (observation: Observation) => void): void {
    this.#onlookers.push(onlooker)
  }

  /** Runs until every host knows the requests of all others. */
  connect(limitMs: number): boolean {
    return this.world.runUntil(() => this.isConnected, limitMs)
  }

  /** Ends all faults, waits until everyone is served and all is quiet, and has it all checked. */
  finish(): void {
    const { world } = this
    world.network.reset(FAULTLESS)
    for (const host of world.hosts) if (!world.isUp(host)) world.boot(host)
    this.#isStuck = !world.runUntil(() => this.clients.outstanding === 0, QUIET_MS_MAX)
    world.run(REST_MS)
    const locks = new Map(
      world.hosts.map(host => [host, world.node(host).locks(world.reading(host))] as const),
    )
    for (const checker of this.#checkers) checker.finish?.({ at: world.now, locks })
  }
}
