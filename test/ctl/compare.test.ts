import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { comparisonText } from '../../src/ctl/comparison-text.ts'
import { compareAll } from '../../src/sim/comparison.ts'
import { LAMPORTCTL } from '../helpers/lamportctl.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** A command that a document shows, and what it prints. */
const SHOWN = /^```\n\$ lamportctl (compare.*)\n\n([^`]*)^```$/gm

test('the tables of docs/compare.md are what the command prints', t => {
  const path = `${root}docs/compare.md`
  const document = readFileSync(path, 'utf8')
  const real = document.replace(SHOWN, (_, line: string) => {
    const args = [LAMPORTCTL, ...line.split(' ')]
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    t.is(status, 0)
    return `\`\`\`\n$ lamportctl ${line}\n\n${stdout}\`\`\``
  })
  t.true([...document.matchAll(SHOWN)].length >= 1)
  if (process.env.UPDATE === '1') writeFileSync(path, real)
  else t.is(real, document)
})

test('what is not as theory says is marked, counted, and told', t => {
  const [first, ...rest] = compareAll(['saturated'], [3], 1)
  t.notRegex(comparisonText([first!, ...rest], ['saturated'], false), /!/)
  const wrong = {
    ...first!,
    messages: { ...first!.messages, measured: 7, isWithin: false },
    violations: ['at 3: exclusion: host 1 enters while host 2 is inside'],
  }
  const text = comparisonText([wrong, ...rest], ['saturated'], false)
  t.regex(text, /Lamport +! 7\.00 {2}3\(N-1\) = 6 /)
  t.regex(text, /1 of 27 figures/)
  t.regex(text, /^! Lamport, 3 hosts, at 3: exclusion/m)
})

test('lamportctl itself holds nothing of the simulator: what a cron line loads stays small', t => {
  const bundle = readFileSync(LAMPORTCTL, 'utf8')
  t.true(bundle.includes('./lamportctl-simulator.cjs'))
  t.false(/Ricart|#agenda/.test(bundle))
  const { files } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { files: string[] }
  t.true(files.includes('dist/lamportctl-simulator.cjs'))
})
