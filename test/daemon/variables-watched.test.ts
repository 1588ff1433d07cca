import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { connect, LamportError } from '../../src/client/client.ts'
import type { Change, Variable } from '../../src/client/client.ts'
import { Random } from '../../src/lib/random.ts'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { Relay } from '../helpers/relay.ts'
import type { Faults } from '../helpers/relay.ts'
import { ReturningClient } from '../helpers/returning-client.ts'

const TIGHT = '{ heartbeat: 50ms, suspect: 600ms, lease: 600ms }'
const LOSSY: Partial<Faults> = { loss: 0.2, duplicate: 0.1, reorder: 0.1, holdMs: 8 }

const RESTARTS = 6
const SEED = 3

/** One watch over everything that becomes of its host's daemon. */
class Watcher {
  readonly changes: Change[] = []
  readonly host: Host

  private constructor(host: Host) {
    this.host = host
  }

  static async begin(host: Host, name: string): Promise<Watcher> {
    const client = await connect({ socket: host.socket })
    const watch = client.watch(name, { initial: true })
    const watcher = new Watcher(host)
    host.teardown(() => client.close())
    await watch.ready
    void (async () => {
      for await (const change of watch) watcher.changes.push(change)
    })()
    return watcher
  }

  /** Versions rise, and where one is missing that is said. */
  verify(t: ExecutionContext, last: Variable): void {
    const { host, changes } = this
    let before: Change | undefined
    for (const change of changes) {
      if (before !== undefined) {
        t.is(change.version, before.version + 1 + (change.skipped ?? 0), host.name)
        t.true(change.version > before.version)
      }
      before = change
    }
    t.is(before?.version, last.version, `${host.name} ends with the last`)
    t.is(before?.value, last.value)
    const skipped = changes.reduce((sum, change) => sum + (change.skipped ?? 0), 0)
    t.log(`${host.name} was told of ${changes.length} changes, and that ${skipped} were skipped`)
  }
}

async function watched(t: ExecutionContext, faults: Partial<Faults>): Promise<Relay> {
  t.timeout(180_000)
  const random = new Random(SEED)
  const cluster = new Cluster(t, { ids: [1, 2, 3], timing: TIGHT, isRelayed: true })
  const relay = new Relay(t, cluster.hosts, { seed: SEED, faults })
  await Promise.all(cluster.hosts.map(host => host.start()))
  await cluster.ready()
  const watchers = await Promise.all(cluster.hosts.map(host => Watcher.begin(host, 'speed')))
  const clients = cluster.hosts.map(host => new ReturningClient(host))
  let isOver = false
  let written = 0
  const writing = clients.map(async client => {
    while (!isOver) {
      const value = String((written += 1))
      try {
        await client.do(each => each.set('speed', value, { waitMs: 1000 }))
      } catch (error) {
        if (!(error instanceof LamportError)) throw error
        await pause(20)
      }
      await pause(random.between(0, 20))
    }
  })
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    await pause(random.between(100, 500))
    const host = cluster.host(1 + (restart % 3))
    await host.kill(restart % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
    await pause(random.between(0, 300))
    await host.start()
  }
  isOver = true
  await Promise.all(writing)
  const last = await clients[0]?.insist('a last write', client => client.set('speed', 'last'))
  if (last === undefined) throw new Error('there is a first host')
  await eventually('all watches end with the last', () =>
    watchers.every(({ changes }) => (changes.at(-1)?.version ?? 0) >= last.version),
  )
  t.log(`${written} writes, ${last.version} versions, ${RESTARTS} restarts`)
  for (const watcher of watchers) watcher.verify(t, last)
  return relay
}

test.serial('a watch on each host tells versions in order over restarts, and the last', async t => {
  await watched(t, {})
})

test.serial(
  'with 20 % loss a watch on each host tells versions in order, and the last',
  async t => {
    const { counts } = await watched(t, LOSSY)
    t.true(counts.lost > 100)
  },
)
