import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/client/client.ts'
import { unitEnvironment } from '../unit.ts'
import { ended, until } from './place.ts'

import type { ChildProcess } from 'node:child_process'
import type { Client } from '../../src/client/client.ts'
import type { Place } from './place.ts'

/** The bundle that is shipped, from dist/bench/variables. */
const LAMPORTD = fileURLToPath(new URL('../../lamportd.js', import.meta.url))

const IDS: readonly number[] = [1, 2, 3]
const PORT = 7411

/** Where the hosts of a site are. */
export type SiteNetwork = {
  address(id: number): string
  /** What runs a program there; nothing: here. */
  via(id: number): readonly string[]
}

/** Some lamportd on loopback, three unless said otherwise, sealed as on a LAN. */
export class LamportSite {
  readonly ids: readonly number[]
  readonly #place: Place
  readonly #folder: string
  readonly #cluster: string
  readonly #network: SiteNetwork
  readonly #daemons = new Map<number, ChildProcess>()

  /** @param network or the first three numbers of addresses of loopback */
  constructor(
    place: Place,
    cluster: string,
    network: string | SiteNetwork,
    ids: readonly number[] = IDS,
  ) {
    this.ids = ids
    this.#network =
      typeof network === 'string' ? { address: id => `${network}.${id}`, via: () => [] } : network
    this.#place = place
    this.#cluster = cluster
    this.#folder = join(place.folder, cluster)
    mkdirSync(this.#folder)
    const key = `${randomBytes(32).toString('base64')}\n`
    writeFileSync(join(this.#folder, 'key'), key, { mode: 0o600 })
    const hosts = ids.map(
      id =>
        `  - { id: ${id}, name: ${nameOf(id)}, address: ${this.#network.address(id)}, port: ${PORT} }\n`,
    )
    const text = `cluster: ${cluster}\nkey: key\nhosts:\n${hosts.join('')}`
    writeFileSync(join(this.#folder, 'hosts.yml'), text)
  }

  /** Whose state a folder is. */
  owner(id: number): { readonly cluster: string; readonly host: number; readonly name: string } {
    return { cluster: this.#cluster, host: id, name: nameOf(id) }
  }

  state(id: number): string {
    return join(this.#folder, nameOf(id))
  }

  socket(id: number): string {
    return join(this.#folder, `${nameOf(id)}.sock`)
  }

  /** Done when all vote, and know all variables. */
  async start(): Promise<void> {
    for (const id of this.ids) this.launch(id)
    for (const id of this.ids) await this.complete(id, 0)
  }

  launch(id: number): void {
    const what = ['--hosts', join(this.#folder, 'hosts.yml'), '--id', String(id)]
    const where = ['--state', this.state(id), '--socket', this.socket(id)]
    // Options for Node, of whoever looks for where the time goes.
    const options = (process.env['LAMPORTD_NODE_OPTIONS'] ?? '').split(' ').filter(Boolean)
    const args = [...options, LAMPORTD, ...what, ...where]
    const line = [...this.#network.via(id), process.execPath, ...args]
    const [program = '', ...rest] = line
    const stdio = ['ignore', 'ignore', 'pipe'] as const
    const daemon = this.#place.spawn(program, rest, [...stdio], unitEnvironment())
    let log = ''
    daemon.stderr?.on('data', text => (log = (log + String(text)).slice(-2000)))
    daemon.once('exit', code => {
      if (code !== 0 && code !== null) process.stderr.write(`lamportd of ${nameOf(id)}: ${log}\n`)
    })
    this.#daemons.set(id, daemon)
  }

  /** Waits until a host votes, and knows so many variables. */
  async complete(id: number, count: number): Promise<void> {
    let client: Client | undefined
    await until(`${nameOf(id)} knows ${count} variables`, async () => {
      client ??= await connect({ socket: this.socket(id) })
      const { variables, majority } = await client.status()
      return majority && variables.complete && variables.count === count
    })
    await client?.close()
  }

  clients(): Promise<Client[]> {
    return Promise.all(this.ids.map(id => connect({ socket: this.socket(id) })))
  }

  /** Of a host's daemon: processor time in milliseconds, which proc_pid_stat(5) counts too coarsely. */
  processorMs(id: number): number {
    const { pid } = this.#daemon(id)
    const nanoseconds = readdirSync(`/proc/${pid}/task`).map(thread =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    )
    return nanoseconds.reduce((sum, value) => sum + value, 0) / 1e6
  }

  /** Nothing of it runs any more, from one moment to the next. */
  kill(id: number): void {
    this.#daemon(id).kill('SIGKILL')
  }

  /** Resident memory of a host's daemon, in bytes. */
  resident(id: number): number {
    const status = readFileSync(`/proc/${this.#daemon(id).pid}/status`, 'utf8')
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
    return Number(kilobytes) * 1024
  }

  async stop(id: number): Promise<void> {
    const daemon = this.#daemon(id)
    daemon.kill('SIGTERM')
    await ended(daemon)
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.ids.map(id => this.stop(id)))
  }

  /** As a new card in the same box. */
  wipe(id: number): void {
    rmSync(this.state(id), { recursive: true })
  }

  #daemon(id: number): ChildProcess {
    const daemon = this.#daemons.get(id)
    if (daemon === undefined) throw new Error(`${nameOf(id)} was started`)
    return daemon
  }
}

function nameOf(id: number): string {
  return `host-${id}`
}
