import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { spawnSync } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { barText } from '../../src/ctl/simulate/progress.ts'
import { missingText } from '../../src/ctl/simulate/report.ts'
import type { TrialResult } from '../../src/sim/verdict.ts'
import { lamportctl } from '../helpers/lamportctl.ts'
import { eventually } from '../helpers/processes.ts'
import { misshapen, readShapes } from '../helpers/shapes.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function simulated(...args: readonly string[]): Promise<[number | string, string, string]> {
  const running = lamportctl(['simulate', ...args])
  const code = await running.ended
  return [code, running.stdout, running.stderr]
}

test('five hosts, one entry each: the five fields as they always were, and a verdict', async t => {
  const [code, text, errors] = await simulated('--hosts', '5', '--entries', '1')
  t.is(code, 0)
  t.is(errors, '')
  const history = /^cs_history: (.*)$/m.exec(text)?.[1] ?? ''
  const pairs = JSON.parse(history) as [number, number][]
  t.deepEqual(pairs.map(([host]) => host).sort(), [1, 2, 3, 4, 5])
  t.regex(text, /^shared_counter: 5$/m)
  t.regex(text, /^message_count: \{1: 12, 2: 12, 3: 12, 4: 12, 5: 12\}$/m)
  t.regex(text, /^total_messages: 60$/m)
  t.regex(text, /^execution_time: 0\.\d+$/m)
  t.regex(text, /^PASS$/m)
  t.regex(text, /^Next: /m)
})

test('the JSON has the five fields, with their types, and ours beside them', async t => {
  const file = join(folderOf(t), 'run.json')
  const [code] = await simulated('--entries', '3', '--json', file)
  t.is(code, 0)
  const result = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  t.deepEqual(Object.keys(result).slice(0, 5), [
    ...['cs_history', 'shared_counter', 'message_count', 'total_messages', 'execution_time'],
  ])
  const shapes = readShapes(readFileSync(join(root, 'docs/json.md'), 'utf8'))
  t.is(misshapen(shapes, 'simulate', result), undefined)
  const history = result.cs_history as unknown[]
  t.is(history.length, 15)
  t.true(history.every(each => Array.isArray(each) && each.length === 2))
  t.deepEqual(result.message_count, { 1: 36, 2: 36, 3: 36, 4: 36, 5: 36 })
  // The common option has no file.
  const common = lamportctl(['--json', 'simulate', '--hosts', '2'])
  t.is(await common.ended, 0)
  t.is(misshapen(shapes, 'simulate', JSON.parse(common.stdout)), undefined)
})

type Simulated = TrialResult & {
  readonly setting: {
    readonly datagrams: {
      readonly sent: number
      readonly lost: number
      readonly duplicated: number
    }
  }
}

/** What three hosts bring that enter five times each, on a network of these options. */
async function resultWith(t: ExecutionContext, ...options: readonly string[]): Promise<Simulated> {
  const args = ['--hosts', '3', '--entries', '5', '--json', '-', ...options]
  const [code, text, errors] = await simulated(...args)
  t.is(code, 0, `${options.join(' ')}: ${text}${errors}`)
  return JSON.parse(text) as Simulated
}

test('what is wrong with the network comes about in it, each by its option alone', async t => {
  const good = await resultWith(t)
  const { datagrams } = good.setting
  t.true(datagrams.sent > 0)
  t.deepEqual([datagrams.lost, datagrams.duplicated], [0, 0])
  const lossy = await resultWith(t, '--loss', '30%')
  const share = lossy.setting.datagrams.lost / lossy.setting.datagrams.sent
  // What comes once all have entered is not lost.
  t.true(share > 0.1 && share < 0.4, `${share} lost`)
  t.is(lossy.setting.datagrams.duplicated, 0)
  const doubled = await resultWith(t, '--duplicate', '0.4')
  t.true(doubled.setting.datagrams.duplicated > 0.2 * doubled.setting.datagrams.sent)
  t.is(doubled.setting.datagrams.lost, 0)
  const far = await resultWith(t, '--delay', '20ms')
  const overtaken = await resultWith(t, '--reorder', '40%')
  for (const { latency } of [good, far, overtaken])
    t.deepEqual(Object.keys(latency), ['1', '2', '3'])
  // There and back again, in milliseconds.
  for (const { ms } of Object.values(good.latency)) t.true(ms.min >= 0.4 && ms.min < 40)
  for (const { ms } of Object.values(far.latency)) t.true(ms.min >= 40)
  const last = ({ latency }: Simulated): number =>
    Math.max(...Object.values(latency).map(({ ms }) => ms.max))
  // Some are late, by up to 50 ms.
  t.true(last(overtaken) > 2 * last(good), `${last(overtaken)} and ${last(good)} ms`)
  // It costs time, and no message.
  for (const each of [good, lossy, doubled, far, overtaken]) t.is(each.total_messages, 90)
})

test('the same seed is the same trace, to the last byte; the diagram is drawn of it', async t => {
  const folder = folderOf(t)
  const faults = ['--loss', '20%', '--duplicate', '0.2', '--reorder', '0.2']
  const traced = async (name: string, seed: string): Promise<Buffer> => {
    const file = join(folder, name)
    const args = ['--hosts', '3', '--entries', '2', ...faults, '--seed', seed, '--trace', file]
    t.is((await simulated(...args))[0], 0)
    return readFileSync(file)
  }
  const [one, again, other] = [
    await traced('one.jsonl', '7'),
    await traced('again.jsonl', '7'),
    await traced('other.jsonl', '8'),
  ]
  t.true(one.length > 1000)
  t.true(one.equals(again))
  t.false(one.equals(other))
  for (const [name, pattern] of [
    ['run.svg', /<svg[^]*host1[^]*host2[^]*host3[^]*<\/svg>/],
    ['run.html', /<html[^]*host3/],
  ] as const) {
    const drawing = lamportctl(['diagram', join(folder, 'one.jsonl'), '-o', join(folder, name)])
    t.is(await drawing.ended, 0, drawing.stderr)
    t.regex(readFileSync(join(folder, name), 'utf8'), pattern)
  }
  const text = lamportctl(['diagram', join(folder, 'one.jsonl')])
  t.is(await text.ended, 0, text.stderr)
  // Each host enters twice.
  for (const host of ['host1', 'host2', 'host3']) t.true(text.stdout.includes(host), host)
  for (const type of ['REQUEST', 'REPLY', 'RELEASE']) t.true(text.stdout.includes(type), type)
})

/** x and width of the bars of each lane, by the height at which it is. */
function lanesOf(svg: string): Map<string, [number, number][]> {
  const lanes = new Map<string, [number, number][]>()
  const bars = svg.matchAll(/<rect class="use h\d" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)
  for (const [, x, y = '', width] of bars)
    lanes.set(y, [...(lanes.get(y) ?? []), [Number(x), Number(width)]])
  return lanes
}

function overlaps(bars: readonly [number, number][]): number {
  const inOrder = [...bars].sort(([a], [b]) => a - b)
  return inOrder.filter(([x], i) => {
    const [left, width] = inOrder[i - 1] ?? [-1, 0]
    return left + width > x
  }).length
}

test('in the picture no bars overlap, in no row and not in the lane of all', async t => {
  const folder = folderOf(t)
  for (const [args, count] of [
    [['--entries', '40'], 200],
    [['--entries', '5', '--hold', '100ms', '--kill', '2@1s', '--loss', '20%'], 20],
  ] as const) {
    const file = join(folder, 'run.svg')
    const [code] = await simulated(...args, '--svg', file)
    t.is(code, 0)
    const svg = readFileSync(file, 'utf8')
    const lanes = lanesOf(svg)
    t.is(lanes.size, 6)
    const all = [...lanes.values()].at(-1) ?? []
    t.true(all.length >= count)
    for (const bars of lanes.values()) t.is(overlaps(bars), 0)
    t.is(overlaps([...lanes.values()].slice(0, 5).flat()), 0)
    t.regex(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox/)
    t.notRegex(svg, /NaN|undefined|href|<script/)
    t.true(isWellFormed(svg))
  }
  t.is(overlaps([[0, 5] as [number, number], [4, 5]]), 1)
  t.false(isWellFormed('<svg><g></svg>'))
})

/** Every element that is opened is closed, in order. */
function isWellFormed(xml: string): boolean {
  const open: string[] = []
  for (const [, end, name = '', rest = ''] of xml.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (end === '/') {
      if (open.pop() !== name) return false
    } else if (!rest.endsWith('/')) open.push(name)
  }
  return open.length === 0 && !/&(?!amp;|lt;|gt;)/.test(xml)
}

test('a run that cannot be served ends with 1, and names whom', async t => {
  const kills = ['--kill', '1@200ms', '--kill', '2@300ms']
  const [code, text] = await simulated(
    '--hosts',
    '3',
    '--hold',
    '100ms',
    '--entries',
    '5',
    ...kills,
  )
  t.is(code, 1)
  t.regex(text, /^FAIL$/m)
  t.regex(text, /host 3 entered \d of 5 times, though it was up/)
  t.regex(text, /host 1 entered \d of 5 times: it was killed at 0\.2 s/)
  t.regex(text, /^Next: more than half of the hosts must be up/m)
})

test('whatever is wrong with a line is said, with what to write instead', async t => {
  for (const [line, said] of [
    ['--hosts 0', /--hosts 0: not a whole number from 1 to 100 \(write --hosts 5\)/],
    ['--hosts 101', /from 1 to 100/],
    ['--hosts 17 --processes', /from 1 to 16/],
    ['--entries x', /\(write --entries 1\)/],
    ['--loss 1', /not a chance from 0 to 0\.9 \(write --loss 0\.2 or 20%\)/],
    ['--loss 95%', /not a chance/],
    ['--reorder -1', /not a chance/],
    ['--delay 5', /not a time \(write --delay 0\.2ms\)/],
    ['--delay 1s', /more than 200 ms/],
    ['--kill 3', /not a host and a time \(write --kill 2@500ms\)/],
    ['--kill 9@1s', /no host 9 to kill/],
    ['--kill 2@1s --kill 2@2s', /dies only once/],
    ['--hosts 100 --entries 1000', /3,000,000 are the most \(write --entries 101 at most\)/],
    ['--processes --loss 10%', /leave out --loss or --processes/],
    ['--processes --seed 1', /leave out --seed or --processes/],
    ['--json - --svg -', /only one of/],
    ['x', /takes no operand/],
    ['--losss 1', /did you mean --loss\?/],
  ] as const) {
    const [code, text, errors] = await simulated(...line.split(' '))
    t.is(code, 64, line)
    t.is(text, '', line)
    t.regex(errors, said, line)
    t.regex(errors, /^lamportctl: [^\n]+ \([^\n]+\)\n$/, line)
  }
  const [code, , errors] = await simulated('--svg', '/nonexistent/run.svg')
  t.is(code, 74)
  t.regex(errors, /\/nonexistent\/run\.svg cannot be written: ENOENT \(/)
})

test('each command of the document runs, and passes', t => {
  const folder = folderOf(t)
  const document = readFileSync(join(root, 'docs/simulate.md'), 'utf8')
  const blocks = [...document.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text]) => text ?? '')
  const lines = blocks.flatMap(text => text.trim().split('\n'))
  t.true(lines.length >= 6)
  for (const line of lines) {
    const script = line.replace(
      /^lamportctl/,
      `exec "${process.execPath}" "${root}/dist/lamportctl.js"`,
    )
    const run = spawnSync('/bin/sh', ['-c', script], { cwd: folder, encoding: 'utf8' })
    t.is(run.status, 0, `${line}: ${run.stdout}${run.stderr}`)
  }
  for (const name of ['run.json', 'run.svg', 'run.jsonl']) t.true(existsSync(join(folder, name)))
})

test.serial('real processes give the same result, and leave nothing', async t => {
  const folder = folderOf(t)
  const env = { TMPDIR: folder }
  const args = ['simulate', '--hosts', '3', '--entries', '5', '--processes', '--json', '-']
  const running = lamportctl(args, { env })
  t.is(await running.ended, 0, running.stderr)
  const result = JSON.parse(running.stdout) as TrialResult
  t.is(result.shared_counter, 15)
  t.is(result.total_messages, 90)
  t.deepEqual(result.message_count, { 1: 30, 2: 30, 3: 30 })
  const { cs_history: history, latency, verdict } = result
  const inOrder = history.map(([host]) => host).sort()
  t.deepEqual(
    inOrder,
    [1, 2, 3].flatMap(host => Array<number>(5).fill(host)),
  )
  t.true(rises(history.map(([, clock]) => clock)))
  plausible(t, latency, { 1: 5, 2: 5, 3: 5 })
  t.deepEqual(verdict.safety, { passed: true, problems: [] })
  t.deepEqual(verdict.liveness, { passed: true, entries: 15, expected: 15, missing: [] })
  t.deepEqual(verdict.fairness, { passed: true, jain: 1, waitedForMost: null })
  t.true(verdict.passed)
  t.deepEqual(readdirSync(folder), [])
})

function rises(numbers: readonly number[]): boolean {
  return numbers.every((each, i) => each > (numbers[i - 1] ?? 0))
}

/** Of so many entries a host: by the clock of the machine, and by that of the host. */
function plausible(
  t: ExecutionContext,
  latency: TrialResult['latency'],
  entries: Readonly<Record<string, number>>,
): void {
  t.deepEqual(Object.fromEntries(Object.entries(latency).map(([id, of]) => [id, of.entries])), {
    ...entries,
  })
  for (const { ms, ticks } of Object.values(latency)) {
    for (const { min, median, p99, max } of [ms, ticks])
      t.true(0 < min && min <= median && median <= p99 && p99 <= max)
    t.true(ticks.min >= 4)
  }
}

test.serial('a real process that is killed is named, and the others go on without it', async t => {
  const folder = folderOf(t)
  const svg = join(folder, 'run.svg')
  // Its own five stays alone would take longer than it lives.
  const args = ['--hosts', '3', '--entries', '5', '--hold', '150ms', '--kill', '2@400ms']
  const [code, text, errors] = await simulated(...args, '--processes', '--json', '-', '--svg', svg)
  t.is(code, 0, text + errors)
  const shapes = readShapes(readFileSync(join(root, 'docs/json.md'), 'utf8'))
  t.is(misshapen(shapes, 'simulate', JSON.parse(text)), undefined)
  const {
    cs_history: history,
    latency,
    verdict,
    shared_counter: counter,
  } = JSON.parse(text) as TrialResult
  const { liveness } = verdict
  t.true(verdict.passed)
  t.deepEqual(verdict.safety, { passed: true, problems: [] })
  t.is(liveness.missing.length, 1)
  const [missing] = liveness.missing
  t.is(missing?.host, 2)
  t.is(missing?.expected, 5)
  t.true((missing?.killedAtMs ?? 0) >= 390)
  const done = missing?.entries ?? 5
  t.true(done < 5)
  t.is(liveness.entries, 10 + done)
  t.is(liveness.expected, 10 + done)
  t.is(counter, 10 + done)
  t.true(verdict.fairness.jain >= 0.95)
  for (const host of [1, 2, 3]) {
    const clocks = history.filter(([id]) => id === host).map(([, clock]) => clock)
    // One more where it was inside, or lost what it had and came again.
    t.true(clocks.length >= (host === 2 ? done : 5))
    // Who dies inside may not have been asked for its clock yet.
    t.true(rises(clocks.filter(clock => clock > 0)), `host ${host}: ${clocks.join(' ')}`)
    t.is(latency[host]?.entries, clocks.length)
  }
  const picture = readFileSync(svg, 'utf8')
  t.true(isWellFormed(picture))
  const lanes = lanesOf(picture)
  t.is(lanes.size, (history.some(([host]) => host === 2) ? 3 : 2) + 1)
  t.is([...lanes.values()].at(-1)?.length, history.length)
  for (const bars of lanes.values()) t.is(overlaps(bars), 0)
})

test('a host that has entered too often is told as such', t => {
  t.is(
    missingText({ host: 1, entries: 3, expected: 2, killedAtMs: null }),
    'host 1 entered 3 of 2 times, which is too often',
  )
})

test.serial('Ctrl-C ends every process, and the folder goes', async t => {
  const folder = folderOf(t)
  const args = ['simulate', '--hosts', '3', '--entries', '50', '--hold', '1s', '--processes']
  const running = lamportctl(args, { env: { TMPDIR: folder } })
  const isUp = (): boolean => commandsIn(folder).length === 3
  await eventually('three daemons run', isUp)
  running.kill('SIGINT')
  t.is(await running.ended, 'SIGINT')
  await eventually('all is gone', () => commandsIn(folder).length === 0)
  t.deepEqual(readdirSync(folder), [])
})

/** Daemons whose state is in a folder. */
function commandsIn(folder: string): readonly string[] {
  const lines = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
  return lines.filter(line => line.includes('lamportd.cjs') && line.includes(folder))
}

test('lamportctl itself has nothing of the simulator in it', t => {
  const words = /time does not run backwards|Jain's index/
  t.notRegex(readFileSync(join(root, 'dist/lamportctl.cjs'), 'utf8'), words)
  t.regex(readFileSync(join(root, 'dist/lamportctl-simulator.cjs'), 'utf8'), words)
})

test('a bar says how far it is', t => {
  t.is(barText(512, 1500), `[${'#'.repeat(10)}${' '.repeat(20)}] 512 of 1,500 entries`)
  t.is(barText(0, 0), `[${' '.repeat(30)}] 0 of 0 entries`)
})
