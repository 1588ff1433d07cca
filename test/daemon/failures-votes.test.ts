import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'

test.serial('of two hosts with a vote each, one alone refuses and says why', async t => {
  const site = await Site.start(t, { ids: [1, 2] })
  const { one, two, work, machine } = site
  const holder = await work.enter(one, 60)
  await two.kill()
  const [code, , lost] = await holder.outcome()
  t.is(code, 75)
  t.regex(lost, /the lease of door ran out; stopping the command/)
  const [refused, , said] = await one.outcome('lock', '-n', 'door', 'true')
  t.is(refused, 69)
  t.regex(said, /no majority of votes: host-2 \(2\) not heard for \d+\.\d s/)
  t.regex(said, /bring one of them back/)
  t.log(said.trim())
  await machine.within(t, 1500, '-w 1 without a majority', async () => {
    const [late, , why] = await one.outcome('lock', '-w', '1', 'door', 'true')
    t.is(late, 69)
    t.regex(why, /no majority/)
  })
  const [none, shown] = await one.outcome('status')
  t.is(none, 0)
  t.regex(shown, /^majority +no: nothing can be locked here/m)
  t.regex(shown, /^2 +host-2 .* (silent|connected) /m)
  t.is((await one.outcome('status', '--wait', '0.3'))[0], 69)
  const [, reasons] = await one.outcome('why', 'door')
  t.regex(reasons, /no majority of votes: host-2 \(2\) not heard/)
  t.log(reasons.trim())
  // A request that has no limit waits for the majority.
  const waiting = work.begin(one, 0)
  await two.start()
  t.is(await waiting.closed, 0)
  await passes(two)
  work.verify(t)
})

test.serial('of two hosts the one with two votes goes on alone', async t => {
  const site = await Site.start(t, { ids: [1, 2], votes: { 1: 2 } })
  const { one, two, work, machine } = site
  const holder = await work.enter(two, 60, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(two, 1)
  await two.kill()
  let reasons = ''
  await eventually('why names the host that was excluded', async () => {
    reasons = (await one.outcome('why', 'door'))[1]
    return /host-2 \(2\) was excluded .*its last lease ends in at most \d\.\d s/.test(reasons)
  })
  t.log(reasons.trim())
  await machine.within(t, SILENCE_MS_MAX, 'the rest of the wait for a light host', () =>
    next.said(/^in /m),
  )
  t.is((await holder.outcome())[0], 75)
  t.is(await next.closed, 0)
  await passes(one)
  await two.start()
  await passes(two)
  await one.kill()
  await eventually('the light one alone has no majority', async () => {
    const { majority } = await two.status()
    return !majority
  })
  const [code, , said] = await two.outcome('lock', '-n', 'door', 'true')
  t.is(code, 69)
  t.regex(said, /no majority of votes: host-1 \(1\)/)
  work.verify(t)
})

test.serial('why names the host whose REPLY is missing', async t => {
  const { one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  three.daemon.kill('SIGSTOP')
  const waiting = one.ctl('lock', 'door', 'true')
  await eventually('why names it', async () => {
    const [, reasons] = await one.outcome('why', 'door')
    const found = /the REPLY of host-3 \(3\) not heard for .* is missing/.test(reasons)
    if (found) t.log(reasons.trim())
    return found
  })
  t.is(await waiting.closed, 0)
  const held = one.ctl('lock', 'door')
  await held.said(/^held/m)
  t.regex((await two.outcome('why', 'door'))[1], /held by host-1 \(1\) for \d/)
  held.child.stdin.end()
  t.is(await held.closed, 0)
})

test.serial('a first start without all hosts waits, until the operator founds', async t => {
  const site = new Site(t, { ids: [1, 2, 3] })
  const { one, two, three, cluster } = site
  await one.start()
  const alone = await one.outcome('found')
  t.is(alone[0], 69)
  t.regex(alone[2], /majority of votes must be up/)
  await two.start()
  await eventually('it says whom it waits for', async () => {
    const { blank } = await one.status()
    return blank !== null && /the first start of host-3 \(3\)/.test(blank) && !/host-2/.test(blank)
  })
  const [, shown] = await one.outcome('status')
  t.regex(shown, /^blank +it waits for the first start of host-3 \(3\).*lamportctl found/m)
  t.log(/^blank.*$/m.exec(shown)?.[0])
  const [refused, , said] = await one.outcome('lock', '-n', 'door', 'true')
  t.is(refused, 69)
  t.regex(said, /blank: it waits for the first start of host-3/)
  const [code] = await two.outcome('found')
  t.is(code, 0)
  await cluster.ready([one, two])
  t.is((await one.status()).blank, null)
  const again = await two.outcome('found')
  t.is(again[0], 69)
  t.regex(again[2], /not blank/)
  await three.start()
  await cluster.ready()
  t.is((await three.status()).view?.members.length, 3)
})

test.serial('a host whose hosts.yml says something else is refused, and told what', async t => {
  const site = await Site.start(t, { ids: [1, 2, 3] })
  const { one, two, three, cluster } = site
  const right = readFileSync(cluster.hostsFile, 'utf8')
  const cases = [
    [
      'votes: 1 }\n  - { id: 2',
      'votes: 2 }\n  - { id: 2',
      /votes: 2 for host 1 \(here votes: 1, line 6\)/,
    ],
    ['lease: 2000ms', 'lease: 3000ms', /lease 3000 ms \(here 2000 ms, line 3\)/],
    ['drift: 2%', 'drift: 3%', /drift 3 % \(here 2 %, line 3\)/],
  ] as const
  for (const [from, to, pattern] of cases) {
    await three.kill()
    t.true(right.includes(from))
    writeFileSync(cluster.hostsFile, right.replace(from, to))
    await three.start()
    const begin = one.log.length
    await eventually(`host 1 says ${String(pattern)}`, () => pattern.test(one.log.slice(begin)))
    t.log(/^.*host 3 .*$/m.exec(one.log.slice(begin))?.[0])
    await eventually('and in status', async () => pattern.test((await one.outcome('status'))[1]))
    t.regex((await three.outcome('status'))[1], /^majority +no/m)
    t.is((await three.outcome('lock', '-n', 'door', 'true'))[0], 69)
    // The others do not care.
    await passes(two)
  }
  await three.kill()
  writeFileSync(cluster.hostsFile, right)
  await three.start()
  await cluster.ready()
  t.false(/hosts\.yml/.test((await one.outcome('status'))[1]))
})

test.serial(
  'a new hosts.yml on all hosts, and they go on; a host with another has no vote',
  async t => {
    const site = await Site.start(t, { ids: [1, 2, 3] })
    const { one, two, three, cluster, work } = site
    t.is(await work.begin(one, 0).closed, 0)
    const old = readFileSync(cluster.hostsFile, 'utf8')
    const lines = old.split('\n')
    const without = lines.filter(line => !line.includes('id: 3,')).join('\n')
    writeFileSync(cluster.hostsFile, without)
    await two.kill('SIGTERM')
    await two.start()
    await eventually('status says what it waits for', async () =>
      /^blank +.*host-1 \(1\) \(hosts.yml has changed since this host voted/m.test(
        (await two.outcome('status'))[1],
      ),
    )
    t.regex(two.log, /warning|hosts.yml has other ids, votes, lease or drift/)
    await passes(one)
    await one.kill('SIGTERM')
    await one.start()
    await cluster.ready([one, two])
    t.is((await one.status()).view?.members.length, 2)
    // It was taken out, and cannot go on by the file that it has read.
    await eventually('host 3 has no majority', async () => !(await three.status()).majority)
    t.is(await work.begin(two, 0).closed, 0)
    await three.kill('SIGTERM')
    writeFileSync(cluster.hostsFile, lines.filter(line => !/id: [23],/.test(line)).join('\n'))
    await one.kill('SIGTERM')
    await two.kill('SIGTERM')
    await one.start()
    await eventually('one of two waits for the operator', async () =>
      /^blank +.*the operator: hosts.yml does not name host 2,/m.test(
        (await one.outcome('status'))[1],
      ),
    )
    t.log(/^blank.*$/m.exec((await one.outcome('status'))[1])?.[0])
    t.is((await one.outcome('found'))[0], 0)
    await cluster.ready([one])
    t.is(await work.begin(one, 0).closed, 0)
    work.verify(t)
  },
)
