import { hashOf, mixed } from '../lib/hash.ts'
import { HISTORY_MAX, pastEntries } from './past.ts'
import type { PastVersion, VariableValue } from './variable.ts'

/** Bytes of past values of one variable that are kept, and of all. */
const PAST_BYTES_MAX = 256 * 1024
const ALL_PAST_BYTES_MAX = 8 * 1024 * 1024

/** Names fall into so many; where digests differ, those of the buckets tell where. */
export const BUCKETS = 256

type PastValue = { readonly version: number; readonly bytes: Uint8Array }

/**
 * The newest *chosen* value of every variable, as far as this host has learned of it: for local
 * reads, watches and digests. What an acceptor holds may never be chosen; it does not count here.
 */
export class Known {
  readonly #values = new Map<string, VariableValue>()
  readonly #names: Set<string>[] = []
  readonly #buckets = new Array<number>(BUCKETS).fill(0)
  /** Past values while they last, of the variable that lost one first first. */
  readonly #past = new Map<string, PastValue[]>()
  /** Of all buckets, each mixed with its number, but for what they have in common when empty. */
  #digest = 0
  #pastBytes = 0
  #count = 0
  #bytes = 0

  constructor(recovered: ReadonlyMap<string, VariableValue>) {
    for (const [name, value] of recovered) this.#set(name, value)
  }

  /** With a value, and bytes of all values. */
  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Names, of variables that were unset as well. */
  get size(): number {
    return this.#values.size
  }

  get buckets(): readonly number[] {
    return this.#buckets
  }

  /** Differs, in all likelihood, where two hosts do not know the same. Every heartbeat asks for it. */
  get digest(): number {
    return this.#digest
  }

  value(name: string): VariableValue | undefined {
    return this.#values.get(name)
  }

  names(): IterableIterator<string> {
    return this.#values.keys()
  }

  namesIn(bucket: number): ReadonlySet<string> {
    return this.#names[bucket] ?? new Set()
  }

  /** A value that was chosen; false where it is not newer than what is known. */
  learn(name: string, value: VariableValue): boolean {
    const before = this.#values.get(name)
    if (before !== undefined && before.version >= value.version) return false
    if (before !== undefined) this.#keepPast(name, before)
    this.#set(name, value)
    return true
  }

  /** The versions of a variable, the newest first. */
  history(name: string): PastVersion[] {
    const value = this.#values.get(name)
    if (value === undefined) return []
    const { version, writer, bytes } = value
    const past = this.#past.get(name) ?? []
    return [
      { version, writer, size: bytes?.length, bytes },
      ...pastEntries(value).map(entry => ({
        ...entry,
        bytes: past.find(kept => kept.version === entry.version)?.bytes,
      })),
    ]
  }

  #set(name: string, value: VariableValue): void {
    const before = this.#values.get(name)
    this.#values.set(name, value)
    const hash = hashOf(name)
    const bucket = hash % BUCKETS
    const digest = this.#buckets[bucket] ?? 0
    const old = before === undefined ? 0 : mixed(hash ^ mixed(before.version))
    const next = (digest ^ old ^ mixed(hash ^ mixed(value.version))) >>> 0
    this.#buckets[bucket] = next
    this.#digest = (this.#digest ^ mixed(digest + bucket) ^ mixed(next + bucket)) >>> 0
    if (before === undefined) (this.#names[bucket] ??= new Set()).add(name)
    if (before?.bytes !== undefined) this.#count -= 1
    if (value.bytes !== undefined) this.#count += 1
    this.#bytes += (value.bytes?.length ?? 0) - (before?.bytes?.length ?? 0)
  }

  #keepPast(name: string, { version, bytes }: VariableValue): void {
    const kept = this.#past.get(name) ?? []
    this.#past.delete(name)
    if (bytes !== undefined) {
      kept.push({ version, bytes })
      this.#pastBytes += bytes.length
    }
    let total = kept.reduce((sum, past) => sum + past.bytes.length, 0)
    while (total > PAST_BYTES_MAX || kept.length >= HISTORY_MAX) {
      const size = kept.shift()?.bytes.length ?? 0
      total -= size
      this.#pastBytes -= size
    }
    if (kept.length > 0) this.#past.set(name, kept)
    for (const [other, values] of this.#past) {
      if (this.#pastBytes <= ALL_PAST_BYTES_MAX) break
      this.#past.delete(other)
      this.#pastBytes -= values.reduce((sum, past) => sum + past.bytes.length, 0)
    }
  }
}
