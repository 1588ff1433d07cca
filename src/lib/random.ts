/**
 * Seeded chance: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state, filled from one seed by
 * splitmix32. Not for keys; everything that a stranger must not guess comes from the driver.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    let state = seed | 0
    const word = (): number => {
      state = (state + 0x9e3779b9) | 0
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.#a = word()
    this.#b = word()
    this.#c = word()
    for (let i = 0; i < 12; i++) this.word()
  }

  /** 32 random bits, unsigned. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** At least 0 and below 1. */
  fraction(): number {
    return this.word() / 0x1_0000_0000
  }

  /** A whole number, at least 0 and below `bound`. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  /** A number between the two, evenly. */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low)
  }

  /** True once in `1 / probability` calls. */
  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  /** One of the items; the list is not empty. */
  pick<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Bytes that nobody who lacks the seed can tell from noise at a glance; not for keys. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.word() >>> 24
    return bytes
  }

  /** An independent stream, so that one part's draws do not move another's. */
  fork(): Random {
    return new Random(this.word())
  }
}
