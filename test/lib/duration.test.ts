import test from 'ava'
import { parseDuration } from '../../src/lib/duration.ts'

test('a duration is a number and its unit', t => {
  const cases: readonly (readonly [string, number])[] = [
    ['250ms', 250],
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['2w', 1_209_600_000],
    ['1.1 s', 1100],
  ]
  for (const [text, ms] of cases) t.is(parseDuration(text), ms as never, text)
})

test('what is not one is refused: no unit, another unit, signs, nothing', t => {
  for (const text of ['', '5', 's', '-1s', '1y', '1h30m', '1e3s', '.5s', ' 1s', '1s ', '١s']) {
    t.is(parseDuration(text), undefined, text)
  }
})
