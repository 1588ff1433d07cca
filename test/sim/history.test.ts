import fc from 'fast-check'
import test from 'ava'
import { formatHistory, parseHistory } from '../../src/sim/history.ts'
import { plans, play } from '../helpers/histories.ts'

const line =
  '{"name":"x","client":"c1","host":2,"invoked":1.5,"returned":2,' +
  '"operation":{"type":"change","value":null,"condition":{"type":"version","version":3}},' +
  '"outcome":{"type":"changed","version":4,"writer":{"host":2,"time":7}}}'

test('a line of JSON is one operation, and what is not known is left out', t => {
  const [entry, ...others] = [parseHistory(`${line}\n\n`)].flat()
  t.is(others.length, 0)
  t.deepEqual(entry, {
    name: 'x',
    client: 'c1',
    host: 2,
    invoked: 1.5,
    returned: 2,
    operation: { type: 'change', value: undefined, condition: { type: 'version', version: 3 } },
    outcome: { type: 'changed', version: 4, writer: { host: 2, time: 7 } },
  } as unknown as typeof entry)
})

test('what is written is read as it was', t => {
  fc.assert(
    fc.property(plans({ length: 20, values: 3 }), all => {
      t.deepEqual(parseHistory(formatHistory(play(all))), play(all))
    }),
  )
})

const wrong: readonly (readonly [string, string, string])[] = [
  ['no JSON', '{', 'not JSON'],
  ['a list', '[]', 'a line is not an object'],
  ['no name', line.replace('"name":"x",', ''), 'name is not a text'],
  ['no client', line.replace('"c1"', '7'), 'client is not a text'],
  [
    'a field too many',
    line.replace('"host":2,"inv', '"hots":2,"inv'),
    'a line has a field that is not known: hots',
  ],
  [
    'a host that is none',
    line.replace('"host":2,"inv', '"host":-2,"inv'),
    'host is not a whole number',
  ],
  ['no time', line.replace('1.5', '"1.5"'), 'invoked is not a number of milliseconds'],
  [
    'time that runs backwards',
    line.replace('"returned":2', '"returned":1'),
    'it returned before it was invoked',
  ],
  ['an answer at no time', line.replace('"returned":2,', ''), 'outcome changed without returned'],
  ['no operation', line.replace('"change"', '"put"'), 'operation.type is neither get nor change'],
  [
    'a value left out',
    line.replace('"value":null,', ''),
    'operation.value is neither a text nor null',
  ],
  [
    'no condition',
    line.replace('"type":"version",', ''),
    'condition.type is none of always, version and absent',
  ],
  [
    'a condition on nothing',
    line.replace('"version":3', '"version":"3"'),
    'condition.version is not a whole number',
  ],
  [
    'no outcome',
    line.replace('"changed"', '"done"'),
    'outcome.type is none of value, changed, differs, uncertain and none',
  ],
  [
    'an answer to something else',
    line.replace(/"operation.*"outcome/, '"operation":{"type":"get"},"outcome'),
    'changed is no outcome of a get',
  ],
  ['half a writer', line.replace(',"time":7', ''), 'writer.time is not a whole number'],
]

for (const [name, text, reason] of wrong)
  test(`refused, with the number of the line: ${name}`, t => {
    const bad = parseHistory(`${line}\n${text}\n${line}`)
    t.true('line' in bad)
    if (!('line' in bad)) return
    t.is(bad.line, 2)
    t.is(bad.reason.slice(0, reason.length), reason)
  })
