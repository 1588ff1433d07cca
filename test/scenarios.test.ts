import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { runScenario } from '../src/sim/transcript.ts'

// The sources, not their build: UPDATE=1 rewrites them, and the difference is reviewed.
const folder = new URL('../../test/scenarios/', import.meta.url)
const scenarios = readdirSync(folder).filter(file => file.endsWith('.txt'))

test('there are scenarios', t => {
  t.true(scenarios.length > 5)
})

for (const file of scenarios)
  test(`scenario ${file.replace('.txt', '').replaceAll('-', ' ')}`, t => {
    const url = new URL(file, folder)
    const written = readFileSync(url, 'utf8')
    const real = runScenario(written)
    if (process.env.UPDATE === '1') writeFileSync(url, real)
    else t.is(real, written)
    t.notRegex(real, /^error/m)
  })
