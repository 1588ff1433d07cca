/** Pages of the file that are next to each other, and are read together. */
type Stretch = { readonly bytes: Buffer; readonly first: number; readonly count: number }

const STRETCH_PAGES = 16
/** A passage goes to and fro between what was written together. */
const STRETCHES = 2

/** Like `readSync` of one file: how many bytes it has read, fewer where the file ends or a sector is bad. */
export type ReadAt = (bytes: Buffer, length: number, position: number) => number

/**
 * Reads pages, each one by itself, or with its neighbours where one of those was read last: what is
 * written together is read together, and a read costs more than a page.
 */
export class PageReader {
  readonly #readAt: ReadAt
  readonly #pageBytes: number
  /** The newest first. */
  readonly #stretches: Stretch[] = []
  #last = -Infinity

  constructor(readAt: ReadAt, pageBytes: number) {
    this.#readAt = readAt
    this.#pageBytes = pageBytes
  }

  /**
   * Its memory is used again as soon as others are read; `undefined` where the file ends before. A
   * page that cannot be read throws what the system says of it; of its neighbours that is no concern.
   */
  read(number: number): Buffer | undefined {
    const isNear = Math.abs(number - this.#last) <= STRETCH_PAGES
    this.#last = number
    for (const stretch of this.#stretches) {
      const page = this.#pageOf(stretch, number)
      if (page !== undefined) return page
    }
    if (isNear) {
      const page = this.#pageOf(this.#neighbours(number - (number % STRETCH_PAGES)), number)
      if (page !== undefined) return page
    }
    return this.#pageOf(this.#stretch(number, 1), number)
  }

  #pageOf({ bytes, first, count }: Stretch, number: number): Buffer | undefined {
    const index = number - first
    if (index < 0 || index >= count) return undefined
    return bytes.subarray(index * this.#pageBytes, (index + 1) * this.#pageBytes)
  }

  #neighbours(first: number): Stretch {
    try {
      return this.#stretch(first, STRETCH_PAGES)
    } catch {
      return { bytes: Buffer.alloc(0), first, count: 0 }
    }
  }

  #stretch(first: number, pages: number): Stretch {
    const oldest = this.#stretches.length < STRETCHES ? undefined : this.#stretches.pop()
    const bytes = oldest?.bytes ?? Buffer.alloc(STRETCH_PAGES * this.#pageBytes)
    const length = this.#readAt(bytes, pages * this.#pageBytes, first * this.#pageBytes)
    const stretch = { bytes, first, count: Math.floor(length / this.#pageBytes) }
    this.#stretches.unshift(stretch)
    return stretch
  }
}
