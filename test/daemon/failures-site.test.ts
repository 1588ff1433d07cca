import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { describeTimes } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { GRACE_MS } from '../helpers/machine.ts'
import { passes, Site, waits } from '../helpers/site.ts'
import { commandOf } from '../helpers/work.ts'

/** What the next one may wait for when client and command are killed, on a machine that is busy. */
const FREED_MS_MAX = 200

test.serial('5 hosts, 10 entries each, one killed after 2 s: the others finish theirs', async t => {
  const site = await Site.start(t, { ids: [1, 2, 3, 4, 5] })
  const { work, hosts } = site
  const victim = site.cluster.host(4)
  const codes = new Map<Host, unknown[]>(hosts.map(host => [host, []]))
  const begin = performance.now()
  // Whoever waits on the one that is killed would wait on it for ever.
  const options = ['-w', '20']
  const all = hosts.map(async host => {
    for (let entry = 0; entry < 10; entry += 1) {
      const code = await work.begin(host, 0.03, host === victim ? { options } : {}).closed
      codes.get(host)?.push(code)
      if (code !== 0) return
    }
  })
  await pause(2000)
  t.true(work.entries.length < 50, 'they are still at it')
  await victim.kill()
  await Promise.all(all)
  t.log(`${work.entries.length} entries in ${(performance.now() - begin).toFixed(0)} ms`)
  for (const host of hosts) {
    if (host === victim) continue
    t.deepEqual(codes.get(host), Array<number>(10).fill(0), host.name)
    t.is(work.entries.filter(entry => entry.host === host.name).length, 10)
  }
  t.true(
    [69, 75].includes(Number(codes.get(victim)?.at(-1))),
    `the killed one: ${String(codes.get(victim))}`,
  )
  work.verify(t)
  // It stays away: the others go on without it.
  const alive = hosts.filter(host => host !== victim)
  await Promise.all(alive.map(host => passes(host)))
  const { hosts: seen } = await alive[0]!.status()
  t.not(seen.find(({ name }) => name === victim.name)?.state, 'member')
})

test.serial('a power cut of the whole site, 20 times', async t => {
  const site = await Site.start(t, { ids: [1, 2, 3] })
  const { work, hosts, machine } = site
  const firsts: number[] = []
  let allowedMs = 0
  for (let round = 0; round < 20; round += 1) {
    const holder = await work.enter(hosts[round % 3]!, 60, { isStubborn: round % 2 === 1 })
    const waiting = hosts.map(host => work.begin(host, 0))
    await waits(hosts[0]!, 3)
    await Promise.all(hosts.map(host => host.kill()))
    machine.allowance()
    const order = shuffled(hosts)
    const late = order.at(-1)!
    await Promise.all(order.slice(0, 2).map(host => host.start()))
    const back = performance.now()
    const options = ['--connect-wait', '10']
    const first = work.begin(order[0]!, 0, { options })
    const lastStart = round % 2 === 0 ? late.start() : undefined
    await first.said(/^in /m)
    const ms = performance.now() - back
    const { ms: more, text } = machine.allowance()
    firsts.push(ms)
    allowedMs = Math.max(allowedMs, more)
    t.log(`round ${round}: first grant ${ms.toFixed(0)} ms after a majority is back (${text})`)
    t.true(ms <= GRACE_MS + 1000 + more, `round ${round}: ${ms} ms`)
    t.is(await holder.exited, 75)
    t.is(await first.closed, 0)
    await (lastStart ?? late.start())
    // Whoever had waited before the cut has waited on.
    for (const ctl of waiting) t.is(await ctl.closed, 0)
  }
  t.log(`first grants: ${describeTimes(firsts)} (bound ${GRACE_MS + 1000} ms)`)
  work.verify(t)
  await site.cluster.ready()
})

test.serial('client and command are killed: the next one is inside at once', async t => {
  const { work, one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  const client = await two.client()
  const times: number[] = []
  let last = 0
  for (let round = 0; round < 20; round += 1) {
    const ctl = await work.enter(one, 60)
    const [entry] = work.entries.slice(-1)
    const next = client.lock('door')
    await waits(three, 1)
    const end = performance.now()
    ctl.kill('SIGKILL')
    process.kill(-commandOf(ctl), 'SIGKILL')
    const lock = await next
    times.push(performance.now() - end)
    t.true(lock.token > (entry?.token ?? 0))
    t.true(lock.token > last)
    last = lock.token
    await lock.release()
    await ctl.closed
  }
  t.log(`the next one is inside: ${describeTimes(times)} (bound 20 ms on an idle machine)`)
  t.true(Math.max(...times) < FREED_MS_MAX, String(times))
  work.verify(t)
})

function shuffled<T>(list: readonly T[]): T[] {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[result[i], result[j]] = [result[j]!, result[i]!]
  }
  return result
}
