import type { HostId } from '../core/clock.ts'
import type { CommandId, NodeEvent, Response } from '../core/command.ts'
import type { Condition, Variable } from '../core/variable.ts'
import type { Random } from '../lib/random.ts'
import { milliseconds } from '../lib/time.ts'
import { checkHistory, WORK_MAX } from './disorder.ts'
import { Findings, type Violation } from './findings.ts'
import type { Entry } from './history.ts'
import {
  bytesOf,
  heldOf,
  VariableHistory,
  type Open,
  type VariableCommand,
} from './variable-history.ts'
import { Watches } from './watches.ts'

export type VariableCounts = {
  readonly variableOperations: number
  readonly uncertainChanges: number
}

export const NO_VARIABLES: VariableCounts = { variableOperations: 0, uncertainChanges: 0 }

/** What clients of shared variables need of a world, whichever it is. */
export type VariableWorld = {
  readonly now: number
  readonly ids: readonly HostId[]
  after(ms: number, run: () => void): void
  /** Whether its process runs, and is not held up. */
  isRunning(host: HostId): boolean
  /** Counts its starts; it may be down. */
  lifeOf(host: HostId): number
  execute(host: HostId, command: VariableCommand): CommandId
  /** What a host knows without asking anybody. */
  variable(host: HostId, name: string): Variable
}

/** How clients of shared variables behave. Chances are 0..1; the rest of the changes are sets. */
export type VariableHabits = {
  readonly names: readonly string[]
  readonly clientsPerHost: number
  readonly thinkMsMax: number
  readonly waitMsMax: number
  readonly gets: number
  readonly unsets: number
  /** Only if it is still what the client was told last; at times that is long ago. */
  readonly conditional: number
  readonly creations: number
  readonly paddingMax: number
}

export type VariableOptions = {
  readonly habits: VariableHabits
  /** Disks that take up to so long to write; locks do not notice, acceptors must. */
  readonly slowDisks: { readonly syncMsMax: number; readonly areAll: boolean } | undefined
  readonly random: Random
}

/** One that asks for one thing at a time. */
type Client = {
  readonly name: string
  readonly host: HostId
  /** The version of each variable that it was told last. */
  readonly told: Map<string, number>
}

/** An answer may be so much later than the deadline: a tick has to come, and clocks drift. */
const LATE_MS = 100
const LATE_SHARE = 0.05

/**
 * When all is well, whatever is under way ends within this: where every majority needs a disk that
 * takes seconds, three proposers outbid each other for a while before one has its two writes.
 */
const FINAL_MS = 120_000

/** What was accepted and not learned for a second is read, which takes a while where disks are slow. */
const SETTLED_MS = 3000

/** Once nobody changes anything, all hosts know it within this. */
const CONVERGENCE_MS = 10_000

const STEP_MS = 100

/**
 * Clients of every host that read and change a few shared variables between them; their history is
 * checked at the end, when all hosts must know what is newest.
 */
export class VariableClients {
  readonly #world: VariableWorld
  readonly #habits: VariableHabits
  readonly #random: Random
  readonly #findings = new Findings()
  readonly #history = new VariableHistory(this.#findings)
  readonly #watches = new Watches(this.#findings)
  readonly #asking = new Map<CommandId, Client>()
  #isStopped = false
  #values = 0

  constructor(world: VariableWorld, { habits, random }: VariableOptions) {
    this.#world = world
    this.#habits = habits
    this.#random = random
  }

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  get entries(): readonly Entry[] {
    return this.#history.entries
  }

  /** For the statistics: what was asked, and what came of it. */
  get counts(): VariableCounts {
    const { entries } = this
    const uncertain = entries.filter(({ outcome }) => outcome.type === 'uncertain')
    return { variableOperations: entries.length, uncertainChanges: uncertain.length }
  }

  start(): void {
    for (const host of this.#world.ids) {
      for (let i = 1; i <= this.#habits.clientsPerHost; i++)
        this.#think({ name: `${host}.${i}`, host, told: new Map() })
    }
  }

  /** For the world: a host's answer to any command. */
  response(host: HostId, id: CommandId, response: Response): void {
    if (!this.#history.answered(this.#world.now, host, id, response)) return
    const client = this.#asking.get(id)
    this.#asking.delete(id)
    if (client === undefined) return
    if ('variable' in response) client.told.set(response.variable.name, response.variable.version)
    if (response.type === 'differs')
      client.told.set(response.current.name, response.current.version)
    this.#think(client)
  }

  event(host: HostId, event: NodeEvent): void {
    if (event.type !== 'change') return
    const { now } = this.#world
    this.#watches.changed(now, host, this.#world.lifeOf(host), event.variable)
    this.#history.learned(now, host, event.variable)
  }

  /**
   * All faults are over: what is under way ends, every host reads everything, all come to know the
   * same, and read it once more. `run` lets so much time pass.
   */
  finish(run: (ms: number) => void): void {
    const world = this.#world
    this.#isStopped = true
    const until = (isSo: () => boolean, msMax: number): void => {
      for (const end = world.now + msMax; world.now < end && !isSo();) run(STEP_MS)
    }
    const isAnswered = (): boolean => this.#history.openCount === 0
    until(isAnswered, FINAL_MS)
    // Whatever somebody accepted, and nobody learned, is settled by now.
    run(SETTLED_MS)
    for (let round = 1; round <= 2; round++) {
      const asked = this.#readAll()
      until(isAnswered, FINAL_MS)
      until(() => this.#strangers(asked).length === 0, CONVERGENCE_MS)
      for (const text of this.#strangers(asked)) this.#findings.add(world.now, text)
    }
    const verdict = checkHistory([...this.entries, ...this.#history.told], WORK_MAX)
    for (const { at, text } of verdict.disorders) this.#findings.add(at, text)
    for (const name of verdict.tooLarge) {
      this.#findings.add(world.now, `the history of ${name} is too large to be checked`)
    }
    const lives = new Map(world.ids.map(host => [host, world.lifeOf(host)] as const))
    const [some] = world.ids
    const newest = this.#habits.names.map(
      name => [name, some === undefined ? 0 : world.variable(some, name).version] as const,
    )
    this.#watches.finish(world.now, lives, new Map(newest))
  }

  #readAll(): readonly CommandId[] {
    const wait = milliseconds(FINAL_MS / 2)
    return this.#world.ids.flatMap(host =>
      this.#habits.names.map(name => this.#ask('the end', host, { type: 'get', name, wait })),
    )
  }

  /** Who could not read, and who does not know what is newest, without asking anybody. */
  #strangers(reads: readonly CommandId[]): readonly string[] {
    const { ids } = this.#world
    const outcomes = reads.flatMap(id => this.#history.entry(id) ?? [])
    const texts = outcomes
      .filter(({ outcome }) => outcome.type !== 'value')
      .map(({ host, name }) => `host ${host ?? '?'} cannot read ${name} at the end`)
    for (const name of this.#habits.names) {
      const known = ids.map(host => ({ host, held: heldOf(this.#world.variable(host, name)) }))
      const read = outcomes.flatMap(each =>
        each.name === name && each.outcome.type === 'value' ? [each.outcome] : [],
      )
      const newest = [...known.map(({ held }) => held), ...read].reduce((a, b) =>
        b.version > a.version ? b : a,
      )
      for (const { host, held } of known) {
        if (held.version === newest.version && held.value === newest.value) continue
        const has = `knows version ${held.version} of ${name} at the end`
        texts.push(`host ${host} ${has}, and there is ${newest.version}`)
      }
    }
    return texts
  }

  #think(client: Client): void {
    const { thinkMsMax } = this.#habits
    const ms = this.#random.fraction() ** 2 * thinkMsMax
    this.#world.after(ms, () => {
      if (this.#isStopped) return
      if (!this.#world.isRunning(client.host)) this.#think(client)
      else {
        const id = this.#ask(client.name, client.host, this.#command(client))
        this.#asking.set(id, client)
      }
    })
  }

  #ask(client: string, host: HostId, command: VariableCommand): CommandId {
    const world = this.#world
    const id = world.execute(host, command)
    const open: Open = {
      id,
      client,
      host,
      life: world.lifeOf(host),
      invoked: world.now,
      command,
    }
    this.#history.asked(open)
    this.#watch(open, command.wait * (1 + LATE_SHARE) + LATE_MS, false)
    return id
  }

  /** A host that stood still has a moment more: it must have run twice in a row. */
  #watch(open: Open, ms: number, hasRun: boolean): void {
    const world = this.#world
    world.after(ms, () => {
      const { id, host, life, command } = open
      if (!this.#history.isOpen(id)) return
      const isRunning = world.isRunning(host)
      if (world.lifeOf(host) === life && !(isRunning && hasRun)) {
        this.#watch(open, LATE_MS, isRunning)
        return
      }
      if (world.lifeOf(host) === life) {
        const late = (world.now - open.invoked).toFixed(0)
        const what = `a ${command.type} of ${command.name} that had ${command.wait.toFixed(0)} ms`
        this.#findings.add(world.now, `host ${host} has not answered ${what} after ${late}`)
      }
      const client = this.#asking.get(id)
      this.#asking.delete(id)
      this.#history.abandoned(open)
      if (client !== undefined) this.#think(client)
    })
  }

  #command(client: Client): VariableCommand {
    const { names, waitMsMax, gets, unsets, paddingMax } = this.#habits
    const random = this.#random
    const name = random.pick(names)
    const waitMs = random.between(1, waitMsMax)
    if (random.chance(gets)) return { type: 'get', name, wait: milliseconds(waitMs) }
    this.#values += 1
    const isUnset = random.chance(unsets)
    const padding = random.chance(0.1) ? random.below(paddingMax + 1) : 0
    const bytes = isUnset ? undefined : bytesOf(`v${this.#values}`, padding)
    const wait = milliseconds(waitMs)
    return { type: 'change', name, bytes, condition: this.#condition(client, name), wait }
  }

  #condition({ told }: Client, name: string): Condition {
    const { conditional, creations } = this.#habits
    const draw = this.#random.fraction()
    if (draw < creations) return { type: 'absent' }
    if (draw >= creations + conditional) return { type: 'always' }
    const known = told.get(name) ?? 0
    const version = this.#random.chance(0.1) ? this.#random.below(known + 2) : known
    return { type: 'version', version }
  }
}

/** Whether a run has clients of variables, and of what kind; `undefined`: it has none. */
export function drawVariables(random: Random): VariableOptions | undefined {
  if (random.chance(0.5)) return undefined
  const habits = {
    // A few names, so that clients meet.
    names: ['x', 'y', 'z'].slice(0, 1 + random.below(3)),
    clientsPerHost: 1 + random.below(2),
    thinkMsMax: random.pick([300, 1500, 4000]),
    waitMsMax: random.pick([30, 500, 5000]),
    gets: random.pick([0.2, 0.5]),
    unsets: random.pick([0, 0.15]),
    conditional: random.pick([0, 0.3, 0.6]),
    creations: random.pick([0, 0.1]),
    paddingMax: random.pick([0, 0, 8000]),
  }
  const slowDisks = random.pick([
    undefined,
    { syncMsMax: 300, areAll: true },
    { syncMsMax: 500, areAll: false },
    { syncMsMax: 4000, areAll: false },
  ])
  return { habits, slowDisks, random }
}
