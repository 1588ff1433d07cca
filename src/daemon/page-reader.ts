import { readSync } from 'node:fs'

/** Pages of the file that are next to each other, and are read together. */
type Stretch = { readonly bytes: Buffer; readonly first: number; readonly count: number }

const STRETCH_PAGES = 16
/** A passage goes to and fro between what was written together. */
const STRETCHES = 2

/**
 * Reads pages, each one by itself, or with its neighbours where one of those was read last: what is
 * written together is read together, and a read costs more than a page.
 */
export class PageReader {
  readonly #file: number
  readonly #pageBytes: number
  /** The newest first. */
  readonly #stretches: Stretch[] = []
  #last = -Infinity

  constructor(file: number, pageBytes: number) {
    this.#file = file
    this.#pageBytes = pageBytes
  }

  /** Its memory is used again as soon as others are read; `undefined` where the file ends before. */
  read(number: number): Buffer | undefined {
    const last = this.#last
    this.#last = number
    const known = this.#stretches.find(
      ({ first, count }) => number - first < count && number >= first,
    )
    if (known !== undefined) return this.#pageOf(known, number)
    const isNear = Math.abs(number - last) <= STRETCH_PAGES
    const first = isNear ? number - (number % STRETCH_PAGES) : number
    const stretch = this.#stretch(first, isNear ? STRETCH_PAGES : 1)
    return number - first < stretch.count ? this.#pageOf(stretch, number) : undefined
  }

  #pageOf({ bytes, first }: Stretch, number: number): Buffer {
    const at = (number - first) * this.#pageBytes
    return bytes.subarray(at, at + this.#pageBytes)
  }

  #stretch(first: number, pages: number): Stretch {
    const oldest = this.#stretches.length < STRETCHES ? undefined : this.#stretches.pop()
    const bytes = oldest?.bytes ?? Buffer.alloc(STRETCH_PAGES * this.#pageBytes)
    const length = pages * this.#pageBytes
    const count = readSync(this.#file, bytes, 0, length, first * this.#pageBytes) / this.#pageBytes
    const stretch = { bytes, first, count: Math.floor(count) }
    this.#stretches.unshift(stretch)
    return stretch
  }
}
