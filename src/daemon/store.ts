import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { recover, type Durable, type Lsn, type StoreEntry } from '../node.ts'
import { DamagedPages, readPages } from './pages.ts'
import { ExitCode, Refusal } from './refusal.ts'
import { Database, isCommitError, MAP_BYTES, reasonOfCommit, unseal } from './store-database.ts'

/** Whose state this is: another host's, or another cluster's, is refused. */
export type StoreOwner = { readonly cluster: string; readonly host: number; readonly name: string }

/** The form of the records; another one is refused. */
const FORMAT = 1

const OWNER_KEY = 'owner'

/** lmdb holds its caller up once it has some 300,000 entries to write. */
const GROUP_ENTRIES_MAX = 16_384

/** What must be free at the start: LMDB maps its files, and no page for one of them is a SIGBUS. */
const FREE_BYTES_MIN = 128 * 1024

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
  readonly #database: Database
  readonly #failed: (reason: string) => void
  readonly durable: Durable
  /** In the order given, and none of them begun: all go with the next commit. */
  #waiting: Batch[] = []
  /** The commit that is on its way: never more than one, so that they end in order. */
  #commit: Promise<void> | undefined
  #isBroken = false

  private constructor(database: Database, durable: Durable, failed: (reason: string) => void) {
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
      const database = new Database(folder)
      // What cannot be written now could not be promised later: found out before anything starts.
      const started = { key: 'started', value: new Uint8Array() }
      await database.write(
        isNew ? [{ key: OWNER_KEY, value: ownerBytes(owner) }, started] : [started],
      )
      return new Store(database, durable, failed)
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
    this.#commit = this.#database.write(entries).then(
      () => {
        this.#commit = undefined
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
