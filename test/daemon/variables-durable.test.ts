import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LamportError } from '../../src/client/client.ts'
import { Random } from '../../src/lib/random.ts'
import { Cluster, describeTimes } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { ReturningClient } from '../helpers/returning-client.ts'

/** So often all daemons are killed at once. */
const ROUNDS = Number(process.env.LAMPORT_TEST_KILL_ROUNDS ?? 20)

/** How long the writers write in each round, at most. */
const WRITING_MS_MAX = 200

/** Hosts that come back find each other soon. */
const TIGHT = '{ heartbeat: 50ms, suspect: 600ms, lease: 600ms }'

const SEED = 5

/** Counts in a variable of its own, one write after the other. */
class Writer {
  readonly name: string
  readonly client: ReturningClient
  /** The highest count that was written at all, and that was acknowledged. */
  written = 0
  acknowledged = 0

  constructor(host: Host) {
    this.name = `counter of ${host.name}`
    this.client = new ReturningClient(host)
  }

  /** Writes until its daemon is gone. */
  async run(): Promise<void> {
    try {
      for (;;) {
        this.written += 1
        const count = this.written
        await this.client.do(client => client.set(this.name, String(count)))
        this.acknowledged = count
      }
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
    }
  }
}

test.serial('no acknowledged write is lost when all daemons are killed at once', async t => {
  t.timeout(600_000)
  const cluster = new Cluster(t, { ids: [1, 2, 3], timing: TIGHT })
  const readers = cluster.hosts.map(host => new ReturningClient(host))
  const writers = cluster.hosts.map(host => new Writer(host))
  const random = new Random(SEED)
  const times: number[] = []
  await Promise.all(cluster.hosts.map(host => host.start()))
  await settled(t, readers, writers)
  for (let round = 0; round < ROUNDS; round += 1) {
    const writing = writers.map(writer => writer.run())
    await pause(random.between(0, WRITING_MS_MAX))
    for (const { daemon } of cluster.hosts) daemon.kill('SIGKILL')
    await Promise.all(cluster.hosts.map(host => host.daemon.exited))
    await Promise.all(writing)
    const begin = performance.now()
    await Promise.all(cluster.hosts.map(host => host.start()))
    await settled(t, readers, writers)
    times.push(performance.now() - begin)
  }
  const written = writers.map(({ written }) => written).join(', ')
  t.log(`${ROUNDS} rounds, ${written} writes; until all is there again: ${describeTimes(times)}`)
  t.true(writers.every(({ acknowledged }) => acknowledged > ROUNDS))
})

/**
 * Every host reads of every writer what it may have written last, and none reads what is older than
 * another has read before it; in the end all know the same.
 */
async function settled(
  t: ExecutionContext,
  readers: readonly ReturningClient[],
  writers: readonly Writer[],
): Promise<void> {
  for (const writer of writers) {
    const { name, written } = writer
    for (const reader of readers) {
      const { value } = await reader.insist('a read', client => client.get(name))
      const count = Number(value ?? 0)
      const bounds = `${name}: ${writer.acknowledged} <= ${count} <= ${written}`
      t.true(count >= writer.acknowledged && count <= written, bounds)
      writer.acknowledged = count
    }
  }
  await eventually('all know the same', async () => {
    const known = await Promise.all(
      readers.map(async reader => {
        const values = new Map<string, string>()
        for (const { name } of writers) {
          const { value, version } = await reader.do(client => client.get(name, { local: true }))
          values.set(name, `${version} ${String(value)}`)
        }
        return JSON.stringify([...values])
      }),
    )
    return new Set(known).size === 1
  })
}
