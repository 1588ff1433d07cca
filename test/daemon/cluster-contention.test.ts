import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { Client } from '../../src/client/client.ts'
import { Cluster, difference } from '../helpers/cluster.ts'

const net = '127.77.2'

/** A7. */
const HOLDS = 200
const HOLD_MS = 10

/** B5. */
const ENTRIES = 300

/** F6: increments of each of five hosts, through the library and by `lamportctl lock`. */
const INCREMENTS = 100
const PROCESS_INCREMENTS = 20

/** Takes a file's lock without waiting, as flock(1) does, until it is closed; `undefined`: taken. */
async function localLock(path: string): Promise<number | undefined> {
  const file = openSync(path, 'a')
  // The lock is of the open file, which the process and we share: its end does not end the lock.
  const flock = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'inherit', file] })
  const [code] = (await once(flock, 'exit')) as [number | null]
  if (code === 0) return file
  closeSync(file)
  return undefined
}

/** One increment that loses another if both overlap: what was read is old when it is written. */
async function increment(path: string): Promise<void> {
  const value = Number(readFileSync(path, 'utf8'))
  await pause(0)
  writeFileSync(path, String(value + 1))
}

/** Runs the work so often on each client, one after another; on all clients at once. */
async function onAll(
  clients: readonly Client[],
  times: number,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const repeat = async (client: Client): Promise<void> => {
    for (let time = 0; time < times; time += 1) await work(client)
  }
  await Promise.all(clients.map(repeat))
}

test.serial(
  `3 contenders who hold it ${HOLD_MS} ms get it ${HOLDS} times each, and never overlap`,
  async t => {
    t.timeout(180_000)
    const cluster = await Cluster.start(t, { net, ids: [1, 2, 3] })
    const [journal, local] = [join(cluster.folder, 'journal'), join(cluster.folder, 'local')]
    const clients = await Promise.all(cluster.hosts.map(host => host.client()))
    let refused = 0
    await onAll(clients, HOLDS, client =>
      client.withLock('door', async ({ token }) => {
        const file = await localLock(local)
        if (file === undefined) refused += 1
        appendFileSync(journal, `enter ${token}\n`)
        await pause(HOLD_MS)
        appendFileSync(journal, `leave ${token}\n`)
        if (file !== undefined) closeSync(file)
      }),
    )
    t.is(refused, 0, 'flock -n was never refused')
    const lines = readFileSync(journal, 'utf8').trimEnd().split('\n')
    const tokens = lines.filter(line => line.startsWith('enter')).map(line => Number(line.slice(6)))
    t.is(tokens.length, 3 * HOLDS)
    t.deepEqual(
      lines,
      tokens.flatMap(token => [`enter ${token}`, `leave ${token}`]),
      'nobody enters before the one inside has left',
    )
    t.deepEqual(
      tokens,
      [...new Set(tokens)].sort((a, b) => a - b),
      'they enter in the order of their tokens',
    )
    await cluster.idle()
    t.deepEqual(await Promise.all(clients.map(client => client.locks())), [[], [], []])
  },
)

test.serial('what the test takes as a local lock is refused while another has it', async t => {
  const cluster = new Cluster(t, { net, ids: [] })
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
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3, 4, 5] })
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const before = await cluster.messages()
  const start = performance.now()
  const tokens: number[] = []
  let [inside, overlaps] = [0, 0]
  await onAll(clients, ENTRIES, client =>
    client.withLock('door', async ({ token }) => {
      inside += 1
      if (inside > 1) overlaps += 1
      tokens.push(token)
      await pause(0)
      inside -= 1
    }),
  )
  const seconds = (performance.now() - start) / 1000
  t.is(tokens.length, 5 * ENTRIES)
  t.is(overlaps, 0)
  t.deepEqual(
    tokens,
    [...new Set(tokens)].sort((a, b) => a - b),
    'they enter in the order of their tokens',
  )
  await cluster.idle()
  const each = 5 * ENTRIES * 4
  t.deepEqual(difference(await cluster.messages(), before), {
    request: each,
    reply: each,
    release: each,
  })
  t.log(`${tokens.length} entries in ${seconds.toFixed(1)} s, ${3 * each} messages`)
})

test.serial('increments of one file under the lock by 5 hosts are all there', async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3, 4, 5] })
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
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3, 4, 5] })
  const file = join(cluster.folder, 'count')
  writeFileSync(file, '0\n')
  const script = 'read -r count < "$0"; sleep 0.01; echo $((count + 1)) > "$0"'
  const start = performance.now()
  const failed: unknown[] = []
  await Promise.all(
    cluster.hosts.map(async host => {
      for (let time = 0; time < PROCESS_INCREMENTS; time += 1) {
        const outcome = await host.outcome('lock', 'count', '/bin/sh', '-c', script, file)
        if (outcome[0] !== 0 || outcome[2] !== '') failed.push(outcome)
      }
    }),
  )
  t.deepEqual(failed, [])
  t.is(readFileSync(file, 'utf8'), `${5 * PROCESS_INCREMENTS}\n`)
  await cluster.idle()
  const count = 5 * PROCESS_INCREMENTS
  const ms = (performance.now() - start) / count
  t.log(`${count} runs of lamportctl lock, five at a time: ${ms.toFixed(0)} ms each`)
})
