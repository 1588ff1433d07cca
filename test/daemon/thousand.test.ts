import { readFileSync } from 'node:fs'
import test from 'ava'
import { connect, type Client, type Lock } from '../../src/client/client.ts'
import { Cluster } from '../helpers/cluster.ts'

const CONNECTIONS = 1000
const RSS_MB_MAX = 64

/** proc_pid_status(5): what a process has in memory now, and the most that it had, in MB. */
function memory(pid: number): { readonly now: number; readonly most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / 1024
  return { now: of('VmRSS'), most: of('VmHWM') }
}

test('a thousand connections of one process wait for one lock, and are served in order', async t => {
  t.timeout(240_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  await cluster.ready()
  const host = cluster.host(1)
  const first = await (await host.client()).lock('door')
  const before = memory(host.daemon.pid).now

  const clients: Client[] = []
  t.teardown(() => Promise.all(clients.map(client => client.close())))
  while (clients.length < CONNECTIONS) clients.push(await connect({ socket: host.socket }))
  const served: number[] = []
  const tokens: number[] = []
  const done: Promise<void>[] = []
  const take = async (at: number, waiting: Promise<Lock>): Promise<void> => {
    const lock = await waiting
    served.push(at)
    tokens.push(lock.token)
    await lock.release()
  }
  for (const [at, client] of clients.entries()) {
    // One after the other, so that there is an order to be kept.
    await new Promise<void>(resolve => {
      done.push(take(at, client.lock('door', { onQueued: () => resolve() })))
    })
  }
  const [shown] = await host.ask(client => client.locks('door'))
  t.is(shown?.waiters.length, CONNECTIONS)
  t.is((await host.ask(client => client.why('door'))).waiters.length, CONNECTIONS)
  const waiting = memory(host.daemon.pid)
  const start = performance.now()
  await first.release()
  await Promise.all(done)
  const seconds = (performance.now() - start) / 1000
  const after = memory(host.daemon.pid)

  t.deepEqual(
    served,
    clients.map((_, at) => at),
  )
  t.deepEqual(
    tokens,
    [...tokens].sort((a, b) => a - b),
  )
  const growth = after.most - before
  t.log(
    `${before.toFixed(0)} MB before, ${waiting.now.toFixed(0)} MB with all waiting, ` +
      `${after.most.toFixed(0)} MB at most; all served in ${seconds.toFixed(1)} s`,
  )
  t.true(growth < RSS_MB_MAX, `${growth} MB more`)
  await cluster.idle()
})
