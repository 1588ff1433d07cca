import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import type { ChildProcess, StdioOptions } from 'node:child_process'

/** statfs(2): file systems that lose all in a power cut, so that nothing is ever written for them. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6])

/** Options of chrt(1): real-time, all in turn, for lamportd, etcd, their clients and the rest alike. */
const PREFER = ['--rr']

/** Where a synced write reaches a disk: a folder for the state of all, and the processes on it. */
export class Place {
  readonly folder: string
  /** The disk and its file system, for people. */
  readonly disk: string
  /** Whether other programs are kept from deciding how long it takes. */
  readonly isPreferred: boolean
  readonly #via: readonly string[]
  readonly #children = new Set<ChildProcess>()

  /** Throws where there is no such folder. */
  constructor() {
    const parent = [tmpdir(), '/var/tmp', resolve('.')].find(isOnDisk)
    if (parent === undefined) throw new Error('no folder on a disk (set TMPDIR to one)')
    this.folder = mkdtempSync(join(parent, 'lamportd-bench-'))
    this.disk = describeDisk(this.folder)
    const { status } = spawnSync('chrt', [...PREFER, '--all-tasks', '--pid', '1', `${process.pid}`])
    this.isPreferred = status === 0
    this.#via = this.isPreferred ? ['chrt', ...PREFER, '1'] : []
  }

  /** Runs a program that ends with the benchmark. */
  spawn(
    command: string,
    args: readonly string[],
    stdio: StdioOptions,
    environment: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const [file = command, ...rest] = [...this.#via, command, ...args]
    const env = { ...process.env, ...environment }
    const child = spawn(file, rest, { stdio, cwd: this.folder, env })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** A server whose output nobody reads. */
  spawnVia(via: readonly string[], command: string, args: readonly string[]): ChildProcess {
    const [program = command, ...rest] = [...via, command, ...args]
    return this.spawn(program, rest, 'ignore')
  }

  /** Ends whatever runs; what it has written stays. */
  clear(): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  end(): void {
    this.clear()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** Resolves when a process has ended. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(done => child.once('exit', () => done()))
}

/** Asks until the answer is true; soon again at first, for that is timed as well. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const start = performance.now()
  while (!(await isSo().catch(() => false))) {
    const waited = performance.now() - start
    if (waited > PATIENCE_MS) throw new Error(`it did not come: ${what}`)
    const pause = waited > QUICK_MS ? SLOW_PAUSE_MS : QUICK_PAUSE_MS
    await new Promise(done => setTimeout(done, pause))
  }
}

const QUICK_MS = 5000
const [QUICK_PAUSE_MS, SLOW_PAUSE_MS] = [5, 200]

const PATIENCE_MS = 120_000

function isOnDisk(folder: string): boolean {
  return !IN_MEMORY.has(statfsSync(folder).type)
}

/** proc_pid_mountinfo(5): the mount that holds a folder is the longest that begins its path. */
function describeDisk(folder: string): string {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map(line => {
      const [before = '', after = ''] = line.split(' - ')
      const [type = '', device = ''] = after.split(' ')
      return { point: before.split(' ')[4] ?? '', type, device }
    })
    .filter(({ point }) => point === '/' || folder === point || folder.startsWith(`${point}/`))
    .sort((a, b) => b.point.length - a.point.length)
  const [mount] = mounts
  return mount === undefined ? 'unknown' : `${mount.device} (${mount.type})`
}
