import { closeSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import { enterGreedily, holdInTurn, localLock, onAll } from '../helpers/contention.ts'

const HOLDS = 200
const HOLD_MS = 10

const ENTRIES = 300

/** Of each of five hosts, through the library and by `lamportctl lock`. */
const INCREMENTS = 100

/** One increment that loses another if both overlap: what was read is old when it is written. */
async function increment(path: string): Promise<void> {
  const value = Number(readFileSync(path, 'utf8'))
  await pause(0)
  writeFileSync(path, String(value + 1))
}

test.serial(
  `3 contenders who hold it ${HOLD_MS} ms get it ${HOLDS} times each, and never overlap`,
  async t => {
    t.timeout(180_000)
    await holdInTurn(t, await Cluster.start(t, { ids: [1, 2, 3] }), HOLDS, HOLD_MS)
  },
)

test.serial('what the test takes as a local lock is refused while another has it', async t => {
  const cluster = new Cluster(t, { ids: [] })
  const path = join(cluster.folder, 'local')
  const first = await localLock(path)
  t.not(first, undefined)
  t.is(await localLock(path), undefined)
  closeSync(first ?? -1)
  const second = await localLock(path)
  t.not(second, undefined)
  closeSync(second ?? -1)
})

test.serial(`5 hosts that want it all the time enter ${5 * ENTRIES} times of as many`, async t => {
  t.timeout(180_000)
  await enterGreedily(t, await Cluster.start(t, { ids: [1, 2, 3, 4, 5] }), ENTRIES)
})

test.serial('increments of one file under the lock by 5 hosts are all there', async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3, 4, 5] })
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const [file, loose] = [join(cluster.folder, 'count'), join(cluster.folder, 'loose')]
  writeFileSync(file, '0')
  await onAll(clients, INCREMENTS, client => client.withLock('count', () => increment(file)))
  t.is(readFileSync(file, 'utf8'), String(5 * INCREMENTS))
  writeFileSync(loose, '0')
  await onAll(clients, 10, () => increment(loose))
  t.true(Number(readFileSync(loose, 'utf8')) < 50, 'without the lock some are lost')
})

test.serial('increments under lamportctl lock, a process each, are all there', async t => {
  t.timeout(300_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3, 4, 5] })
  const [file, local] = [join(cluster.folder, 'count'), join(cluster.folder, 'local')]
  writeFileSync(file, '0\n')
  // The kernel looks on: a lock of its own, which is never refused, and the tokens in its order.
  const script = `
    exec 9>>"$1"; flock -n 9 || exit 99
    echo "$LAMPORT_LOCK_TOKEN" >&9
    read -r count < "$0"; sleep 0.005; echo $((count + 1)) > "$0"`
  const start = performance.now()
  const failed: unknown[] = []
  await Promise.all(
    cluster.hosts.map(async host => {
      for (let time = 0; time < INCREMENTS; time += 1) {
        const command = ['/bin/sh', '-c', script, file, local]
        const outcome = await host.outcome('lock', 'count', ...command)
        if (outcome[0] !== 0 || outcome[2] !== '') failed.push(outcome)
      }
    }),
  )
  t.deepEqual(failed, [])
  const count = 5 * INCREMENTS
  t.is(readFileSync(file, 'utf8'), `${count}\n`)
  const tokens = readFileSync(local, 'utf8').trim().split('\n').map(Number)
  t.is(tokens.length, count)
  t.deepEqual(
    tokens,
    [...tokens].sort((a, b) => a - b),
    'in the order of their tokens',
  )
  await cluster.idle()
  const ms = (performance.now() - start) / count
  t.log(`${count} runs of lamportctl lock, five at a time: ${ms.toFixed(0)} ms each`)
})
