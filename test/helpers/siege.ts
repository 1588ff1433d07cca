import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import type { Client, Lock } from '../../src/client/client.ts'
import type { StatusResult } from '../../src/control/protocol.ts'
import { Cluster, network } from './cluster.ts'
import type { ClusterOptions, Host, MessageCounts } from './cluster.ts'
import { DEFAULT_TIMING, Machine } from './machine.ts'
import { eventually } from './processes.ts'
import { Relay } from './relay.ts'
import type { Datagram } from './relay.ts'

/** What "at once" may take of a machine that has other things to do. */
const AT_ONCE_MS = 250

/** So many datagrams fit into the buffer of a socket, whatever its size, beside the usual ones. */
const BURST = 32

/** Locks that are taken and let go before an attack, so that there is something to replay. */
const WARM_UP = 10

const MEBIBYTE = 1024 * 1024

/** The attacker of a test file; none of its hosts has this address. */
const ATTACKER = `${network}.251`

/** What was ignored, by reason. */
export type Dropped = Readonly<Record<string, number>>

type Saved = { readonly id: number; readonly incarnation: number; readonly states: unknown }

/**
 * Three hosts with real daemons, whose every datagram is kept and who may be sent any: what is
 * theirs must stay as it is. A lock is held throughout.
 */
export class Siege {
  readonly t: ExecutionContext
  readonly cluster: Cluster
  readonly relay: Relay
  /** Whether what was sent and what was received can be compared: not if a host began anew. */
  isCounting = true
  readonly #machine: Machine
  readonly #clients = new Map<number, Client>()
  #held: Lock | undefined
  #saved: readonly Saved[] = []
  #sent: MessageCounts | undefined

  /** Ready, with some traffic recorded from the first HELLO on. */
  static async start(t: ExecutionContext, options: Partial<ClusterOptions> = {}): Promise<Siege> {
    const siege = new Siege(t, options)
    await siege.begin()
    return siege
  }

  /** Nothing runs yet. */
  constructor(t: ExecutionContext, options: Partial<ClusterOptions> = {}) {
    t.timeout(120_000)
    this.t = t
    this.cluster = new Cluster(t, {
      ids: [1, 2, 3],
      isRelayed: true,
      timing: DEFAULT_TIMING,
      ...options,
    })
    this.relay = new Relay(t, this.cluster.hosts, { seed: 1 })
    this.relay.record()
    this.#machine = new Machine(this.cluster.folder)
  }

  async begin(hosts: readonly Host[] = this.hosts): Promise<void> {
    await Promise.all(hosts.map(host => host.start()))
    await this.cluster.ready(hosts)
    for (const host of hosts) this.#clients.set(host.id, await host.client())
    for (let time = 0; time < WARM_UP; time += 1) {
      for (const host of hosts) await (await this.client(host).lock('door')).release()
    }
    this.#held = await this.client(this.two).lock('held throughout')
    await this.save()
  }

  get hosts(): readonly Host[] {
    return this.cluster.hosts
  }

  get one(): Host {
    return this.cluster.host(1)
  }

  get two(): Host {
    return this.cluster.host(2)
  }

  get three(): Host {
    return this.cluster.host(3)
  }

  client(host: Host): Client {
    const client = this.#clients.get(host.id)
    if (client === undefined) throw new Error(`${host.name} has no client here`)
    return client
  }

  status(host: Host): Promise<StatusResult> {
    return this.client(host).status()
  }

  /** A host was started anew: it has another client from now on. */
  async restarted(host: Host): Promise<void> {
    this.isCounting = false
    this.#clients.set(host.id, await host.client())
    await eventually(`${host.name} is one of all again`, async () => {
      const all = await Promise.all([...this.#clients.values()].map(client => client.status()))
      return all.every(({ view, complete }) => complete && view?.members.length === all.length)
    })
  }

  /** Done when the others have gone on without it; how they are then is how they are to be. */
  async kill(host: Host): Promise<void> {
    await host.kill()
    this.isCounting = false
    this.#clients.delete(host.id)
    const alive = this.hosts.filter(({ id }) => this.#clients.has(id))
    await eventually(`${host.name} is excluded`, async () => {
      const all = await Promise.all(alive.map(other => this.status(other)))
      return all.every(({ view, complete, hosts }) => {
        // One that is excluded may be heard for a moment longer by one that voted with the rest.
        const isHeard = hosts.some(({ id, state }) => id === host.id && state === 'heard')
        return complete && view?.members.length === alive.length && !isHeard
      })
    })
    await this.save(alive)
  }

  /** What came by so far, of one type. */
  captured(type: number): readonly Datagram[] {
    return this.relay.recorded.filter(({ bytes }) => bytes[0] === type)
  }

  /** How the hosts are now is how they are to be after an attack. */
  async save(hosts: readonly Host[] = this.hosts): Promise<void> {
    this.#saved = await this.#picture(hosts)
    this.#sent = await this.#messages(hosts)
  }

  /**
   * Sends one after another, as from where a host is believed to be, not faster than a host takes
   * them: what is lost on the way is no attack.
   */
  async inject(datagrams: Iterable<Pick<Datagram, 'from' | 'to' | 'bytes'>>): Promise<number> {
    return this.#pace(datagrams, ({ from, to, bytes }) => this.relay.inject(from, to, bytes))
  }

  /** As `inject`, from an address that is no host's. */
  async throwFrom(
    stranger: Stranger,
    datagrams: Iterable<Pick<Datagram, 'to' | 'bytes'>>,
  ): Promise<number> {
    return this.#pace(datagrams, ({ to, bytes }) => stranger.send(this.cluster.host(to), bytes))
  }

  /** What the hosts together have ignored more after the work, when so many have been. */
  async dropped(count: number | (() => number), work: () => Promise<unknown>): Promise<Dropped> {
    const least = (): number => (typeof count === 'number' ? count : count())
    const before = await this.#dropped()
    await work()
    let more: Record<string, number> = {}
    await eventually(`${least()} are ignored`, async () => {
      const now = await this.#dropped()
      const changed = Object.entries(now).map(
        ([reason, total]) => [reason, total - (before[reason] ?? 0)] as const,
      )
      more = Object.fromEntries(changed.filter(([, risen]) => risen !== 0))
      return Object.values(more).reduce((sum, each) => sum + each, 0) >= least()
    }).catch((error: unknown) => {
      this.t.log(more)
      throw error
    })
    return more
  }

  /**
   * Nothing has changed: the same views, incarnations and states; what was held is held; no message
   * was handled twice; and every host can lock at once.
   */
  async stands(hosts: readonly Host[] = this.hosts): Promise<void> {
    const { t } = this
    t.deepEqual(await this.#picture(hosts), this.#saved)
    await this.isHeld()
    t.deepEqual(await this.#messages(hosts), this.#sent, 'nothing was handled twice')
    await this.#machine.within(t, hosts.length * AT_ONCE_MS, 'a lock of each host', async () => {
      for (const host of hosts) await (await this.client(host).lock('door')).release()
    })
    await this.save(hosts)
    for (const host of hosts) t.notRegex(host.daemon.stderr, /fault|error|two processes/)
  }

  /** What was held from the beginning is. */
  async isHeld(): Promise<void> {
    this.t.true(this.#held?.isHeld, String(this.#held?.lost.reason))
    const [lock] = await this.client(this.one).locks('held throughout')
    this.t.is(lock?.holders[0]?.token, this.#held?.token)
  }

  /** Resident memory of a daemon, in bytes. */
  memory(host: Host): number {
    const status = readFileSync(`/proc/${host.daemon.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  }

  /** The work makes no daemon grow without bound. */
  async bounded(host: Host, mebibytes: number, work: () => Promise<unknown>): Promise<void> {
    const before = this.memory(host)
    await work()
    const grown = (this.memory(host) - before) / MEBIBYTE
    this.t.log(`${host.name} grew by ${grown.toFixed(1)} MiB`)
    this.t.true(grown < mebibytes, `${grown} MiB`)
  }

  async #messages(hosts: readonly Host[]): Promise<MessageCounts | undefined> {
    return this.isCounting ? this.cluster.messages(hosts) : undefined
  }

  async #pace<T>(items: Iterable<T>, send: (item: T) => Promise<void>): Promise<number> {
    let sent = 0
    for (const item of items) {
      await send(item)
      sent += 1
      if (sent % BURST === 0) for (const host of this.#clients.values()) await host.status()
    }
    return sent
  }

  async #dropped(): Promise<Dropped> {
    const sum: Record<string, number> = {}
    for (const client of this.#clients.values()) {
      const { datagrams } = await client.status()
      for (const [reason, count] of Object.entries(datagrams.dropped)) {
        sum[reason] = (sum[reason] ?? 0) + count
      }
    }
    return sum
  }

  #picture(hosts: readonly Host[]): Promise<readonly Saved[]> {
    return Promise.all(
      hosts.map(async host => {
        const { incarnation, view, hosts: seen, majority } = await this.status(host)
        const states = seen.map(({ id, state, address }) => [id, state, address])
        return { id: host.id, incarnation, states: { view, majority, states } }
      }),
    )
  }
}

/** A stranger on the network, and all that anybody ever sent it. */
export class Stranger {
  readonly socket: Socket
  readonly heard: Uint8Array[] = []

  static async at(t: ExecutionContext, address: string = ATTACKER): Promise<Stranger> {
    const stranger = new Stranger(t)
    stranger.socket.bind(7411, address)
    await once(stranger.socket, 'listening')
    return stranger
  }

  send({ address, port }: Host, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(bytes, port, address, error => (error === null ? resolve() : reject(error)))
    })
  }

  private constructor(t: ExecutionContext) {
    this.socket = createSocket({ type: 'udp4', sendBufferSize: MEBIBYTE })
    this.socket.on('message', bytes => this.heard.push(bytes))
    t.teardown(() => this.socket.close())
  }
}
