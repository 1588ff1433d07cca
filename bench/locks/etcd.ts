import { EtcdSite, etcdProblem, etcdVersion, openEtcd } from '../variables/etcd.ts'

import type { EtcdClient, EtcdLease } from '../variables/etcd.ts'
import type { Contender, LockClient } from './peer.ts'

const LEASE_S = 10

/** Three etcd, each write synced. */
export const etcd: Contender = {
  name: 'etcd',
  problem: etcdProblem,
  version: () => `etcd ${etcdVersion()}`,
  async open(where) {
    const client = openEtcd(where.split(' ')[0])
    const lease = client.lease(LEASE_S)
    await lease.grant()
    return transactions(client, lease)
  },
  async start(place, servers) {
    const site = await EtcdSite.start(place, servers)
    const leases = site.all.map(client => client.lease(LEASE_S))
    await Promise.all(leases.map(lease => lease.grant()))
    const bare = site.all.map((client, i) => transactions(client, leases[i] as EtcdLease))
    return {
      peers: [
        {
          name: 'etcd, transaction',
          clients: bare,
          register: {
            name: 'etcd, synced by a majority',
            set: value => site.clients[0].put('bench').value(value),
            get: () => site.clients[0].get('bench').string(),
          },
          where: site.addresses.join(' '),
        },
        { name: 'etcd, its recipe', clients: site.all.map(recipe) },
      ],
      async close() {
        await Promise.all(leases.map(lease => lease.revoke()))
        site.close()
      },
    }
  },
}

/**
 * The cheapest that etcd can do: a lease that is kept, one transaction to put the key where there is
 * none, one request to delete it. Who finds it taken asks again at once.
 */
function transactions(client: EtcdClient, lease: EtcdLease): LockClient {
  return {
    async acquire(name) {
      const key = `locks/${name}`
      for (;;) {
        const put = lease.put(key).value('held')
        const { succeeded } = await client.if(key, 'Create', '==', 0).then(put).commit()
        if (succeeded) return () => client.delete().key(key)
      }
    },
  }
}

/** etcd3's own lock, with a lease of its own each time. Who finds it taken asks again at once. */
function recipe(client: EtcdClient): LockClient {
  return {
    async acquire(name) {
      for (;;) {
        const lock = client.lock(`recipe/${name}`).ttl(LEASE_S)
        try {
          await lock.acquire()
          return () => lock.release()
        } catch (error) {
          const isTaken = error instanceof Error && error.constructor.name === 'EtcdLockFailedError'
          if (!isTaken) throw error
        }
      }
    },
  }
}
