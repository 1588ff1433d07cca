import test from 'ava'
import { Digest } from '../../src/sim/digest.ts'

function digestOf(fill: (digest: Digest) => void): string {
  const digest = new Digest()
  fill(digest)
  return digest.hex
}

test('equal runs have equal fingerprints, and each difference shows', t => {
  const runs = [
    digestOf(() => undefined),
    digestOf(digest => digest.number(1)),
    digestOf(digest => digest.number(2)),
    digestOf(digest => digest.text('1')),
    digestOf(digest => {
      digest.text('a')
      digest.text('b')
    }),
    digestOf(digest => digest.text('ab')),
    digestOf(digest => digest.bytes(Uint8Array.of(1, 2))),
    digestOf(digest => digest.bytes(Uint8Array.of(2, 1))),
  ]
  t.is(new Set(runs).size, runs.length)
  t.is(
    digestOf(digest => digest.text('ab')),
    runs[5]!,
  )
  for (const run of runs) t.regex(run, /^[0-9a-f]{16}$/)
})
