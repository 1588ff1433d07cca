import test from 'ava'
import { Random } from '../../src/lib/random.ts'
import { Disk } from '../../src/sim/disk.ts'

function diskOf(seed: number): Disk {
  return new Disk({ syncMsMin: 1, syncMsMax: 9 }, new Random(seed))
}

function append(disk: Disk, now: number, lsn: number, key = 'key'): number {
  return disk.append(now, lsn, [{ key, value: Uint8Array.of(lsn) }])
}

test('batches become durable in the order of their appending, each after its time', t => {
  const disk = diskOf(1)
  let last = 0
  for (let lsn = 1; lsn <= 50; lsn++) {
    const at = append(disk, lsn, lsn)
    t.true(at >= last && at >= lsn + 1)
    last = at
  }
  t.is(disk.records.size, 0)
  disk.sync(20)
  t.deepEqual(disk.records.get('key'), Uint8Array.of(20))
})

test('a crash keeps what was synced, and of the rest a part from its beginning', t => {
  const kept = new Set<number>()
  for (let seed = 1; seed <= 100; seed++) {
    const disk = diskOf(seed)
    for (let lsn = 1; lsn <= 4; lsn++) append(disk, 0, lsn, `key${lsn}`)
    disk.sync(1)
    disk.crash()
    const keys = [...disk.records.keys()]
    t.deepEqual(keys, ['key1', 'key2', 'key3', 'key4'].slice(0, keys.length))
    kept.add(keys.length)
    disk.sync(4)
    t.is(disk.records.size, keys.length, 'what was lost stays lost')
  }
  t.deepEqual([...kept].sort(), [1, 2, 3, 4])
})

test('a disk keeps what it was given, and another one in its place knows nothing', t => {
  const disk = diskOf(1)
  const value = Uint8Array.of(7)
  disk.append(0, 1, [{ key: 'key', value }])
  value[0] = 8
  disk.sync(1)
  t.deepEqual(disk.records.get('key'), Uint8Array.of(7))
  disk.replace()
  t.is(disk.records.size, 0)
})
