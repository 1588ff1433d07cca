import test from 'ava'
import fc from 'fast-check'
import { Pace } from '../../src/core/pace.ts'
import { toInstant } from '../../src/lib/time.ts'

/** Heartbeats, one each 150 ms, of a clock of this rate; `way`: how long each takes. */
function heard(seconds: number, rate: number, way: (beat: number) => number): Pace {
  const pace = new Pace()
  for (let beat = 0; beat * 150 < seconds * 1000; beat++) {
    const sent = 1_000_000 + beat * 150
    pace.hear(toInstant(sent + way(beat)), 7_000_000 + beat * 150 * rate)
  }
  return pace
}

test('nothing is said of a clock before half a minute of heartbeats', t => {
  t.is(new Pace().drift, undefined)
  t.is(heard(25, 1.05, () => 1).drift, undefined)
  t.not(heard(45, 1.05, () => 1).drift, undefined)
})

test('what the network does to heartbeats is not taken for the clock', t => {
  const delays = fc.infiniteStream(fc.double({ min: 0, max: 400, noNaN: true }))
  const property = fc.property(
    fc.double({ min: 0.95, max: 1.05, noNaN: true }),
    delays,
    (rate, stream) => {
      // Of ten that follow each other one is on its way as short as can be.
      const way = (beat: number): number => (beat % 10 === 3 ? 0.2 : Number(stream.next().value))
      const { drift } = heard(120, rate, way)
      return drift !== undefined && Math.abs(drift - (rate - 1)) < 0.002
    },
  )
  t.notThrows(() => fc.assert(property, { numRuns: 50 }))
})

test('a clock is judged by its last ten minutes', t => {
  const pace = new Pace()
  let stamp = 0
  for (let now = 0; now < 40 * 60_000; now += 150) {
    stamp += now < 20 * 60_000 ? 150 : 150 * 1.01
    pace.hear(toInstant(now), stamp)
  }
  t.true(Math.abs((pace.drift ?? 0) - 0.01) < 0.0005, String(pace.drift))
})
