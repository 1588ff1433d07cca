import type { Random } from '../../src/lib/random.ts'

/** Values at which counters, lengths and comparisons turn over. */
const NUMBERS = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x400, 0x4b0, 0x7fff, 0x8000, 0xffff, 0x10_0000,
  0x10_0001, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_dfff, 0xffff_e000, 0xffff_fffe,
  0xffff_ffff,
]

/** A place in a format that deserves changes of its own. */
export type Field = { readonly at: number; readonly size: 1 | 2 | 3 | 4 }

/** Makes new inputs out of old ones, and some out of nothing. */
export class Mutator {
  readonly #random: Random
  readonly #lengthMax: number
  readonly #fields: readonly Field[]

  constructor(random: Random, lengthMax: number, fields: readonly Field[] = []) {
    this.#random = random
    this.#lengthMax = lengthMax
    this.#fields = fields
  }

  /** An input out of these, changed once or a few times; now and then noise. */
  next(corpus: readonly Uint8Array[]): Uint8Array {
    const random = this.#random
    if (corpus.length === 0 || random.below(16) === 0) return this.#noise()
    let bytes: Uint8Array = random.pick(corpus).slice()
    const changes = 1 + random.below(1 + random.below(4))
    for (let i = 0; i < changes; i++) bytes = this.#change(bytes, corpus)
    return bytes.length > this.#lengthMax ? bytes.subarray(0, this.#lengthMax) : bytes
  }

  #noise(): Uint8Array {
    const random = this.#random
    return random.bytes(random.below(random.pick([4, 32, 160, this.#lengthMax])))
  }

  #change(bytes: Uint8Array, corpus: readonly Uint8Array[]): Uint8Array {
    const random = this.#random
    const { length } = bytes
    if (length === 0) return this.#noise()
    const at = random.below(length)
    switch (random.below(9)) {
      case 0:
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
        return bytes
      case 2:
        bytes[at] = random.word()
        return bytes
      case 3:
        return this.#number(bytes, { at, size: random.pick([1, 2, 3, 4] as const) })
      case 4:
        return this.#fields.length === 0
          ? this.#number(bytes, { at, size: 4 })
          : this.#number(bytes, random.pick(this.#fields))
      case 5:
        return bytes.subarray(0, at)
      case 6:
        return join(bytes, this.#noise())
      case 7:
        return this.#splice(bytes, random.pick(corpus))
      default: {
        const end = Math.min(length, at + 1 + random.below(16))
        // A piece is taken out, or comes twice.
        return random.chance(0.5)
          ? join(bytes.subarray(0, at), bytes.subarray(end))
          : join(bytes.subarray(0, end), bytes.subarray(at))
      }
    }
  }

  #splice(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const at = this.#random.below(bytes.length + 1)
    const from = this.#random.chance(0.5) ? at : this.#random.below(other.length + 1)
    return join(bytes.subarray(0, at), other.subarray(from))
  }

  /** Another number in a field: a near one, or one at which something turns over. */
  #number(bytes: Uint8Array, { at, size }: Field): Uint8Array {
    if (at + size > bytes.length) return bytes
    const random = this.#random
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number)
    value = random.chance(0.5) ? random.pick(NUMBERS) : value + random.pick([-2, -1, 1, 2, 1024])
    const isBigEndian = random.below(4) === 0
    for (let i = 0; i < size; i++) {
      bytes[isBigEndian ? at + size - 1 - i : at + i] = value
      value = Math.floor(value / 256)
    }
    return bytes
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length)
  joined.set(a)
  joined.set(b, a.length)
  return joined
}
