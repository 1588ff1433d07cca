import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load, packageProblem, packageVersion } from './packages.ts'

import type { EventEmitter } from 'node:events'
import type { Contender, LockClient } from './peer.ts'

type LiveMutex = {
  readonly Broker: new (options: { readonly udsPath: string }) => {
    readonly emitter: EventEmitter
    ensure(): Promise<unknown>
  }
  readonly Client: new (options: { readonly udsPath: string }) => Mutex
}
type Mutex = {
  readonly emitter: EventEmitter
  ensure(): Promise<unknown>
  acquire(name: string): Promise<{ readonly id: string }>
  release(name: string, options: { readonly id: string }): Promise<unknown>
  close(): void
}

const CHILD = 'live-mutex-broker'

/** One broker on one machine: what is not replicated has no network to wait for. */
export const liveMutex: Contender = {
  name: 'live-mutex',
  isLocal: true,
  problem: () => packageProblem('live-mutex'),
  version: () => `live-mutex ${packageVersion('live-mutex')}, one broker`,
  open: async path => lockClient(await connected(path)),
  async start(place) {
    const path = join(place.folder, 'live-mutex.sock')
    const program = fileURLToPath(import.meta.url)
    const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as const
    const broker = place.spawn(process.execPath, [program, CHILD, path], [...stdio])
    await once(broker, 'message')
    const mutexes = [await connected(path), await connected(path), await connected(path)]
    return {
      peers: [{ name: 'live-mutex', clients: mutexes.map(lockClient), where: path }],
      close() {
        for (const each of mutexes) each.close()
        broker.kill('SIGKILL')
        return Promise.resolve()
      },
    }
  },
}

async function connected(udsPath: string): Promise<Mutex> {
  const { Client } = load<LiveMutex>('live-mutex')
  const mutex = new Client({ udsPath })
  mutex.emitter.on('warning', () => undefined)
  await mutex.ensure()
  return mutex
}

function lockClient(mutex: Mutex): LockClient {
  return {
    async acquire(name) {
      const { id } = await mutex.acquire(name)
      return () => mutex.release(name, { id })
    },
  }
}

async function serve(path: string): Promise<void> {
  const { Broker } = load<LiveMutex>('live-mutex')
  const broker = new Broker({ udsPath: path })
  broker.emitter.on('warning', () => undefined)
  await broker.ensure()
  process.send?.('ready')
}

const [, , argument, path] = process.argv
if (argument === CHILD && path !== undefined) await serve(path)
