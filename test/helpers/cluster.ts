import { randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { connect, LamportError } from '../../src/client/client.ts'
import type { Client } from '../../src/client/client.ts'
import type { StatusResult } from '../../src/control/protocol.ts'
import { eventually, program, Program, Reaper } from './processes.ts'

/** A machine that is busy may keep a daemon from running for a second: that is no failure here. */
const PATIENT_TIMING = '{ heartbeat: 150ms, suspect: 5s, lease: 6s }'

const PORT = 7411

/**
 * Every test file is a process of its own, and has a loopback network of its own: several may run,
 * of several copies of the repository.
 */
export const network: string = `127.${64 + ((process.pid >> 8) & 127)}.${process.pid & 255}`

/** How many addresses of the network are used: no two clusters share one. */
let used = 0

/** The relay's address for the host that has the address with this number. */
function faceOf(number: number): string {
  return `${network}.${number + 100}`
}

export type ClusterOptions = {
  readonly ids: readonly number[]
  /** As in hosts.yml. */
  readonly timing?: string
  readonly name?: string
  /** Packets are not sealed; elsewhere the cluster has a key of its own, in `keyFile`. */
  readonly unsealed?: true
  /** What the addresses begin with, where they are not loopback: `10.1.2.` or `fd00::`. */
  readonly net?: string
  /** The address of the first host, where it is not one of its own. */
  readonly first?: string
  /** The others believe each host to be where a `Relay` is; it is bound to an address of its own. */
  readonly isRelayed?: boolean
  /** By id; 1 where nothing is said. */
  readonly votes?: Readonly<Record<number, number>>
  /** What runs the daemon of a host in a place of its own: see `Program`. */
  readonly via?: (id: number) => readonly string[]
  /** Of the daemons. */
  readonly env?: Readonly<Record<string, string>>
}

/** Protocol messages that lock and unlock. */
export type MessageCounts = {
  readonly request: number
  readonly reply: number
  readonly release: number
}

/** One host: its lamportd, and how to reach it. */
export class Host {
  readonly id: number
  readonly name: string
  /** Where it is bound. */
  readonly address: string
  /** Where the others believe it to be. */
  readonly face: string
  readonly port: number = PORT
  readonly state: string
  readonly socket: string
  readonly #cluster: Cluster
  readonly #daemons: Program[] = []

  constructor(cluster: Cluster, id: number, address: string, face: string) {
    this.#cluster = cluster
    this.id = id
    this.name = `host-${id}`
    this.address = address
    this.face = face
    this.state = join(cluster.folder, `state-${id}`)
    this.socket = join(cluster.folder, `${id}.sock`)
  }

  get daemon(): Program {
    const daemon = this.#daemons.at(-1)
    if (daemon === undefined) throw new Error(`${this.name} was never started`)
    return daemon
  }

  /** What its daemons have said, one after the other. */
  get log(): string {
    return this.#daemons.map(({ stderr }) => stderr).join('')
  }

  /** Done when its control socket answers. */
  async start(): Promise<void> {
    const daemon = this.launch()
    this.#daemons.push(daemon)
    await daemon.said(/ready/)
  }

  /** Another lamportd of this host. `more`: what counts instead of what is said here. */
  launch(
    state: string = this.state,
    socket: string = this.socket,
    more: readonly string[] = [],
  ): Program {
    const args = ['--hosts', this.#cluster.hostsFile, '--id', String(this.id)]
    const where = ['--state', state, '--socket', socket]
    return this.#cluster.runDaemon(this.id, [program('lamportd'), ...args, ...where, ...more])
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.daemon.kill(signal)
    await this.daemon.exited
  }

  /** Done when the test has ended. */
  teardown(what: () => Promise<void>): void {
    this.#cluster.t.teardown(what)
  }

  /** A connection of the client library. */
  async client(): Promise<Client> {
    const client = await connect({ socket: this.socket })
    this.#cluster.t.teardown(() => client.close())
    return client
  }

  /** `lamportctl` on this host. */
  ctl(...args: readonly string[]): Program {
    return this.#cluster.run([program('lamportctl'), ...args], { LAMPORT_SOCKET: this.socket })
  }

  /** Runs `lamportctl` to its end: `[how it ended, stdout, stderr]`. */
  async outcome(...args: readonly string[]): ReturnType<Program['outcome']> {
    const ctl = this.ctl(...args)
    ctl.child.stdin.end()
    return ctl.outcome()
  }

  /** Asked over a connection of its own. */
  async ask<T>(question: (client: Client) => Promise<T>): Promise<T> {
    const client = await connect({ socket: this.socket })
    try {
      return await question(client)
    } finally {
      await client.close()
    }
  }

  status(): Promise<StatusResult> {
    return this.ask(client => client.status())
  }
}

/** Hosts with real daemons on loopback, gone when the test has ended. */
export class Cluster {
  readonly t: ExecutionContext
  readonly folder: string
  readonly hostsFile: string
  readonly keyFile: string
  readonly hosts: readonly Host[]
  readonly #reaper: Reaper
  readonly #options: ClusterOptions

  /** All daemons answer, and every host can lock. */
  static async start(t: ExecutionContext, options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(t, options)
    await Promise.all(cluster.hosts.map(host => host.start()))
    await cluster.ready()
    return cluster
  }

  /** Nothing runs yet. */
  constructor(t: ExecutionContext, options: ClusterOptions) {
    const { ids, timing, name = 'workshop', votes = {} } = options
    this.t = t
    this.#options = options
    this.folder = mkdtempSync(join(tmpdir(), 'lamport-'))
    this.hostsFile = join(this.folder, 'hosts.yml')
    this.keyFile = join(this.folder, 'cluster.key')
    writeKeys(this.keyFile, [createKey()])
    this.#reaper = new Reaper(t, this.folder)
    this.hosts = ids.map((id, index) => {
      used += 1
      const address = index === 0 ? options.first : undefined
      const own = options.net === undefined ? `${network}.${used}` : `${options.net}${index + 1}`
      const bound = address ?? own
      return new Host(this, id, bound, options.isRelayed === true ? faceOf(used) : bound)
    })
    const lines = this.hosts.map(({ id, name: its, address, face }) => {
      const bind = face === address ? '' : `bind: ${address}, `
      return `  - { id: ${id}, name: ${its}, address: "${face}", ${bind}votes: ${votes[id] ?? 1} }`
    })
    const head = [`cluster: ${name}`, `port: ${PORT}`, `timing: ${timing ?? PATIENT_TIMING}`]
    if (options.unsealed !== true) head.push(`key: cluster.key`)
    writeFileSync(this.hostsFile, [...head, 'hosts:', ...lines, ''].join('\n'))
    t.teardown(() => {
      if (t.passed) return
      for (const host of this.hosts) t.log(`${host.name}:\n${host.log}`)
    })
  }

  host(id: number): Host {
    const host = this.hosts.find(candidate => candidate.id === id)
    if (host === undefined) throw new Error(`there is no host ${id} here`)
    return host
  }

  /** A process that is gone with the test. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    return new Program(this.#reaper, args, env)
  }

  runDaemon(id: number, args: readonly string[]): Program {
    const { via, env = {} } = this.#options
    return new Program(this.#reaper, args, env, via?.(id))
  }

  /** Every one of these hosts can take a lock and let it go; nothing is in use. */
  async ready(hosts: readonly Host[] = this.hosts): Promise<void> {
    await Promise.all(
      hosts.map(host =>
        eventually(`${host.name} can lock`, () => host.ask(client => canLock(client, host.name))),
      ),
    )
    await this.idle(hosts)
  }

  /** The queues of these hosts are empty. */
  async idle(hosts: readonly Host[] = this.hosts): Promise<void> {
    for (const host of hosts) {
      await host.ask(client =>
        eventually(
          `${host.name} knows of no lock in use`,
          async () => (await client.locks()).length === 0,
        ),
      )
    }
  }

  /** What these hosts have sent each other, when all of it has arrived, and no request stands. */
  async messages(hosts: readonly Host[] = this.hosts): Promise<MessageCounts> {
    let before = ''
    let sent = noMessages()
    await eventually('every message that was sent is received', async () => {
      const all = await Promise.all(hosts.map(host => host.status()))
      sent = sum(all.map(status => status.messages.sent))
      const received = sum(all.map(status => status.messages.received))
      const isSame = JSON.stringify(sent) === before
      before = JSON.stringify(sent)
      if (JSON.stringify(received) !== before) return false
      if (!isSame) await setTimeout(STANDING_MS)
      return isSame
    })
    return sent
  }
}

/** Longer than a request stands that nobody uses. */
const STANDING_MS = 40

/** A new key, as `lamportctl keygen` prints it. */
export function createKey(): string {
  return randomBytes(32).toString('base64')
}

/** A key file that only its owner can read. */
export function writeKeys(path: string, keys: readonly string[]): void {
  writeFileSync(path, keys.map(key => `${key}\n`).join(''), { mode: 0o600 })
}

/** What one set of counts has more than another. */
export function difference(after: MessageCounts, before: MessageCounts): MessageCounts {
  return {
    request: after.request - before.request,
    reply: after.reply - before.reply,
    release: after.release - before.release,
  }
}

/** For `t.log`: median and 99th percentile. */
export function describeTimes(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(2)
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
}

async function canLock(client: Client, name: string): Promise<boolean> {
  try {
    const lock = await client.lock(`probe of ${name}`, { waitMs: 5000 })
    await lock.release()
    return true
  } catch (error) {
    // It waits for the others, or to become a member.
    if (error instanceof LamportError) return false
    throw error
  }
}

function noMessages(): MessageCounts {
  return { request: 0, reply: 0, release: 0 }
}

function sum(counts: readonly Readonly<Record<string, number>>[]): MessageCounts {
  const of = (type: keyof MessageCounts): number =>
    counts.reduce((total, each) => total + (each[type] ?? 0), 0)
  return { request: of('request'), reply: of('reply'), release: of('release') }
}
