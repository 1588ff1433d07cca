import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { crc32 } from 'node:zlib'
import { open, type RootDatabase } from 'lmdb'
import { recover, type Durable, type Lsn, type StoreEntry } from '../node.ts'
import { ExitCode, reasonOf, Refusal } from './refusal.ts'

/** Whose state this is: another host's, or another cluster's, is refused. */
export type StoreOwner = { readonly cluster: string; readonly host: number; readonly name: string }

/** The form of the records; another one is refused. */
const FORMAT = 1

const OWNER_KEY = 'owner'
const CRC_BYTES = 4

/** More than an id's worth of registers, and small enough for a 32-bit address space. */
const MAP_BYTES = 256 * 1024 * 1024

/** What must be free at the start: LMDB maps its files, and no page for one of them is a SIGBUS. */
const FREE_BYTES_MIN = 128 * 1024

const LMDB_OPTIONS = {
  encoding: 'binary',
  mapSize: MAP_BYTES,
  maxReaders: 8,
  // A commit is done when it is on the disk, not before.
  overlappingSync: false,
  compression: false,
} as const

/** A tree of pages that leads in a circle is read for ever. */
const TRIAL_MS = 60_000

/** How long LMDB has to say why a commit failed. */
const CAUSE_MS = 200

/**
 * The durable state of one host, in LMDB: a write is on the disk as a whole or not at all, in the
 * order given. LMDB has no checksums, so each record carries a CRC-32 of its key and its value.
 */
export class Store {
  readonly #database: RootDatabase<Uint8Array, string>
  readonly #failed: (reason: string) => void
  readonly durable: Durable
  #isBroken = false

  private constructor(
    database: RootDatabase<Uint8Array, string>,
    durable: Durable,
    failed: (reason: string) => void,
  ) {
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
      if (existsSync(join(folder, 'data.mdb'))) checkPages(folder)
      const database = open<Uint8Array, string>({ path: folder, ...LMDB_OPTIONS })
      const records = readAll(folder, database)
      // Also where a first start was cut off: whoever has no record has promised nothing.
      if (records.size === 0) await database.put(OWNER_KEY, seal(OWNER_KEY, ownerBytes(owner)))
      else checkOwner(folder, records.get(OWNER_KEY), owner)
      const durable = recover(records)
      if ('damaged' in durable) throw damagedRecord(folder, durable.damaged)
      // What cannot be written now could not be promised later: found out before anything starts.
      await database.put('started', seal('started', new Uint8Array()))
      return new Store(database, durable, failed)
    } catch (error) {
      if (error instanceof Refusal) throw error
      const reason = `the state in ${folder} cannot be used: ${reasonOf(error)}`
      const advice =
        'free some space, make it writable, or give lamportd another folder with --state'
      throw new Refusal(ExitCode.cannotCreate, `${reason} (${advice})`)
    }
  }

  /** Makes a batch durable; `synced` is called when it and all before it are. */
  append(lsn: Lsn, entries: readonly StoreEntry[], synced: (lsn: Lsn) => void): void {
    if (this.#isBroken) return
    this.#database
      .transaction(() => {
        for (const { key, value } of entries) {
          // Each is rejected along with the transaction, which says so for all of them.
          this.#database.put(key, seal(key, value)).catch(() => undefined)
        }
      })
      .then(
        () => synced(lsn),
        (error: unknown) => this.#break(error),
      )
  }

  /** Nothing is promised after a write that failed, so nothing more needs to be written. */
  async close(): Promise<void> {
    if (!this.#isBroken) await this.#database.close()
  }

  #break(error: unknown): void {
    const isFirst = !this.#isBroken
    this.#isBroken = true
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

/**
 * LMDB believes what is on its pages: a file that was cut short, or has changed, ends the process
 * that reads it with a signal. So another one goes first, reads every record and writes one of them.
 */
function checkPages(folder: string): void {
  const trial = `
    const { open } = await import(${JSON.stringify(import.meta.resolve('lmdb'))})
    const options = ${JSON.stringify({ path: folder, ...LMDB_OPTIONS })}
    try {
      const database = open(options)
      const records = [...database.getRange()]
      for (const { key, value } of records.slice(0, 1)) await database.put(key, value)
      await database.close()
    } catch {
      // Whoever reads it after us finds the same error, and says so.
    }`
  const args = ['--input-type=module', '--eval', trial]
  const { signal } = spawnSync(process.execPath, args, { stdio: 'ignore', timeout: TRIAL_MS })
  if (signal === null) return
  throw damaged(folder, 'its pages are not as they were written (was the file cut short?)')
}

function readAll(
  folder: string,
  database: RootDatabase<Uint8Array, string>,
): ReadonlyMap<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  for (const { key, value } of database.getRange()) {
    const bytes = unseal(key, value)
    if (bytes === undefined) throw damagedRecord(folder, key)
    records.set(key, bytes)
  }
  return records
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

function unseal(key: string, record: Uint8Array): Uint8Array | undefined {
  if (record.length < CRC_BYTES) return undefined
  const bytes = Buffer.from(record)
  const value = bytes.subarray(CRC_BYTES)
  return bytes.readUInt32LE() === checksum(key, value) ? value : undefined
}

function checksum(key: string, value: Uint8Array): number {
  return crc32(value, crc32(key))
}
