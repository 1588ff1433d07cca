import test from 'ava'
import { PageReader, type ReadAt } from '../../src/daemon/page-reader.ts'
import { Random } from '../../src/lib/random.ts'

const PAGE_BYTES = 512
const PAGES = 100

/** Page n is full of n; half a page comes after the last one. */
const file = Buffer.concat([
  ...Array.from({ length: PAGES }, (_, i) => Buffer.alloc(PAGE_BYTES, i)),
  Buffer.alloc(PAGE_BYTES / 2, PAGES),
])

/** A read ends before a sector that is bad, and fails where it would begin with it. */
function disk(bad: readonly number[] = []): { readAt: ReadAt; reads: () => number } {
  let reads = 0
  const readAt: ReadAt = (bytes, length, position) => {
    reads += 1
    const wall = Math.min(
      ...bad.map(number => number * PAGE_BYTES).filter(at => at + PAGE_BYTES > position),
    )
    if (wall <= position) throw new Error('EIO')
    return position < file.length
      ? file.copy(bytes, 0, position, Math.min(position + length, wall))
      : 0
  }
  return { readAt, reads: () => reads }
}

const random = new Random(1)
const walks: Readonly<Record<string, readonly number[]>> = {
  forwards: Array.from({ length: PAGES }, (_, i) => i),
  backwards: Array.from({ length: PAGES }, (_, i) => PAGES - 1 - i),
  anywhere: Array.from({ length: 2000 }, () => random.below(PAGES)),
  'to and fro': Array.from({ length: 2000 }, (_, i) => (i + (i % 3) * random.below(20)) % PAGES),
}

for (const [name, walk] of Object.entries(walks))
  test(`every page is what the file has there, and none is beyond its end: ${name}`, t => {
    const reader = new PageReader(disk().readAt, PAGE_BYTES)
    for (const number of walk) {
      const page = reader.read(number)
      t.is(page?.length, PAGE_BYTES)
      t.true(page?.every(byte => byte === number))
      if (number > PAGES - 5)
        for (const beyond of [PAGES, PAGES + 1]) t.is(reader.read(beyond), undefined)
    }
    t.is(reader.read(10 * PAGES), undefined)
  })

test('what is near each other takes one read, and what is not reads nothing else along', t => {
  const near = disk()
  const reader = new PageReader(near.readAt, PAGE_BYTES)
  for (const number of walks.forwards!) reader.read(number)
  t.true(near.reads() < PAGES / 8, `${near.reads()} reads`)
  const far = disk()
  const lengths: number[] = []
  const other = new PageReader((bytes, length, position) => {
    lengths.push(length)
    return far.readAt(bytes, length, position)
  }, PAGE_BYTES)
  for (const number of [0, 40, 80, 20, 60]) other.read(number)
  t.deepEqual(lengths, [512, 512, 512, 512, 512])
})

test('a bad sector is told of where its page is wanted, and nowhere else', t => {
  const bad = [16, 21, 63, 64]
  for (const walk of Object.values(walks)) {
    const reader = new PageReader(disk(bad).readAt, PAGE_BYTES)
    for (const number of walk) {
      if (bad.includes(number)) t.throws(() => reader.read(number), { message: 'EIO' })
      else t.is(reader.read(number)?.[0], number)
    }
  }
})
