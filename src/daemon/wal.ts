import { closeSync, fsyncSync, openSync, readFileSync, write, writeSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { assert } from '../lib/assert.ts'
import type { StoreEntry } from '../node.ts'

/** Which log belongs to a state: one random number, in both. */
export const SALT_BYTES = 8

/** Each group begins a page, so that none that is on the disk is ever written again. */
const PAGE_BYTES = 4096

/** One segment is written while the other is carried over into the database. */
const SEGMENT_PAGES = 256
const SEGMENTS = 2

const HEADER_PAGES = 1
const FILE_BYTES = (HEADER_PAGES + SEGMENTS * SEGMENT_PAGES) * PAGE_BYTES

/** CRC-32, then the bytes that it is of: how many more there are, the number of the group, entries. */
const GROUP_HEADER_BYTES = 4 + 4 + 8
const ENTRY_HEADER_BYTES = 2 + 4

/** What is larger goes into the database at once: it would only be written twice. */
const GROUP_BYTES_MAX = (SEGMENT_PAGES / 4) * PAGE_BYTES

/** Most groups are no longer. */
const SHORT_PAGES = 4

const MAGIC = Buffer.from('lamport1')

const writeAt = promisify(write)

/** The log is not as it was written, and not because a power cut cut off its last group. */
export class DamagedLog extends Error {}

/** What was read of a log: groups that the database does not have, in order. */
export type LogContents = { readonly sequence: number; readonly entries: readonly StoreEntry[] }

/**
 * A log in front of the database: a group of entries takes one write of whole pages, into a file
 * whose blocks are there already, and so one sync, where LMDB takes two. It is read at the start
 * alone.
 *
 * A group is written when the one before it is on the disk. So a group that is not whole, and after
 * which there is none, was cut off by a power cut, and nobody was told that it was durable; before
 * another one it is damage.
 */
export class WriteAheadLog {
  readonly #file: number
  readonly #salt: Uint8Array
  #sequence: number
  readonly #short = Buffer.alloc(SHORT_PAGES * PAGE_BYTES)
  #segment = 0
  #page = 0

  /** @param sequence of the last group that was written, and is in the database now */
  constructor(path: string, salt: Uint8Array, sequence: number) {
    // A write returns when it is on the disk: one turn of the thread pool, not two.
    this.#file = openSync(path, constants.O_WRONLY | constants.O_DSYNC)
    this.#salt = salt
    this.#sequence = sequence
  }

  /** Makes the file, with all its blocks. Nothing is in it, whatever was there. */
  static create(path: string, salt: Uint8Array): void {
    const file = openSync(path, 'w', 0o600)
    try {
      const bytes = Buffer.alloc(FILE_BYTES)
      bytes.set(headerOf(salt))
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    const folder = openSync(dirname(path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }

  /** What comes after group `after`. Throws DamagedLog. */
  static read(path: string, salt: Uint8Array, after: number): LogContents {
    const bytes = readFileSync(path)
    if (bytes.length !== FILE_BYTES) {
      throw new DamagedLog(`it has ${bytes.length} bytes, not ${FILE_BYTES}`)
    }
    if (!bytes.subarray(0, MAGIC.length + SALT_BYTES).equals(headerOf(salt))) {
      throw new DamagedLog('its first page is not as it was written')
    }
    const groups = groupsOf(bytes, salt, after).sort((a, b) => a.sequence - b.sequence)
    const entries: StoreEntry[] = []
    let last = after
    for (const group of groups) {
      last += 1
      if (group.sequence !== last) throw new DamagedLog(`group ${last} is not as it was written`)
      entries.push(...group.entries)
    }
    return { sequence: last, entries }
  }

  /** Of the last group that was written. */
  get sequence(): number {
    return this.#sequence
  }

  /** Whether these are few enough for the log at all. */
  takes(entries: readonly StoreEntry[]): boolean {
    return bytesOf(entries) <= GROUP_BYTES_MAX
  }

  /** Whether these still go into the present segment. */
  hasRoom(entries: readonly StoreEntry[]): boolean {
    return this.#page + pagesOf(entries) <= SEGMENT_PAGES
  }

  /** Resolves when they are on the disk. One at a time. */
  async write(entries: readonly StoreEntry[]): Promise<void> {
    assert(this.hasRoom(entries), 'a group is written where it has room')
    const bytes = this.#room(pagesOf(entries) * PAGE_BYTES)
    encodeGroup(bytes, entries, this.#sequence + 1, this.#salt)
    const page = HEADER_PAGES + this.#segment * SEGMENT_PAGES + this.#page
    for (let at = 0; at < bytes.length;) {
      const left = bytes.length - at
      const { bytesWritten } = await writeAt(this.#file, bytes, at, left, page * PAGE_BYTES + at)
      at += bytesWritten
    }
    this.#sequence += 1
    this.#page += bytes.length / PAGE_BYTES
  }

  /** The same again for every short group: the one before it has been written. */
  #room(length: number): Buffer {
    return length <= this.#short.length ? this.#short.subarray(0, length) : Buffer.alloc(length)
  }

  /** Begins a segment: what was in it is in the database. */
  turn(): void {
    this.#segment = (this.#segment + 1) % SEGMENTS
    this.#page = 0
  }

  close(): void {
    closeSync(this.#file)
  }
}

function headerOf(salt: Uint8Array): Buffer {
  return Buffer.concat([MAGIC, salt])
}

function bytesOf(entries: readonly StoreEntry[]): number {
  let bytes = GROUP_HEADER_BYTES
  for (const { key, value } of entries) {
    bytes += ENTRY_HEADER_BYTES + Buffer.byteLength(key) + value.length
  }
  return bytes
}

function pagesOf(entries: readonly StoreEntry[]): number {
  return Math.ceil(bytesOf(entries) / PAGE_BYTES)
}

/**
 * In whole pages: for less than a page, the system would have to read the rest of it first.
 *
 * @param bytes where to, so many pages as it takes
 */
function encodeGroup(
  bytes: Buffer,
  entries: readonly StoreEntry[],
  sequence: number,
  salt: Uint8Array,
): void {
  const length = bytesOf(entries)
  bytes.writeUInt32LE(length - GROUP_HEADER_BYTES, 4)
  bytes.writeBigUInt64LE(BigInt(sequence), 8)
  let at = GROUP_HEADER_BYTES
  for (const { key, value } of entries) {
    const keyBytes = Buffer.byteLength(key)
    bytes.writeUInt16LE(keyBytes, at)
    bytes.writeUInt32LE(value.length, at + 2)
    at += ENTRY_HEADER_BYTES
    bytes.write(key, at)
    bytes.set(value, at + keyBytes)
    at += keyBytes + value.length
  }
  bytes.fill(0, at)
  bytes.writeUInt32LE(checksum(bytes.subarray(4, length), salt))
}

type Group = { readonly sequence: number; readonly entries: readonly StoreEntry[] }

/** Every group that is whole and comes after another, wherever it is. */
function groupsOf(bytes: Buffer, salt: Uint8Array, after: number): Group[] {
  const groups: Group[] = []
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const start = (HEADER_PAGES + segment * SEGMENT_PAGES) * PAGE_BYTES
    const end = start + SEGMENT_PAGES * PAGE_BYTES
    for (let at = start; at < end;) {
      const group = decodeGroup(bytes.subarray(at, end), salt, after)
      if (group !== undefined) groups.push(group)
      at += group === undefined ? PAGE_BYTES : pagesOf(group.entries) * PAGE_BYTES
    }
  }
  return groups
}

/** With the salt in it, so that no client's value is ever taken for a group. */
function checksum(bytes: Uint8Array, salt: Uint8Array): number {
  return crc32(bytes, crc32(salt))
}

function decodeGroup(bytes: Buffer, salt: Uint8Array, after: number): Group | undefined {
  const length = GROUP_HEADER_BYTES + bytes.readUInt32LE(4)
  const sequence = Number(bytes.readBigUInt64LE(8))
  // The database has it, or nothing was ever written here: how long it is is not believed.
  if (sequence <= after) return undefined
  if (length > bytes.length || length > GROUP_BYTES_MAX) return undefined
  if (bytes.readUInt32LE() !== checksum(bytes.subarray(4, length), salt)) return undefined
  const entries: StoreEntry[] = []
  for (let at = GROUP_HEADER_BYTES; at < length;) {
    const start = at + ENTRY_HEADER_BYTES
    const middle = start + bytes.readUInt16LE(at)
    const end = middle + bytes.readUInt32LE(at + 2)
    // A copy: the whole file would be kept for it.
    const value = new Uint8Array(bytes.subarray(middle, end))
    entries.push({ key: bytes.toString('utf8', start, middle), value })
    at = end
  }
  return { sequence, entries }
}
