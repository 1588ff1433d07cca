// W5: how the cost of a lock grows with the number of hosts, of lamportd alone.
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { atMost, quantile } from '../measures.ts'
import { ms, table } from '../report.ts'
import { LamportSite } from '../variables/lamport.ts'

import type { Client } from '../../src/client/client.ts'
import type { Goal } from '../measures.ts'
import type { Place } from '../variables/place.ts'

export const SIZES: readonly number[] = [3, 5, 10, 25, 50]

/** One lock that nobody else wants, on so many hosts. */
export type Size = {
  readonly hosts: number
  /** Milliseconds of an acquire. */
  readonly p50: number
  readonly p99: number
  /** Likewise, each by another host than the one before. */
  readonly moving: number
  /** Datagrams an entry, by all hosts together; divided by the number of the other hosts. */
  readonly backToBack: number
  readonly alone: number
  readonly held: number
  readonly loaded: number
  /** Protocol messages an entry, likewise. */
  readonly messages: number
  /** Per cent of a core, and bytes, of one host where nothing happens: means over all. */
  readonly idlePercent: number
  readonly resident: number
}

/** V8 compiles at last what each of fifty processes does once a lock: daemons run for months. */
const WARM_UP = 4000
const CYCLES = 300
const FEW = 40
const HOLD_MS = 25
/** Longer than any request stands (docs/protocol.md). */
const PAUSE_MS = 250
const WORKERS = 64
const LOADED_CYCLES = 200
const SETTLE_MS = 3000
const IDLE_MS = 6000

export async function measureSize(place: Place, hosts: number, index: number): Promise<Size> {
  const ids = Array.from({ length: hosts }, (_, i) => i + 1)
  const site = new LamportSite(place, `size-${hosts}`, `127.0.${100 + index}`, ids)
  await site.start()
  const clients = await site.clients()
  try {
    const [first] = clients
    if (first === undefined) throw new Error('there is a host')
    await together(first, hosts)
    await delay(SETTLE_MS)
    const idlePercent = await idle(site)
    const resident = mean(ids.map(id => site.resident(id)))
    const acquires: number[] = []
    const inTurn = (i: number): Promise<number> =>
      cycle(clients[i % clients.length] ?? first, 'moving', 0)
    for (let i = 0; i < WARM_UP / 2; i++) await inTurn(i)
    for (let i = 0; i < WARM_UP; i++) await cycle(first, 'door', 0)
    const count = new Counter(clients, hosts)
    const backToBack = await count.entries(CYCLES, async () => {
      for (let i = 0; i < CYCLES; i++) acquires.push(await cycle(first, 'door', 0))
    })
    const moving: number[] = []
    for (let i = 0; i < CYCLES; i++) moving.push(await inTurn(i))
    const some = async (holdMs: number): Promise<void> => {
      for (let i = 0; i < FEW; i++) {
        await cycle(first, 'door', holdMs)
        await delay(PAUSE_MS)
      }
    }
    const alone = await count.entries(FEW, () => some(0))
    const held = await count.entries(FEW, () => some(HOLD_MS))
    const loaded = await count.entries(WORKERS * LOADED_CYCLES, async () => {
      const work = async (worker: number): Promise<void> => {
        const client = clients[worker % clients.length] ?? first
        for (let i = 0; i < LOADED_CYCLES; i++) await cycle(client, `own-${worker}`, 0)
      }
      await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))
    })
    return {
      hosts,
      p50: quantile(acquires, 0.5),
      p99: quantile(acquires, 0.99),
      moving: quantile(moving, 0.5),
      backToBack: backToBack.datagrams,
      messages: backToBack.messages,
      alone: alone.datagrams,
      held: held.datagrams,
      loaded: loaded.datagrams,
      idlePercent,
      resident,
    }
  } finally {
    await Promise.all(clients.map(client => client.close()))
    await site.stopAll()
  }
}

export function formatSizes(sizes: readonly Size[]): string {
  const head = [
    'hosts',
    'acquire p50',
    'p99',
    'from another host',
    'back to back',
    'alone',
    'with a hold',
    `${WORKERS} locks`,
    'messages',
    'idle, % of a core',
    'RSS, MB',
  ]
  const cells = sizes.map(size => [
    `${size.hosts}`,
    ms(size.p50),
    ms(size.p99),
    ms(size.moving),
    ...[size.backToBack, size.alone, size.held, size.loaded, size.messages].map(n => n.toFixed(2)),
    size.idlePercent.toFixed(2),
    (size.resident / 1e6).toFixed(0),
  ])
  return table([head, ...cells])
}

export function sizesGoals(sizes: readonly Size[]): Goal[] {
  const [least] = sizes
  if (least === undefined) return []
  const most = (pick: (size: Size) => number): number => Math.max(...sizes.map(pick))
  const growth = (pick: (size: Size) => number): number =>
    most(size => pick(size) / pick(least) / (size.hosts / least.hosts))
  const largest = sizes.at(-1)
  const ofLargest =
    largest?.hosts === 50
      ? [
          atMost('ms, p50 of acquire with 50 hosts', largest.p50, 20),
          atMost('the same where each lock is wanted by another host', largest.moving, 20),
        ]
      : []
  return [
    atMost(
      'p50 of acquire, times that of the fewest hosts, by how many more they are',
      growth(({ p50 }) => p50),
      1,
    ),
    atMost(
      'the same where each lock is wanted by another host',
      growth(({ moving }) => moving),
      1,
    ),
    ...ofLargest,
    atMost(
      'datagrams an entry and other host, back to back',
      most(s => s.backToBack),
      3.2,
    ),
    atMost(
      'datagrams an entry and other host, alone',
      most(s => s.alone),
      4.2,
    ),
    atMost(
      'datagrams an entry and other host, with a hold',
      most(s => s.held),
      5.2,
    ),
    atMost(
      `datagrams an entry and other host, ${WORKERS} locks`,
      most(s => s.loaded),
      1.5,
    ),
  ]
}

/** How long it took until it was granted. */
async function cycle(client: Client, name: string, holdMs: number): Promise<number> {
  const start = monotonicNow()
  const lock = await client.lock(name)
  const took = monotonicNow() - start
  if (holdMs > 0) await delay(holdMs)
  await lock.release()
  return took
}

async function together(client: Client, hosts: number): Promise<void> {
  for (;;) {
    const { view } = await client.status()
    if (view?.members.length === hosts) return
    await delay(50)
  }
}

async function idle(site: LamportSite): Promise<number> {
  const before = site.ids.map(id => site.processorMs(id))
  const start = monotonicNow()
  await delay(IDLE_MS)
  const elapsed = monotonicNow() - start
  return mean(site.ids.map((id, i) => ((site.processorMs(id) - (before[i] ?? 0)) / elapsed) * 100))
}

type Counted = { readonly datagrams: number; readonly messages: number }

/** What all hosts have sent for locks, by their own metrics. */
class Counter {
  readonly #clients: readonly Client[]
  readonly #others: number

  constructor(clients: readonly Client[], hosts: number) {
    this.#clients = clients
    this.#others = hosts - 1
  }

  /** An entry and other host. */
  async entries(count: number, work: () => Promise<void>): Promise<Counted> {
    const before = await this.#read()
    await work()
    const after = await this.#read()
    const shared = count * this.#others
    return {
      datagrams: (after.datagrams - before.datagrams) / shared,
      messages: (after.messages - before.messages) / shared,
    }
  }

  async #read(): Promise<Counted> {
    const texts = await Promise.all(this.#clients.map(client => client.metrics()))
    const sum = (pattern: RegExp): number =>
      texts
        .flatMap(({ text }) => [...text.matchAll(pattern)])
        .reduce((all, [, value]) => all + Number(value), 0)
    return {
      datagrams:
        sum(/^lamport_datagrams_sent_total (\d+)$/gm) -
        sum(/^lamport_heartbeat_datagrams_sent_total (\d+)$/gm),
      messages: sum(/^lamport_messages_sent_total\{type="(?:request|reply|release)"\} (\d+)$/gm),
    }
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
