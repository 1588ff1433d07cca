import { LamportSite } from '../variables/lamport.ts'
import { connect } from '../../src/client/client.ts'
import { packageVersion } from '../../src/control/version.ts'

import type { Client } from '../../src/client/client.ts'
import type { Contender, LockClient } from './peer.ts'

/** Three lamportd on loopback, sealed as on a LAN. */
export const lamportd: Contender = {
  name: 'lamportd',
  problem: () => undefined,
  version: () => `lamportd ${packageVersion}, sealed`,
  open: async socket => lockClient(await connect({ socket })),
  async start(place, servers) {
    const network =
      servers === undefined
        ? '127.0.86'
        : {
            address: (id: number) => servers.addresses[id - 1] ?? '',
            via: (id: number) => servers.via(id - 1),
          }
    const site = new LamportSite(place, 'locks', network)
    await site.start()
    const connected = await site.clients()
    return {
      peers: [
        {
          name: 'lamportd',
          clients: connected.map(lockClient),
          remembers: true,
          register: {
            name: 'lamportd, synced by a majority',
            set: value => connected[0]?.set('bench', value) ?? Promise.reject(new Error('no host')),
            get: () => connected[0]?.get('bench') ?? Promise.reject(new Error('no host')),
          },
          where: site.socket(1),
        },
      ],
      async close() {
        await Promise.all(connected.map(client => client.close()))
        await site.stopAll()
      },
    }
  },
}

export function lockClient(client: Client): LockClient {
  return {
    async acquire(name) {
      const lock = await client.lock(name)
      return () => lock.release()
    },
  }
}
