import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../variables/place.ts'
import { load, packageProblem, packageVersion, programProblem } from './packages.ts'
import { onLoopback } from './peer.ts'

import type { EventEmitter } from 'node:events'
import type { Contender, LockClient } from './peer.ts'

type Done<T> = (error: Error | null | undefined, result: T) => void
type ZooKeeper = EventEmitter & {
  connect(): void
  close(): void
  mkdirp(path: string, done: Done<string>): void
  create(path: string, data: null, acls: unknown, mode: number, done: Done<string>): void
  getChildren(path: string, done: Done<string[]>): void
  setData(path: string, data: Buffer, version: number, done: Done<unknown>): void
  getData(path: string, done: Done<Buffer>): void
  exists(path: string, watcher: () => void, done: Done<unknown>): void
  remove(path: string, version: number, done: Done<undefined>): void
}
type Package = {
  createClient(server: string, options: { readonly spinDelay: number }): ZooKeeper
  readonly ACL: { readonly OPEN_ACL_UNSAFE: unknown }
  readonly CreateMode: { readonly EPHEMERAL_SEQUENTIAL: number }
}

const HERE = onLoopback('127.0.85.1')
const CLIENT_PORTS = [7551, 7552, 7553]
const PEER_PORTS = [7561, 7562, 7563]
const ELECTION_PORTS = [7571, 7572, 7573]
const JARS = '/usr/share/java'

/** An ensemble of three, each write synced. */
export const zooKeeper: Contender = {
  name: 'ZooKeeper',
  problem() {
    if (!existsSync(join(JARS, 'zookeeper.jar'))) {
      return 'ZooKeeper is not installed (apt install zookeeper)'
    }
    return programProblem('java', 'default-jre-headless') ?? packageProblem('node-zookeeper-client')
  },
  version: () => `ZooKeeper, node-zookeeper-client ${packageVersion('node-zookeeper-client')}`,
  open: async where => recipe(await connected(where, 0)),
  async start(place, { addresses, via } = HERE) {
    for (const i of CLIENT_PORTS.keys()) {
      const folder = join(place.folder, `zookeeper-${i + 1}`)
      mkdirSync(folder)
      writeFileSync(join(folder, 'myid'), `${i + 1}\n`)
      writeFileSync(join(folder, 'zoo.cfg'), configuration(folder, addresses, i))
      const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
      const path = `${folder}:${JARS}/*`
      place.spawnVia(via(i), 'java', ['-Xmx256m', '-cp', path, main, join(folder, 'zoo.cfg')])
    }
    const connections: ZooKeeper[] = []
    for (const [i, address] of addresses.entries()) connections.push(await connected(address, i))
    await until('ZooKeeper has a leader', async () => {
      await called<string>(done => connections[0]?.mkdirp('/locks', done))
      await called<string>(done => connections[0]?.mkdirp('/bench', done))
      return true
    })
    return {
      peers: [
        {
          name: 'ZooKeeper',
          clients: connections.map(recipe),
          register: {
            name: 'ZooKeeper, synced by a majority, read from one',
            set: value =>
              called(done => connections[0]?.setData('/bench', Buffer.from(value), -1, done)),
            get: () => called<Buffer>(done => connections[0]?.getData('/bench', done)),
          },
          where: addresses[0] ?? '',
        },
      ],
      close() {
        for (const each of connections) each.close()
        return Promise.resolve()
      },
    }
  },
}

async function connected(address: string, index: number): Promise<ZooKeeper> {
  const zooKeeperPackage = load<Package>('node-zookeeper-client')
  const client = zooKeeperPackage.createClient(`${address}:${CLIENT_PORTS[index]}`, {
    spinDelay: 100,
  })
  const isThere = once(client, 'connected')
  client.connect()
  await isThere
  return client
}

function configuration(folder: string, addresses: readonly string[], index: number): string {
  const servers = PEER_PORTS.map(
    (port, i) => `server.${i + 1}=${addresses[i]}:${port}:${ELECTION_PORTS[i]}`,
  )
  const lines = [
    'tickTime=2000',
    'initLimit=10',
    'syncLimit=5',
    `dataDir=${folder}`,
    `clientPortAddress=${addresses[index]}`,
    `clientPort=${CLIENT_PORTS[index]}`,
    'admin.enableServer=false',
    ...servers,
  ]
  return `${lines.join('\n')}\n`
}

/**
 * The recipe of its documentation: an ephemeral node with a number; whose number is the lowest holds
 * the lock, each other one watches the one before.
 */
function recipe(client: ZooKeeper): LockClient {
  const { ACL, CreateMode } = load<Package>('node-zookeeper-client')
  const folders = new Set<string>()
  return {
    async acquire(name) {
      const folder = `/locks/${name}`
      if (!folders.has(folder)) {
        await called<string>(done => client.mkdirp(folder, done))
        folders.add(folder)
      }
      const own = await called<string>(done =>
        client.create(
          `${folder}/at-`,
          null,
          ACL.OPEN_ACL_UNSAFE,
          CreateMode.EPHEMERAL_SEQUENTIAL,
          done,
        ),
      )
      for (;;) {
        const all = (await called<string[]>(done => client.getChildren(folder, done))).sort()
        const before = all[all.indexOf(own.slice(folder.length + 1)) - 1]
        if (before === undefined) break
        await new Promise<void>((resolve, reject) => {
          client.exists(`${folder}/${before}`, resolve, (error, stat) => {
            if (error !== null && error !== undefined) reject(error)
            else if (stat === null || stat === undefined) resolve()
          })
        })
      }
      return () => called<undefined>(done => client.remove(own, -1, done))
    },
  }
}

function called<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === null || error === undefined) resolve(result)
      else reject(error)
    })
  })
}
