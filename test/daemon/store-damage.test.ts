import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { bytesOf, DamagedPages, readPages } from '../../src/daemon/pages.ts'
import { Refusal } from '../../src/daemon/refusal.ts'
import { Store } from '../../src/daemon/store.ts'
import { Random } from '../../src/lib/random.ts'
import type { StoreEntry } from '../../src/node.ts'

const OWNER = { cluster: 'workshop', host: 1, name: 'bench' }
const MAP_BYTES = 4 * 1024 ** 3
const PAGE = 4096

/** How often chance turns a bit over: more for whoever has time. */
const FLIPS = Number(process.env.DAMAGE_FLIPS ?? 300)

/** How often LMDB is let at a file that was not refused. */
const SURVIVORS = Math.ceil(FLIPS / 50)

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-damage-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function opened(folder: string): Promise<Store> {
  return Store.open(folder, OWNER, reason => {
    throw new Error(reason)
  })
}

async function append(store: Store, lsn: number, entries: readonly StoreEntry[]): Promise<void> {
  await new Promise(resolve => {
    store.append(lsn, entries, resolve)
  })
}

function variable(index: number, bytes: number, fill: number): StoreEntry {
  return { key: `variable:${index}`, value: Buffer.alloc(bytes, fill) }
}

/** Some 10,000 records of about 1 KiB, some of them large, and written over often: all kinds of pages. */
async function fill(folder: string, count = 10_000): Promise<void> {
  const random = new Random(1)
  const store = await opened(folder)
  let lsn = 0
  const entries = Array.from({ length: count }, (_, i) => variable(i, 900 + (i % 200), i))
  await append(store, (lsn += 1), entries)
  for (let round = 0; round < 30; round += 1) {
    const some = Array.from({ length: 20 }, () => {
      const bytes = random.below(4) === 0 ? random.below(20_000) : 900 + random.below(200)
      return variable(random.below(count), bytes, round)
    })
    await append(store, (lsn += 1), some)
  }
  await store.close()
}

/** What was read, and how long it is. */
type Contents = { readonly digest: string; readonly lengths: ReadonlyMap<string, number> }

/** As `Store.open` does it: page by page, with the checksum of each record. */
function read(path: string): Contents | DamagedPages {
  const hash = createHash('sha1')
  const lengths = new Map<string, number>()
  try {
    readPages(path, MAP_BYTES, (keyPart, valuePart) => {
      const [key, value] = [bytesOf(keyPart), bytesOf(valuePart)]
      const isWhole =
        value.length >= 4 && value.readUInt32LE() === crc32(value.subarray(4), crc32(key))
      if (!isWhole) throw new DamagedPages('a record')
      hash.update(key).update(value)
      lengths.set(key.toString(), value.length - 4)
    })
  } catch (error) {
    if (error instanceof DamagedPages) return error
    throw error
  }
  return { digest: hash.digest('hex'), lengths }
}

function readWhole(path: string): Contents {
  const found = read(path)
  if (found instanceof DamagedPages) throw found
  return found
}

async function refusal(t: ExecutionContext, folder: string): Promise<string> {
  const error = await t.throwsAsync(opened(folder), { instanceOf: Refusal })
  t.is(error.exitCode, 78)
  t.true(error.message.includes(folder))
  t.regex(error.message, /is damaged: .*remove the folder and start again: it recovers/)
  return error.message
}

/** LMDB in a process of its own: reads everything, and writes all over it. */
function survivesLmdb(folder: string): boolean {
  const script = `
    import { open } from 'lmdb'
    const options = { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false, noSync: true }
    const database = open({ path: process.argv[1], mapSize: ${MAP_BYTES}, ...options })
    for (const { key } of [...database.getRange()]) await database.put(Buffer.from(key), Buffer.alloc(1500))
    await database.batch(() => {
      for (let i = 0; i < 500; i += 1) database.put(Buffer.from('variable:' + i * 7), Buffer.alloc(i * 9))
    })
    await database.close()`
  const args = ['--input-type=module', '--eval', script, folder]
  return spawnSync(process.execPath, args, { timeout: 20_000 }).status === 0
}

test.serial('10,000 records are read whole, and what is written later is read too', async t => {
  const folder = folderOf(t)
  await fill(folder)
  t.is(readWhole(join(folder, 'data.mdb')).lengths.size, 10_003)
  const store = await opened(folder)
  await append(store, 1, [variable(10_000, 65_536, 7), variable(3, 0, 0)])
  await store.close()
  const { lengths } = readWhole(join(folder, 'data.mdb'))
  t.is(lengths.size, 10_004)
  t.is(lengths.get('variable:10000'), 65_536)
  t.is(lengths.get('variable:3'), 0)
})

test.serial('a file that was cut short at any length is refused', async t => {
  const folder = folderOf(t)
  await fill(folder)
  const path = join(folder, 'data.mdb')
  const whole = readFileSync(path)
  const { digest } = readWhole(path)
  const random = new Random(2)
  const middle = Math.floor(whole.length / 2 / PAGE) * PAGE
  const lengths = [1, 100, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1, middle, middle + 1, middle - 1]
  for (let i = 0; i < 40; i += 1) lengths.push(1 + random.below(whole.length - 1))
  const last = [whole.length - 1, whole.length - PAGE, whole.length - PAGE - 1]
  let harmless = 0
  for (const length of [...lengths, ...last].sort((a, b) => b - a)) {
    truncateSync(path, length)
    const found = read(path)
    // Who has lost nothing but free pages has lost nothing.
    if (found instanceof DamagedPages) continue
    t.is(found.digest, digest, `cut to ${length}`)
    t.true(length > middle, `cut to ${length}`)
    harmless += 1
  }
  t.log(`${harmless} of ${lengths.length + last.length} cuts took free pages only`)
  writeFileSync(path, whole.subarray(0, middle))
  t.log(await refusal(t, folder))
  // Nothing is begun instead.
  t.is(readFileSync(path).length, middle)
})

test.serial('bits that turned over are found, wherever they matter', async t => {
  t.timeout(600_000)
  const folder = folderOf(t)
  await fill(folder, 2000)
  const path = join(folder, 'data.mdb')
  const whole = readFileSync(path)
  const { digest } = readWhole(path)
  const random = new Random(3)
  const used = kinds(whole)
  const places: [string, number][] = []
  for (const [kind, pages] of used) {
    for (let i = 0; i < 60; i += 1) {
      const page = pages[random.below(pages.length)] ?? 0
      // Heads and pointers first: they are the smaller part.
      places.push([kind, page * PAGE + random.below(i % 2 === 0 ? 64 : PAGE)])
    }
  }
  for (let i = 0; i < FLIPS; i += 1) places.push(['anywhere', random.below(whole.length)])
  for (let at = 0; at < 176; at += 1) {
    places.push(['first page', at], ['second page', PAGE + at])
  }
  const survivors: Buffer[] = []
  const tally = new Map<string, { refused: number; harmless: number }>()
  const file = openSync(path, 'r+')
  for (const [kind, at] of places) {
    const byte = Buffer.from([whole.readUInt8(at) ^ (1 << random.below(8))])
    writeSync(file, byte, 0, 1, at)
    const count = tally.get(kind) ?? { refused: 0, harmless: 0 }
    tally.set(kind, count)
    const found = read(path)
    if (found instanceof DamagedPages) count.refused += 1
    else {
      count.harmless += 1
      t.is(found.digest, digest, `${kind}: ${at}`)
      if (survivors.length < SURVIVORS && random.below(8) === 0) survivors.push(readFileSync(path))
    }
    writeSync(file, whole, at, 1, at)
  }
  closeSync(file)
  for (const [kind, { refused, harmless }] of tally) t.log(kind, { refused, harmless })
  // LMDB can live with whatever is let through: it reads and writes all of it.
  for (const bad of survivors) {
    writeFileSync(path, bad)
    rmSync(join(folder, 'lock.mdb'), { force: true })
    t.true(survivesLmdb(folder))
  }
})

/** Numbers of pages, by what they are. */
function kinds(file: Buffer): Map<string, number[]> {
  const names: Record<number, string> = { 1: 'branch', 2: 'leaf', 4: 'overflow' }
  const found = new Map<string, number[]>()
  for (let page = 2; page < file.length / PAGE; page += 1) {
    const name = names[file.readUInt16LE(page * PAGE + 18)]
    if (name === undefined || file.readUInt32LE(page * PAGE) !== page) continue
    found.set(name, [...(found.get(name) ?? []), page])
  }
  return found
}

test.serial('values, keys and pointers that have changed are refused by name', async t => {
  const folder = folderOf(t)
  await fill(folder, 2000)
  const path = join(folder, 'data.mdb')
  const whole = readFileSync(path)
  const turned = async (needle: string, offset: number): Promise<string> => {
    const bad = Buffer.from(whole)
    for (let at = bad.indexOf(needle); at >= 0; at = bad.indexOf(needle, at + 1)) {
      bad.writeUInt8(bad.readUInt8(at + offset) ^ 1, at + offset)
    }
    writeFileSync(path, bad)
    return refusal(t, folder)
  }
  t.regex(await turned('variable:1234', 13 + 4), /the record "variable:1234" is not as it was/)
  t.regex(await turned('variable:1234', 12), /is damaged/)
  t.regex(await turned('variable:1234', -2), /is damaged/)
  writeFileSync(path, whole)
  await (await opened(folder)).close()
})

test.serial('without data.mdb, or with an odd lock.mdb, a store begins or goes on', async t => {
  const folder = folderOf(t)
  await fill(folder, 100)
  const [data, lock] = [join(folder, 'data.mdb'), join(folder, 'lock.mdb')]
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(10_000, 0xff)]) {
    writeFileSync(lock, bytes)
    await (await opened(folder)).close()
    t.is(readWhole(data).lengths.size, 103)
  }
  rmSync(lock)
  await (await opened(folder)).close()
  copyFileSync(data, `${data}.away`)
  rmSync(data)
  t.true(existsSync(lock))
  const blank = await opened(folder)
  t.is(blank.takeDurable().incarnation, 0)
  await blank.close()
})

test.serial('many batches share a commit, and end in the order they were given', async t => {
  const folder = folderOf(t)
  mkdirSync(folder, { recursive: true })
  const store = await opened(folder)
  const synced: number[] = []
  const count = 2000
  await new Promise<void>(resolve => {
    for (let lsn = 1; lsn <= count; lsn += 1) {
      // The last one that was given is the one that stays.
      store.append(lsn, [variable(lsn % 50, lsn, lsn)], done => {
        synced.push(done)
        if (done === count) resolve()
      })
    }
  })
  t.deepEqual(
    synced,
    Array.from({ length: count }, (_, i) => i + 1),
  )
  // Those that are asked for while it closes are written too.
  store.append(count + 1, [variable(60, 10, 1)], done => synced.push(done))
  await store.close()
  t.is(synced.at(-1), count + 1)
  t.is(readWhole(join(folder, 'data.mdb')).lengths.get('variable:49'), 1999)
})
