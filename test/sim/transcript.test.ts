import test from 'ava'
import { runScenario } from '../../src/sim/transcript.ts'

const text = `# A comment.
hosts 1 2
2 lock door
settle
----
wrong

queues
----
`

test('a scenario comes back with what really happened, and then no longer changes', t => {
  const real = runScenario(text)
  t.regex(real, /^# A comment\.\nhosts 1 2\n2 lock door\nsettle\n----\n2 asks for door/)
  t.regex(real, /2 enters door token=1026/)
  t.notRegex(real, /wrong/)
  t.is(runScenario(real), real)
})

test('a mistake in a scenario is a line of its output', t => {
  const lines = [
    ['1 lock door', 'a scenario begins with its hosts'],
    ['jump', 'no command jump'],
    ['hosts', 'hosts of which ids'],
  ]
  for (const [line, error] of lines)
    t.true(runScenario(`${line ?? ''}\n----\n`).includes(`error: ${error ?? ''}`), line)
  const inside = [
    ['1 sing', 'no command sing'],
    ['1 unlock door', '1 has not asked for door'],
    ['run fast', '"fast" is no time'],
    ['cut 1', 'cut which two'],
  ]
  for (const [line, error] of inside)
    t.true(runScenario(`hosts 1 2\n${line ?? ''}\n----\n`).includes(`error: ${error ?? ''}`), line)
})
