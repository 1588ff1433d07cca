import { rmSync } from 'node:fs'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { LamportError } from '../../src/client/client.ts'
import { SILENCE_MS_MAX } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import type { Program } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'

/** What "at once" may take of a machine that has other things to do. */
const AT_ONCE_MS = 250

const site = (t: ExecutionContext): Promise<Site> => Site.start(t, { ids: [1, 2, 3] })

/** It asks the next lamportd, whenever that comes; here it is told not to. */
async function goesOnWaiting(t: ExecutionContext, waiting: Program): Promise<void> {
  t.true(waiting.isRunning)
  waiting.kill('SIGTERM')
  t.deepEqual(await waiting.outcome(), [143, '', ''])
}

test.serial('a host that leaves while it waits delays nobody', async t => {
  const all = await site(t)
  const { work, one, two, three } = all
  const holder = await work.enter(one, 30)
  const leaving = work.begin(three, 0)
  await waits(one, 1)
  const waiting = work.begin(two, 0)
  await waits(one, 2)
  three.daemon.kill('SIGTERM')
  t.is(await three.daemon.exited, 0)
  await goesOnWaiting(t, leaving)
  await all.machine.within(t, AT_ONCE_MS, 'another lock after an idle leave', () => passes(two))
  await all.machine.within(t, AT_ONCE_MS, 'the next one after the holder has let go', async () => {
    holder.kill('SIGTERM')
    await waiting.said(/^in /m)
  })
  t.is(await waiting.closed, 0)
  work.verify(t)
})

test.serial('a holder whose host leaves is stopped, and the next one enters at once', async t => {
  const all = await site(t)
  const { cluster, work, one, two, three } = all
  const holder = await work.enter(two, 30)
  const client = await two.client()
  const window = await client.lock('window')
  const lost = new Promise<LamportError>(resolve =>
    window.lost.addEventListener('abort', () => resolve(window.lost.reason as LamportError)),
  )
  const next = work.begin(one, 0)
  await waits(three, 1)
  await all.machine.within(
    t,
    AT_ONCE_MS,
    'from SIGTERM of the holding host to the next',
    async () => {
      two.daemon.kill('SIGTERM')
      t.regex((await lost).message, /leaving/)
      await window.release()
      await next.said(/^in /m)
    },
  )
  const [code, , said] = await holder.outcome()
  t.is(code, 75)
  t.regex(said, /leaving; stopping the command \(SIGTERM now/)
  t.is(await two.daemon.exited, 0)
  t.is(await next.closed, 0)
  await all.machine.within(t, AT_ONCE_MS, 'another lock after the leave', () => passes(three))
  await two.start()
  await cluster.ready()
  work.verify(t)
})

test.serial('nobody enters while the command of a leaving host still runs', async t => {
  const all = await site(t)
  const { work, one, two } = all
  const holder = await work.enter(two, 30, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(two, 1)
  const ms = await all.machine.within(
    t,
    2000 + AT_ONCE_MS,
    'a stubborn command is killed',
    async () => {
      two.daemon.kill('SIGTERM')
      await next.said(/^in /m)
    },
  )
  t.true(ms > 500, 'it had the rest of its lease')
  t.is((await holder.outcome())[0], 75)
  t.is(await two.daemon.exited, 0)
  t.is(await next.closed, 0)
  work.verify(t)
})

test.serial('a second SIGTERM ends a daemon at once', async t => {
  const all = await site(t)
  const { work, one, two } = all
  const holder = await work.enter(two, 30, { isStubborn: true })
  const next = work.begin(one, 0)
  await waits(two, 1)
  two.daemon.kill('SIGTERM')
  await two.daemon.said(/leaving/)
  await all.machine.within(t, AT_ONCE_MS, 'the end of the daemon', () => {
    two.daemon.kill('SIGTERM')
    return two.daemon.exited
  })
  t.is(await two.daemon.exited, 0)
  await next.said(/^in /m)
  t.is((await holder.outcome())[0], 75)
  work.verify(t)
})

test.serial('kill -9 of an idle daemon: the others go on, and it is back at once', async t => {
  const all = await site(t)
  const { work, one, two, three } = all
  await three.kill()
  await all.machine.within(t, SILENCE_MS_MAX, 'a lock after an idle host was killed', () =>
    passes(one),
  )
  await three.start()
  await all.machine.within(t, 2000, 'its first lock after the restart', () => passes(three))
  const ended = [one, two, three].map(host => work.begin(host, 0.05).closed)
  t.deepEqual(await Promise.all(ended), [0, 0, 0])
  t.is(work.entries.length, 3)
  work.verify(t)
})

test.serial('kill -9 of the daemon of a waiter: its request does not stay', async t => {
  const all = await site(t)
  const { work, one, two, three } = all
  const holder = await work.enter(one, 30)
  const killed = work.begin(three, 0)
  await waits(one, 1)
  const waiting = work.begin(two, 0)
  await waits(one, 2)
  await three.kill()
  await goesOnWaiting(t, killed)
  await all.machine.within(
    t,
    SILENCE_MS_MAX,
    'the next one after a waiter in between died',
    async () => {
      holder.kill('SIGTERM')
      await waiting.said(/^in /m)
    },
  )
  t.is(await waiting.closed, 0)
  work.verify(t)
})

for (const isStubborn of [false, true]) {
  const how = isStubborn ? 'a command that ignores SIGTERM' : 'a command'
  test.serial(`kill -9 of the daemon of a holder: ${how} is gone before the next`, async t => {
    const all = await site(t)
    const { cluster, work, one, two, three } = all
    const holder = await work.enter(two, 30, { isStubborn })
    const next = work.begin(one, 0)
    await waits(three, 1)
    const begin = performance.now()
    let goneMs = 0
    const gone = holder.exited.then(() => (goneMs = performance.now() - begin))
    const ms = await all.machine.within(
      t,
      SILENCE_MS_MAX,
      'from the kill to the next',
      async () => {
        await two.kill()
        await next.said(/^in /m)
      },
    )
    await gone
    t.log(`the command was gone after ${goneMs.toFixed(0)} ms`)
    t.true(goneMs < ms)
    t.is((await holder.outcome())[0], 75)
    t.is(await next.closed, 0)
    await two.start()
    await all.machine.within(t, 2000, 'its first lock after the restart', () => passes(two))
    await cluster.ready()
    work.verify(t)
  })
}

test.serial(
  'kill -9 of a holder that is back when it was stopped: the next enters in time',
  async t => {
    const all = await site(t)
    const { work, one, two } = all
    const holder = await work.enter(two, 30, { isStubborn: true })
    const next = work.begin(one, 0)
    await waits(two, 1)
    await all.machine.within(t, SILENCE_MS_MAX, 'from the kill to the next', async () => {
      await two.kill()
      // Sooner, it would go on.
      t.is((await holder.outcome())[0], 75)
      await two.start()
      await next.said(/^in /m)
    })
    t.is(await next.closed, 0)
    await passes(two, 'door')
    work.verify(t)
  },
)

test.serial('a host that has lost its state recovers when all others are up', async t => {
  const all = await site(t)
  const { cluster, work, one, two, three } = all
  const holder = await work.enter(one, 60)
  const token = work.entries[0]?.token ?? 0
  await three.kill()
  rmSync(three.state, { recursive: true })
  await two.kill()
  await three.start()
  await eventually('it names whom it waits for', async () => {
    const { blank, majority } = await three.status()
    return !majority && blank !== null && /recovery .*host-2/.test(blank)
  })
  const status = await three.outcome('status')
  t.regex(status[1], /blank +it waits for .*host-2 \(2\)/)
  t.log(/blank +(.*)/.exec(status[1])?.[1])
  const refused = await three.outcome('lock', '-n', 'window', 'true')
  t.is(refused[0], 69)
  t.regex(refused[2], /host-2/)
  t.log(refused[2].trim())
  await two.start()
  await all.machine.within(
    t,
    5000,
    'both hosts in the view after the last one is back',
    async () => {
      await passes(two)
      await passes(three)
    },
  )
  t.is((await three.status()).blank, null)
  await three.kill()
  rmSync(three.state, { recursive: true })
  await three.start()
  await all.machine.within(t, SILENCE_MS_MAX, 'recovery when all others are up', () =>
    passes(three),
  )
  holder.kill('SIGTERM')
  await holder.closed
  await cluster.ready()
  const last = await work.enter(three, 0)
  t.is(await last.closed, 0)
  t.true((work.entries.at(-1)?.token ?? 0) > token)
  work.verify(t)
})
