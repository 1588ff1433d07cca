import { HOST_ID_LIMIT, type HostId } from './clock.ts'

const WORDS = HOST_ID_LIMIT / 32

/** Hosts, a bit each: whether two of many hear each other is asked far more often than it changes. */
export class HostSet {
  readonly ids: readonly HostId[]
  readonly #words = new Uint32Array(WORDS)

  constructor(ids: Iterable<HostId>) {
    this.ids = [...ids]
    for (const id of this.ids) this.#words[id >>> 5] = this.#word(id) | (1 << (id & 31))
  }

  has(id: HostId): boolean {
    return ((this.#word(id) >>> (id & 31)) & 1) === 1
  }

  equals(other: HostSet): boolean {
    return this.#words.every((word, i) => word === other.#words[i])
  }

  #word(id: HostId): number {
    return this.#words[id >>> 5] ?? 0
  }
}
