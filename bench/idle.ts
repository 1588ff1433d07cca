// What lamportd costs where nothing happens: `npm run bench:idle`.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { memoryOf, memoryOfBareNode } from './bare.ts'
import { describeMachine, formatMachine, table } from './report.ts'
import { unitEnvironment } from './unit.ts'

const EX_USAGE = 64

const USAGE = `npm run bench:idle -- [--seconds N] [--json FILE]

  --seconds N  how long three hosts are watched while nothing happens [600]
  --json FILE  writes the numbers there as well`

/** What is promised; each is a number that must not be larger. */
const LIMITS = {
  startRatio: 3,
  memoryRatio: 1.5,
  processorPercent: 0.5,
  writtenBytes: 0,
} as const

const STARTS = 15

/** Until memory is what it stays at, views and timers have settled, and heartbeats are rare. */
const SETTLE_MS = 10_000

const lamportd = fileURLToPath(new URL('../lamportd.js', import.meta.url))

export type Figures = {
  readonly bareStartMs: number
  readonly startMs: number
  readonly bareMemory: number
  /** Of each of three hosts. */
  readonly memory: readonly number[]
  readonly processorPercent: readonly number[]
  readonly writtenBytes: readonly number[]
  readonly seconds: number
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds)
  if (values.help || !(seconds > 0)) {
    process.stdout.write(`${USAGE}\n`)
    return values.help ? 0 : EX_USAGE
  }
  const folder = mkdtempSync(join(tmpdir(), 'lamport-idle-'))
  try {
    const figures = await measure(folder, seconds)
    const results = judge(figures)
    process.stdout.write(`${formatMachine(describeMachine())}\n\n${format(results)}\n`)
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, null, 2))
    return results.every(({ isMet }) => isMet) ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(folder: string, seconds: number): Promise<Figures> {
  const hosts = [1, 2, 3].map(id => new Host(folder, id))
  writeHosts(folder, hosts)
  // A state as any restart finds it.
  const first = hosts[0]
  if (first === undefined) throw new Error('there are three hosts')
  await first.start()
  await first.stop()
  const [bareStarts, starts]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < STARTS; turn += 1) {
    const begin = performance.now()
    spawnSync(process.execPath, ['-e', '0'])
    bareStarts.push(performance.now() - begin)
    starts.push(await first.start())
    await first.stop()
  }
  try {
    for (const host of hosts) await host.start()
    const bareMemory = await memoryOfBareNode(SETTLE_MS)
    await delay(SETTLE_MS)
    const before = hosts.map(host => host.used())
    const begin = performance.now()
    await delay(seconds * 1000)
    const elapsedMs = performance.now() - begin
    const after = hosts.map(host => host.used())
    const grown = (pick: (used: Used) => number): readonly number[] =>
      after.map((used, index) => pick(used) - pick(before[index] ?? used))
    return {
      bareStartMs: median(bareStarts),
      startMs: median(starts),
      bareMemory,
      memory: after.map(({ memory }) => memory),
      processorPercent: grown(({ processorMs }) => processorMs).map(ms => (ms / elapsedMs) * 100),
      writtenBytes: grown(({ written }) => written),
      seconds,
    }
  } finally {
    for (const host of hosts) await host.stop()
  }
}

type Used = { readonly memory: number; readonly processorMs: number; readonly written: number }

/** A lamportd of this build, on loopback, with a key as on a network. */
class Host {
  readonly id: number
  readonly #folder: string
  #process: ChildProcess | undefined

  constructor(folder: string, id: number) {
    this.#folder = folder
    this.id = id
  }

  /** How long it took until its control socket said something, in milliseconds. */
  async start(): Promise<number> {
    const socket = join(this.#folder, `${this.id}.sock`)
    const environment = {
      LAMPORT_HOSTS: join(this.#folder, 'hosts.yml'),
      LAMPORT_ID: String(this.id),
      LAMPORT_SOCKET: socket,
      LAMPORT_STATE: join(this.#folder, String(this.id)),
    }
    const begin = performance.now()
    // Without arguments, as a service is started.
    this.#process = spawn(process.execPath, [lamportd], {
      stdio: 'ignore',
      env: { ...process.env, ...unitEnvironment(), ...environment },
    })
    while (!(await answers(socket))) {
      if (this.#process.exitCode !== null) throw new Error(`lamportd ${this.id} has ended`)
      await delay(1)
    }
    return performance.now() - begin
  }

  async stop(): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null) return
    this.#process.kill()
    await once(this.#process, 'exit')
  }

  /** proc_pid_stat(5) counts in hundredths of a second: too coarse; schedstat in nanoseconds. */
  used(): Used {
    const pid = this.#process?.pid ?? 0
    const threads = readdirSync(`/proc/${pid}/task`)
    const nanoseconds = threads.map(thread =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    )
    const written = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
    const processorMs = nanoseconds.reduce((sum, value) => sum + value, 0) / 1e6
    return { memory: memoryOf(pid), processorMs, written: Number(written) }
  }
}

function writeHosts(folder: string, hosts: readonly Host[]): void {
  const lines = hosts.map(
    ({ id }) => `  - { id: ${id}, name: idle-${id}, address: 127.0.0.1, port: ${7460 + id} }`,
  )
  const text = ['cluster: idle', 'key: idle.key', 'hosts:', ...lines, '']
  writeFileSync(join(folder, 'hosts.yml'), text.join('\n'))
  const key = `${randomBytes(32).toString('base64')}\n`
  writeFileSync(join(folder, 'idle.key'), key, { mode: 0o600 })
}

function answers(socket: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = connect(socket)
    connection.once('error', () => resolve(false))
    connection.once('data', () => {
      connection.destroy()
      resolve(true)
    })
  })
}

export type Result = {
  readonly what: string
  readonly found: string
  readonly limit: string
  readonly isMet: boolean
}

/** Each promise beside what was measured. */
export function judge(figures: Figures): readonly Result[] {
  const { bareStartMs, startMs, bareMemory, memory, processorPercent, writtenBytes } = figures
  const startRatio = startMs / bareStartMs
  const memoryMost = Math.max(...memory)
  const busiest = Math.max(...processorPercent)
  const written = Math.max(...writtenBytes)
  const mebibytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`
  return [
    {
      what: 'start to answering, beside node -e 0',
      found: `${startMs.toFixed(0)} ms / ${bareStartMs.toFixed(0)} ms = ${startRatio.toFixed(2)}`,
      limit: `${LIMITS.startRatio}`,
      isMet: startRatio <= LIMITS.startRatio,
    },
    {
      what: 'memory, beside a bare Node with dgram, net and crypto',
      found: `${mebibytes(memoryMost)} / ${mebibytes(bareMemory)} = ${(memoryMost / bareMemory).toFixed(2)}`,
      limit: `${LIMITS.memoryRatio}`,
      isMet: memoryMost / bareMemory <= LIMITS.memoryRatio,
    },
    {
      what: 'processor, the busiest of three idle hosts',
      found: `${busiest.toFixed(2)} % of a core`,
      limit: `${LIMITS.processorPercent} %`,
      isMet: busiest <= LIMITS.processorPercent,
    },
    {
      what: `written to the disk in ${figures.seconds} s`,
      found: `${written} bytes`,
      limit: `${LIMITS.writtenBytes} bytes`,
      isMet: written <= LIMITS.writtenBytes,
    },
  ]
}

function format(results: readonly Result[]): string {
  const rows = results.map(({ what, found, limit, isMet }) => [
    isMet ? 'PASS' : 'FAIL',
    what,
    found,
    `at most ${limit}`,
  ])
  return table(rows)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
