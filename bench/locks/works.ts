import { monotonicNow } from '../../src/control/monotonic.ts'

import type { LockClient, Peer } from './peer.ts'

/** What is said of a row in which each lock is wanted by another host than the one before. */
export const MOVING = ', another host each time'

/** W1: one lock that nobody else wants, one after the other, by one client or by several in turn. */
export async function alone(
  clients: readonly LockClient[],
  count: number,
): Promise<[number[], number[]]> {
  const acquire: number[] = []
  const cycle: number[] = []
  for (let i = 0; i < count; i++) {
    const client = clients[i % clients.length]
    if (client === undefined) throw new Error('there is a client')
    const start = monotonicNow()
    const release = await client.acquire('alone')
    acquire.push(monotonicNow() - start)
    await release()
    cycle.push(monotonicNow() - start)
  }
  return [acquire, cycle]
}

/** W2: every client wants the same lock, as soon as it has let go of it. */
export async function contend(
  { clients }: Peer,
  durationMs: number,
): Promise<{ perSecond: number; handOver: number[]; fairness: number }> {
  const start = monotonicNow()
  const end = start + durationMs
  const entries = clients.map(() => 0)
  const handOver: number[] = []
  let last: { readonly by: number; readonly at: number } | undefined
  let inside = 0
  await Promise.all(
    clients.map(async (client, by) => {
      while (monotonicNow() < end) {
        const release = await client.acquire('wanted')
        inside += 1
        if (inside !== 1) throw new Error('two clients hold one lock')
        if (last !== undefined && last.by !== by) handOver.push(monotonicNow() - last.at)
        entries[by] = (entries[by] ?? 0) + 1
        last = { by, at: monotonicNow() }
        inside -= 1
        await release()
      }
    }),
  )
  const sum = entries.reduce((all, each) => all + each, 0)
  const seconds = (monotonicNow() - start) / 1000
  return { perSecond: sum / seconds, handOver, fairness: jain(entries) }
}

/** W3: so many workers, each with a lock of its own, over all clients. Cycles a second. */
export async function independent(
  { clients }: Peer,
  workers: number,
  durationMs: number,
): Promise<number> {
  const start = monotonicNow()
  const end = start + durationMs
  let cycles = 0
  const work = async (worker: number): Promise<void> => {
    const client = clients[worker % clients.length]
    while (client !== undefined && monotonicNow() < end) {
      const release = await client.acquire(`own-${worker}`)
      await release()
      cycles += 1
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  return cycles / ((monotonicNow() - start) / 1000)
}

/** Jain, Chiu, Hawe (1984): the square of the sum, by n times the sum of squares. */
export function jain(counts: readonly number[]): number {
  const sum = counts.reduce((all, each) => all + each, 0)
  const squares = counts.reduce((all, each) => all + each * each, 0)
  return squares === 0 ? NaN : (sum * sum) / (counts.length * squares)
}
