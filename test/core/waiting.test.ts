import test from 'ava'
import { Waiting } from '../../src/core/waiting.ts'
import { toInstant } from '../../src/lib/time.ts'

test('what a host waits for is told once, when it has waited for a while, and again when it changes', t => {
  const waiting = new Waiting()
  const told: (string | undefined)[] = []
  for (const [at, text] of [
    [0, 'b'],
    [2999, 'b'],
    [3000, 'b'],
    [9000, 'b'],
    [9500, 'c'],
    [12_000, 'c'],
    [12_500, 'c'],
    [13_000, undefined],
    [20_000, undefined],
    [20_001, 'c'],
    [23_001, 'c'],
  ] as const) {
    const notice = waiting.notice(toInstant(at), text)
    if (notice !== undefined) told.push(`${at} ${notice}`)
  }
  t.deepEqual(told, ['3000 b', '12500 c', '23001 c'])
})
