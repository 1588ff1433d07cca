import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { PageReader } from '../../src/daemon/page-reader.ts'
import { Random } from '../../src/lib/random.ts'

const PAGE_BYTES = 512
const PAGES = 100

test('every page is what the file has there, in whatever order they are read, and none is beyond', t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-pages-'))
  const path = join(folder, 'pages')
  writeFileSync(path, Buffer.concat(Array.from({ length: PAGES }, (_, i) => Buffer.alloc(512, i))))
  const file = openSync(path, 'r')
  try {
    const random = new Random(1)
    const walks = [
      Array.from({ length: PAGES }, (_, i) => i),
      Array.from({ length: PAGES }, (_, i) => PAGES - 1 - i),
      Array.from({ length: 2000 }, () => random.below(PAGES)),
      Array.from({ length: 2000 }, (_, i) => (i + (i % 3) * random.below(20)) % PAGES),
    ]
    for (const walk of walks) {
      const reader = new PageReader(file, PAGE_BYTES)
      for (const number of walk) {
        const page = reader.read(number)
        t.is(page?.length, PAGE_BYTES)
        t.true(page?.every(byte => byte === number))
      }
      for (const beyond of [PAGES, PAGES + 1, 10 * PAGES]) t.is(reader.read(beyond), undefined)
    }
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true })
  }
})
