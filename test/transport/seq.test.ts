import test from 'ava'
import fc from 'fast-check'

import { advance, distance } from '../../src/transport/seq.ts'

const seq = fc.integer({ min: 0, max: 0xffff_ffff })

test('sequence numbers keep their order across the wrap', t => {
  t.is(advance(0xffff_ffff, 1), 0)
  t.is(distance(0xffff_ffff, 0), 1)
  t.is(distance(0, 0xffff_ffff), -1)
  fc.assert(
    fc.property(seq, fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }), (from, count) => {
      const to = advance(from, count)
      return to >= 0 && to <= 0xffff_ffff && distance(from, to) === count
    }),
  )
})
