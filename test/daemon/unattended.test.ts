import test from 'ava'
import type { ExecutionContext } from 'ava'
import { GRACE_MS } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import type { Program } from '../helpers/processes.ts'
import { passes, Site, waits } from '../helpers/site.ts'
import { commandOf } from '../helpers/work.ts'

/** So long that nothing that ends in time has waited for it. */
const LONG_LEASE = '{ heartbeat: 150ms, suspect: 5s, lease: 60s }'

type Left = { readonly site: Site; readonly holder: Program; readonly next: Program }

/** Host 2 holds for a command whose lamportctl has been killed; host 1 waits. */
async function unattended(t: ExecutionContext, timing?: string): Promise<Left> {
  const options = timing === undefined ? {} : { timing }
  const site = await Site.start(t, { ids: [1, 2, 3], ...options })
  const holder = await site.work.enter(site.two, 60)
  const command = commandOf(holder)
  t.teardown(() => kill(command))
  const next = site.work.begin(site.one, 0)
  await waits(site.three, 1)
  holder.kill('SIGKILL')
  await site.two.ask(client =>
    eventually('it is unattended', async () => {
      const [lock] = await client.locks('door')
      return lock?.holders[0]?.unattended === true
    }),
  )
  return { site, holder, next }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The command and all that it started. */
function kill(command: number): void {
  try {
    process.kill(-command, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

test.serial('a daemon that leaves waits for a command that nobody attends to', async t => {
  const { site, holder, next } = await unattended(t, LONG_LEASE)
  const { work, one, two, three, machine } = site
  two.daemon.kill('SIGTERM')
  await two.daemon.said(/the lock door is lost \(this host is leaving\) and its command runs on/)
  // Another lock goes its way meanwhile, and takes all messages with it that are before it.
  await passes(one)
  await passes(three)
  t.true(two.daemon.isRunning)
  t.is(next.stdout, '')
  await machine.within(t, 250, 'from the end of the command to the next', () => {
    kill(commandOf(holder))
    return next.said(/^in /m)
  })
  t.is(await next.closed, 0)
  t.is(await two.daemon.exited, 0)
  work.verify(t)
})

test.serial('it waits for a lease and says so, and the next token is higher', async t => {
  const { site, next, holder } = await unattended(t)
  const { work, one, two, machine } = site
  next.kill('SIGTERM')
  await next.closed
  const client = await one.client()
  const ms = await machine.within(t, GRACE_MS, 'from SIGTERM to the next', async () => {
    two.daemon.kill('SIGTERM')
    const lock = await client.lock('door')
    t.true(lock.token > (work.entries[0]?.token ?? Infinity))
  })
  t.true(ms > 500, 'the command had the rest of the lease')
  t.is(await two.daemon.exited, 0)
  const warnings = two.daemon.stderr.match(/door is lost .* unattended \(end the command: .*\)/g)
  t.is(warnings?.length, 1)
  t.true(isAlive(commandOf(holder)), 'nobody is left who would have stopped it')
})
