import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** What went wrong and what to do, for people. */
export class DemoError extends Error {}

/** One line of hosts.yml. */
export type DemoHost = { readonly name: string; readonly address: string }

/** An event that `lamportctl --json lock` tells on stderr. */
export type LockEvent = { readonly event: string; readonly position?: number }

const root = fileURLToPath(new URL('../../../', import.meta.url))
const lamportd = join(root, 'dist/lamportd.js')
const lamportctl = join(root, 'dist/lamportctl.js')

/** As a person in the present folder calls it. */
export const lamportctlHere: string = `node ${relative('', lamportctl)}`

/** How long the hosts may take to start and to find each other. */
const START_SECONDS = 15

/** How long they may take to end before they are killed. */
const STOP_MS = 4000

/** lamportd could not have what it needs: a port, most likely. */
const CANNOT_CREATE = 73

const DEFAULT_PORT = 7411

/**
 * However we end, by SIGKILL too: our end of its stdin closes, and it takes away what we leave. It
 * is told the process groups it answers for, one a line, and `done` when nothing is left.
 */
const GUARD = `
pids=
while read -r line; do
  [ "$line" = done ] && exit 0
  pids="$pids $line"
done
[ -n "$pids" ] && kill -s KILL -- $pids 2>/dev/null
sleep 0.2
rm -rf -- "$1"`

/** Several hosts on this machine, in processes of their own, with a folder for what they write. */
export class Site {
  readonly hosts: readonly DemoHost[]
  readonly folder: string = mkdtempSync(join(tmpdir(), 'lamportd-demo-'))
  readonly #file: string
  readonly #key: string
  readonly #guard: ChildProcess
  readonly #children = new Set<ChildProcess>()
  /** Commands whose lamportctl was killed. */
  readonly #orphans = new Set<number>()
  readonly #daemons = new Map<DemoHost, ChildProcess>()
  readonly #killed = new Set<DemoHost>()
  #isStopping = false

  constructor(file: string) {
    this.#file = file
    this.#key = join(this.folder, 'cluster.key')
    writeFileSync(this.#key, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
    this.#guard = spawn('/bin/sh', ['-c', GUARD, 'demo-guard', this.folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#guard.stdin?.on('error', () => undefined)
    try {
      this.hosts = readHosts(file)
    } catch (error) {
      rmSync(this.folder, { recursive: true, force: true })
      this.#guard.stdin?.end('done\n')
      throw error
    }
  }

  /** The control socket of a host. */
  socket(host: DemoHost): string {
    return join(this.folder, `${host.name}.sock`)
  }

  /** Starts lamportd on every host. Done when a lock was granted on each. */
  async start(ended: (host: DemoHost, how: string) => void): Promise<void> {
    let isReady = false
    const failed = this.hosts.map(async host => {
      const child = this.#launch(host)
      let log = ''
      child.stderr?.on('data', text => (log = (log + String(text)).slice(-4000)))
      const code = await exitOf(child)
      if (isReady) {
        if (!this.#isStopping && !this.#killed.has(host)) ended(host, String(code))
        return
      }
      throw new DemoError(`lamportd of ${host.name} did not start:\n${log}${adviceFor(code)}`)
    })
    const found = this.hosts.map(async host => {
      const seconds = String(START_SECONDS)
      const run = this.lock(host, ['--connect-wait', seconds, '-w', seconds, 'demo', 'true'])
      const code = await run.exited
      if (code === 0) return
      const what = `${host.name} got no lock within ${seconds} s of its start`
      throw new DemoError(`${what}: exit ${code}\n${run.complaints}${LOOPBACK_ADVICE}`)
    })
    // A daemon that ends early ends the start; later it is told.
    await Promise.race([Promise.all(found), Promise.all(failed)])
    isReady = true
  }

  /** Kills a host's lamportd (SIGKILL), as a power cut of its box would. */
  async killHost(host: DemoHost): Promise<void> {
    this.#killed.add(host)
    const daemon = this.#daemons.get(host)
    daemon?.kill('SIGKILL')
    if (daemon !== undefined) await exitOf(daemon)
  }

  /** Starts it again, with what it had made durable. */
  restart(host: DemoHost): void {
    this.#launch(host)
  }

  #launch(host: DemoHost): ChildProcess {
    const who = [lamportd, '--hosts', this.#file, '--id', host.name]
    const where = ['--state', join(this.folder, host.name), '--socket', this.socket(host)]
    const daemon = this.#spawn([...who, ...where, '--key', this.#key])
    this.#daemons.set(host, daemon)
    return daemon
  }

  /** `lamportctl lock` on a host. */
  lock(host: DemoHost, args: readonly string[]): LockRun {
    const child = this.#spawn([
      lamportctl,
      '--socket',
      this.socket(host),
      '--json',
      'lock',
      ...args,
    ])
    return new LockRun(child)
  }

  /** Kills lamportctl alone: its command runs on, and is ours to take away. */
  killClient(run: LockRun, command: number): void {
    this.#orphans.add(command)
    this.#guardAlso(command)
    void run.exited.then(() => this.#orphans.delete(command))
    run.kill()
  }

  /** What `lamportctl` prints for people. */
  async ask(host: DemoHost, ...args: readonly string[]): Promise<string> {
    const child = this.#spawn([lamportctl, '--socket', this.socket(host), ...args])
    let text = ''
    child.stdout?.on('data', part => (text += String(part)))
    const code = await exitOf(child)
    if (code !== 0) throw new DemoError(`lamportctl ${args.join(' ')} failed: exit ${code}`)
    return text
  }

  /** Ends every process, and removes the folder. */
  async stop(): Promise<void> {
    if (this.#isStopping) return
    this.#isStopping = true
    const children = [...this.#children]
    const gone = Promise.all(children.map(child => exitOf(child)))
    for (const child of children) child.kill('SIGTERM')
    const late = setTimeout(() => children.forEach(child => child.kill('SIGKILL')), STOP_MS)
    await gone
    clearTimeout(late)
    for (const pid of this.#orphans) killGroup(pid)
    rmSync(this.folder, { recursive: true, force: true })
    this.#guard.stdin?.end('done\n')
    await exitOf(this.#guard)
  }

  /** In a session of its own: Ctrl-C is for us, and we stop them in order. */
  #spawn(args: readonly string[]): ChildProcess {
    const env: NodeJS.ProcessEnv = { TMPDIR: this.folder }
    for (const [name, value] of Object.entries(process.env)) {
      if (!name.startsWith('LAMPORT_')) env[name] ??= value
    }
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env,
      cwd: this.folder,
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    if (child.pid !== undefined) this.#guardAlso(child.pid)
    return child
  }

  #guardAlso(pid: number): void {
    this.#guard.stdin?.write(`-${pid}\n`)
  }
}

/** One `lamportctl lock` under way. */
export class LockRun {
  /** When it has ended, and its output as well: a command that outlives it may still write. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** Lines that lamportctl said which are no events. */
  complaints = ''
  /** Told each line that the command prints. */
  onLine: (line: string) => void = () => undefined
  /** Told each event of the lock. */
  onEvent: (event: LockEvent) => void = () => undefined
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    this.exited = exitOf(child)
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', line => this.onLine(line))
    }
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', line => this.#said(line))
    }
  }

  /** By SIGKILL. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #said(line: string): void {
    if (line.startsWith('{')) this.onEvent(JSON.parse(line) as LockEvent)
    else this.complaints += `${line}\n`
  }
}

const LOOPBACK_ADVICE =
  'All hosts of the demo run on this machine: is a firewall between its loopback addresses?'

function adviceFor(code: number | NodeJS.Signals): string {
  if (code !== CANNOT_CREATE) return 'Mend that, and start the demo again.'
  return (
    'Perhaps another demo runs: stop it with Ctrl-C, and start this one again. Or copy hosts.yml,\n' +
    'write other ports into the copy, and run: LAMPORT_HOSTS=copy.yml npm run demo'
  )
}

/** The hosts of a file that lamportd has found free of mistakes. */
function readHosts(file: string): readonly DemoHost[] {
  const check = spawnSync(process.execPath, [lamportd, '--check', '--hosts', file], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  })
  if (check.status !== 0) throw new DemoError(`${check.stderr}Mend the file, and start again.`)
  const { hosts, port: common } = parse(readFileSync(file, 'utf8')) as {
    readonly port?: number
    readonly hosts: readonly { name: string; address: string; port?: number }[]
  }
  if (hosts.length < 3) {
    throw new DemoError(`${file} has ${hosts.length} hosts (the demo takes three or more)`)
  }
  return hosts.map(({ name, address, port }) => {
    return { name, address: `${address}:${port ?? common ?? DEFAULT_PORT}` }
  })
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** The exit code, or the signal that ended it. */
async function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return child.exitCode ?? child.signalCode ?? 0
}
