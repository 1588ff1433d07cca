import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import { Relay } from '../helpers/relay.ts'
import type { Faults } from '../helpers/relay.ts'
import { passes, Site, waits } from '../helpers/site.ts'

const LOSSY: Partial<Faults> = { loss: 0.1, duplicate: 0.05, reorder: 0.05, holdMs: 8 }

/** A daemon is stopped for so long: more than a suspicion and a lease. */
const STOPPED_MS = 4000

/** The first lock of a host that is back: a handshake and a view, of which some packets are lost. */
const BACK_MS_MAX = 3000

type Both = { readonly site: Site; readonly relay: Relay }

async function siteOf(t: ExecutionContext, seed: number, faults: Partial<Faults>): Promise<Both> {
  const site = new Site(t, { ids: [1, 2, 3], isRelayed: true })
  const relay = new Relay(t, site.hosts, { seed, faults })
  await Promise.all(site.hosts.map(host => host.start()))
  await site.cluster.ready()
  return { site, relay }
}

test.serial('with 10 % loss a holder whose daemon is killed delays the others as ever', async t => {
  const { site, relay } = await siteOf(t, 3, LOSSY)
  const { work, machine, one, two, three } = site
  const holder = await work.enter(two, 30, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(three, 1)
  await machine.within(t, SILENCE_MS_MAX, 'from the kill to the next', async () => {
    await two.kill()
    await next.said(/^in /m)
  })
  t.is((await holder.outcome())[0], 75)
  t.is(await next.closed, 0)
  await two.start()
  await machine.within(t, BACK_MS_MAX, 'its first lock after the restart', () => passes(two))
  await site.cluster.ready()
  work.verify(t)
  t.true(relay.counts.lost > 10)
})

test.serial('with 10 % loss a daemon that is stopped while it holds learns of it', async t => {
  const { site, relay } = await siteOf(t, 4, LOSSY)
  const { work, machine, one, two, three } = site
  const before = await two.status()
  const holder = await work.enter(two, 60)
  const next = work.begin(one, 0)
  await waits(three, 1)
  const begin = performance.now()
  two.daemon.kill('SIGSTOP')
  await machine.within(t, SILENCE_MS_MAX, 'from the stop of the holding daemon to the next', () =>
    next.said(/^in /m),
  )
  t.is((await holder.outcome())[0], 75)
  while (performance.now() - begin < STOPPED_MS) {
    t.is(await work.begin(three, 0).closed, 0)
    await pause(200)
  }
  two.daemon.kill('SIGCONT')
  await machine.within(t, BACK_MS_MAX, 'its first lock after SIGCONT', () => passes(two))
  t.true((await two.status()).incarnation > before.incarnation)
  t.is(await work.begin(two, 0).closed, 0)
  work.verify(t)
  await site.cluster.ready()
  t.true(relay.counts.lost > 10)
})

const CUTS = {
  'hears the others and is not heard': (relay: Relay, other: number) => relay.cut(2, other),
  'is heard by the others and hears nobody': (relay: Relay, other: number) => relay.cut(other, 2),
}

for (const [what, cut] of Object.entries(CUTS)) {
  test.serial(`a holder that ${what}: its command is gone before the next`, async t => {
    const { site, relay } = await siteOf(t, 5, {})
    const { work, machine, one, two, three } = site
    const holder = await work.enter(two, 60, { isStubborn: true })
    const next = work.begin(one, 0)
    await waits(three, 1)
    await machine.within(t, SILENCE_MS_MAX, 'from the cut to the next', () => {
      cut(relay, 1)
      cut(relay, 3)
      return next.said(/^in /m)
    })
    t.is((await holder.outcome())[0], 75)
    t.is(await next.closed, 0)
    const late = work.begin(two, 0)
    const { view } = await one.status()
    await pause(1000)
    t.deepEqual((await one.status()).view, view, 'the cut is settled once')
    await machine.within(t, 5000, 'from the healing to the lock of who was cut off', () => {
      relay.heal()
      return late.said(/^in /m)
    })
    await eventually('all are members', async () => {
      const all = await Promise.all(site.hosts.map(host => host.status()))
      return all.every(status => status.view?.members.length === 3)
    })
    work.verify(t)
  })
}
