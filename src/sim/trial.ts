import type { HostId } from '../core/clock.ts'
import { AssertionError } from '../lib/assert.ts'
import type { TraceLine } from '../trace.ts'
import { FAULTLESS, type LinkOptions, type NetworkCounters } from './network.ts'
import { RunTrace } from './run-trace.ts'
import { CALM, Simulation, SIMULATION_RULES, type SimulationRules } from './simulation.ts'
import { UseRecorder, type Use } from './uses.ts'
import { resultOf, type TrialResult } from './verdict.ts'
import { EntriesLoad } from './workload.ts'

export type Kill = { readonly host: HostId; readonly atMs: number }

export type TrialOptions = {
  /** Their ids are 1 to this. */
  readonly hosts: number
  /** How often each of them enters. */
  readonly entries: number
  readonly seed: number
  /** How the network is once the hosts have come together. */
  readonly link: LinkOptions
  /** How long each stay lasts. */
  readonly holdMs: number
  /** Hosts that die for good, so long after the start. */
  readonly kills: readonly Kill[]
  readonly rules?: SimulationRules
}

export type Progress = {
  readonly phase: 'connecting' | 'entering' | 'settling' | 'over'
  readonly entries: number
  readonly expected: number
}

const NAME = 'door'

/** How far it runs at a time. */
const SLICE_MS = 20

/** The hosts come together within this, or not at all. */
const CONNECT_MS_MAX = 60_000

/** Nobody has entered for so long: nobody will. Silence, a lease and a probation take less. */
const STALL_MS = 30_000

/** Once all are served, every host has forgotten the lock within this. */
const SETTLE_MS_MAX = 10_000

/** And what is still on its way has arrived after this; where much was lost it is tried less often. */
const REST_MS = 50
const REST_MS_AFTER_FAULTS = 3000

/**
 * N hosts that each enter one critical section M times, by the very code that lamportd runs, in the
 * simulator: first they come together on a good network, then the clock is set to zero, faults begin
 * and all ask. It runs in slices, so that whoever drives it can show how far it is.
 */
export class Trial {
  readonly #options: TrialOptions
  readonly #simulation: Simulation
  readonly #trace: RunTrace | undefined
  readonly #killed = new Map<HostId, number>()
  readonly #broken: string[] = []
  #recorder: UseRecorder
  #load: EntriesLoad | undefined
  #phase: Progress['phase'] = 'connecting'
  #start = 0
  #settledBy = 0
  #counter = 0
  readonly #seen = new Map<HostId, number>()

  /** @param emit gets the trace, line by line; without it none is made */
  constructor(options: TrialOptions, emit?: (line: TraceLine) => void) {
    this.#options = options
    const hosts = Array.from({ length: options.hosts }, (_, i) => i + 1)
    const { seed, rules = SIMULATION_RULES } = options
    this.#simulation = new Simulation({ ...CALM, seed, hosts, rules, eventsMax: Infinity })
    this.#recorder = new UseRecorder(0, hosts)
    this.#trace = emit && new RunTrace(emit)
    this.#simulation.watch(observation => {
      if (this.#phase === 'over') return
      this.#trace?.observe(observation)
      this.#recorder.observe(observation)
    })
  }

  /** Runs a little further; false once it is over. */
  step(): boolean {
    try {
      switch (this.#phase) {
        case 'connecting':
          this.#connect()
          break
        case 'entering':
          this.#enter()
          break
        case 'settling':
          this.#settle()
          break
        case 'over':
          break
      }
    } catch (error) {
      // A broken invariant of ours is to be told like any other; all else is a fault of this code.
      if (!(error instanceof AssertionError)) throw error
      this.#broken.push(`broken invariant: ${error.message}`)
      this.#phase = 'over'
    }
    return this.#phase !== 'over'
  }

  get progress(): Progress {
    const { hosts, entries } = this.#options
    return { phase: this.#phase, entries: this.#counter, expected: hosts * entries }
  }

  /** What the network did. */
  get network(): Readonly<NetworkCounters> {
    return this.#simulation.world.network.counters
  }

  get uses(): readonly Use[] {
    return this.#recorder.uses
  }

  /** When each host was killed that was; those for whom it was too late are not in it. */
  get killed(): ReadonlyMap<HostId, number> {
    return this.#killed
  }

  get result(): TrialResult {
    const found = this.#simulation.violations.map(({ at, text }) => {
      return `${((at - this.#start) / 1000).toFixed(3)} s: ${text}`
    })
    return resultOf({
      hosts: this.#simulation.world.hosts,
      entries: this.#options.entries,
      uses: this.#recorder.uses,
      counter: this.#counter,
      messages: this.#recorder.messages,
      killed: this.#killed,
      excluded: this.#recorder.excluded,
      violations: [...this.#broken, ...found],
    })
  }

  #connect(): void {
    const { world } = this.#simulation
    if (this.#simulation.isConnected) this.#begin()
    else if (world.now < CONNECT_MS_MAX) world.run(SLICE_MS)
    else {
      this.#broken.push(`the hosts do not come together within ${CONNECT_MS_MAX / 1000} s`)
      this.#phase = 'over'
    }
  }

  #begin(): void {
    const { world, clients } = this.#simulation
    const { entries, holdMs, link, kills } = this.#options
    this.#start = world.now
    this.#recorder = new UseRecorder(world.now, world.hosts)
    this.#trace?.begin(world.now, world.hosts)
    // What the network did to bring them together is not part of it.
    Object.assign(world.network.counters, NOTHING)
    world.network.reset(link)
    for (const kill of kills) world.after(kill.atMs, () => this.#kill(kill))
    this.#load = new EntriesLoad(world, clients, {
      hosts: world.hosts,
      entries,
      name: NAME,
      holdMs,
      entered: host => this.#seen.set(host, this.#counter),
      leaving: host => {
        // What comes once it is over, when nothing is lost any more, is not recorded either.
        if (this.#phase === 'over') return
        // Two who are inside at once have read the same.
        this.#counter = (this.#seen.get(host) ?? 0) + 1
        this.#recorder.complete(host)
      },
    })
    this.#phase = 'entering'
  }

  #kill({ host, atMs }: Kill): void {
    if (this.#phase !== 'entering') return
    this.#killed.set(host, atMs)
    this.#load?.drop(host)
    this.#simulation.world.crash(host)
  }

  #enter(): void {
    const { world } = this.#simulation
    const isDone = (): boolean => this.#load?.left === 0
    const end = world.now + SLICE_MS
    const isOver = world.runUntil(isDone, SLICE_MS)
    // Nothing may be due in a slice.
    if (!isOver) world.run(end - world.now)
    const lastEntry = this.#recorder.uses.at(-1)?.enteredAt ?? 0
    const isStalled = world.now - this.#start - lastEntry > STALL_MS + this.#options.holdMs
    if (!isOver && !isStalled) return
    this.#settledBy = world.now + SETTLE_MS_MAX
    this.#phase = 'settling'
  }

  #settle(): void {
    const { world } = this.#simulation
    if (!this.#simulation.isIdle && world.now < this.#settledBy) {
      world.run(SLICE_MS / 4)
      return
    }
    const { loss, late, duplicate } = this.#options.link
    const hadFaults = loss + late + duplicate > 0 || this.#options.kills.length > 0
    world.network.reset({ ...FAULTLESS, delayMs: this.#options.link.delayMs })
    this.#phase = 'over'
    world.run(2 * this.#options.link.delayMs + (hadFaults ? REST_MS_AFTER_FAULTS : REST_MS))
    this.#simulation.close()
  }
}

const NOTHING: NetworkCounters = { sent: 0, lost: 0, duplicated: 0, corrupted: 0, severed: 0 }
