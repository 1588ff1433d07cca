// What decides in the benchmarks, the soak and the LAN in a box: each is seen to say no.
import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { growthOf, type Sample } from '../../bench/growth.ts'
import { judge, type Figures } from '../../bench/idle.ts'
import { ENTER, readLoad, type LoadResult } from '../lan/load.ts'
import { expectGood } from '../lan/scenario.ts'

const IDLE: Figures = {
  bareStartMs: 50,
  startMs: 150,
  bareMemory: 40,
  memory: [60, 50, 60],
  processorPercent: [0.5, 0.1, 0.2],
  writtenBytes: [0, 0, 0],
  seconds: 600,
}

test('an idle host that needs more than is promised, of anything, is not let pass', t => {
  t.true(judge(IDLE).every(({ isMet }) => isMet))
  const worse: readonly Partial<Figures>[] = [
    { startMs: 151 },
    { memory: [60, 61, 60] },
    { processorPercent: [0.1, 0.51, 0.1] },
    { writtenBytes: [0, 0, 4096] },
  ]
  for (const [at, figures] of worse.entries()) {
    const missed = judge({ ...IDLE, ...figures }).map(({ isMet }) => !isMet)
    t.deepEqual(
      missed,
      missed.map((_, index) => index === at),
    )
  }
})

const MIB = 1024 ** 2

test('a soak in which anything grows is told from one that breathes', t => {
  const flat = Array.from({ length: 40 }, (_, at): Sample => {
    const breath = (at % 5) * MIB
    return { rss: 100 * MIB + breath, heap: 20 * MIB + breath / 2, handles: 40 + (at % 3) }
  })
  t.deepEqual(
    growthOf(flat).map(({ grows }) => grows),
    [false, false, false],
  )
  // A leak of half a MiB a sample, and of a descriptor in two.
  const leaks: readonly ((sample: Sample, at: number) => Sample)[] = [
    (sample, at) => ({ ...sample, rss: sample.rss + at * MIB }),
    (sample, at) => ({ ...sample, heap: sample.heap + at * 0.6 * MIB }),
    (sample, at) => ({ ...sample, handles: sample.handles + at / 2 }),
  ]
  for (const [which, leak] of leaks.entries()) {
    const grown = growthOf(flat.map(leak)).map(({ grows }) => grows)
    t.deepEqual(
      grown,
      grown.map((_, index) => index === which),
    )
  }
})

const GOOD: LoadResult = { codes: { 0: 40, 75: 1 }, said: [], entries: 40, begun: 1, faults: [] }

test('a load on the LAN with two holders, a wrong code, or nobody inside, is no good one', t => {
  t.regex(expectGood(GOOD), /40 entries/)
  t.throws(() => expectGood({ ...GOOD, faults: ['two holders'] }), { message: /exclusion/ })
  t.throws(() => expectGood({ ...GOOD, codes: { 0: 40, 1: 1 } }), { message: /1 times 1/ })
  t.throws(() => expectGood({ ...GOOD, begun: 0 }), { message: /1 locks were lost/ })
  t.throws(() => expectGood({ ...GOOD, codes: {} }), { message: 'nobody entered' })
})

test('two who are inside at the same time, and tokens that fall, are told', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-judges-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const enter = join(folder, 'enter')
  writeFileSync(enter, ENTER, { mode: 0o755 })
  const inside = (token: number): Promise<unknown> => {
    const told = { LAMPORT_LOCK_TOKEN: String(token), LAMPORT_HOST: 'attic', LAN: folder }
    return once(spawn(enter, { stdio: 'ignore', env: { ...process.env, ...told } }), 'exit')
  }
  const shared = (name: string): string => readFileSync(join(folder, name), 'utf8')
  for (const name of ['results', 'faults', 'entries']) writeFileSync(join(folder, name), '')
  await inside(1)
  await inside(2)
  t.deepEqual(readLoad(shared, 0).faults, [])
  t.is(readLoad(shared, 0).entries, 2)
  // As long as its input is open, it is inside.
  const long = spawn('sh', [
    '-c',
    'exec 9>>"$0"; flock 9; echo in; read line',
    join(folder, 'door'),
  ])
  await once(long.stdout, 'data')
  await inside(3)
  t.is(readLoad(shared, 0).faults.join(), 'two holders: 3 on attic')
  long.stdin.end()
  await once(long, 'exit')
  await inside(4)
  t.is(readLoad(shared, 0).entries, 3)
  await inside(2)
  t.regex(readLoad(shared, 0).faults.join(), /token 2 after 4$/)
  writeFileSync(join(folder, 'results'), 'attic 0 \nkitchen 0 \nattic 75 the lock was lost\n')
  t.deepEqual(readLoad(shared, 0).codes, { 0: 2, 75: 1 })
  t.deepEqual(readLoad(shared, 0).said, ['attic 75 the lock was lost'])
})
