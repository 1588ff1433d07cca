import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Client } from '../../src/client/client.ts'
import { difference } from './cluster.ts'
import type { Cluster, MessageCounts } from './cluster.ts'

/** Takes a file's lock without waiting, as flock(1) does, until it is closed; `undefined`: taken. */
export async function localLock(path: string): Promise<number | undefined> {
  const file = openSync(path, 'a')
  // The lock is of the open file, which the process and we share: its end does not end the lock.
  const flock = spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'inherit', file] })
  const [code] = (await once(flock, 'exit')) as [number | null]
  if (code === 0) return file
  closeSync(file)
  return undefined
}

/** Runs the work so often on each client, one after another; on all clients at once. */
export async function onAll(
  clients: readonly Client[],
  times: number,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const repeat = async (client: Client): Promise<void> => {
    for (let time = 0; time < times; time += 1) await work(client)
  }
  await Promise.all(clients.map(repeat))
}

/**
 * Every host takes one lock so many times and holds it a while. Nobody overlaps, by a journal and
 * by the kernel; they enter in the order of their tokens; nothing is in use at the end, and
 * Lamport's three messages to each other host are all that an entry cost.
 */
export async function holdInTurn(
  t: ExecutionContext,
  cluster: Cluster,
  holds: number,
  holdMs: number,
): Promise<void> {
  const [journal, local] = [join(cluster.folder, 'journal'), join(cluster.folder, 'local')]
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const before = await cluster.messages()
  let refused = 0
  await onAll(clients, holds, client =>
    client.withLock('door', async ({ token }) => {
      const file = await localLock(local)
      if (file === undefined) refused += 1
      appendFileSync(journal, `enter ${token}\n`)
      await pause(holdMs)
      appendFileSync(journal, `leave ${token}\n`)
      if (file !== undefined) closeSync(file)
    }),
  )
  t.is(refused, 0, 'flock -n was never refused')
  const lines = readFileSync(journal, 'utf8').trimEnd().split('\n')
  const tokens = lines.filter(line => line.startsWith('enter')).map(line => Number(line.slice(6)))
  t.is(tokens.length, cluster.hosts.length * holds)
  t.deepEqual(
    lines,
    tokens.flatMap(token => [`enter ${token}`, `leave ${token}`]),
    'nobody enters before the one inside has left',
  )
  rising(t, tokens)
  await cluster.idle()
  await costs(t, cluster, before, tokens.length)
  const empty = clients.map(() => [])
  t.deepEqual(await Promise.all(clients.map(client => client.locks())), empty)
}

/**
 * Every host takes one lock so many times, again as soon as it has let go. All are served, nobody
 * overlaps, and Lamport's three messages to each other host are all that an entry costs.
 */
export async function enterGreedily(
  t: ExecutionContext,
  cluster: Cluster,
  entries: number,
): Promise<void> {
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const before = await cluster.messages()
  const start = performance.now()
  const tokens: number[] = []
  let [inside, overlaps] = [0, 0]
  await onAll(clients, entries, client =>
    client.withLock('door', async ({ token }) => {
      inside += 1
      if (inside > 1) overlaps += 1
      tokens.push(token)
      await pause(0)
      inside -= 1
    }),
  )
  const seconds = (performance.now() - start) / 1000
  t.is(tokens.length, cluster.hosts.length * entries)
  t.is(overlaps, 0)
  rising(t, tokens)
  await cluster.idle()
  const messages = await costs(t, cluster, before, tokens.length)
  t.log(`${tokens.length} entries in ${seconds.toFixed(1)} s, ${messages} messages`)
}

/** One REQUEST, REPLY and RELEASE to each other host, or from it, an entry at most. How many they are. */
async function costs(
  t: ExecutionContext,
  cluster: Cluster,
  before: MessageCounts,
  entries: number,
): Promise<number> {
  const each = entries * (cluster.hosts.length - 1)
  const sent = difference(await cluster.messages(), before)
  isLamport(t, sent, each)
  return 3 * sent.request
}

/**
 * Each of so many requests to one other host has had one REPLY and one RELEASE. They may be fewer, where
 * a host was alone for a moment: then one request stands for several entries.
 */
export function isLamport(t: ExecutionContext, sent: MessageCounts, most: number): void {
  const { request } = sent
  t.deepEqual(sent, { request, reply: request, release: request })
  t.true(request <= most && request >= most / 2, `${request} requests, of ${most} at most`)
}

function rising(t: ExecutionContext, tokens: readonly number[]): void {
  t.deepEqual(
    tokens,
    [...new Set(tokens)].sort((a, b) => a - b),
    'they enter in the order of their tokens',
  )
}
