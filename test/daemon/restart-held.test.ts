import test from 'ava'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'
import { commandOf } from '../helpers/work.ts'

/** A lease in which also a busy machine starts a lamportd; the rest as by default. */
const LONG_LEASE = '{ heartbeat: 150ms, suspect: 1.2s, lease: 12s }'

/** The new lamportd of this host holds what the last one has granted. */
async function goesOn(host: Host): Promise<void> {
  await eventually('it is held again, and no ghost', async () => {
    const [lock] = await host.ask(client => client.locks('door'))
    const [held] = lock?.holders ?? []
    return held?.hostId === host.id && held.ghostMs === undefined
  })
}

for (const signal of ['SIGUSR2', 'SIGKILL'] as const) {
  test.serial(`a lock that is held goes on over a restart of lamportd by ${signal}`, async t => {
    const site = await Site.start(t, { ids: [1, 2, 3], timing: LONG_LEASE })
    const { work, one, two } = site
    const holder = await work.enter(one, 60)
    const other = work.begin(two, 0.05)
    await waits(two, 1)
    await one.kill(signal)
    await one.start()
    await goesOn(one)
    t.is(holder.child.exitCode, null)
    t.is(work.entries.length, 1)
    holder.kill('SIGTERM')
    t.is(await holder.closed, 143, holder.stderr)
    t.is(await other.closed, 0, other.stderr)
    work.verify(t)
    await site.cluster.idle()
  })
}

test.serial(
  'once it goes on it lives as long as its command, also where lamportctl is killed',
  async t => {
    const site = await Site.start(t, { ids: [1, 2, 3], timing: LONG_LEASE })
    const { work, one, two } = site
    const holder = await work.enter(one, 60)
    await one.kill('SIGUSR2')
    await one.start()
    await goesOn(one)
    const other = work.begin(two, 0.05)
    await waits(two, 1)
    holder.kill('SIGKILL')
    await eventually('it is unattended', async () => {
      const [lock] = await one.ask(client => client.locks('door'))
      return lock?.holders[0]?.unattended === true
    })
    process.kill(-commandOf(holder), 'SIGKILL')
    t.is(await other.closed, 0, other.stderr)
    work.verify(t)
  },
)

test.serial('what the last lamportd granted goes on in a program of the library too', async t => {
  const site = await Site.start(t, { ids: [1, 2, 3], timing: LONG_LEASE })
  const { one, two } = site
  const client = await one.client()
  const lock = await client.lock(['door', 'window'])
  await one.kill('SIGUSR2')
  await one.start()
  await goesOn(one)
  t.true(lock.isHeld)
  await lock.release()
  await passes(two, 'door')
  await site.cluster.idle()
})

test.serial(
  'a lamportd that comes too late finds the lock lost and the command stopped',
  async t => {
    const site = await Site.start(t, { ids: [1, 2, 3] })
    const { work, one, two } = site
    const holder = await work.enter(one, 60)
    await one.kill('SIGUSR2')
    t.is(await holder.closed, 75)
    t.regex(holder.stderr, /the connection to lamportd at .* ended .*; stopping the command/)
    await one.start()
    const next = await work.enter(two, 0.05)
    t.is(await next.closed, 0)
    work.verify(t)
  },
)
