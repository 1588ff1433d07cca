import type { Change } from './variable.ts'

/** As many changes wait as they came; beyond, only the newest of each name. */
const ROOM = 64

/** Changes that came and have not been taken: not more than there is room, or than there are names. */
export class Backlog {
  /** In the order in which they came. */
  readonly #changes = new Map<number, Change>()
  /** Where the newest of each name is. */
  readonly #newest = new Map<string, number>()
  #next = 0

  push(change: Change): void {
    const at = this.#newest.get(change.name)
    const before = at === undefined ? undefined : this.#changes.get(at)
    if (at !== undefined && before !== undefined && this.#changes.size >= ROOM) {
      const skipped = (before.skipped ?? 0) + 1 + (change.skipped ?? 0)
      this.#changes.set(at, { ...change, skipped })
      return
    }
    this.#newest.set(change.name, this.#next)
    this.#changes.set(this.#next, change)
    this.#next += 1
  }

  shift(): Change | undefined {
    for (const [at, change] of this.#changes) {
      this.#changes.delete(at)
      if (this.#newest.get(change.name) === at) this.#newest.delete(change.name)
      return change
    }
    return undefined
  }

  clear(): void {
    this.#changes.clear()
    this.#newest.clear()
  }
}
