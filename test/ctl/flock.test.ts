import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Cluster, type Host } from '../helpers/cluster.ts'
import { program } from '../helpers/processes.ts'

/** A row of the table in docs/flock.md. */
type Row = {
  readonly lock: string
  readonly line: string
  readonly flock: string
  readonly lamportctl: string
}

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Cases that run at a time: most of each is waiting. */
const LANES = 4

const rows: readonly Row[] = [
  ...readFileSync(join(root, 'docs/flock.md'), 'utf8').matchAll(
    /^\| (free|taken|shared) \| `(.+?)` \| (.*?) \| (.*?) \| .*\|$/gm,
  ),
].map(([, lock = '', line = '', flock = '', lamportctl = '']) => ({
  lock,
  line,
  flock,
  lamportctl,
}))

/** Runs a line in a folder of its own: exit code and stdout, as the table shows them. */
async function run(folder: string, line: string, socket: string): Promise<string> {
  writeFileSync(join(folder, 'data'), 'some data\n')
  const { PATH, HOME } = process.env
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH, HOME, SHELL: '/bin/sh', LAMPORT_SOCKET: socket },
    detached: true,
  })
  let stdout = ''
  child.stdout.on('data', chunk => (stdout += String(chunk)))
  const [code] = (await once(child, 'exit')) as [number]
  // Not until it closes: what was left running may have inherited it.
  await new Promise(resolve => setTimeout(resolve, 100))
  child.stdout.destroy()
  return `${code} ${stdout.trim().replace(/token=\d+/, 'token=N')}`.trim()
}

/** Whoever else has the lock while the line is run. */
async function withHolder<T>(lock: string, command: string[], work: () => Promise<T>): Promise<T> {
  if (lock === 'free') return work()
  const [file = '', ...args] = command
  const options = lock === 'shared' ? ['-s'] : []
  const at = args.indexOf('LOCK-OPTIONS')
  args.splice(at, 1, ...options)
  const holder = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  try {
    return await work()
  } finally {
    holder.stdin.end()
    await once(holder, 'exit')
  }
}

async function compare(host: Host, folder: string, row: Row, at: number): Promise<readonly Row[]> {
  const cat = ['sh', '-c', 'echo up; cat']
  const place = (): string => mkdtempSync(join(folder, `case-${at}-`))
  const file = join(place(), 'lock')
  const flock = await withHolder(row.lock, ['flock', 'LOCK-OPTIONS', file, ...cat], () =>
    run(place(), row.line.replaceAll('LOCK', file), host.socket),
  )
  const ours = [process.execPath, program('lamportctl')]
  const name = `case-${at}`
  const holder = [...ours, '--socket', host.socket, 'lock', 'LOCK-OPTIONS', name, ...cat]
  const line = row.line.replace(/\bflock\b/g, `'${ours.join("' '")}' lock`)
  const lamportctl = await withHolder(row.lock, holder, () =>
    run(place(), line.replaceAll('LOCK', name), host.socket),
  )
  return [{ ...row, flock, lamportctl }]
}

test('docs/flock.md says of each case what flock and lamportctl do', async t => {
  t.timeout(240_000)
  if (spawnSync('flock', ['--version']).status !== 0) {
    t.pass('no flock(1) to compare with (apt-get install util-linux)')
    return
  }
  t.true(rows.length > 40)
  t.is(new Set(rows.map(({ lock, line }) => lock + line)).size, rows.length)
  const cluster = await Cluster.start(t, { ids: [1] })
  await cluster.ready()
  const found: Row[][] = rows.map(() => [])
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < rows.length; at = next++) {
      const row = rows[at]
      if (row === undefined) return
      found[at] = [...(await compare(cluster.host(1), cluster.folder, row, at))]
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  t.deepEqual(found.flat(), [...rows])
})

test('each option of flock is in docs/flock.md', t => {
  const help = spawnSync('flock', ['--help'], { encoding: 'utf8' }).stdout
  const options = [...help.matchAll(/^ +(-\w), +(--[a-z-]+)/gm)].map(([, short]) => short ?? '')
  const lines = rows.map(({ line }) => line).join('\n')
  t.deepEqual(
    options.filter(option => !['-h', '-V'].includes(option) && !lines.includes(` ${option}`)),
    [],
  )
})
