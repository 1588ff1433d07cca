import type { ExecutionContext } from 'ava'
import { Cluster } from './cluster.ts'
import type { ClusterOptions, Host } from './cluster.ts'
import { DEFAULT_TIMING, Machine } from './machine.ts'
import { eventually } from './processes.ts'
import { Work } from './work.ts'

/** Hosts with the default timing, work to do under their locks, and the machine they share. */
export class Site {
  readonly cluster: Cluster
  readonly work: Work
  readonly machine: Machine

  constructor(t: ExecutionContext, options: ClusterOptions) {
    t.timeout(300_000)
    this.cluster = new Cluster(t, { timing: DEFAULT_TIMING, ...options })
    this.work = new Work(this.cluster.folder)
    this.machine = new Machine(this.cluster.folder)
  }

  /** All daemons answer, and every host can lock. */
  static async start(t: ExecutionContext, options: ClusterOptions): Promise<Site> {
    const site = new Site(t, options)
    await Promise.all(site.hosts.map(host => host.start()))
    await site.cluster.ready()
    return site
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
}

/** A lock that is free can be taken and let go. */
export async function passes(host: Host, name = 'another'): Promise<void> {
  await host.ask(async client => {
    const lock = await client.lock(name)
    await lock.release()
  })
}

/** So many wait for a name, as this host sees it. */
export async function waits(host: Host, count: number, name = 'door'): Promise<void> {
  await host.ask(client =>
    eventually(`${count} wait for ${name}`, async () => {
      const [lock] = await client.locks(name)
      return lock?.waiters.length === count
    }),
  )
}

/** The others are gone, or have no vote, and this host knows. */
export async function hearsNobody(host: Host): Promise<void> {
  await eventually(`${host.name} hears nobody`, async () => {
    const { hosts } = await host.status()
    return hosts.every(({ self, state }) => self || state === 'connected' || state === 'silent')
  })
}
