import { assert } from '../lib/assert.ts'
import type { Instant } from '../lib/time.ts'
import { gatherFacts, type Facts } from './facts.ts'
import { holds, type Entry } from './history.ts'
import { Uncertain, type Used } from './uncertain.ts'

/** Whether one register's history can be put in an order. */
export type Decision = 'linearizable' | 'not linearizable' | 'too large'

/**
 * Whether the operations of one register can be put in one order that a register, doing one at a
 * time, would have answered in the same way, and in which whatever had returned before something
 * else was invoked precedes it (Herlihy and Wing 1990).
 *
 * The search is Wing and Gong's (1993) with Lowe's just-in-time linearization and memory of
 * configurations ("Testing for linearizability", 2017): events are gone through once, with all
 * configurations that are possible so far, and a change is put in order only when the return of
 * something cannot be explained without. One register at a time is enough (Horn and Kroening 2015).
 * Versions, which rise by one, say for most changes which is next; where nobody has said so, any
 * uncertain change may be.
 */
export function decide(entries: readonly Entry[], workMax: number): Decision {
  const facts = gatherFacts(entries)
  // Two clients were told of one version what cannot be both: no order helps.
  if (facts === undefined) return 'not linearizable'
  // Most histories are right, and show it at the first glance, which is not proof of the contrary.
  const glance = new Search(entries, facts, { workMax, widthMax: GLANCE_WIDTH })
  const decision = glance.run()
  if (decision === 'linearizable' || !glance.hasLeftOut) return decision
  return new Search(entries, facts, { workMax, widthMax: Infinity }).run()
}

/** Configurations of one version that are looked into at first. */
const GLANCE_WIDTH = 50

type Limits = { readonly workMax: number; readonly widthMax: number }

/** An operation in the search; the lower its index, the sooner it was invoked. */
type Step = { readonly index: number; readonly entry: Entry }

/** What may be so, of all that was invoked so far. */
type Configuration = {
  readonly version: number
  readonly value: string | undefined
  /** Indices, rising, of reads that are in order already and have not returned. */
  readonly done: readonly number[]
  /** Uncertain changes that have taken effect. */
  readonly used: Used
}

type Event = { readonly at: Instant; readonly isReturn: boolean; readonly step: Step }

class Search {
  readonly #facts: Facts
  readonly #limits: Limits
  readonly #events: readonly Event[]
  readonly #uncertain: Uncertain
  /** Invoked, and told what was there; not returned. By version. */
  readonly #reads = new Map<number, Set<Step>>()
  /** Changes that were invoked and said that they have made a version. */
  readonly #makers = new Map<number, Entry>()
  /** Configurations, and comparisons of two. */
  #work = 0
  #hasLeftOut = false

  constructor(entries: readonly Entry[], facts: Facts, limits: Limits) {
    this.#facts = facts
    this.#limits = limits
    this.#uncertain = new Uncertain(facts)
    const steps = entries
      .filter(({ outcome }) => outcome.type !== 'none')
      .sort((a, b) => a.invoked - b.invoked)
      .map((entry, index) => ({ index, entry }))
    this.#events = eventsOf(steps)
  }

  /** Whether some configurations were left out, so that `not linearizable` proves nothing. */
  get hasLeftOut(): boolean {
    return this.#hasLeftOut
  }

  run(): Decision {
    let possible: readonly Configuration[] = [{ version: 0, value: undefined, done: [], used: [] }]
    for (const { isReturn, step } of this.#events) {
      if (!isReturn) {
        this.#invoke(step)
        if ('value' in step.entry.outcome) possible = possible.map(each => this.#withReads(each))
        continue
      }
      const next = this.#explain(possible, step)
      if (next === undefined) return 'too large'
      if (next.length === 0) return 'not linearizable'
      possible = next
      const { outcome } = step.entry
      if ('value' in outcome) this.#reads.get(outcome.version)?.delete(step)
    }
    return 'linearizable'
  }

  #invoke(step: Step): void {
    const { outcome } = step.entry
    if ('value' in outcome) {
      const { version } = outcome
      this.#reads.set(version, (this.#reads.get(version) ?? new Set()).add(step))
    } else if (outcome.type === 'changed') this.#makers.set(outcome.version, step.entry)
    else this.#uncertain.invoke(step.entry)
  }

  /** The configurations in which this has happened by now; `undefined`: too many. */
  #explain(possible: readonly Configuration[], step: Step): readonly Configuration[] | undefined {
    const { outcome } = step.entry
    assert('version' in outcome, 'only what has told something returns')
    const { version } = outcome
    const explained: Configuration[] = []
    const layers: Layers = new Map()
    for (const each of possible) add(layers, each)
    for (let at = Math.min(...layers.keys()); layers.size > 0; at++) {
      const layer = this.#best(layers.get(at) ?? [])
      layers.delete(at)
      if (this.#work > this.#limits.workMax) return undefined
      for (const each of layer) {
        const isDone = outcome.type === 'changed' ? at >= version : each.done.includes(step.index)
        if (isDone) explained.push({ ...each, done: each.done.filter(i => i !== step.index) })
        else if (at < version) for (const next of this.#successors(each)) add(layers, next)
      }
    }
    return explained
  }

  /** Each way in which the next version can come about. */
  #successors(configuration: Configuration): readonly Configuration[] {
    const version = configuration.version + 1
    const { done, used } = configuration
    if (!this.#facts.made.has(version)) {
      return this.#uncertain
        .next(configuration, used)
        .map(({ value, used }) => this.#withReads({ version, value, done, used }))
    }
    const { operation } = this.#makers.get(version) ?? {}
    if (operation?.type !== 'change' || !holds(operation.condition, configuration)) return []
    return [this.#withReads({ version, value: operation.value, done, used })]
  }

  /**
   * What only looks is put in order at once where it fits: it changes nothing, so that nothing can
   * be had by putting it off.
   */
  #withReads(configuration: Configuration): Configuration {
    const { version, done } = configuration
    const fitting = [...(this.#reads.get(version) ?? [])]
      .filter(({ index, entry }) => !done.includes(index) && fits(entry, configuration))
      .map(({ index }) => index)
    if (fitting.length === 0) return configuration
    return { ...configuration, done: [...done, ...fitting].sort((a, b) => a - b) }
  }

  /** Of configurations of one version, those that none of the others can stand in for. */
  #best(layer: readonly Configuration[]): readonly Configuration[] {
    this.#work += layer.length
    if (layer.length < 2) return layer
    const groups = new Map<string, Configuration[]>()
    for (const each of layer) {
      // Of a version that was told of, all have the same value.
      const key = each.done.join()
      const group = groups.get(key) ?? []
      groups.set(key, group)
      this.#work += group.length
      if (this.#work > this.#limits.workMax) return []
      if (group.some(other => this.#standsIn(other, each))) continue
      const rest = group.filter(other => !this.#standsIn(each, other))
      if (rest.length < group.length) groups.set(key, [...rest, each])
      else group.push(each)
    }
    return this.#within([...groups.values()].flat())
  }

  /** So many as are looked into: those that keep most of what is needed for some version. */
  #within(layer: readonly Configuration[]): readonly Configuration[] {
    const { widthMax } = this.#limits
    if (layer.length <= widthMax) return layer
    this.#hasLeftOut = true
    return layer
      .map(each => ({ each, needed: this.#uncertain.countNeeded(each.used) }))
      .sort((a, b) => a.needed - b.needed)
      .slice(0, widthMax)
      .map(({ each }) => each)
  }

  /** Whether all that may follow the one may follow the other. */
  #standsIn(a: Configuration, b: Configuration): boolean {
    if (a.value !== undefined && b.value === undefined) return false
    return this.#uncertain.hasLeft(a.used, b.used)
  }
}

/** Of what falls together, invocations first: it may have overlapped. */
function eventsOf(steps: readonly Step[]): readonly Event[] {
  const events: Event[] = steps.map(step => ({ at: step.entry.invoked, isReturn: false, step }))
  for (const step of steps) {
    const { returned, outcome } = step.entry
    if (outcome.type === 'uncertain') continue
    assert(returned !== undefined, 'what was told was told at some time')
    events.push({ at: returned, isReturn: true, step })
  }
  return events.sort((a, b) => a.at - b.at || Number(a.isReturn) - Number(b.isReturn))
}

type Layers = Map<number, Configuration[]>

function add(layers: Layers, configuration: Configuration): void {
  const layer = layers.get(configuration.version)
  if (layer === undefined) layers.set(configuration.version, [configuration])
  else layer.push(configuration)
}

/** Whether what its client was told is what it finds here. */
function fits({ operation, outcome }: Entry, { version, value }: Configuration): boolean {
  if (!('value' in outcome) || outcome.version !== version || outcome.value !== value) return false
  return operation.type === 'get' || !holds(operation.condition, outcome)
}
