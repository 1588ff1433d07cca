import test from 'ava'
import { Copies } from '../../src/daemon/store-database.ts'

test('copies are of their own, whatever their lengths and order', t => {
  const lengths = [0, 1, 1024, 4096, 4097, 31_000, 2000, 40_000, 64 * 1024, 3000]
  const copies = new Copies()
  const page = Buffer.alloc(2 + 64 * 1024)
  const made = lengths.map((length, i) => {
    page.fill(i + 1)
    return copies.copy(page.subarray(1, 1 + length))
  })
  for (const [i, copy] of made.entries()) {
    t.is(copy.length, lengths[i] ?? NaN)
    t.true(
      copy.every(byte => byte === i + 1),
      `the copy of ${copy.length} bytes`,
    )
  }
  const memory = new Set(made.filter(copy => copy.length > 0).map(({ buffer }) => buffer)).size
  t.is(memory, 5, 'short ones share a piece, each long one has its own')
})
