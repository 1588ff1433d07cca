import { assert } from '../lib/assert.ts'
import type { Facts } from './facts.ts'
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
  next(
    state: State,
    used: Used,
  ): readonly { readonly value: string | undefined; readonly used: Used }[] {
    const next = new Map<Kind, { value: string | undefined; used: Used }>()
    const offer = (entry: Entry, kind: Kind, after: () => Used): void => {
      const { condition, value } = changeOf(entry)
      if (next.has(kind) || !holds(condition, state)) return
      if (!this.#facts.allows(state.version + 1, value, entry.host)) return
      next.set(kind, { value, used: after() })
    }
    // A version does not come again, and whoever waits for it need not be remembered.
    for (const entry of this.#once.get(state.version) ?? [])
      offer(entry, this.#kindOf(entry), () => used)
    for (const [number, { kind, entries }] of this.#classes.entries()) {
      const entry = entries[used[number] ?? 0]
      if (entry !== undefined) offer(entry, kind, () => withOne(used, number))
    }
    return [...next.values()]
  }

  /** Whether with the one used there is left what can stand in for all that is left with the other. */
  hasLeft(one: Used, other: Used): boolean {
    for (const { absent, always } of this.#kinds.values()) {
      const rare = (one[absent] ?? 0) - (other[absent] ?? 0)
      const common = (one[always] ?? 0) - (other[always] ?? 0)
      if (common > 0 || rare + common > 0) return false
    }
    return true
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

function changeOf({ operation }: Entry): Change {
  assert(operation.type === 'change', 'only a change is uncertain')
  return operation
}

function withOne(used: Used, number: number): Used {
  const next = Array.from({ length: Math.max(used.length, number + 1) }, (_, i) => used[i] ?? 0)
  next[number] = (next[number] ?? 0) + 1
  return next
}
