import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onLoopback } from '../locks/peer.ts'
import { until } from './place.ts'

import type { Servers } from '../locks/peer.ts'
import type { Place } from './place.ts'

/** What is used of the npm package etcd3. */
export type EtcdClient = {
  put(key: string): { value(value: string): PromiseLike<unknown> }
  get(key: string): { string(): PromiseLike<string | null> }
  readonly maintenance: {
    status(): Promise<{ readonly leader: string; readonly header: { readonly member_id: string } }>
  }
  close(): void
} & EtcdLocks

/** What of it is used for locks. */
export type EtcdLocks = {
  if(
    key: string,
    target: 'Create',
    comparison: '==',
    value: number,
  ): { then(operation: unknown): { commit(): PromiseLike<{ readonly succeeded: boolean }> } }
  delete(): { key(key: string): PromiseLike<unknown> }
  lease(ttlSeconds: number): EtcdLease
  lock(key: string): EtcdLock
}
export type EtcdLease = {
  grant(): Promise<unknown>
  revoke(): Promise<unknown>
  put(key: string): { value(value: string): unknown }
}
type EtcdLock = {
  ttl(seconds: number): EtcdLock
  acquire(): Promise<EtcdLock>
  release(): Promise<void>
}

type Etcd3 = new (options: { readonly hosts: readonly string[] }) => EtcdClient

/** What has to be installed, by Debian's names. */
export const PACKAGES = 'apt install etcd-server'

const CLIENT_PORTS = [7511, 7512, 7513]
const PEER_PORTS = [7521, 7522, 7523]
const HERE: Servers = onLoopback('127.0.81.1')

/** Why etcd cannot be measured; its client is fetched where it is missing. */
export function etcdProblem(): string | undefined {
  const { error } = spawnSync('etcd', ['--version'], { stdio: 'ignore' })
  if (error !== undefined) return `etcd is not to be had: ${error.message} (${PACKAGES})`
  try {
    loadEtcd3()
    return undefined
  } catch {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund']
    spawnSync('npm', ['ci', ...options], { cwd: benchFolder, stdio: 'ignore' })
  }
  try {
    loadEtcd3()
    return undefined
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
    return `etcd3 is not to be had: ${reason} (npm ci in bench/ says more)`
  }
}

export function etcdVersion(): string {
  const { stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown'
}

/** A client of the first server, in whatever process. */
export function openEtcd(address: string | undefined = HERE.addresses[0]): EtcdClient {
  const Client = loadEtcd3()
  return new Client({ hosts: [`http://${address}:${CLIENT_PORTS[0]}`] })
}

/** Three etcd servers on loopback, as they come: each write is synced by a majority. */
export class EtcdSite {
  /** The first one is connected to the leader, which spares it a hop. */
  readonly clients: readonly [leader: EtcdClient, follower: EtcdClient]
  /** One of each server. */
  readonly all: readonly EtcdClient[]
  readonly addresses: readonly string[]

  private constructor(
    clients: readonly [EtcdClient, EtcdClient],
    all: readonly EtcdClient[],
    addresses: readonly string[],
  ) {
    this.clients = clients
    this.all = all
    this.addresses = addresses
  }

  static async start(place: Place, { addresses, via }: Servers = HERE): Promise<EtcdSite> {
    const folder = join(place.folder, 'etcd')
    mkdirSync(folder)
    const peers = PEER_PORTS.map((port, i) => `n${i}=http://${addresses[i]}:${port}`).join(',')
    for (const [i, port] of CLIENT_PORTS.entries()) {
      const clientUrl = `http://${addresses[i]}:${port}`
      const peerUrl = `http://${addresses[i]}:${PEER_PORTS[i]}`
      const own = ['--name', `n${i}`, '--data-dir', join(folder, `n${i}`)]
      const client = ['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl]
      const peer = ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl]
      const cluster = ['--initial-cluster', peers, '--initial-cluster-state', 'new']
      place.spawnVia(via(i), 'etcd', [...own, ...client, ...peer, ...cluster])
    }
    const Client = loadEtcd3()
    const clients = CLIENT_PORTS.map(
      (port, i) => new Client({ hosts: [`http://${addresses[i]}:${port}`] }),
    )
    const [any] = clients
    await until('etcd has a leader', async () => {
      await any?.put('ready').value('')
      return true
    })
    const states = await Promise.all(clients.map(client => client.maintenance.status()))
    const leads = ({ leader, header }: (typeof states)[number]): boolean =>
      leader === header.member_id
    const leader = clients[states.findIndex(leads)]
    const follower = clients[states.findIndex(state => !leads(state))]
    if (leader === undefined || follower === undefined) throw new Error('etcd has a leader')
    return new EtcdSite([leader, follower], clients, addresses)
  }

  close(): void {
    for (const client of this.all) client.close()
  }
}

/** From dist/bench/variables: the benchmark's own node_modules are beside its sources. */
const benchFolder = join(dirname(fileURLToPath(import.meta.url)), '../../../bench')

/** Throws where it is not installed. */
function loadEtcd3(): Etcd3 {
  const require = createRequire(join(benchFolder, 'package.json'))
  return (require('etcd3') as { readonly Etcd3: Etcd3 }).Etcd3
}
