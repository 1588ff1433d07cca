import { existsSync } from 'node:fs'
import { join } from 'node:path'
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

/**
 * The durable state of one host, in LMDB: a write is on the disk as a whole or not at all, in the
 * order given. LMDB has no checksums, so each record carries a CRC-32 of its key and its value.
 */
export class Store {
  readonly #database: RootDatabase<Uint8Array, string>
  readonly #failed: (reason: string) => void
  readonly durable: Durable

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
      const isNew = !existsSync(join(folder, 'data.mdb'))
      const database = open<Uint8Array, string>({
        path: folder,
        encoding: 'binary',
        mapSize: MAP_BYTES,
        maxReaders: 8,
        // A commit is done when it is on the disk, not before.
        overlappingSync: false,
        compression: false,
      })
      const records = readAll(folder, database)
      if (isNew) await database.put(OWNER_KEY, seal(OWNER_KEY, ownerBytes(owner)))
      else checkOwner(folder, records.get(OWNER_KEY), owner)
      const durable = recover(records)
      if ('damaged' in durable) throw damaged(folder, durable.damaged)
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
    this.#database
      .transaction(() => {
        for (const { key, value } of entries) void this.#database.put(key, seal(key, value))
      })
      .then(
        () => synced(lsn),
        (error: unknown) => this.#failed(reasonOf(error)),
      )
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}

function readAll(
  folder: string,
  database: RootDatabase<Uint8Array, string>,
): ReadonlyMap<string, Uint8Array> {
  const records = new Map<string, Uint8Array>()
  for (const { key, value } of database.getRange()) {
    const bytes = unseal(key, value)
    if (bytes === undefined) throw damaged(folder, key)
    records.set(key, bytes)
  }
  return records
}

function ownerBytes({ cluster, host }: StoreOwner): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, cluster, host }))
}

function checkOwner(folder: string, bytes: Uint8Array | undefined, owner: StoreOwner): void {
  const advice = 'give each host a state folder of its own with --state, or remove this one'
  if (bytes === undefined) throw damaged(folder, OWNER_KEY)
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

function damaged(folder: string, key: string): Refusal {
  const reason = `the state in ${folder} is damaged: the record "${key}" is not as it was written`
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
