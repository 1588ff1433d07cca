import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { comparisonText } from '../../src/ctl/comparison-text.ts'
import { compareAll } from '../../src/sim/comparison.ts'
import { lamportctl, LAMPORTCTL } from '../helpers/lamportctl.ts'

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

test('light load alone has one table, and its rows are as theory says', async t => {
  const running = lamportctl(['--json', 'compare', '--hosts', '3,5', '--load', 'light'])
  t.is(await running.ended, 0, running.stderr)
  const { results } = JSON.parse(running.stdout) as { results: readonly Row[] }
  t.is(results.length, 2 * 9)
  for (const { load, messages, response, synchronisation } of results) {
    t.is(load, 'light')
    t.true(messages.within && response.within)
    t.is(synchronisation, null)
  }
  const lamport = results.filter(({ algorithm }) => algorithm === 'lamport')
  t.deepEqual(
    lamport.map(({ hosts, messages }) => [hosts, messages.measured]),
    [
      [3, 6],
      [5, 12],
    ],
  )
  const text = lamportctl(['compare', '--hosts', '3', '--load', 'light'])
  t.is(await text.ended, 0, text.stderr)
  t.regex(text.stdout, /^Light load: /)
  t.notRegex(text.stdout, /Saturated/)
  t.regex(text.stdout, /^Every figure is as theory says\.$/m)
})

type Row = {
  readonly algorithm: string
  readonly load: string
  readonly hosts: number
  readonly messages: { readonly measured: number; readonly within: boolean }
  readonly response: { readonly within: boolean }
  readonly synchronisation: unknown
}

test('the exit code is 1 where a figure is not as theory says, or a promise was broken', t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'lamportctl.cjs')
  copyFileSync(LAMPORTCTL, program)
  const simulator = LAMPORTCTL.replace(/\.cjs$/, '-simulator.cjs')
  /** The same program, with a simulator whose first result is another. */
  const ends = (change: string): readonly [number | null, string] => {
    const lines = [
      `const real = require(${JSON.stringify(simulator)})`,
      `const compareAll = (...args) => { const [first, ...rest] = real.compareAll(...args); return [${change}, ...rest] }`,
      `module.exports = { ...real, compareAll }`,
    ]
    writeFileSync(join(folder, 'lamportctl-simulator.cjs'), lines.join('\n'))
    const args = [program, 'compare', '--hosts', '3', '--load', 'light']
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    return [status, stdout]
  }
  t.is(ends('first')[0], 0)
  const [code, text] = ends('{ ...first, messages: { ...first.messages, isWithin: false } }')
  t.is(code, 1)
  t.regex(text, /1 of 18 figures/)
  const [violated, told] = ends(`{ ...first, violations: ['at 3: two are inside'] }`)
  t.is(violated, 1)
  t.regex(told, /^! Lamport, 3 hosts, at 3: two are inside/m)
})

test('lamportctl itself holds nothing of the simulator: what a cron line loads stays small', t => {
  const bundle = readFileSync(LAMPORTCTL, 'utf8')
  t.true(bundle.includes('./lamportctl-simulator.cjs'))
  t.false(/Ricart|#agenda/.test(bundle))
  const { files } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { files: string[] }
  t.true(files.includes('dist/lamportctl-simulator.cjs'))
})
