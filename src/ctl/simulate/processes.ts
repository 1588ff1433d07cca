import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, LamportError, type Client } from '../../client/client.ts'
import { timeOf, type Use } from '../../sim/uses.ts'
import { resultOf, type TrialResult } from '../../sim/verdict.ts'
import { Signals } from '../lock/signals.ts'
import { diedOf } from '../variables/interrupted.ts'
import type { Asked } from './asked.ts'

/** Why there is no run, and what to do. */
export class TrialError extends Error {}

/** In the folder of this program, as it is installed. */
const LAMPORTD = fileURLToPath(new URL('./lamportd.cjs', import.meta.url))

/** lamportd could not have what it needs: an address of loopback, most likely. */
const CANNOT_CREATE = 73

const NETWORKS_TRIED = 3
const READY_MS = 30_000
const LOOK_MS = 5
const QUIET_MS_MAX = 10_000

const NAME = 'door'

/** However we end, by SIGKILL too, our end of its stdin closes, and it takes all away. */
const KEEPER = `
cat > /dev/null
while read -r pid; do kill -s KILL -- "-$pid" 2> /dev/null; done < "$1/pids"
rm -rf -- "$1"`

type Host = {
  readonly id: number
  readonly socket: string
  daemon: ChildProcess
  client: Client | undefined
  /** Aborted when it is killed: else its client would wait for it to come again. */
  readonly death: AbortController
  log: string
  /** Messages that it had sent before the start, and when it was looked at last. */
  before: number
  sent: number
  /** At the start, and when it was looked at last. */
  incarnations: readonly [number, number]
}

type Ran = {
  readonly result: TrialResult
  readonly uses: readonly Use[]
  readonly killed: ReadonlyMap<number, number>
}

/** Told how far it is: what there is to say before entries are counted, and those. */
type Progress = (what: string | undefined, done: number, expected: number) => void

/** The same as the simulated trial, with a lamportd a host, in a folder that goes with it. */
export class RealTrial {
  readonly #asked: Asked
  readonly #progress: Progress
  readonly #signals = new Signals()
  readonly #folder = mkdtempSync(join(tmpdir(), 'lamportctl-simulate-'))
  readonly #keeper: ChildProcess
  readonly #uses: Use[] = []
  readonly #killed = new Map<number, number>()
  readonly #counterFile = join(this.#folder, 'counter')
  #hosts: readonly Host[] = []
  #start = 0
  #isEnding = false

  constructor(asked: Asked, progress: Progress) {
    this.#asked = asked
    this.#progress = progress
    writeFileSync(join(this.#folder, 'pids'), '')
    writeFileSync(this.#counterFile, '0')
    this.#keeper = spawn('/bin/sh', ['-c', KEEPER, 'keeper', this.#folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#keeper.stdin?.on('error', () => undefined)
  }

  /** A number is the exit code of who was interrupted. */
  async run(): Promise<Ran | number> {
    const { interrupted } = this.#signals
    const stopped = new Promise<'stopped'>(resolve =>
      interrupted.addEventListener('abort', () => resolve('stopped')),
    )
    const ran = await Promise.race([this.#run(), stopped])
    if (ran !== 'stopped') return ran
    await this.end()
    return diedOf(interrupted)
  }

  /** Every process has ended, and the folder is gone. */
  async end(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    const gone = once(this.#keeper, 'exit')
    this.#keeper.stdin?.end()
    await gone
    for (const { client } of this.#hosts) await client?.close()
  }

  async #run(): Promise<Ran> {
    if (!existsSync(LAMPORTD))
      throw new TrialError(
        `${LAMPORTD} is missing, and --processes runs it (install lamportd whole)`,
      )
    this.#progress('the daemons start', 0, 1)
    await this.#launch()
    for (const host of this.#hosts) await begin(host)
    this.#start = performance.now()
    const timers = this.#asked.kills.map(kill => setTimeout(() => this.#kill(kill.host), kill.atMs))
    await Promise.all(this.#hosts.map(host => this.#enterAll(host)))
    for (const timer of timers) clearTimeout(timer)
    await this.#quiet()
    const { hosts, entries } = this.#asked
    const result = resultOf({
      hosts: Array.from({ length: hosts }, (_, i) => i + 1),
      entries,
      uses: this.#uses,
      counter: Number(readFileSync(this.#counterFile, 'utf8')),
      messages: new Map(this.#hosts.map(({ id, sent, before }) => [id, sent - before])),
      killed: this.#killed,
      excluded: new Set(this.#hosts.filter(wasExcluded).map(({ id }) => id)),
      violations: [],
    })
    return { result, uses: this.#uses, killed: this.#killed }
  }

  /** All daemons run, and each has granted a lock. On addresses that are taken, others are tried. */
  async #launch(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const net = `127.${16 + Math.floor(Math.random() * 224)}.${Math.floor(Math.random() * 256)}`
      this.#hosts = this.#spawnAll(net)
      const failed = this.#hosts.map(async host => {
        const [code] = (await once(host.daemon, 'exit')) as [number | null]
        return { host, code }
      })
      const ready = Promise.all(this.#hosts.map(host => makeReady(host)))
      const first = await Promise.race([ready.then(() => undefined), ...failed])
      if (first === undefined) return
      ready.catch(() => undefined)
      for (const { daemon } of this.#hosts) daemon.kill('SIGKILL')
      if (first.code !== CANNOT_CREATE || attempt === NETWORKS_TRIED) {
        const said = first.host.log.trim().split('\n').at(-1) ?? ''
        throw new TrialError(`the lamportd of host ${first.host.id} did not start: ${said}`)
      }
    }
  }

  #spawnAll(net: string): readonly Host[] {
    const ids = Array.from({ length: this.#asked.hosts }, (_, i) => i + 1)
    const file = join(this.#folder, `hosts-${net}.yml`)
    const lines = ids.map(id => `  - { id: ${id}, name: host${id}, address: ${net}.${id} }`)
    // A machine that is busy is no reason to go on without a host, where none is to die.
    const timing = this.#asked.kills.length > 0 ? [] : ['timing: { suspect: 5s, lease: 6s }']
    writeFileSync(file, ['cluster: simulated', ...timing, 'hosts:', ...lines, ''].join('\n'))
    return ids.map(id => this.#spawn(id, net, file))
  }

  #spawn(id: number, net: string, file: string): Host {
    const socket = join(this.#folder, `${net}-${id}.sock`)
    const state = join(this.#folder, `${net}-${id}`)
    const args = ['--hosts', file, '--id', String(id), '--state', state, '--socket', socket]
    const daemon = spawn(process.execPath, [LAMPORTD, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
      cwd: this.#folder,
    })
    if (daemon.pid !== undefined) appendFileSync(join(this.#folder, 'pids'), `${daemon.pid}\n`)
    const death = new AbortController()
    const counts = { before: 0, sent: 0, incarnations: [0, 0] as const }
    const host: Host = { id, socket, daemon, client: undefined, death, log: '', ...counts }
    daemon.stderr.on('data', text => (host.log = (host.log + String(text)).slice(-4000)))
    return host
  }

  /** As often as was asked for, but for a host that is killed. */
  async #enterAll(host: Host): Promise<void> {
    const { client } = host
    if (client === undefined) return
    for (let done = 0; done < this.#asked.entries && !this.#killed.has(host.id);) {
      try {
        if (await this.#enter(host, client)) done += 1
      } catch (error) {
        if (host.death.signal.aborted) return
        if (!(error instanceof LamportError)) throw error
        await pause(LOOK_MS)
      }
    }
  }

  /** True where it let go by itself. */
  async #enter(where: Host, client: Client): Promise<boolean> {
    const { id: host, death } = where
    const askedAt = this.#now
    const lock = await client.lock(NAME, { signal: death.signal })
    const enteredAt = this.#now
    const open = { everywhereAt: undefined, leftAt: undefined, isWhole: false }
    const { token } = lock
    const asked = { host, token, askedAt, askedClock: timeOf(token) }
    let use: Use = { ...asked, enteredAt, clock: 0, ...open }
    const at = this.#uses.push(use) - 1
    lock.lost.addEventListener('abort', () => (use.leftAt ??= this.#now))
    const { clock, messages } = await client.status()
    // Of one that is killed this is all that will be known.
    where.sent = countOf(messages.sent)
    use = { ...use, clock }
    this.#uses[at] = use
    // Two who are inside at once read the same.
    const seen = Number(readFileSync(this.#counterFile, 'utf8'))
    await pause(this.#asked.hold)
    use.isWhole = lock.isHeld
    if (use.isWhole) {
      writeFileSync(this.#counterFile, String(seen + 1))
      use.leftAt = this.#now
    }
    await lock.release()
    const done = this.#uses.filter(each => each.isWhole).length
    this.#progress(undefined, done, this.#asked.hosts * this.#asked.entries)
    return use.isWhole
  }

  #kill(id: number): void {
    const host = this.#hosts.find(each => each.id === id)
    if (host === undefined) return
    this.#killed.set(id, Math.round(this.#now))
    host.death.abort()
    host.daemon.kill('SIGKILL')
  }

  /** Every message that a host has sent has arrived, as far as hosts are up to say so. */
  async #quiet(): Promise<void> {
    const end = performance.now() + QUIET_MS_MAX
    const living = this.#hosts.filter(host => !this.#killed.has(host.id))
    let last = -1
    while (performance.now() < end) {
      let [sum, sent, received] = [0, 0, 0]
      for (const host of living) {
        const status = await host.client?.status()
        if (status === undefined) continue
        const { messages, incarnation } = status
        host.incarnations = [host.incarnations[0], incarnation]
        host.sent = countOf(messages.sent)
        sum += host.sent
        sent += host.sent
        received += countOf(messages.received)
      }
      if (sent === received || (this.#killed.size > 0 && sum === last)) return
      last = sum
      await pause(LOOK_MS)
    }
  }

  get #now(): number {
    return performance.now() - this.#start
  }
}

async function makeReady(host: Host): Promise<void> {
  const end = performance.now() + READY_MS
  for (;;) {
    try {
      host.client ??= await connect({ socket: host.socket })
      const lock = await host.client.lock('ready', { waitMs: READY_MS })
      await lock.release()
      return
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
      if (performance.now() > end)
        throw new TrialError(
          `host ${host.id} got no lock within ${READY_MS / 1000} s (is the machine too busy? try fewer --hosts): ${error.message}`,
        )
      await pause(20)
    }
  }
}

async function begin(host: Host): Promise<void> {
  const status = await host.client?.status()
  if (status === undefined) return
  const { messages, incarnation } = status
  host.before = host.sent = countOf(messages.sent)
  host.incarnations = [incarnation, incarnation]
}

/** Taken for dead for a while, it goes on as another incarnation. */
function wasExcluded({ incarnations: [first, last] }: Host): boolean {
  return first !== last
}

/** REQUEST, REPLY and RELEASE. */
function countOf(messages: Readonly<Record<string, number>>): number {
  return ['request', 'reply', 'release'].reduce((sum, type) => sum + (messages[type] ?? 0), 0)
}
