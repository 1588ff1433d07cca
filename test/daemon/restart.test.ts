import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Site, waits } from '../helpers/site.ts'

/** Waiting commands of one host. */
const WAITERS = 3

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test.serial(`who waits on a lamportd that ends by ${signal} waits on with the next`, async t => {
    const site = await Site.start(t, { ids: [1, 2, 3] })
    const { work, one, two, three } = site
    const holder = await work.enter(three, 60)
    const waiters = Array.from({ length: WAITERS }, () =>
      work.begin(one, 0.05, { options: ['-v'] }),
    )
    await waits(three, WAITERS)
    const other = work.begin(two, 0.05)
    await waits(three, WAITERS + 1)
    await one.kill(signal)
    for (const waiter of waiters) await waiter.said(/asking again/)
    await one.start()
    // The ghosts of the old requests have ended, and the new ones stand in the queue.
    await waits(three, WAITERS + 1)
    holder.kill('SIGTERM')
    for (const program of [...waiters, other]) t.is(await program.closed, 0, program.stderr)
    work.verify(t)
    // New timestamps are later: the one who had asked last is now before them. Each entered once.
    const hosts = work.entries.map(({ host }) => host)
    t.deepEqual(
      hosts,
      [three, two, ...waiters.map(() => one)].map(({ name }) => name),
    )
    await site.cluster.idle()
  })
}

test.serial(
  'a program of the library waits over a restart, and a lock that it holds is lost',
  async t => {
    const site = await Site.start(t, { ids: [1, 2, 3] })
    const { one, two } = site
    const before = await one.client()
    const held = await before.lock('window')
    const holder = await two.client()
    const door = await holder.lock('door')
    const waiting = before.lock('door')
    await waits(two, 1)
    await one.kill('SIGKILL')
    const asked = before.status()
    await one.start()
    t.like(await asked, { host: { id: 1 } })
    t.true(held.lost.aborted)
    await door.release()
    const lock = await waiting
    t.true(lock.token > held.token)
    await lock.release()
    await site.cluster.idle()
  },
)

test.serial('the example of the library does what it says', async t => {
  const { one } = await Site.start(t, { ids: [1, 2, 3] })
  const file = fileURLToPath(new URL('../../src/examples/library.js', import.meta.url))
  for (const run of [1, 2]) {
    const env = { ...process.env, LAMPORT_SOCKET: one.socket }
    const example = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    example.stdout.on('data', chunk => (said += String(chunk)))
    t.deepEqual(await once(example, 'close'), [0, null])
    const lines = [
      `run ${run}, with token \\d+`,
      'free again',
      `last was run ${run}`,
      'held by host-1',
    ]
    t.regex(said, new RegExp(`^${lines.join('\n')}\n$`))
  }
})
