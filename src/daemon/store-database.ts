import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { crc32 } from 'node:zlib'
import { open, type RootDatabase } from 'lmdb'
import { assert } from '../lib/assert.ts'
import type { StoreEntry } from '../node.ts'
import { KEY_BYTES_MAX, type Part } from './pages.ts'
import { reasonOf } from './refusal.ts'

/**
 * How large the file may be, pages that are free for now included. It is the size of a map, which
 * takes addresses and no memory: of those a 32-bit process has 3 GiB, for everything. LMDB would
 * have an end here; lmdb maps more, and does not look whether it got it.
 */
export const MAP_BYTES: number = (['arm', 'ia32'].includes(process.arch) ? 0.25 : 4) * 1024 ** 3

/** A record that changes takes new pages along with it, up to the root: so many, of 4 KiB. */
const PATH_BYTES = 6 * 4096

const LMDB_OPTIONS = {
  encoding: 'binary',
  keyEncoding: 'binary',
  mapSize: MAP_BYTES,
  maxReaders: 8,
  // Else a folder with a dot in its name, as lamport.d, would be taken for a file.
  noSubdir: false,
  // A commit is done when it is on the disk, not before: its pages are synced, then the page that
  // points to them is (mdb_txn_commit). Any other choice leaves out one of the two, or promises
  // less: with overlappingSync what is there after a power cut depends on the kernel's boot id.
  overlappingSync: false,
  noMetaSync: false,
  // The entries of a group are a batch already: no turn is waited for.
  eventTurnBatching: false,
  compression: false,
} as const

/** How long LMDB has to say why a commit failed. */
const CAUSE_MS = 200

type Lmdb = RootDatabase<Uint8Array, Uint8Array>

const CRC_BYTES = 4

/** The records of a state in LMDB, which has no checksums: each carries a CRC-32 of key and value. */
export class Database {
  readonly #path: string
  readonly #lmdb: Lmdb

  constructor(folder: string) {
    this.#path = join(folder, 'data.mdb')
    this.#lmdb = open({ path: folder, ...LMDB_OPTIONS })
  }

  /** One commit, whole or not at all. Rejects with what `reasonOfCommit` explains. */
  async write(entries: readonly StoreEntry[]): Promise<void> {
    if (bytesAfter(this.#path, entries) > MAP_BYTES) throw new Error(FULL)
    await write(this.#lmdb, entries)
  }

  close(): Promise<void> {
    return this.#lmdb.close()
  }
}

/** What LMDB rejects with where a commit failed. */
export function isCommitError(error: unknown): error is Error & { readonly commitError: unknown } {
  if (!(error instanceof Error) || !('commitError' in error)) return false
  // The promise of the cause is rejected too.
  Promise.resolve(error.commitError).catch(() => undefined)
  return true
}

/** LMDB says only later why a commit failed, and gives the number of the system's error. */
export async function reasonOfCommit(error: unknown): Promise<string> {
  if (!isCommitError(error)) return reasonOf(error)
  const cause: unknown = await Promise.race([
    Promise.resolve(error.commitError).catch((reason: unknown) => reason),
    delay(CAUSE_MS),
  ])
  if (!(cause instanceof Error)) return error.message
  if (!('code' in cause) || typeof cause.code !== 'number' || cause.code <= 0) return cause.message
  return reasonOf(Object.assign(cause, { code: getSystemErrorName(-cause.code) }))
}

const FULL = `more than the ${MAP_BYTES / 1024 ** 2} MiB that a host can store`

/** How large the file is at most when these are in it, whatever is free in it now. */
function bytesAfter(path: string, entries: readonly StoreEntry[]): number {
  const { size } = statSync(path)
  // A page may be half full, and no page is written anew more than once.
  const values = entries.reduce((sum, { value }) => sum + 2 * value.length + 4096, 0)
  return size + values + Math.min(size, entries.length * PATH_BYTES)
}

/**
 * One commit, whole or not at all. A batch, and not `transaction`: the callback of that one is run
 * in the middle of the commit, and the thread that writes waits for this one to be free for it.
 */
async function write(lmdb: Lmdb, entries: readonly StoreEntry[]): Promise<void> {
  const records = entries.map(({ key, value }) => {
    const name = Buffer.from(key)
    // Thrown inside of the batch, lmdb would write what came before it.
    assert(name.length > 0 && name.length <= KEY_BYTES_MAX, 'a key is not too long for LMDB')
    return { name, record: seal(key, value) }
  })
  await lmdb.batch(() => {
    for (const { name, record } of records) {
      // Each is rejected along with the batch, which says so for all of them.
      lmdb.put(name, record).catch(() => undefined)
    }
  })
}

/** The record as it is stored: a CRC-32 of key and value, then the value. */
function seal(key: string, value: Uint8Array): Buffer {
  const record = Buffer.alloc(CRC_BYTES + value.length)
  record.set(value, CRC_BYTES)
  record.writeUInt32LE(checksum(key, value))
  return record
}

/** Bytes of memory that short copies share. */
const PIECE_BYTES = 32 * 1024

/** What is longer has a piece of its own: it would leave as much unused. */
const OWN_BYTES = PIECE_BYTES / 8

/**
 * Copies of what is read, since that is overwritten: many to a piece of memory, because an allocation
 * for each record would take half as much memory again.
 */
export class Copies {
  #piece = Buffer.alloc(0)
  #used = 0

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (length > OWN_BYTES) return new Uint8Array(bytes)
    if (this.#piece.length - this.#used < length) {
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
      this.#used = 0
    }
    this.#piece.set(bytes, this.#used)
    this.#used += length
    return new Uint8Array(this.#piece.buffer, this.#used - length, length)
  }
}

/** What is in a record, in the memory of that; `undefined` where it is not as it was written. */
export function unseal(key: string, { bytes, start, end }: Readonly<Part>): Uint8Array | undefined {
  if (end - start < CRC_BYTES) return undefined
  const value = bytes.subarray(start + CRC_BYTES, end)
  return bytes.readUInt32LE(start) === checksum(key, value) ? value : undefined
}

function checksum(key: string, value: Uint8Array): number {
  return crc32(value, crc32(key))
}
