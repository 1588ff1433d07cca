import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { assert } from '../lib/assert.ts'
import { atEndOfTurn } from '../lib/turn.ts'
import { RecordReader, type Durable, type Lsn, type StoreEntry } from '../node.ts'
import { markedAtOnce } from './heap.ts'
import { Histogram, DISK_SECONDS } from './histogram.ts'
import { DamagedPages, readPages, type Visit } from './pages.ts'
import { codeOf, ExitCode, Refusal } from './refusal.ts'
import {
  Copies,
  Database,
  isCommitError,
  MAP_BYTES,
  reasonOfCommit,
  unseal,
} from './store-database.ts'
import { DamagedLog, SALT_BYTES, WriteAheadLog, type LogContents } from './wal.ts'

/** Whose state this is: another host's, or another cluster's, is refused. */
export type StoreOwner = { readonly cluster: string; readonly host: number; readonly name: string }

/** The form of the state; another one is refused. */
const FORMAT = 2

/** Without a log: it becomes the present form when it is opened. */
const FORMAT_WITHOUT_LOG = 1

const OWNER_KEY = 'owner'

/** Which log belongs to the database, and the last group of it that the database has. */
const LOG_KEY = 'log'

/** lmdb holds its caller up once it has some 300,000 entries to write. */
const GROUP_ENTRIES_MAX = 16_384

/** What must be free at the start: LMDB maps its files, and no page for one of them is a SIGBUS. */
const FREE_BYTES_MIN = 128 * 1024

/** When nothing has been written for so long, the last group gets one after it. */
const SEAL_MS = 1000

/** What a caller waits for. */
type Batch = {
  readonly lsn: Lsn
  readonly entries: readonly StoreEntry[]
  readonly synced: (lsn: Lsn) => void
}

/**
 * The durable state of one host: a batch is on the disk as a whole or not at all, in the order given.
 * It goes into a log first, which takes one sync; what the log holds is carried over into LMDB when
 * a segment of it is full, and at the start and the end.
 */
export class Store {
  readonly #database: Database
  readonly #log: WriteAheadLog
  readonly #salt: Uint8Array
  readonly #failed: (reason: string) => void
  /** How long groups took, in seconds. */
  readonly commits: Histogram = new Histogram(DISK_SECONDS)
  #durable: Durable | undefined
  /** In the order given, and none of them begun: all go with the next group. */
  #waiting: Batch[] = []
  /** The group that is on its way: never more than one, so that they end in order. */
  #commit: Promise<void> | undefined
  /** In the log, and not on the way into the database: the newest of each record. */
  #fresh = new Map<string, Uint8Array>()
  /** The segment before is on the way into the database. */
  #checkpoint: Promise<void> = Promise.resolve()
  readonly #seal: NodeJS.Timeout
  #isSealed = true
  #isBroken = false

  private constructor(
    database: Database,
    log: WriteAheadLog,
    salt: Uint8Array,
    durable: Durable,
    failed: (reason: string) => void,
  ) {
    this.#database = database
    this.#log = log
    this.#salt = salt
    this.#durable = durable
    this.#failed = failed
    this.#seal = setTimeout(() => this.#sealLast(), SEAL_MS).unref()
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
      const { reader, count, ownerRecord, logRecord } = markedAtOnce(() => readAll(folder))
      // Also where a first start was cut off: whoever has no record has promised nothing.
      if (count > 0) checkOwner(folder, ownerRecord, owner)
      const logPath = join(folder, 'log')
      const { salt, sequence, entries } = openLog(folder, logPath, logRecord)
      for (const { key, value } of entries) reader.add(key, value)
      const durable = reader.finish()
      if ('damaged' in durable) throw damagedRecord(folder, durable.damaged)
      const database = new Database(folder)
      // What cannot be written now could not be promised later: found out before anything starts.
      await database.write([
        { key: OWNER_KEY, value: ownerBytes(owner) },
        { key: 'started', value: new Uint8Array() },
        ...entries,
        logEntry(salt, sequence),
      ])
      return new Store(database, new WriteAheadLog(logPath, salt, sequence), salt, durable, failed)
    } catch (error) {
      if (error instanceof Refusal) throw error
      const reason = `the state in ${folder} cannot be used: ${await reasonOfCommit(error)}`
      const advice =
        'free some space, make it writable, or give lamportd another folder with --state'
      throw new Refusal(ExitCode.cannotCreate, `${reason} (${advice})`)
    }
  }

  /** What was found at the start, once: it is large, and whoever gets it goes on from there. */
  takeDurable(): Durable {
    const durable = this.#durable
    assert(durable !== undefined, 'what was found is taken once')
    this.#durable = undefined
    return durable
  }

  /**
   * Makes a batch durable; `synced` is called when it and all before it are. What is asked for in
   * one step, or while a group is written, shares the next one.
   */
  append(lsn: Lsn, entries: readonly StoreEntry[], synced: (lsn: Lsn) => void): void {
    if (this.#isBroken) return
    this.#waiting.push({ lsn, entries, synced })
    // All that this step asks for, and no more: what the poll still brings waits for the next group.
    if (this.#waiting.length === 1 && this.#commit === undefined) atEndOfTurn(() => this.#begin())
  }

  /** Nothing is promised after a write that failed, so nothing more needs to be written. */
  async close(): Promise<void> {
    this.#begin()
    while (this.#commit !== undefined) await this.#commit
    clearTimeout(this.#seal)
    await this.#checkpoint
    if (!this.#isBroken && this.#fresh.size > 0) this.#carryOver()
    await this.#checkpoint
    this.#log.close()
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
        if (this.#isBroken) return
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
    const isForLog = this.#log.takes(entries)
    if (!isForLog || !this.#log.hasRoom(entries)) {
      await this.#checkpoint
      // What is in the log stays there.
      if (this.#isBroken) return
      this.#carryOver(isForLog ? [] : entries)
    }
    if (!isForLog) {
      await this.#checkpoint
      return
    }
    await this.#log.write(entries)
    for (const { key, value } of entries) this.#fresh.set(key, value)
    this.#isSealed = entries.length === 0
    this.#seal.refresh()
  }

  /**
   * Into the database with all that is in the log, and with what is too much for the log: then its
   * present segment can be written anew, after the other one.
   */
  #carryOver(more: readonly StoreEntry[] = []): void {
    const entries = [...this.#fresh].map(([key, value]) => ({ key, value }))
    this.#fresh = new Map()
    const all = [...entries, ...more, logEntry(this.#salt, this.#log.sequence)]
    this.#log.turn()
    this.#checkpoint = this.#database.write(all).catch((error: unknown) => this.#break(error))
  }

  /** A group with another one after it is known to have been written: what harms it is found. */
  #sealLast(): void {
    if (!this.#isSealed) this.append(0, [], () => undefined)
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

type Found = {
  readonly reader: RecordReader
  readonly count: number
  readonly ownerRecord: Uint8Array | undefined
  readonly logRecord: Uint8Array | undefined
}

/** Every record, and each is as it was written; before LMDB sees the file, and without its map. */
function readAll(folder: string): Found {
  const copies = new Copies()
  const reader = new RecordReader(bytes => copies.copy(bytes))
  const own = new Map<string, Uint8Array>()
  let count = 0
  const path = join(folder, 'data.mdb')
  try {
    const visit: Visit = (key, value) => {
      const name = key.bytes.toString('utf8', key.start, key.end)
      const bytes = unseal(name, value)
      if (bytes === undefined) throw damagedRecord(folder, name)
      count += 1
      if (name === OWNER_KEY || name === LOG_KEY) own.set(name, copies.copy(bytes))
      else reader.add(name, bytes)
    }
    if (existsSync(path)) readPages(path, MAP_BYTES, visit)
  } catch (error) {
    if (!(error instanceof DamagedPages)) throw error
    const what = `its pages are not as they were written (was the file cut short? ${error.message})`
    throw damaged(folder, what)
  }
  return { reader, count, ownerRecord: own.get(OWNER_KEY), logRecord: own.get(LOG_KEY) }
}

/** What the log has and the database does not. A new log where the state is new, or was without. */
function openLog(
  folder: string,
  path: string,
  record: Uint8Array | undefined,
): LogContents & { readonly salt: Uint8Array } {
  if (record === undefined) {
    const salt = randomBytes(SALT_BYTES)
    WriteAheadLog.create(path, salt)
    return { salt, sequence: 0, entries: [] }
  }
  const salt = record.slice(0, SALT_BYTES)
  const after = Number(Buffer.from(record).readBigUInt64LE(SALT_BYTES))
  try {
    return { salt, ...WriteAheadLog.read(path, salt, after) }
  } catch (error) {
    if (error instanceof DamagedLog) throw damaged(folder, `of its log, ${error.message}`)
    if (codeOf(error) !== 'ENOENT') throw error
    throw damaged(folder, 'its log is missing')
  }
}

function logEntry(salt: Uint8Array, sequence: number): StoreEntry {
  const value = Buffer.alloc(SALT_BYTES + 8)
  value.set(salt)
  value.writeBigUInt64LE(BigInt(sequence), SALT_BYTES)
  return { key: LOG_KEY, value }
}

function ownerBytes({ cluster, host }: StoreOwner): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, cluster, host }))
}

function checkOwner(folder: string, bytes: Uint8Array | undefined, owner: StoreOwner): void {
  const advice = 'give each host a state folder of its own with --state, or remove this one'
  if (bytes === undefined) throw damagedRecord(folder, OWNER_KEY)
  const found = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>
  if (found.format !== FORMAT && found.format !== FORMAT_WITHOUT_LOG) {
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
