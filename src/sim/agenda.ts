type Entry = { readonly at: number; readonly sequence: number; readonly run: () => void }

/**
 * What is to happen, by true time and then in the order in which it was put down: a binary heap.
 * The second key is what makes a run repeatable, since much happens at one instant.
 */
export class Agenda {
  readonly #heap: Entry[] = []
  #sequence = 0

  get size(): number {
    return this.#heap.length
  }

  /** When the first entry is due; Infinity where there is none. */
  get next(): number {
    return this.#heap[0]?.at ?? Infinity
  }

  add(at: number, run: () => void): void {
    const entry = { at, sequence: this.#sequence++, run }
    const heap = this.#heap
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent] as Entry
      if (!precedes(entry, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  /** Takes the first entry off. */
  take(): { readonly at: number; readonly run: () => void } | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (last !== undefined && last !== first) this.#sink(last)
    return first
  }

  #sink(entry: Entry): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      let below = heap[child]
      if (below === undefined) break
      const right = heap[child + 1]
      if (right !== undefined && precedes(right, below)) {
        child += 1
        below = right
      }
      if (!precedes(below, entry)) break
      heap[index] = below
      index = child
    }
    heap[index] = entry
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence)
}
