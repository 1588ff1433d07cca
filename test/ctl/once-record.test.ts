import test from 'ava'
import {
  formatRuns,
  isDue,
  isPeriodOver,
  KEYS_MAX,
  parseRuns,
  stampOf,
  withoutRun,
  withRun,
  type Runs,
  type Wanted,
} from '../../src/ctl/once/record.ts'
import { VALUE_BYTES_MAX } from '../../src/control/protocol.ts'

const NOON = Date.parse('2026-03-01T12:00:00Z')
const DAY = 86_400_000
const stamp = { started: NOON, host: 'kitchen', token: 2050 }
const nothing: Runs = { every: undefined, key: undefined, keys: [] }
const daily: Wanted = { type: 'every', periodMs: DAY }

test('a period is over when nine tenths have passed by the clock of whoever asks', t => {
  t.false(isPeriodOver(NOON, NOON, DAY))
  t.false(isPeriodOver(NOON + 0.9 * DAY - 1, NOON, DAY))
  t.true(isPeriodOver(NOON + 0.9 * DAY, NOON, DAY))
  t.true(isPeriodOver(NOON + 100 * DAY, NOON, DAY))
})

test('a stamp from a clock that is a little ahead counts, from one far ahead does not', t => {
  t.false(isPeriodOver(NOON, NOON + 20, DAY))
  t.false(isPeriodOver(NOON, NOON + 0.1 * DAY, DAY))
  t.true(isPeriodOver(NOON, NOON + 0.1 * DAY + 1, DAY))
  t.true(isPeriodOver(NOON, NOON + 3650 * DAY, DAY))
})

test('what has run is read back as it was written', t => {
  const runs = withRun(withRun(nothing, daily, stamp), { type: 'key', key: 'v1' }, stamp)
  const text = formatRuns(runs)
  t.is(
    text,
    '{"every":{"started":"2026-03-01T12:00:00.000Z","host":"kitchen","token":2050},' +
      '"key":{"started":"2026-03-01T12:00:00.000Z","host":"kitchen","token":2050,"key":"v1"},' +
      '"keys":["v1"]}',
  )
  t.deepEqual(parseRuns(text), runs)
  t.deepEqual(parseRuns(undefined), nothing)
  t.is(formatRuns(nothing), undefined)
})

test('periods and keys of one name do not concern each other', t => {
  const runs = withRun(nothing, { type: 'key', key: 'v1' }, stamp)
  t.true(isDue(runs, daily, NOON))
  t.false(isDue(runs, { type: 'key', key: 'v1' }, NOON))
  t.true(isDue(runs, { type: 'key', key: 'v2' }, NOON))
  const both = withRun(runs, daily, stamp)
  t.false(isDue(both, daily, NOON))
  t.deepEqual(withoutRun(both, daily), runs)
  t.deepEqual(withoutRun(runs, { type: 'key', key: 'v1' }), nothing)
})

test('the last 1,000 keys are kept, and the one before them is due again', t => {
  let runs = nothing
  for (let key = 0; key <= KEYS_MAX; key++) {
    runs = withRun(runs, { type: 'key', key: String(key) }, stamp)
  }
  t.is(runs.keys.length, 1000)
  t.true(isDue(runs, { type: 'key', key: '0' }, NOON))
  t.false(isDue(runs, { type: 'key', key: '1' }, NOON))
  t.false(isDue(runs, { type: 'key', key: String(KEYS_MAX) }, NOON))
  t.is(stampOf(runs, { type: 'key', key: '1' }), undefined, 'only of the last one it is known')
  t.deepEqual(stampOf(runs, { type: 'key', key: String(KEYS_MAX) }), {
    ...stamp,
    key: '1000',
  } as never)
})

test('1,000 keys fit into a variable, however long they are and whatever is in them', t => {
  for (const piece of ['k', '"\\', '\u0001', '鍵', 'sha256:']) {
    let runs = withRun(nothing, daily, stamp)
    for (let at = 0; at < KEYS_MAX; at++) {
      const wanted: Wanted = { type: 'key', key: `${at}${piece.repeat(at % 60)}` }
      runs = withRun(runs, wanted, stamp)
      t.false(isDue(runs, wanted, NOON))
    }
    t.is(runs.keys.length, KEYS_MAX)
    t.true(Buffer.byteLength(formatRuns(runs) ?? '') < VALUE_BYTES_MAX)
    t.deepEqual(parseRuns(formatRuns(runs)), runs)
  }
})

test('what once has not written is not taken for what it has', t => {
  for (const text of [
    '',
    'yes',
    '[]',
    '7',
    '{"every":7}',
    '{"every":{"started":"yesterday","host":"a","token":1}}',
    '{"every":{"started":"2026-03-01T12:00:00Z","token":1}}',
    '{"every":{"started":"2026-03-01T12:00:00Z","host":"a"}}',
    '{"key":{"started":"2026-03-01T12:00:00Z","host":"a","token":1}}',
    '{"keys":[7]}',
    '{"keys":{}}',
  ]) {
    t.is(parseRuns(text), undefined, text)
  }
  t.is(parseRuns(new Uint8Array([0xff])), undefined)
})
