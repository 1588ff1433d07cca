import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import { enterGreedily, holdInTurn } from '../helpers/contention.ts'
import { Relay } from '../helpers/relay.ts'
import type { Faults } from '../helpers/relay.ts'

/** What a bad Wi-Fi does, all at once. */
const BAD: Partial<Faults> = { loss: 0.2, duplicate: 0.1, reorder: 0.1, holdMs: 8 }

/** Real daemons, between which datagrams are lost, doubled and overtaken from the first one on. */
async function underLoss(
  t: ExecutionContext,
  size: number,
  seed: number,
  work: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  t.timeout(180_000)
  const ids = Array.from({ length: size }, (_, index) => index + 1)
  const cluster = new Cluster(t, { ids, isRelayed: true })
  const relay = new Relay(t, cluster.hosts, { seed, faults: BAD })
  await Promise.all(cluster.hosts.map(host => host.start()))
  await cluster.ready()
  const before = await lives(cluster)
  await work(cluster)
  t.deepEqual(await lives(cluster), before, 'nobody was excluded')
  await verify(t, cluster, relay)
}

/** What changes when a host is taken for dead. */
async function lives(cluster: Cluster): Promise<unknown> {
  const all = await Promise.all(cluster.hosts.map(host => host.status()))
  return all.map(({ incarnation, view }) => ({ incarnation, view }))
}

/** All that was to go wrong did, and the transport made it good. */
async function verify(t: ExecutionContext, cluster: Cluster, relay: Relay): Promise<void> {
  const { passed, lost, duplicated, held, stray } = relay.counts
  const share = lost / (passed + lost)
  t.true(share > 0.15 && share < 0.25, `${lost} of ${passed + lost} were lost`)
  t.true(duplicated > 100 && held > 100, `${duplicated} doubled, ${held} held back`)
  t.is(stray, 0)
  const all = await Promise.all(cluster.hosts.map(host => host.status()))
  const count = (of: (status: (typeof all)[number]) => number): number =>
    all.reduce((sum, status) => sum + of(status), 0)
  const again = count(({ datagrams }) => datagrams.retransmitted)
  const twice = count(({ datagrams }) => datagrams.dropped.duplicate ?? 0)
  t.true(again > 0 && twice > 0)
  t.log(`${passed} datagrams passed, ${lost} lost, ${duplicated} doubled, ${held} held back`)
  t.log(`${again} carried something again, ${twice} came twice`)
}

test.serial('with 20 % loss 3 contenders get it 200 times each, and never overlap', async t => {
  await underLoss(t, 3, 7, cluster => holdInTurn(t, cluster, 200, 10))
})

test.serial('with 20 % loss 5 hosts enter 1500 times, with as many messages as ever', async t => {
  await underLoss(t, 5, 11, cluster => enterGreedily(t, cluster, 300))
})
