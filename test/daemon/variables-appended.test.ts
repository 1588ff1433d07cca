import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LamportError } from '../../src/client/client.ts'
import type { Client } from '../../src/client/client.ts'
import { Cluster, describeTimes } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { Relay } from '../helpers/relay.ts'
import type { Faults } from '../helpers/relay.ts'

const ROUNDS = 100
const INCREMENTS = 200

const LETTERS = ['x', 'y', 'z']

/** What a bad Wi-Fi does, all at once. */
const BAD: Partial<Faults> = { loss: 0.2, duplicate: 0.1, reorder: 0.1, holdMs: 8 }

/** Long enough that nothing is ever uncertain. */
const WAIT_MS = 60_000

/** Reads, changes, and tries again whenever another was faster; how often that was. */
async function update(
  client: Client,
  name: string,
  change: (value: string) => string,
): Promise<number> {
  let current = await client.get(name, { waitMs: WAIT_MS })
  for (let lost = 0; ; lost += 1) {
    try {
      const value = change(typeof current.value === 'string' ? current.value : '')
      await client.set(name, value, { ifVersion: current.version, waitMs: WAIT_MS })
      return lost
    } catch (error) {
      const differs = error instanceof LamportError && error.code === 'versionDiffers'
      if (!differs || error.current === undefined) throw error
      current = error.current
    }
  }
}

async function same(clients: readonly Client[], name: string): Promise<unknown> {
  let known: readonly unknown[] = []
  await eventually(`all know the same ${name}`, async () => {
    const all = await Promise.all(clients.map(client => client.get(name, { local: true })))
    known = all.map(({ value }) => value)
    return new Set(all.map(({ version }) => version)).size === 1
  })
  return new Set(known).size === 1 ? known[0] : known
}

test.serial('what three hosts append at the same instant is all there, in one order', async t => {
  t.timeout(180_000)
  const { hosts } = await Cluster.start(t, { ids: [1, 2, 3] })
  const clients = await Promise.all(hosts.map(host => host.client()))
  const orders = new Map<string, number>()
  const times: number[] = []
  let lost = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `text ${round}`
    const begin = performance.now()
    const again = await Promise.all(
      clients.map((client, index) => update(client, name, text => text + (LETTERS[index] ?? ''))),
    )
    times.push(performance.now() - begin)
    lost += again.reduce((sum, each) => sum + each, 0)
    const text = await same(clients, name)
    t.is(typeof text, 'string', `round ${round}: ${String(text)}`)
    t.deepEqual(Array.from(String(text)).sort(), LETTERS)
    orders.set(String(text), (orders.get(String(text)) ?? 0) + 1)
    t.is((await clients[round % 3]?.get(name))?.version, 3)
  }
  t.log(`${JSON.stringify(Object.fromEntries(orders))}, ${lost} tried again`)
  t.log(`three appended: ${describeTimes(times)}`)
  for (const [index, client] of clients.entries()) {
    await client.set('text 0', `afterwards ${index}`)
    t.is((await clients[(index + 1) % 3]?.get('text 0'))?.value, `afterwards ${index}`)
  }
})

/** Every host counts up one variable, as often as it takes; nothing is lost, nothing done twice. */
async function count(t: ExecutionContext, clients: readonly Client[]): Promise<void> {
  const begin = performance.now()
  let lost = 0
  const times: number[] = []
  await Promise.all(
    clients.map(async client => {
      for (let i = 0; i < INCREMENTS; i += 1) {
        const start = performance.now()
        lost += await update(client, 'counter', value => String(Number(value) + 1))
        times.push(performance.now() - start)
      }
    }),
  )
  const seconds = (performance.now() - begin) / 1000
  const total = clients.length * INCREMENTS
  t.is(await same(clients, 'counter'), String(total))
  for (const client of clients) t.is((await client.get('counter')).version, total)
  t.log(`${total} increments in ${seconds.toFixed(1)} s, ${lost} tried again`)
  t.log(`an increment: ${describeTimes(times)}`)
}

test.serial('with 20 % loss 3 hosts count to 600 by compare-and-set, exactly', async t => {
  t.timeout(300_000)
  const cluster = new Cluster(t, { ids: [1, 2, 3], isRelayed: true })
  const relay = new Relay(t, cluster.hosts, { seed: 8, faults: BAD })
  await Promise.all(cluster.hosts.map(host => host.start()))
  await cluster.ready()
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  await count(t, clients)
  const { passed, lost, duplicated, held } = relay.counts
  t.log(`${passed} datagrams passed, ${lost} lost, ${duplicated} doubled, ${held} held back`)
  t.true(lost > 100 && duplicated > 100 && held > 100)
})
