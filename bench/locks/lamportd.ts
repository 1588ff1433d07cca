import { LamportSite } from '../variables/lamport.ts'
import { packageVersion } from '../../src/control/version.ts'

import type { Client } from '../../src/client/client.ts'
import type { Contender, LockClient } from './peer.ts'

/** Three lamportd on loopback, sealed as on a LAN. */
export const lamportd: Contender = {
  name: 'lamportd',
  problem: () => undefined,
  version: () => `lamportd ${packageVersion}, sealed`,
  async start(place) {
    const site = new LamportSite(place, 'locks', '127.0.86')
    await site.start()
    const connected = await site.clients()
    return {
      peers: [{ name: 'lamportd', clients: connected.map(lockClient) }],
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
