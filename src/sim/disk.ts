import type { Lsn, StoreEntry } from '../core/command.ts'
import type { Random } from '../lib/random.ts'

/** How long a write takes until it is durable, evenly between the two, in milliseconds. */
export type DiskOptions = { readonly syncMsMin: number; readonly syncMsMax: number }

/** One with a write cache that is flushed at each batch. */
export const FAST_DISK: DiskOptions = { syncMsMin: 0.5, syncMsMax: 3 }

type Batch = { readonly lsn: Lsn; readonly entries: readonly StoreEntry[] }

/**
 * The disk of one host: batches become durable whole, in the order of their appending. It lives on
 * when its host dies.
 */
export class Disk {
  options: DiskOptions
  readonly #random: Random
  #records = new Map<string, Uint8Array>()
  /** Appended, and not durable. */
  #pending: Batch[] = []
  /** When the last of them will be durable: none overtakes another. */
  #durableAt = 0

  constructor(options: DiskOptions, random: Random) {
    this.options = options
    this.#random = random
  }

  /** What a host that starts now finds. */
  get records(): ReadonlyMap<string, Uint8Array> {
    return this.#records
  }

  /** Takes a batch; returns the true time at which `sync` is due for it. */
  append(now: number, lsn: Lsn, entries: readonly StoreEntry[]): number {
    const { syncMsMin, syncMsMax } = this.options
    const copies = entries.map(({ key, value }) => ({ key, value: value.slice() }))
    this.#pending.push({ lsn, entries: copies })
    this.#durableAt = Math.max(this.#durableAt, now + this.#random.between(syncMsMin, syncMsMax))
    return this.#durableAt
  }

  /** Every batch up to this one is durable now. */
  sync(lsn: Lsn): void {
    const done = this.#pending.filter(batch => batch.lsn <= lsn)
    this.#pending = this.#pending.filter(batch => batch.lsn > lsn)
    for (const { entries } of done) this.#write(entries)
  }

  /** The host goes down: of what was not durable, a part has reached the disk, in order. */
  crash(): void {
    const kept = this.#random.below(this.#pending.length + 1)
    for (const { entries } of this.#pending.slice(0, kept)) this.#write(entries)
    this.#pending = []
    this.#durableAt = 0
  }

  /** Another, empty disk is put in its place. */
  replace(): void {
    this.#records = new Map()
    this.#pending = []
    this.#durableAt = 0
  }

  #write(entries: readonly StoreEntry[]): void {
    for (const { key, value } of entries) this.#records.set(key, value)
  }
}
