import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { bytesOf, readPages } from '../../src/daemon/pages.ts'
import { Refusal } from '../../src/daemon/refusal.ts'
import { Store } from '../../src/daemon/store.ts'
import { Database } from '../../src/daemon/store-database.ts'
import { DamagedLog, WriteAheadLog } from '../../src/daemon/wal.ts'
import type { StoreEntry } from '../../src/node.ts'

const OWNER = { cluster: 'workshop', host: 1, name: 'bench' }
const SALT = Buffer.from('12345678')
const PAGE = 4096
const SEGMENT = 256 * PAGE
const LARGE = 300 * 1024

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-wal-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function entry(key: string, bytes: number, fill: number): StoreEntry {
  return { key, value: Buffer.alloc(bytes, fill) }
}

/** A log with these groups, and nothing in a database. */
async function logWith(path: string, groups: readonly StoreEntry[][]): Promise<Buffer> {
  WriteAheadLog.create(path, SALT)
  const log = new WriteAheadLog(path, SALT, 0)
  for (const group of groups) await log.write(group)
  log.close()
  return readFileSync(path)
}

/** The number of the last group of a log, or that it is damaged. */
function lastOf(path: string, bytes: Uint8Array, after = 0): number | 'damaged' {
  writeFileSync(path, bytes)
  try {
    return WriteAheadLog.read(path, SALT, after).sequence
  } catch (error) {
    if (error instanceof DamagedLog) return 'damaged'
    throw error
  }
}

async function opened(folder: string, failed?: (reason: string) => void): Promise<Store> {
  return Store.open(folder, OWNER, reason => {
    if (failed === undefined) throw new Error(reason)
    failed(reason)
  })
}

function append(store: Store, entries: readonly StoreEntry[]): Promise<void> {
  return new Promise(resolve => {
    store.append(0, entries, () => resolve())
  })
}

/** What is on the disk now, as after a power cut. */
function image(t: ExecutionContext, folder: string): string {
  const copy = folderOf(t)
  for (const name of ['data.mdb', 'log']) copyFileSync(join(folder, name), join(copy, name))
  return copy
}

/** Records as the database has them once a store has been opened and closed. */
async function recordsOf(folder: string): Promise<Map<string, Buffer>> {
  await (await opened(folder)).close()
  const records = new Map<string, Buffer>()
  readPages(join(folder, 'data.mdb'), 4 * 1024 ** 3, (key, value) => {
    records.set(bytesOf(key).toString(), Buffer.from(bytesOf(value).subarray(4)))
  })
  return records
}

async function refusalOf(t: ExecutionContext, folder: string): Promise<string> {
  const error = await t.throwsAsync(opened(folder), { instanceOf: Refusal })
  t.is(error.exitCode, 78)
  t.regex(error.message, /is damaged: .*remove the folder and start again: it recovers/)
  return error.message
}

test('what was written comes back, in the order of groups', async t => {
  const path = join(folderOf(t), 'log')
  const groups = [
    [entry('a', 0, 0), entry('b', 5000, 1)],
    [],
    [entry('ключ', 10, 2)],
    [entry('a', 3, 3)],
  ]
  await logWith(path, groups)
  const { sequence, entries } = WriteAheadLog.read(path, SALT, 0)
  t.is(sequence, 4)
  t.deepEqual(
    entries.map(({ key, value }) => [key, Buffer.from(value)]),
    groups.flat().map(({ key, value }) => [key, value]),
  )
  t.is(WriteAheadLog.read(path, SALT, 3).entries.length, 1)
  t.is(WriteAheadLog.read(path, SALT, 9).entries.length, 0)
})

test('a last group that was cut off anywhere is dropped, and nothing else is', async t => {
  const path = join(folderOf(t), 'log')
  const before = await logWith(path, [[entry('a', 300, 1)], [entry('b', 300, 2)]])
  const log = new WriteAheadLog(path, SALT, 2)
  log.turn()
  await log.write([entry('c', 200, 3)])
  await log.write([entry('d', 5000, 4)])
  log.close()
  const after = readFileSync(path)
  const start = PAGE + SEGMENT + PAGE
  const length = 16 + 6 + 1 + 5000
  for (let cut = 0; cut < length; cut += 1) {
    // What was there before is there still: behind the cut, or before it.
    const torn = Buffer.from(after)
    before.copy(torn, start + cut, start + cut, start + 2 * PAGE)
    const isSame = torn.compare(after, start, start + length, start, start + length) === 0
    if (lastOf(path, torn) !== (isSame ? 4 : 3)) t.fail(`cut off after ${cut} bytes`)
    if (cut % 512 !== 0 || cut === 0) continue
    const late = Buffer.from(after)
    before.copy(late, start, start, start + cut)
    t.is(lastOf(path, late), 3, `its first ${cut} bytes are missing`)
  }
  t.is(lastOf(path, after), 4)
})

test('a bit that turned over before the last group is refused', async t => {
  const path = join(folderOf(t), 'log')
  const groups = [1, 2, 3].map(fill => [entry(`key-${fill}`, 150, fill)])
  const whole = await logWith(path, groups)
  const length = 16 + 6 + 5 + 150
  const flipped = (at: number): number | 'damaged' => {
    const bad = Buffer.from(whole)
    bad[at]! ^= 1 << (at % 8)
    return lastOf(path, bad)
  }
  for (let at = 0; at < 16; at += 1) t.is(flipped(at), 'damaged', `first page: ${at}`)
  for (let group = 0; group < 2; group += 1) {
    for (let at = 0; at < length; at += 1) {
      if (flipped(PAGE + group * PAGE + at) !== 'damaged') t.fail(`group ${group + 1}: ${at}`)
    }
    t.is(flipped(PAGE + group * PAGE + length), 3, 'what fills up the page does not matter')
  }
  // As if it had been cut off: that is why a store writes an empty one after it.
  for (let at = 0; at < length; at += 1) t.is(flipped(PAGE + 2 * PAGE + at), 2)
  t.is(lastOf(path, whole.subarray(0, -1)), 'damaged')
  t.is(lastOf(path, Buffer.concat([whole, Buffer.alloc(1)])), 'damaged')
})

test('nothing in a value is ever taken for a group', async t => {
  const path = join(folderOf(t), 'log')
  const other = await logWith(path, [[entry('a', 10, 1)], [entry('b', 10, 2)]])
  WriteAheadLog.create(path, Buffer.from('another!'))
  const log = new WriteAheadLog(path, Buffer.from('another!'), 0)
  // The value begins 23 bytes into the group: what it holds of the other log begins a page.
  const value = Buffer.concat([Buffer.alloc(PAGE - 23), other.subarray(PAGE, 3 * PAGE)])
  await log.write([{ key: 'c', value }])
  log.close()
  const bytes = readFileSync(path)
  t.deepEqual(bytes.subarray(2 * PAGE, 4 * PAGE), other.subarray(PAGE, 3 * PAGE))
  bytes[PAGE]! ^= 1
  writeFileSync(path, bytes)
  t.is(WriteAheadLog.read(path, Buffer.from('another!'), 0).sequence, 0)
})

test('after a power cut at any time a store has what it said was durable', async t => {
  const folder = folderOf(t)
  const store = await opened(folder)
  const first = image(t, folder)
  // Over both segments and round again, and past the log in between.
  for (let i = 0; i < 700; i += 1) {
    const value = i % 199 === 100 ? LARGE + i : 100 + (i % 5000)
    await append(store, [entry(`key-${i % 90}`, value, i), entry('last', 8, i)])
    if (i % 87 !== 0) continue
    const records = await recordsOf(image(t, folder))
    t.deepEqual(records.get('last'), Buffer.alloc(8, i), `after ${i}`)
    for (let back = 0; back < Math.min(i + 1, 90); back += 1) {
      const [at, key] = [i - back, `key-${(i - back) % 90}`]
      if (records.get(key)?.[0] !== at % 256) t.fail(`${key} after ${i}`)
    }
  }
  await store.close()
  t.is((await recordsOf(folder)).get('key-69')?.[0], 699 % 256)
  // An old database with a log that has gone on without it: that is not a power cut.
  copyFileSync(join(folder, 'log'), join(first, 'log'))
  t.regex(await refusalOf(t, first), /of its log, group 1 is not as it was written/)
})

test('a power cut before the database has a segment, or before the log is written anew', async t => {
  const folder = folderOf(t)
  const store = await opened(folder)
  const before = image(t, folder)
  for (let i = 1; i <= 400; i += 1) await append(store, [entry(`key-${i}`, 20, i)])
  const after = image(t, folder)
  // The database is as it was before the first segment went into it.
  copyFileSync(join(after, 'log'), join(before, 'log'))
  for (const place of [before, after]) {
    const records = await recordsOf(place)
    for (let i = 1; i <= 400; i += 1) t.is(records.get(`key-${i}`)?.[0], i % 256)
  }
  await store.close()
})

test('a store that begins again goes on with its numbers, and reads nothing twice', async t => {
  const folder = folderOf(t)
  for (let life = 0; life < 5; life += 1) {
    const store = await opened(folder)
    for (let i = 0; i <= life; i += 1) await append(store, [entry('a', 4, life + i)])
    // Not closed: what it had is found in the log.
    const copy = image(t, folder)
    t.is((await recordsOf(copy)).get('a')?.[0], 2 * life)
    await store.close()
  }
  t.is((await recordsOf(folder)).get('a')?.[0], 8)
})

test('a log that is missing, or belongs elsewhere, is refused', async t => {
  const folder = folderOf(t)
  const store = await opened(folder)
  await append(store, [entry('a', 10, 1)])
  const copy = image(t, folder)
  await store.close()
  const path = join(copy, 'log')
  const whole = readFileSync(path)
  rmSync(path)
  t.regex(await refusalOf(t, copy), /its log is missing/)
  WriteAheadLog.create(path, SALT)
  t.regex(await refusalOf(t, copy), /its first page is not as it was written/)
  writeFileSync(path, whole.subarray(0, 10 * PAGE))
  t.regex(await refusalOf(t, copy), /it has 40960 bytes/)
  writeFileSync(path, whole)
  t.is((await recordsOf(copy)).get('a')?.[0], 1)
})

test('a state that was without a log gets one', async t => {
  const folder = folderOf(t)
  const database = new Database(folder)
  const owner = JSON.stringify({ format: 1, cluster: OWNER.cluster, host: OWNER.host })
  await database.write([{ key: 'owner', value: Buffer.from(owner) }, entry('a', 10, 7)])
  await database.close()
  const records = await recordsOf(folder)
  t.is(records.get('a')?.[0], 7)
  t.is(records.get('owner')?.toString(), owner.replace('1', '2'))
})

test('a disk that fills up: all that was said to be durable is, once there is room', async t => {
  const folder = join(folderOf(t), 'small')
  mkdirSync(folder)
  const mount = ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder]
  if (spawnSync('mount', mount).status !== 0) {
    t.log('not looked at: a small disk cannot be mounted')
    t.pass()
    return
  }
  t.teardown(() => spawnSync('umount', ['-l', folder]))
  let why = ''
  const store = await opened(folder, reason => (why = reason))
  const ballast = join(folder, 'ballast')
  spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'])
  let durable = 0
  for (let i = 1; i <= 1000; i += 1) {
    store.append(i, [entry(`key-${i}`, 3000, i)], () => (durable = i))
    while (durable < i && why === '') await new Promise(resolve => setImmediate(resolve))
  }
  t.regex(why, /no space left/)
  t.true(durable >= 256 && durable < 1000, `${durable}`)
  await store.close()
  rmSync(ballast)
  const copy = image(t, folder)
  const records = await recordsOf(copy)
  for (let i = 1; i <= durable; i += 1) t.is(records.get(`key-${i}`)?.[0], i % 256)
})
