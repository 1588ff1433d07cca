import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { LamportError } from '../../src/client/client.ts'
import type { Client, Lock } from '../../src/client/client.ts'
import { Cluster } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

/** As in a hosts.yml that says nothing of it. */
const USUAL_TIMING = '{ heartbeat: 150ms, suspect: 1200ms, lease: 2s }'

/** So long that nothing that ends in time has waited for it. */
const LONG_LEASE = '{ heartbeat: 150ms, suspect: 5s, lease: 60s }'

/** The code that a promise of the library is rejected with. */
async function codeOf(rejected: Promise<unknown>): Promise<string | undefined> {
  try {
    await rejected
    return undefined
  } catch (error) {
    return error instanceof LamportError ? error.code : String(error)
  }
}

async function lostBy(lock: Lock): Promise<string> {
  await eventually('the holder is told', () => lock.lost.aborted)
  const reason: unknown = lock.lost.reason
  return reason instanceof LamportError ? reason.code : String(reason)
}

/** Why a lock that waits has to be asked for again; it is let go when it comes. */
function awayBy(client: Client): Promise<string> {
  return new Promise(resolve => {
    const waiting = client.lock('door', { onAway: ({ code }) => resolve(code) })
    waiting.then(lock => lock.release()).catch((error: unknown) => resolve(String(error)))
  })
}

test.serial('SIGTERM: who holds and who waits is told, and the lock goes on', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing: LONG_LEASE })
  const [one, two] = [cluster.host(1), cluster.host(2)]
  const [holder, waiter, next] = [await one.client(), await one.client(), await two.client()]
  const lock = await holder.lock('door')
  const elsewhere = next.lock('door')
  const refused = awayBy(waiter)
  await one.ask(client =>
    eventually('both wait', async () => (await client.locks('door'))[0]?.waiters.length === 2),
  )
  const start = performance.now()
  one.daemon.kill('SIGTERM')
  t.is(await lostBy(lock), 'lost')
  t.is(await refused, 'leaving')
  t.false(lock.isHeld)
  t.is(await codeOf(holder.tryLock('window')), 'leaving')
  t.true(one.daemon.isRunning, 'it waits for the holder to stop')
  await pause(100)
  t.deepEqual(
    (await two.ask(client => client.locks('door')))[0]?.holders.map(({ host }) => host),
    ['host-1'],
  )
  await lock.release()
  await (await elsewhere).release()
  t.is(await one.daemon.exited, 0)
  t.true(performance.now() - start < 30_000, 'it does not wait for the lease')
  t.regex(one.daemon.stderr, /SIGTERM: leaving/)
  t.false(existsSync(one.socket))
})

test.serial(
  'SIGTERM: lamportctl stops its command and exits 75; one that waits goes on waiting',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing: LONG_LEASE })
    const [one, two] = [cluster.host(1), cluster.host(2)]
    const marker = join(cluster.folder, 'ran')
    const running = one.ctl('lock', 'door', '/bin/sh', '-c', 'echo on; exec cat')
    await running.said(/^on$/m)
    const held = one.ctl('lock', 'window')
    await held.said(/^held/m)
    const waiting = one.ctl('lock', 'door', 'touch', marker)
    const next = two.ctl('lock', 'door', 'echo', 'next')
    await one.ask(client =>
      eventually('both wait', async () => (await client.locks('door'))[0]?.waiters.length === 2),
    )
    one.daemon.kill('SIGTERM')
    const [code, stdout, stderr] = await running.outcome()
    t.deepEqual([code, stdout], [75, 'on\n'])
    t.regex(stderr, /^lamportctl: the lock door was lost: [\w ]+ is leaving; stopping the command/)
    const [heldCode, , heldError] = await held.outcome()
    t.is(heldCode, 75)
    t.regex(heldError, /the lock window was lost: [\w ]+ is leaving/)
    t.deepEqual(await next.outcome(), [0, 'next\n', ''])
    t.is(await one.daemon.exited, 0)
    t.true(waiting.isRunning)
    waiting.kill('SIGTERM')
    t.deepEqual(await waiting.outcome(), [143, '', ''])
    t.false(existsSync(marker))
  },
)

test.serial('a second daemon on the same state, socket or address is refused with 73', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const one = cluster.host(1)
  const [state, socket] = [join(cluster.folder, 'other'), join(cluster.folder, 'other.sock')]
  for (const [where, reason] of [
    [[], 'the state folder '],
    [[one.state, socket], 'the state folder '],
    [[state], 'the control socket '],
    [[state, socket], 'UDP '],
  ] as const) {
    const [code, , stderr] = await one.launch(...where).outcome()
    t.is(code, 73)
    t.true(stderr.startsWith(`lamportd: ${reason}`), stderr)
    t.regex(stderr, / in use by .* \(.*\)\n$/)
  }
  await cluster.ready()
})

test.serial('a daemon that was killed and started again at once takes part again', async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing: USUAL_TIMING })
  const [one, two] = [cluster.host(1), cluster.host(2)]
  const survivor = await two.client()
  const last = await survivor.lock('door')
  await last.release()
  const times: number[] = []
  let token = last.token
  for (const was of ['idle', 'waiting', 'holding'] as const) {
    const client = await one.client()
    const outer = was === 'waiting' ? await survivor.lock('door') : undefined
    const inner = was === 'holding' ? await client.lock('door') : undefined
    const waiting = was === 'waiting' ? awayBy(client) : undefined
    if (waiting !== undefined) {
      await two.ask(asked =>
        eventually('it waits', async () => (await asked.locks('door'))[0]?.waiters.length === 1),
      )
    }
    const { incarnation } = await one.status()
    const start = performance.now()
    await one.kill()
    await one.start()
    if (waiting !== undefined) t.is(await waiting, 'disconnected')
    if (inner !== undefined) t.is(await lostBy(inner), 'disconnected')
    await outer?.release()
    await cluster.ready()
    times.push(performance.now() - start)
    t.not((await one.status()).incarnation, incarnation)
    for (const host of cluster.hosts) {
      const again = await host.ask(asked => asked.withLock('door', held => held.token))
      t.true(again > token, `${was}: tokens grow`)
      token = again
    }
  }
  const all = times.map(ms => ms.toFixed(0)).join(', ')
  t.log(`every host can lock again ${all} ms after the kill (idle, waiting, holding)`)
})

test.serial('when every daemon was killed and started again, all can lock again', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing: USUAL_TIMING })
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const lock = await clients[0]!.lock('door')
  await Promise.all(cluster.hosts.map(host => host.kill()))
  t.is(await lostBy(lock), 'disconnected')
  await Promise.all(cluster.hosts.map(host => host.start()))
  await cluster.ready()
  t.deepEqual(await cluster.host(3).outcome('lock', '-w', '20', 'door', 'echo', 'in'), [
    0,
    'in\n',
    '',
  ])
})
