import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { crc32 } from 'node:zlib'
import { open, type RootDatabase } from 'lmdb'
import { assert } from '../lib/assert.ts'
import { recover, type Durable, type Lsn, type StoreEntry } from '../node.ts'
import { Histogram, DISK_SECONDS } from './histogram.ts'
import { DamagedPages, KEY_BYTES_MAX, readPages } from './pages.ts'
import { ExitCode, reasonOf, Refusal } from './refusal.ts'

/** Whose state this is: another host's, or another cluster's, is refused. */
export type StoreOwner = { readonly cluster: string; readonly host: number; readonly name: string }

/** The form of the records; another one is refused. */
const FORMAT = 1

const OWNER_KEY = 'owner'
const CRC_BYTES = 4

/**
 * How large the file may be, pages that are free for now included. It is the size of a map, which
 * takes addresses and no memory: of those a 32-bit process has 3 GiB, for everything. LMDB would
 * have an end here; lmdb maps more, and does not look whether it got it.
 */
const MAP_BYTES = (['arm', 'ia32'].includes(process.arch) ? 0.25 : 4) * 1024 ** 3

/** A record that changes takes new pages along with it, up to the root: so many, of 4 KiB. */
const PATH_BYTES = 6 * 4096

/** lmdb holds its caller up once it has some 300,000 entries to write. */
const GROUP_ENTRIES_MAX = 16_384

/** What must be free at the start: LMDB maps its files, and no page for one of them is a SIGBUS. */
const FREE_BYTES_MIN = 128 * 1024

const LMDB_OPTIONS = {
  encoding: 'binary',
  keyEncoding: 'binary',
  mapSize: MAP_BYTES,
  maxReaders: 8,
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

type Database = RootDatabase<Uint8Array, Uint8Array>

/** What a caller waits for. */
type Batch = {
  readonly lsn: Lsn
  readonly entries: readonly StoreEntry[]
  readonly synced: (lsn: Lsn) => void
}

/**
 * The durable state of one host, in LMDB: a write is on the disk as a whole or not at all, in the
 * order given. LMDB has no checksums, so each record carries a CRC-32 of its key and its value.
 */
export class Store {
  readonly #path: string
  readonly #database: Database
  readonly #failed: (reason: string) => void
  readonly durable: Durable
  /** How long commits took, in seconds. */
  readonly commits: Histogram = new Histogram(DISK_SECONDS)
  /** In the order given, and none of them begun: all go with the next commit. */
  #waiting: Batch[] = []
  /** The commit that is on its way: never more than one, so that they end in order. */
  #commit: Promise<void> | undefined
  #isBroken = false

  private constructor(
    path: string,
    database: Database,
    durable: Durable,
    failed: (reason: string) => void,
  ) {
    this.#path = path
    this.#database = database
    this.durable = durable
    this.#failed = failed
  }

  /**
   * Opens what is there, or begins it. Throws a Refusal.
   *
   * @param failed told when a write fails: nothing may be promised from then on
   */
  static async open(
    folder: string,
    owner: StoreOwner,
    failed: (reason: string) => void,
  ): Promise<Store> {
    try {
      checkSpace(folder)
      const records = readAll(folder)
      // Also where a first start was cut off: whoever has no record has promised nothing.
      const isNew = records.size === 0
      if (!isNew) checkOwner(folder, records.get(OWNER_KEY), owner)
      const durable = recover(records)
      if ('damaged' in durable) throw damagedRecord(folder, durable.damaged)
      const database: Database = open({ path: folder, ...LMDB_OPTIONS })
      // What cannot be written now could not be promised later: found out before anything starts.
      const started = { key: 'started', value: new Uint8Array() }
      await write(
        database,
        isNew ? [{ key: OWNER_KEY, value: ownerBytes(owner) }, started] : [started],
      )
      return new Store(join(folder, 'data.mdb'), database, durable, failed)
    } catch (error) {
      if (error instanceof Refusal) throw error
      const reason = `the state in ${folder} cannot be used: ${await reasonOfCommit(error)}`
      const advice =
        'free some space, make it writable, or give lamportd another folder with --state'
      throw new Refusal(ExitCode.cannotCreate, `${reason} (${advice})`)
    }
  }

  /**
   * Makes a batch durable; `synced` is called when it and all before it are. What is asked for in
   * one turn, or during a commit, shares the next one.
   */
  append(lsn: Lsn, entries: readonly StoreEntry[], synced: (lsn: Lsn) => void): void {
    if (this.#isBroken) return
    this.#waiting.push({ lsn, entries, synced })
    if (this.#waiting.length === 1 && this.#commit === undefined) setImmediate(() => this.#begin())
  }

  /** Nothing is promised after a write that failed, so nothing more needs to be written. */
  async close(): Promise<void> {
    this.#begin()
    while (this.#commit !== undefined) await this.#commit
    if (!this.#isBroken) await this.#database.close()
  }

  #begin(): void {
    if (this.#commit !== undefined || this.#isBroken || this.#waiting.length === 0) return
    const group = this.#take()
    const entries = group.flatMap(batch => batch.entries)
    const begunAt = performance.now()
    this.#commit = this.#write(entries).then(
      () => {
        this.#commit = undefined
        this.commits.observe((performance.now() - begunAt) / 1000)
        // The disk works while those who waited are told.
        this.#begin()
        for (const { lsn, synced } of group) synced(lsn)
      },
      (error: unknown) => {
        this.#commit = undefined
        this.#break(error)
      },
    )
  }

  async #write(entries: readonly StoreEntry[]): Promise<void> {
    if (bytesAfter(this.#path, entries) > MAP_BYTES) throw new Error(FULL)
    await write(this.#database, entries)
  }

  /** A batch is never divided. */
  #take(): Batch[] {
    let entries = 0
    const end = this.#waiting.findIndex(
      batch => (entries += batch.entries.length) > GROUP_ENTRIES_MAX,
    )
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : Math.max(1, end))
  }

  #break(error: unknown): void {
    const isFirst = !this.#isBroken
    this.#isBroken = true
    this.#waiting = []
    isCommitError(error)
    if (isFirst) void reasonOfCommit(error).then(reason => this.#failed(reason))
  }
}

/** What LMDB rejects with where a commit failed. */
export function isCommitError(error: unknown): error is Error & { readonly commitError: unknown } {
  if (!(error instanceof Error) || !('commitError' in error)) return false
  // The promise of the cause is rejected too.
  Promise.resolve(error.commitError).catch(() => undefined)
  return true
}

/** Throws what the system says where there is no room. */
function checkSpace(folder: string): void {
  const path = join(folder, 'space')
  const file = openSync(path, 'w', 0o600)
  try {
    const bytes = Buffer.alloc(FREE_BYTES_MIN)
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
    rmSync(path)
  }
}

/** Every record, and each is as it was written; before LMDB sees the file, and without its map. */
function readAll(folder: string): ReadonlyMap<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  const path = join(folder, 'data.mdb')
  if (!existsSync(path)) return records
  try {
    readPages(path, MAP_BYTES, (key, value) => {
      const name = key.toString()
      const bytes = unseal(name, value)
      if (bytes === undefined) throw damagedRecord(folder, name)
      records.set(name, bytes)
    })
  } catch (error) {
    if (!(error instanceof DamagedPages)) throw error
    const what = `its pages are not as they were written (was the file cut short? ${error.message})`
    throw damaged(folder, what)
  }
  return records
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
async function write(database: Database, entries: readonly StoreEntry[]): Promise<void> {
  const records = entries.map(({ key, value }) => {
    const name = Buffer.from(key)
    // Thrown inside of the batch, lmdb would write what came before it.
    assert(name.length > 0 && name.length <= KEY_BYTES_MAX, 'a key is not too long for LMDB')
    return { name, record: seal(key, value) }
  })
  await database.batch(() => {
    for (const { name, record } of records) {
      // Each is rejected along with the batch, which says so for all of them.
      database.put(name, record).catch(() => undefined)
    }
  })
}

/** LMDB says only later why a commit failed, and gives the number of the system's error. */
async function reasonOfCommit(error: unknown): Promise<string> {
  if (!isCommitError(error)) return reasonOf(error)
  const cause: unknown = await Promise.race([
    Promise.resolve(error.commitError).catch((reason: unknown) => reason),
    delay(CAUSE_MS),
  ])
  if (!(cause instanceof Error)) return error.message
  if (!('code' in cause) || typeof cause.code !== 'number' || cause.code <= 0) return cause.message
  return reasonOf(Object.assign(cause, { code: getSystemErrorName(-cause.code) }))
}

function ownerBytes({ cluster, host }: StoreOwner): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, cluster, host }))
}

function checkOwner(folder: string, bytes: Uint8Array | undefined, owner: StoreOwner): void {
  const advice = 'give each host a state folder of its own with --state, or remove this one'
  if (bytes === undefined) throw damagedRecord(folder, OWNER_KEY)
  const found = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
  if (found.format !== FORMAT) {
    const reason = `the state in ${folder} is of another version (format ${String(found.format)})`
    throw new Refusal(ExitCode.configuration, `${reason} (run the lamportd that wrote it)`)
  }
  if (found.cluster === owner.cluster && found.host === owner.host) return
  const whose = `host ${String(found.host)} of cluster ${String(found.cluster)}`
  const wanted = `host ${owner.host} (${owner.name}) of ${owner.cluster}`
  const reason = `the state in ${folder} belongs to ${whose}, and this is ${wanted}`
  throw new Refusal(ExitCode.configuration, `${reason} (${advice})`)
}

function damagedRecord(folder: string, key: string): Refusal {
  return damaged(folder, `the record "${key}" is not as it was written`)
}

function damaged(folder: string, what: string): Refusal {
  const reason = `the state in ${folder} is damaged: ${what}`
  const advice =
    'stop lamportd, remove the folder and start again: it recovers from the other hosts'
  return new Refusal(ExitCode.configuration, `${reason} (${advice})`)
}

/** The record as it is stored: a CRC-32 of key and value, then the value. */
function seal(key: string, value: Uint8Array): Buffer {
  const record = Buffer.alloc(CRC_BYTES + value.length)
  record.set(value, CRC_BYTES)
  record.writeUInt32LE(checksum(key, value))
  return record
}

/** A copy: what is read is overwritten. */
function unseal(key: string, record: Buffer): Uint8Array | undefined {
  if (record.length < CRC_BYTES) return undefined
  const value = record.subarray(CRC_BYTES)
  return record.readUInt32LE() === checksum(key, value) ? new Uint8Array(value) : undefined
}

function checksum(key: string, value: Uint8Array): number {
  return crc32(value, crc32(key))
}
