import type { HostId } from '../core/clock.ts'
import { RULES, type Rules } from '../core/rules.ts'
import { milliseconds } from '../lib/time.ts'
import { Node, type LockStatus, type NodeConfig, type Status } from '../node.ts'
import { ClearSeal } from '../transport/clear-seal.ts'
import { allCheckers, type Checker } from './checkers.ts'
import { Clients } from './clients.ts'
import { FAST_DISK } from './disk.ts'
import { Findings, type Violation } from './findings.ts'
import { FAULTLESS } from './network.ts'
import type { Observation } from './observation.ts'
import {
  NO_VARIABLES,
  VariableClients,
  type VariableCounts,
  type VariableOptions,
  type VariableWorld,
} from './variable-clients.ts'
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
  /** A client that is told that its lock is lost goes on for up to this. */
  readonly stopMsMax: number
}

/** A LAN on a good day, and hosts that were switched on at different times. */
export const CALM: Omit<SimulationOptions, 'seed' | 'hosts'> = {
  votes: new Map(),
  link: FAULTLESS,
  disk: FAST_DISK,
  timing: TIMING,
  stopMsMax: 0,
  skewMaxMs: 1_000_000,
  drift: 0,
  turnMaxMs: 0,
  eventsMax: 20_000_000,
  rules: SIMULATION_RULES,
}

/** Once all is well, everyone who waits must have been served within this. */
const QUIET_MS_MAX = 60_000

/**
 * And all hosts be in one view within this: one that came and went too often is made to wait for as
 * much as 20 s, and begins anew if its link was bad.
 */
const UNITE_MS_MAX = 60_000

/** And what is then still on its way has arrived after this: the transport tries once a second. */
const REST_MS = 3000

const LOOK_MS = 20

/** A world with clients in it and all checkers around it. */
export class Simulation {
  readonly world: World
  readonly clients: Clients
  readonly #checkers: readonly Checker[]
  readonly #findings = new Findings()
  #variables: VariableClients | undefined
  readonly #onlookers: ((observation: Observation) => void)[] = []
  #isStuck = false

  constructor(options: SimulationOptions) {
    const { rules, stopMsMax } = options
    this.#checkers = allCheckers((host, token) =>
      this.#locks(host).some(({ holders, waiters }) =>
        [...holders, ...waiters].some(request => request.token === token),
      ),
    )
    const observe = (observation: Observation): void => {
      for (const checker of this.#checkers) checker.observe?.(observation)
      for (const onlooker of this.#onlookers) onlooker(observation)
      if (observation.type === 'died') this.clients.hostDied(observation.host)
    }
    this.world = new World(
      {
        ...options,
        createNode: (config, durable, random, trace) =>
          new Node(config, durable, random, trace, rules, new ClearSeal(random)),
      },
      {
        observe,
        response: (host, id, response) => {
          this.clients.response(id, response)
          this.#variables?.response(host, id, response)
        },
        event: (host, event) => {
          this.clients.event(host, event)
          this.#variables?.event(host, event)
        },
      },
    )
    this.clients = new Clients(this.world, observe, {
      releasesOnDeath: rules.releaseOnClientDeath,
      stopMsMax,
      random: this.world.random.fork(),
    })
  }

  get violations(): readonly Violation[] {
    const variables = this.#variables?.violations ?? []
    return [this.#findings.all, variables, ...this.#checkers.map(checker => checker.violations)]
      .flat()
      .sort((a, b) => a.at - b.at)
  }

  /** Whether somebody was still waiting when the run was given up. */
  get isStuck(): boolean {
    return this.#isStuck
  }

  /** Whether every host is up, a member of one view with all others, and knows their requests. */
  get isConnected(): boolean {
    return this.areUnited(this.world.hosts)
  }

  /** Whether these hosts are the members of one view, and know each other's requests. */
  areUnited(hosts: readonly HostId[]): boolean {
    const { world } = this
    let number: number | undefined
    return hosts.every(host => {
      if (!world.isUp(host)) return false
      const { complete, view } = this.status(host)
      if (!complete || view?.members.length !== hosts.length) return false
      if (hosts.some(other => !view.members.includes(other))) return false
      number ??= view.number
      return view.number === number
    })
  }

  status(host: HostId): Status {
    const { world } = this
    return world.node(host).status(world.reading(host))
  }

  /** REQUEST, REPLY and RELEASE that were sent, of all hosts. */
  get mutexMessages(): number {
    let sum = 0
    for (const host of this.world.hosts) {
      const { sent } = this.status(host).messages
      sum += sent.request + sent.reply + sent.release
    }
    return sum
  }

  /** Lets somebody else look on, too. */
  watch(onlooker: (observation: Observation) => void): void {
    this.#onlookers.push(onlooker)
  }

  get variableCounts(): VariableCounts {
    return this.#variables?.counts ?? NO_VARIABLES
  }

  /** Begins with clients of shared variables; what they find is checked with the rest. */
  useVariables(options: VariableOptions): void {
    this.#variables = new VariableClients(variableWorldOf(this.world), options)
    this.#variables.start()
  }

  /** Runs until every host knows the requests of all others. */
  connect(limitMs: number): boolean {
    return this.#await(() => this.isConnected, limitMs)
  }

  /**
   * Ends all faults, waits until everyone is served, all hosts are in one view, each grants what is
   * asked anew, and all is quiet; and has it all checked.
   */
  finish(): void {
    const { world } = this
    world.network.reset(FAULTLESS)
    for (const host of world.hosts) {
      if (world.isLeaving(host)) world.crash(host)
      if (!world.isUp(host)) world.boot(host)
    }
    const isServed = world.runUntil(() => this.clients.outstanding === 0, QUIET_MS_MAX)
    const isUnited = this.connect(UNITE_MS_MAX)
    if (!isUnited && !world.isExhausted) this.#findings.add(world.now, this.#describeViews())
    this.#isStuck = !isServed || !isUnited
    if (isUnited) this.#tryAll()
    if (!this.#isStuck) this.#variables?.finish(ms => world.run(ms))
    // A message that rests on a disk leaves only then.
    const slowest = Math.max(...world.hosts.map(host => world.disk(host).options.syncMsMax))
    world.run(REST_MS + slowest)
    this.#check(world.hosts)
  }

  /** Has it checked as it is; of hosts that are down nothing is expected. */
  close(): void {
    this.#check(this.world.hosts.filter(host => this.world.isUp(host)))
  }

  /** Whether no host that is up knows of any lock. */
  get isIdle(): boolean {
    return this.world.hosts.every(host => this.#locks(host).length === 0)
  }

  #check(hosts: readonly HostId[]): void {
    const locks = new Map(hosts.map(host => [host, this.#locks(host)] as const))
    for (const checker of this.#checkers) checker.finish?.({ at: this.world.now, locks })
  }

  /** Each host, asked for something new, grants it; who cannot leaves its client waiting. */
  #tryAll(): void {
    const { clients, world } = this
    for (const host of world.hosts) {
      const wish = { names: ['at the end'], limit: 1, wait: undefined }
      const id = clients.acquire(host, clients.connect(), wish, () => clients.release(id))
    }
    if (!world.runUntil(() => clients.outstanding === 0, QUIET_MS_MAX)) this.#isStuck = true
  }

  /** A look at all hosts is dear, and the world does not wait for it at every event. */
  #await(done: () => boolean, limitMs: number): boolean {
    const { world } = this
    const end = world.now + limitMs
    while (!done()) {
      if (world.isExhausted || world.now >= end) return false
      world.run(LOOK_MS)
    }
    return true
  }

  #describeViews(): string {
    const views = this.world.hosts.map(host => {
      const { view, isMember, complete, blank } = this.status(host)
      if (blank !== undefined) return `${host} is blank, and waits for ${blank}`
      const members =
        view === undefined ? 'no view' : `view ${view.number}: ${view.members.join(' ')}`
      const lack = isMember ? (complete ? '' : ', incomplete') : ', no member'
      return `${host} has ${members}${lack}`
    })
    return `the hosts do not come together: ${views.join('; ')}`
  }

  #locks(host: HostId): readonly LockStatus[] {
    const { world } = this
    return world.isUp(host) ? world.node(host).locks(world.reading(host)) : []
  }
}

function variableWorldOf(world: World): VariableWorld {
  return {
    get now() {
      return world.now
    },
    ids: world.hosts,
    after: (ms, run) => world.after(ms, run),
    isRunning: host => world.isUp(host) && !world.isPaused(host),
    lifeOf: host => world.lifeOf(host),
    execute: (host, command) => {
      const id = world.nextCommand()
      world.input(host, { type: 'command', id, command })
      return id
    },
    variable: (host, name) => world.node(host).variable(name),
  }
}
