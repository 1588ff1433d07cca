import test from 'ava'
import fc from 'fast-check'

import { toInstant } from '../../src/lib/time.ts'
import { isAcknowledged } from '../../src/transport/packet.ts'
import { Received } from '../../src/transport/received.ts'

test('a packet number is fresh once, and what is too old never is', t => {
  const steps = fc.array(fc.oneof(fc.nat(50), fc.nat(3000), fc.integer({ min: -3000, max: -1 })), {
    maxLength: 400,
  })
  fc.assert(
    fc.property(steps, offsets => {
      const received = new Received()
      const model = new Set<number>()
      let largest = 0
      for (const offset of offsets) {
        const number = Math.max(0, largest + offset)
        const isFresh = received.isFresh(number)
        const isKnown = model.has(number)
        const isOld = model.size > 0 && largest - number >= 2016
        if (isFresh !== (!isKnown && !isOld)) return false
        if (!isFresh) continue
        received.add(toInstant(0), number, 'nothing', 100)
        model.add(number)
        largest = Math.max(largest, number)
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('ACKs tell of every packet until one that did is acknowledged, and of none that is missing', t => {
  const event = fc.record({ skip: fc.nat(3), late: fc.boolean(), isConfirmed: fc.boolean() })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), events => {
      const received = new Received()
      const arrived = new Set<number>()
      const known = new Set<number>()
      const missing: number[] = []
      let next = 0
      for (const { skip, late, isConfirmed } of events) {
        for (let i = 0; i < skip; i++) missing.push(next++)
        const number = late ? (missing.shift() ?? next++) : next++
        received.add(toInstant(0), number, 'ack', 100)
        arrived.add(number)
        const ack = received.report(toInstant(0), 0)
        const report = received.reported()
        for (let i = 0; i < next; i++) {
          const isTold = isAcknowledged(ack, i)
          if (isTold && !arrived.has(i)) return false
          if (!isTold && arrived.has(i) && !known.has(i) && ack.largest - i <= 256) return false
          if (isTold && isConfirmed) known.add(i)
        }
        if (isConfirmed) received.confirm(report)
      }
      return true
    }),
    { numRuns: 500 },
  )
  t.pass()
})

test('a packet is acknowledged after 1 ms; the fourth, a gap, or a wish for it, at once', t => {
  const received = new Received()
  const at = (ms: number): ReturnType<typeof toInstant> => toInstant(ms)
  received.add(at(10), 0, 'nothing', 100)
  t.false(received.isPending)
  received.add(at(10), 1, 'ack', 100)
  t.true(received.isPending)
  t.false(received.isDue(at(10.9)))
  t.is(received.deadline, at(11))
  t.true(received.isDue(at(11)))
  received.add(at(10.5), 2, 'ack', 100)
  received.add(at(10.5), 3, 'ack', 100)
  t.false(received.isDue(at(10.5)))
  received.add(at(10.5), 4, 'ack', 100)
  t.true(received.isDue(at(10.5)))
  received.reported()
  t.false(received.isPending)
  received.add(at(12), 6, 'ack', 100)
  t.true(received.isDue(at(12)), 'a gap')
  received.reported()
  received.add(at(13), 5, 'ack', 100)
  t.true(received.isDue(at(13)), 'out of order')
  received.reported()
  received.add(at(14), 7, 'ack-now', 100)
  t.true(received.isDue(at(14)))
})

test('what may wait is acknowledged after 50 ms, and with whatever is sooner due', t => {
  const received = new Received()
  const at = (ms: number): ReturnType<typeof toInstant> => toInstant(ms)
  received.add(at(10), 0, 'ack-later', 100)
  t.true(received.isPending)
  t.is(received.deadline, at(60))
  received.add(at(20), 1, 'ack', 100)
  t.is(received.deadline, at(21))
  received.add(at(20.5), 2, 'ack-later', 100)
  t.is(received.deadline, at(21))
  t.true(received.isDue(at(21)))
  received.reported()
  received.add(at(30), 3, 'ack-later', 100)
  received.add(at(30), 5, 'ack-later', 100)
  t.true(received.isDue(at(30)), 'a gap')
  received.reported()
  for (let number = 6; number < 9; number++) received.add(at(40), number, 'ack-later', 100)
  t.false(received.isDue(at(40)))
  received.add(at(40), 9, 'ack-later', 100)
  t.true(received.isDue(at(40)), 'the fourth')
})

test('of large packets the second is acknowledged at once', t => {
  const received = new Received()
  received.add(toInstant(10), 0, 'ack', 1150)
  t.false(received.isDue(toInstant(10)))
  received.add(toInstant(10), 1, 'ack', 10)
  t.true(received.isDue(toInstant(10)))
  received.reported()
  received.add(toInstant(10), 2, 'ack', 10)
  received.add(toInstant(10), 3, 'ack', 10)
  t.false(received.isDue(toInstant(10)), 'what was acknowledged does not count')
})
