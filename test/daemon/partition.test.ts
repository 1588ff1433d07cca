import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { describeTimes } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import { Lan } from '../helpers/netns.ts'
import { eventually } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'

const net = '10.78.6'

/** How long a network that loses packets is looked at. */
const LOSS_MS = Number(process.env.LAMPORT_TEST_LOSS_SECONDS ?? 30) * 1000

/** A cut that lasts must be settled once, not again and again. */
const CUT_MS = 30_000
const VIEWS_MAX = 3

type Net = { readonly site: Site; readonly lan: Lan }

/** Three hosts, each in a network namespace of its own; nothing where there can be none. */
async function netOf(t: ExecutionContext): Promise<Net | undefined> {
  const problem = Lan.problem()
  if (problem !== undefined) {
    t.log(`not looked at: ${problem}`)
    if (process.env.CI === undefined) t.pass()
    else t.fail(problem)
    return undefined
  }
  const via = (id: number): readonly string[] => lan.via(id)
  const site = new Site(t, { net, ids: [1, 2, 3], via })
  const lan: Lan = new Lan(t, new Map(site.hosts.map(({ id, address }) => [id, address])))
  await Promise.all(site.hosts.map(host => host.start()))
  await site.cluster.ready()
  return { site, lan }
}

async function viewOf(host: Host): Promise<number> {
  return (await host.status()).view?.number ?? 0
}

test.serial(
  'the holder is cut off: its command is gone before the next, and it comes back',
  async t => {
    const both = await netOf(t)
    if (both === undefined) return
    const { lan, site } = both
    const { one, two, three, work, machine, cluster } = site
    for (const isStubborn of [false, true]) {
      const holder = await work.enter(two, 60, { isStubborn })
      const next = work.begin(one, 0)
      await waits(three, 1)
      await machine.within(t, SILENCE_MS_MAX, 'from the cut to the next', () => {
        lan.isolate(2)
        return next.said(/^in /m)
      })
      t.is(holder.child.exitCode, 75)
      t.is((await holder.outcome())[0], 75)
      const [code, , said] = await two.outcome('lock', '-n', 'door', 'true')
      t.is(code, 69)
      t.regex(said, /no majority of votes: host-1 \(1\) not heard for .*, host-3 \(3\) not heard/)
      for (const host of [one, three]) t.is(await work.begin(host, 0).closed, 0)
      const late = work.begin(two, 0)
      await machine.within(t, 5000, 'from the healing to the lock of who was cut off', () => {
        lan.heal()
        return late.said(/^in /m)
      })
      await cluster.ready()
    }
    work.verify(t)
  },
)

test.serial('a waiter is cut off: the others go on, and it gets its lock in the end', async t => {
  const both = await netOf(t)
  if (both === undefined) return
  const { lan, site } = both
  const { one, two, three, work, machine } = site
  const holder = await work.enter(one, 60)
  const cutOff = work.begin(two, 0)
  await waits(one, 1)
  const behind = work.begin(three, 0)
  await waits(one, 2)
  lan.isolate(2)
  await machine.within(t, SILENCE_MS_MAX, 'who waits behind one that is cut off', () => {
    holder.kill('SIGTERM')
    return behind.said(/^in /m)
  })
  t.is(await behind.closed, 0)
  t.true(cutOff.isRunning)
  await machine.within(t, 5000, 'from the healing to the lock of who was cut off', () => {
    lan.heal()
    return cutOff.said(/^in /m)
  })
  t.is(await cutOff.closed, 0)
  work.verify(t)
})

test.serial('a cut between two of three is settled once, and healed once', async t => {
  const both = await netOf(t)
  if (both === undefined) return
  const { lan, site } = both
  const { one, two, three, hosts, work, machine, cluster } = site
  const before = await viewOf(three)
  const held = await work.enter(three, 8)
  lan.cut([1, 2])
  const begin = performance.now()
  await machine.within(t, 2 * SILENCE_MS_MAX, 'the first lock of those who are connected', () =>
    passes(three),
  )
  let entries = 0
  while (performance.now() - begin < CUT_MS) {
    // Who is outside does not know of it at once: it waits for a majority, and no longer.
    const codes = await Promise.all(
      hosts.map(host => work.begin(host, 0, { options: ['-w', '1'], name: 'door' }).closed),
    )
    entries += codes.filter(code => code === 0).length
    await pause(1000)
  }
  t.is(await held.closed, 0, 'who hears both keeps its lock')
  const views = (await viewOf(three)) - before
  t.log(`${views} views and ${entries} entries while the cut lasted`)
  t.true(views <= VIEWS_MAX, `${views} views`)
  t.true(entries >= 10)
  const members = (await three.status()).view?.members ?? []
  t.is(members.length, 2)
  lan.heal()
  await machine.within(t, 25_000, 'all are in one view again', () =>
    eventually('all are members', async () => {
      const all = await Promise.all([one, two, three].map(host => host.status()))
      return all.every(({ view, majority }) => majority && view?.members.length === 3)
    }),
  )
  await cluster.ready()
  work.verify(t)
})

for (const percent of [10, 20]) {
  test.serial(
    `${percent} % of all packets are lost: nobody is excluded, and locks go on`,
    async t => {
      const both = await netOf(t)
      if (both === undefined) return
      const { lan, site } = both
      const { hosts, one, work } = site
      const views = await Promise.all(hosts.map(viewOf))
      const incarnations = (await Promise.all(hosts.map(host => host.status()))).map(
        ({ incarnation }) => incarnation,
      )
      lan.lose(percent)
      const begin = performance.now()
      const isOver = (): boolean => performance.now() - begin > LOSS_MS
      const times: number[] = []
      const uncontended = (async () => {
        const client = await one.client()
        while (!isOver()) {
          const start = performance.now()
          const lock = await client.lock('window')
          times.push(performance.now() - start)
          await lock.release()
          await pause(50)
        }
      })()
      const contended = hosts.map(async host => {
        while (!isOver()) {
          t.is(await work.begin(host, 0.02).closed, 0)
          await pause(300)
        }
      })
      await Promise.all([uncontended, ...contended])
      t.log(`${LOSS_MS / 1000} s: ${work.entries.length} entries; ${times.length} locks of its own`)
      t.log(`a lock nobody else wants: ${describeTimes(times)}`)
      const { hosts: peers } = await one.status()
      const seen = peers
        .filter(({ self }) => !self)
        .map(({ loss }) => `${(loss * 100).toFixed(0)} %`)
      t.log(`${lan.lost} packets were lost; loss as host-1 sees it: ${seen.join(', ')}`)
      t.true(lan.lost > 100)
      t.deepEqual(await Promise.all(hosts.map(viewOf)), views)
      const after = (await Promise.all(hosts.map(host => host.status()))).map(
        ({ incarnation }) => incarnation,
      )
      t.deepEqual(after, incarnations)
      lan.heal()
      work.verify(t)
    },
  )
}
