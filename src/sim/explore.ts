import type { Rules } from '../core/rules.ts'
import type { Violation } from './findings.ts'
import { describeEvent, SmallWorld, type Bounds, type SmallEvent } from './small-world.ts'

export type ExploreLimits = {
  /** States after which the exploration gives up. */
  readonly states: number
}

export type ExploreResult = {
  readonly states: number
  /** Of the longest way that was gone. */
  readonly depth: number
  /** Whether every order of events was gone through, within the bounds. */
  readonly isExhausted: boolean
  /** The most clients that were served on one way: what never happens is not checked. */
  readonly served: number
  readonly violation: (Violation & { readonly path: readonly string[] }) | undefined
}

/**
 * Goes through every order of everything that may happen in a small cluster, depth first, and stops
 * at the first violation. A host cannot be copied, so a state is reached again by its events; states
 * that were met before are not entered again.
 */
export function explore(bounds: Bounds, rules: Rules, limits: ExploreLimits): ExploreResult {
  const exploration = new Exploration(bounds, rules, limits)
  exploration.visit(new SmallWorld(bounds, rules))
  return exploration.result
}

class Exploration {
  readonly #bounds: Bounds
  readonly #rules: Rules
  readonly #limits: ExploreLimits
  readonly #met = new Set<string>()
  readonly #path: SmallEvent[] = []
  #depth = 0
  #served = 0
  #isCut = false
  #violation: ExploreResult['violation']

  constructor(bounds: Bounds, rules: Rules, limits: ExploreLimits) {
    this.#bounds = bounds
    this.#rules = rules
    this.#limits = limits
  }

  get result(): ExploreResult {
    return {
      states: this.#met.size,
      depth: this.#depth,
      isExhausted: !this.#isCut && this.#violation === undefined,
      served: this.#served,
      violation: this.#violation,
    }
  }

  /** `world` is at the end of the path, and is used up. */
  visit(world: SmallWorld): void {
    const [violation] = world.violations
    if (violation !== undefined) {
      this.#violation = { ...violation, path: this.#path.map(describeEvent) }
      return
    }
    const fingerprint = world.fingerprint()
    if (this.#met.has(fingerprint)) return
    if (this.#met.size >= this.#limits.states) {
      this.#isCut = true
      return
    }
    this.#met.add(fingerprint)
    this.#depth = Math.max(this.#depth, this.#path.length)
    this.#served = Math.max(this.#served, world.served)
    const events = world.events()
    for (const [i, event] of events.entries()) {
      // The last way on may go on with this very world; the others need one of their own.
      const next = i === events.length - 1 ? world : this.#replay()
      next.apply(event)
      this.#path.push(event)
      this.visit(next)
      this.#path.pop()
      if (this.#isCut || this.#violation !== undefined) return
    }
  }

  #replay(): SmallWorld {
    const world = new SmallWorld(this.#bounds, this.#rules)
    for (const event of this.#path) world.apply(event)
    return world
  }
}
