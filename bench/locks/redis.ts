import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../variables/place.ts'
import { load, packageProblem, packageVersion, programProblem } from './packages.ts'
import { onLoopback } from './peer.ts'

import type { Contender, LockClient } from './peer.ts'

type Redis = {
  on(event: 'error', listener: () => void): unknown
  ping(): Promise<string>
  set(key: string, value: string): Promise<string>
  get(key: string): Promise<string | null>
  disconnect(): void
}
type RedisClass = new (options: { readonly port: number; readonly host: string }) => Redis
type Redlock = {
  lock(name: string, ttlMs: number): PromiseLike<{ unlock(): PromiseLike<void> }>
}
type RedlockClass = new (
  clients: readonly Redis[],
  options: {
    readonly retryCount: number
    readonly retryDelay: number
    readonly retryJitter: number
  },
) => Redlock

const HERE = onLoopback('127.0.84.1')
const PORTS = [7541, 7542, 7543]

/** Long enough that none ends while it is held. */
const TTL_MS = 5000

/** Redlock over three servers in memory: nothing is synced, nothing survives a power cut. */
export const redis: Contender = {
  name: 'Redlock',
  problem: () =>
    programProblem('redis-server', 'redis-server') ?? packageProblem('redlock', 'ioredis'),
  version() {
    const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' })
    const server = /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown'
    return `Redis ${server} in memory, redlock ${packageVersion('redlock')}`
  },
  open: where => Promise.resolve(lockClient(connectAll(where.split(' ')))),
  async start(place, { addresses, via } = HERE) {
    for (const [i, port] of PORTS.entries()) {
      const folder = join(place.folder, `redis-${port}`)
      mkdirSync(folder)
      const where = ['--port', String(port), '--bind', addresses[i] ?? '', '--dir', folder]
      // Its clients come from other hosts, without a password.
      const what = ['--protected-mode', 'no', '--save', '', '--appendonly', 'no']
      place.spawnVia(via(i), 'redis-server', [...where, ...what])
    }
    const connections = [0, 1, 2].map(() => connectAll(addresses))
    const all = connections.flat()
    await until('Redis answers', async () => {
      await Promise.all(all.map(each => each.ping()))
      return true
    })
    const [one] = all
    return {
      peers: [
        {
          name: 'Redlock',
          clients: connections.map(lockClient),
          ...(one === undefined
            ? {}
            : {
                register: {
                  name: 'Redis, one server, in memory',
                  set: (value: string) => one.set('bench', value),
                  get: () => one.get('bench'),
                },
              }),
          where: addresses.join(' '),
        },
      ],
      close() {
        for (const each of all) each.disconnect()
        return Promise.resolve()
      },
    }
  },
}

function connectAll(addresses: readonly string[]): Redis[] {
  const Client = load<RedisClass>('ioredis')
  return PORTS.map((port, i) => {
    const client = new Client({ port, host: addresses[i] ?? '' })
    // It says so each time, and tries again, until the server has started.
    client.on('error', () => undefined)
    return client
  })
}

/** It asks again after a while: nothing tells who waits that a lock is free. */
function lockClient(connections: readonly Redis[]): LockClient {
  const Lock = load<RedlockClass>('redlock')
  const redlock = new Lock(connections, { retryCount: -1, retryDelay: 50, retryJitter: 20 })
  return {
    async acquire(name) {
      const lock = await redlock.lock(name, TTL_MS)
      return () => lock.unlock()
    },
  }
}
