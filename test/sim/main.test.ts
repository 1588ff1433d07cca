import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const main = fileURLToPath(new URL('../../src/sim/main.js', import.meta.url))

function sim(...args: string[]): { status: number | null; lines: string[]; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
  })
  return { status, lines: stdout.trim().split('\n'), errors: stderr }
}

test('clean seeds of both simulators exit 0, and the seeds are said first and last', t => {
  const { status, lines } = sim('--seeds', '5..8', '--hosts', '3')
  t.is(status, 0)
  t.is(lines[0], 'seeds 5..8, all, 3 hosts')
  t.true(lines.some(line => /^depth: 1 runs, .* 0 violations, 0 stuck$/.test(line)))
  t.true(lines.some(line => /^breadth: 3 runs, .* 0 violations, 0 stuck$/.test(line)))
  t.regex(lines.at(-1)!, /^seeds 5\.\.8, all, 3 hosts: 4 runs, .* 0 violations, 0 stuck$/)
})

test('two processes run one seed alike, to the last bit', t => {
  const first = sim('--seeds', '3', '--mode', 'depth', '--verbose')
  t.regex(first.lines[1] ?? '', /^seed 3 .* hash [0-9a-f]{16}$/)
  t.deepEqual(first, sim('--seeds', '3', '--mode', 'depth', '--verbose'))
})

test('a violation exits 1, with the seed and how to run it again', t => {
  const broken = ['--break', 'totalOrder', '--mode', 'depth']
  const { status, lines } = sim('--seeds', '1..4', '--hosts', '3', ...broken)
  t.is(status, 1)
  t.true(lines.some(line => /^seed \d+ \(depth, 3 hosts\) at [\d.]+ ms: /.test(line)))
  t.true(lines.some(line => /^again: npm run sim -- --seeds \d+ --mode depth/.test(line)))
})

test('a wrong option exits 64 and says what there is', t => {
  for (const args of [['--seeds', 'x'], ['--sedes', '1'], ['1..3']]) {
    const { status, errors } = sim(...args)
    t.is(status, 64, args.join(' '))
    t.regex(errors, /^sim: .*\nusage: npm run sim/)
  }
  t.is(sim('--help').status, 0)
})
