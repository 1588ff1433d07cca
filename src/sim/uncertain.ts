import type { Condition } from '../core/variable.ts'
import { assert } from '../lib/assert.ts'
import { SET, UNSET, type Facts } from './facts.ts'
import { holds, type Entry, type Operation } from './history.ts'

/** How many of each class have taken effect, by the number of the class. */
export type Used = readonly number[]

type Change = Extract<Operation, { type: 'change' }>

type State = { readonly version: number; readonly value: string | undefined }

/**
 * Uncertain changes that nobody can tell apart: of one kind, and on one condition. Since none of
 * them has a last moment, it is enough to count them.
 */
type Class = { readonly kind: Kind; readonly entries: Entry[] }

/** The numbers of a kind's two classes. */
type Kind = { readonly absent: number; readonly always: number }

/** Changes that were invoked, and of which nobody knows whether they have taken effect. */
export class Uncertain {
  readonly #facts: Facts
  readonly #kinds = new Map<string, Kind>()
  readonly #classes: Class[] = []
  /** Those on the condition of one version, by that: at most one of them ever takes effect. */
  readonly #once = new Map<number, Entry[]>()

  constructor(facts: Facts) {
    this.#facts = facts
  }

  invoke(entry: Entry): void {
    const { condition } = changeOf(entry)
    if (condition.type === 'version') {
      const { version } = condition
      this.#once.set(version, [...(this.#once.get(version) ?? []), entry])
    } else {
      const kind = this.#kindOf(entry)
      this.#classes[kind[condition.type]]?.entries.push(entry)
    }
  }

  /**
   * What the next version may be, and what is used then. Of one kind only the change whose condition
   * holds most rarely: any other of its kind can take its place later.
   */
  next(state: State, used: Used): readonly Candidate[] {
    const { version } = state
    const next = new Map<Kind, Candidate>()
    const offer = (entry: Entry, kind: Kind, after: () => Used): void => {
      const { condition, value } = changeOf(entry)
      if (next.has(kind) || !holds(condition, state)) return
      if (!this.#facts.allows(version + 1, value, entry.host)) return
      const isNeeded = this.#facts.isNeeded(value, entry.host)
      next.set(kind, { value, used: after(), isNeeded, rank: RANKS.indexOf(condition.type) })
    }
    // A version does not come again, and whoever waits for it need not be remembered.
    for (const entry of this.#once.get(version) ?? []) offer(entry, this.#kindOf(entry), () => used)
    for (const [number, { kind, entries }] of this.#classes.entries()) {
      const entry = entries[used[number] ?? 0]
      if (entry !== undefined) offer(entry, kind, () => withOne(used, number))
    }
    const all = [...next.values()]
    return this.#facts.isTold(version + 1) ? all : best(all, this.#facts.mayCreate(version + 2))
  }

  /**
   * Whether with the one used there is left what can stand in for all that is left with the other: of
   * the same kind, on a condition that holds no more rarely; and an unset for a set, where no version
   * needs either, since a register without a value lets more happen.
   */
  hasLeft(one: Used, other: Used): boolean {
    const more = (number: number | undefined): number =>
      number === undefined ? 0 : (one[number] ?? 0) - (other[number] ?? 0)
    const set = this.#kinds.get(SET)
    const unset = this.#kinds.get(UNSET)
    for (const kind of this.#kinds.values()) {
      if (kind === set || kind === unset) continue
      if (more(kind.always) > 0 || more(kind.always) + more(kind.absent) > 0) return false
    }
    const unsets = more(unset?.always)
    const anyUnsets = unsets + more(unset?.absent)
    const always = unsets + more(set?.always)
    // Hall's condition, for each set of classes with all that can stand in for one of them.
    return (
      unsets <= 0 &&
      anyUnsets <= 0 &&
      always <= 0 &&
      always + more(unset?.absent) <= 0 &&
      always + more(unset?.absent) + more(set?.absent) <= 0
    )
  }

  /** How many are used of those that some version needs. */
  countNeeded(used: Used): number {
    let count = 0
    for (const [name, { absent, always }] of this.#kinds) {
      if (name !== SET && name !== UNSET) count += (used[absent] ?? 0) + (used[always] ?? 0)
    }
    return count
  }

  /** Made where it is met first, the rarer condition before the other. */
  #kindOf(entry: Entry): Kind {
    const name = this.#facts.kindOf(changeOf(entry).value, entry.host)
    const present = this.#kinds.get(name)
    if (present !== undefined) return present
    const kind = { absent: this.#classes.length, always: this.#classes.length + 1 }
    this.#classes.push({ kind, entries: [] }, { kind, entries: [] })
    this.#kinds.set(name, kind)
    return kind
  }
}

/** From the condition that holds most rarely to the one that always does. */
const RANKS: readonly Condition['type'][] = ['version', 'absent', 'always']

type Candidate = {
  readonly value: string | undefined
  readonly used: Used
  /** Some version that was told of must have been made by this, or by one like it. */
  readonly isNeeded: boolean
  readonly rank: number
}

/** Of the candidates for a version that nobody was told of, those that no other can stand in for. */
function best(candidates: readonly Candidate[], doesValueMatter: boolean): readonly Candidate[] {
  let kept: Candidate[] = []
  for (const candidate of candidates) {
    if (kept.some(other => standsIn(other, candidate, doesValueMatter))) continue
    kept = kept.filter(other => !standsIn(candidate, other, doesValueMatter))
    kept.push(candidate)
  }
  return kept
}

/**
 * Whether wherever `b` takes effect here, `a` can, and `b` there where `a` would have: a register
 * without a value lets more happen, if anything.
 */
function standsIn(a: Candidate, b: Candidate, doesValueMatter: boolean): boolean {
  if (a.isNeeded || a.rank > b.rank) return false
  if ((a.value === undefined) === (b.value === undefined)) return true
  return a.value === undefined ? a.rank === 0 : !doesValueMatter
}

function changeOf({ operation }: Entry): Change {
  assert(operation.type === 'change', 'only a change is uncertain')
  return operation
}

function withOne(used: Used, number: number): Used {
  const next = Array.from({ length: Math.max(used.length, number + 1) }, (_, i) => used[i] ?? 0)
  next[number] = (next[number] ?? 0) + 1
  return next
}
