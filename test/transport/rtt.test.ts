import test from 'ava'
import fc from 'fast-check'

import { milliseconds, toInstant } from '../../src/lib/time.ts'
import { Rtt } from '../../src/transport/rtt.ts'

const ZERO = milliseconds(0)

test('the probe timeout is between 3 ms and 1 s whatever was measured, and doubles', t => {
  const step = fc.oneof(
    fc.record({ rtt: fc.double({ min: 0, max: 5000, noNaN: true }), delay: fc.nat(100) }),
    fc.constantFrom('spurious' as const, 'clean' as const),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const rtt = new Rtt(toInstant(0), milliseconds(0.2))
      for (const [i, each] of steps.entries()) {
        if (each === 'spurious') rtt.spurious()
        else if (each === 'clean') rtt.clean()
        else rtt.sample(toInstant(i), milliseconds(each.rtt), milliseconds(each.delay))
        for (const backoff of [0, 1, 2, 5, 50]) {
          const pto = rtt.pto(backoff)
          if (!(pto >= 3 && pto <= 1000)) return false
          if (rtt.pto(backoff + 1) < pto) return false
        }
        if (!(rtt.lossDelay >= 1) || !(rtt.overdue >= 2)) return false
      }
      return true
    }),
  )
  t.pass()
})

test('on a LAN of 0.2 ms it fires after about 3 ms, on one of 5 ms after about 9', t => {
  for (const [way, low, high] of [
    [0.2, 3, 4],
    [5, 8, 9],
  ] as const) {
    const rtt = new Rtt(toInstant(0), milliseconds(way))
    for (let i = 1; i < 50; i++) rtt.sample(toInstant(i), milliseconds(way), ZERO)
    t.true(rtt.pto(0) >= low && rtt.pto(0) <= high, `${rtt.pto(0)}`)
    t.true(Math.abs(rtt.pto(2) - 4 * rtt.pto(0)) < 1e-9)
  }
})

test('a delay that the peer admits does not count, unless it would make the trip too short', t => {
  const rtt = new Rtt(toInstant(0), milliseconds(10))
  for (let i = 1; i < 100; i++) rtt.sample(toInstant(i), milliseconds(30), milliseconds(20))
  t.true(Math.abs(rtt.smoothed - 10) < 0.01)
  for (let i = 1; i < 100; i++) rtt.sample(toInstant(i), milliseconds(30), milliseconds(25))
  t.true(Math.abs(rtt.smoothed - 30) < 0.01)
})

test('needless retransmissions raise the floor to 50 ms at most, quiet lowers it again', t => {
  const rtt = new Rtt(toInstant(0), milliseconds(0.2))
  for (let i = 0; i < 100; i++) rtt.spurious()
  t.is(rtt.pto(0), milliseconds(50))
  for (let i = 0; i < 200; i++) rtt.clean()
  t.is(rtt.pto(0), milliseconds(45))
  for (let i = 0; i < 200 * 100; i++) rtt.clean()
  t.true(rtt.pto(0) < 4)
})
