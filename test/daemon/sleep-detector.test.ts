import test from 'ava'
import { createBootClock, SleepDetector, type ClockPair } from '../../src/daemon/sleep.ts'
import { toInstant } from '../../src/lib/time.ts'

/** Asked at each monotonic time, with what both clocks read then. */
function asked(readings: readonly (readonly [monotonicMs: number, bootMs: number] | undefined)[]) {
  let next = 0
  const detector = new SleepDetector((): ClockPair | undefined => {
    const reading = readings[next]
    return reading && { monotonic: toInstant(reading[0]), bootMs: reading[1] }
  })
  return readings.map((reading, i) => {
    next = i
    return detector.wasAsleep(toInstant(reading?.[0] ?? i * 100))
  })
}

test('clocks that go on together are no sleep, whatever they read', t => {
  t.deepEqual(
    asked([
      [0, 5000],
      [100, 5100],
      [60_100, 65_090],
    ]),
    [false, false, false],
  )
})

test('boot time that has gone on while monotonic time stood still is a sleep, told once', t => {
  t.deepEqual(
    asked([
      [0, 5000],
      [100, 35_100],
      [200, 35_200],
    ]),
    [false, true, false],
  )
})

test('a jump of less than anybody sleeps is the grain of the clocks', t => {
  t.deepEqual(
    asked([
      [0, 5000],
      [100, 5350],
    ]),
    [false, false],
  )
})

test('a reading that took too long says nothing', t => {
  t.deepEqual(asked([[0, 5000], undefined, [300, 5300]]), [false, false, false])
})

test('the clocks of this machine are read, and agree', t => {
  const read = createBootClock()
  const [first, second] = [read(), read()]
  if (first === undefined || second === undefined) {
    t.log('the machine was too busy to read two clocks at once')
    t.pass()
    return
  }
  const jump = second.bootMs - first.bootMs - (second.monotonic - first.monotonic)
  t.true(Math.abs(jump) < 100)
})
