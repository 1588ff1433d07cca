import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { acceptedEntry, chosenEntry, floorEntry, promisedEntry } from '../../src/core/store.ts'
import type { VariableValue, VersionName } from '../../src/core/variable.ts'
import { Store } from '../../src/daemon/store.ts'
import type { StoreEntry } from '../../src/node.ts'

const OWNER = { cluster: 'workshop', host: 1, name: 'bench' }
const COUNT = 600

/** All different, short ones and long ones, some of them unset. */
function valueOf(index: number): VariableValue {
  const length = index % 50 === 0 ? 30_000 : 10 * (index % 90)
  return {
    bytes:
      index % 7 === 0 ? undefined : Buffer.from(`${index} `.repeat(length)).subarray(0, length),
    version: 40 + index,
    writer: { host: 1 + (index % 3), time: 1000 * index + 1 },
    applied: [{ host: 1, operation: 1 + index, version: 40 + index }],
    past: new Uint8Array(12 * (index % 4)).fill(index % 251),
  }
}

function versionOf({ version, writer }: VariableValue): VersionName {
  return { version, writer }
}

function entriesOf(index: number): StoreEntry[] {
  const value = valueOf(index)
  const ballot = { counter: 5000 + index, host: 2 }
  const record = { promised: ballot, accepted: ballot, value }
  const later = { counter: 9000 + index, host: 3 }
  return [
    acceptedEntry(`name ${index}`, record),
    chosenEntry(`name ${index}`, index % 5 === 0 ? value : versionOf(value)),
    ...(index % 10 === 0 ? [promisedEntry(`name ${index}`, later)] : []),
  ]
}

test('what a start has read is as it was written, however much else was read after it', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-values-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const open = (): Promise<Store> => Store.open(folder, OWNER, reason => t.fail(reason))
  const store = await open()
  for (let from = 0; from < COUNT; from += 50) {
    const entries = Array.from({ length: 50 }, (_, i) => entriesOf(from + i)).flat()
    await new Promise<number>(done => store.append(from + 1, entries, done))
  }
  await new Promise<number>(done => store.append(COUNT + 1, [floorEntry(77)], done))
  await store.close()
  t.true(readdirSync(folder).includes('data.mdb'))
  const again = await open()
  const durable = again.takeDurable()
  t.is(durable.floor, 77)
  t.is(durable.registers.size, COUNT)
  for (let index = 0; index < COUNT; index++) {
    const { bytes, ...rest } = valueOf(index)
    const record = durable.registers.get(`name ${index}`)
    t.is(record?.promised.counter, (index % 10 === 0 ? 9000 : 5000) + index)
    for (const value of [record?.value, durable.chosen.get(`name ${index}`)]) {
      t.like(value, { ...rest, past: value?.past })
      t.deepEqual(Buffer.from(value?.past ?? []), Buffer.from(rest.past))
      t.deepEqual(value?.bytes && Buffer.from(value.bytes), bytes)
    }
  }
  await again.close()
  t.false(readdirSync(folder).includes('space'), 'the room that was tried is given back')
})
