import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'

const STOPPED_MS = 10_000

const site = (t: ExecutionContext): Promise<Site> => Site.start(t, { ids: [1, 2, 3] })

test.serial('a daemon that is stopped while it holds learns that it was out', async t => {
  const all = await site(t)
  const { cluster, machine, work, one, two, three } = all
  const begin = performance.now()
  const holder = await work.enter(two, 60, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(three, 1)
  const before = await two.status()
  two.daemon.kill('SIGSTOP')
  await machine.within(t, SILENCE_MS_MAX, 'from the stop of the holding daemon to the next', () =>
    next.said(/^in /m),
  )
  t.is(holder.child.exitCode, 75, 'lamportctl has stopped its command by its own clock')
  t.is((await holder.outcome())[0], 75)
  while (performance.now() - begin < STOPPED_MS) {
    t.is(await work.begin(one, 0).closed, 0)
    t.is(await work.begin(three, 0).closed, 0)
    await pause(500)
  }
  two.daemon.kill('SIGCONT')
  await machine.within(t, 2000, 'its first lock after SIGCONT', () => passes(two))
  const after = await two.status()
  t.true(after.incarnation > before.incarnation)
  t.regex(two.log, /a new incarnation begins \(\d+\): the others have gone on without this host/)
  t.is(await work.begin(two, 0).closed, 0)
  work.verify(t)
  await cluster.ready()
})

test.serial('a client of a daemon that is stopped hears of the loss by its own clock', async t => {
  const { machine, one, two, work } = await site(t)
  const client = await two.client()
  const lock = await client.lock('door')
  const waiting = client.lock('window').then(held => held)
  await (await waiting).release()
  const lost = new Promise(resolve => lock.lost.addEventListener('abort', resolve))
  two.daemon.kill('SIGSTOP')
  const until = lock.until ?? 0
  await lost
  t.true(Number(process.hrtime.bigint() / 1_000_000n) >= Math.floor(until))
  t.false(lock.isHeld)
  await machine.within(t, SILENCE_MS_MAX, 'from its loss to the next', () => passes(one, 'door'))
  two.daemon.kill('SIGCONT')
  const again = await client.lock('door')
  t.true(again.token > lock.token)
  t.true(again.isHeld)
  await again.release()
  t.is(await work.begin(two, 0).closed, 0)
})

test.serial('a waiter of a daemon that is stopped gets its lock after all', async t => {
  const { work, one, two, three } = await site(t)
  const holder = await work.enter(one, 60)
  const waiting = work.begin(two, 0)
  await waits(three, 1)
  two.daemon.kill('SIGSTOP')
  await eventually('the others have gone on', async () => {
    const { view } = await three.status()
    return view?.members.includes('host-2') === false
  })
  two.daemon.kill('SIGCONT')
  await eventually('it is back', async () => (await two.status()).complete)
  await waits(three, 1)
  holder.kill('SIGTERM')
  t.is(await waiting.closed, 0)
  work.verify(t)
})

test.serial('lamportctl that was stopped past its deadline kills first of all', async t => {
  const { work, one, two, three, machine } = await site(t)
  const holder = await work.enter(two, 60, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(three, 1)
  // While its daemon runs the lock is renewed: the daemon has to be cut off for a loss.
  holder.kill('SIGSTOP')
  await two.kill()
  await pause(3000)
  t.is(holder.child.exitCode, null)
  const late = await machine.within(t, 300, 'from SIGCONT to exit 75', async () => {
    holder.kill('SIGCONT')
    t.is(await holder.exited, 75)
  })
  t.log(`killed ${late.toFixed(0)} ms after SIGCONT`)
  const [code, , said] = await holder.outcome()
  t.is(code, 75)
  t.regex(said, /killed the command/)
  // A holder that is frozen with its guard is beyond what a lock can promise: see the token.
  await next.closed
  const entries = work.entries.map(({ token }) => token)
  t.deepEqual(
    entries,
    [...entries].sort((a, b) => a - b),
  )
})

test.serial('a stop of a daemon that is shorter than the suspicion changes nothing', async t => {
  const { work, one, two } = await site(t)
  const holder = await work.enter(two, 60)
  const before = await one.status()
  for (let round = 0; round < 5; round += 1) {
    two.daemon.kill('SIGSTOP')
    await pause(400)
    two.daemon.kill('SIGCONT')
    await pause(400)
  }
  const after = await one.status()
  t.deepEqual(after.view, before.view)
  t.is(holder.child.exitCode, null)
  holder.kill('SIGTERM')
  await holder.closed
  work.verify(t)
})
