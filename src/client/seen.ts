import type { ChangeParams, VariableEntry } from '../control/protocol.ts'

/** How many names that are not set are remembered; of more, the oldest are forgotten. */
const GONE_MAX = 1000

/**
 * What a watch has heard, through all connections that it has had: it decides what is news. A daemon
 * tells anew of all that is set whenever a watch begins, and one that was killed may know less than
 * it did.
 */
export class Seen {
  /** Versions of what has a value. */
  readonly #set = new Map<string, number>()
  /** Versions of what has none, the oldest first. */
  readonly #gone = new Map<string, number>()
  readonly #reportsInitial: boolean
  /** What was set when the watch began has been heard: whatever is newer has changed since. */
  #isWhole = false
  /** Of which names the present connection has told; `undefined` once it is told of all. */
  #told: Set<string> | undefined

  /** @param reportsInitial whether what is set at first is news */
  constructor(reportsInitial: boolean) {
    this.#reportsInitial = reportsInitial
  }

  /** As if it had been told of this version. */
  assume(name: string, version: number): void {
    this.#gone.set(name, version)
  }

  /** A connection begins to tell what is set. */
  begin(): void {
    this.#told = new Set()
  }

  /** Whether it is news; then how many versions were missed before it. */
  take(
    entry: VariableEntry & Pick<ChangeParams, 'initial'>,
  ): { readonly skipped: number } | undefined {
    const { name, version, initial } = entry
    const before = this.#set.get(name) ?? this.#gone.get(name)
    this.#told?.add(name)
    if (before !== undefined && version <= before) return undefined
    this.#remember(name, version, entry.deleted === true)
    if (before !== undefined) return { skipped: version - before - 1 }
    const isKnown = initial === true && !this.#isWhole && !this.#reportsInitial
    return isKnown ? undefined : { skipped: 0 }
  }

  /** The connection has told of all that is set: what it left out has been unset meanwhile. */
  whole(): readonly string[] {
    const told = this.#told ?? new Set<string>()
    this.#told = undefined
    this.#isWhole = true
    return [...this.#set.keys()].filter(name => !told.has(name))
  }

  #remember(name: string, version: number, isGone: boolean): void {
    this.#set.delete(name)
    this.#gone.delete(name)
    if (!isGone) {
      this.#set.set(name, version)
      return
    }
    this.#gone.set(name, version)
    if (this.#gone.size <= GONE_MAX) return
    const [oldest = name] = this.#gone.keys()
    this.#gone.delete(oldest)
  }
}
