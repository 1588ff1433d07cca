import { assert } from '../lib/assert.ts'
import type { Lsn, StoreEntry } from './command.ts'

/**
 * What a host has asked to be made durable, and how far that has come. A batch is durable as a whole
 * and after all before it; nothing waits for it but what rests on it.
 */
export class Journal {
  readonly #write: (lsn: Lsn, entries: readonly StoreEntry[]) => void
  readonly #whenDurable = new Map<Lsn, () => void>()
  #appended: Lsn = 0
  #synced: Lsn = 0

  constructor(write: (lsn: Lsn, entries: readonly StoreEntry[]) => void) {
    this.#write = write
  }

  /** The last batch that was asked for: what is sent now may speak of it. */
  get appended(): Lsn {
    return this.#appended
  }

  /** Whether this batch, and all before it, are on the disk. */
  isDurable(lsn: Lsn): boolean {
    return lsn <= this.#synced
  }

  /** How many batches are on their way to the disk. */
  fingerprint(): unknown {
    return this.#appended - this.#synced
  }

  /** How many more batches have to be durable before this one is. */
  missing(lsn: Lsn): number {
    return Math.max(0, lsn - this.#synced)
  }

  append(entries: readonly StoreEntry[], whenDurable?: () => void): void {
    this.#appended += 1
    if (whenDurable !== undefined) this.#whenDurable.set(this.#appended, whenDurable)
    this.#write(this.#appended, entries)
  }

  /** Everything up to this batch is on the disk, and stays there through a power cut. */
  synced(lsn: Lsn): void {
    assert(lsn <= this.#appended, 'only what was appended becomes durable')
    while (this.#synced < lsn) {
      this.#synced += 1
      this.#whenDurable.get(this.#synced)?.()
      this.#whenDurable.delete(this.#synced)
    }
  }
}
