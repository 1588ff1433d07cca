import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { connect, LamportError } from '../../src/client/client.ts'
import type { Host } from '../helpers/cluster.ts'
import { hasMany, setMany, VALUE_BYTES } from '../helpers/many-variables.ts'
import { eventually } from '../helpers/processes.ts'
import { residentMb } from '../helpers/procfs.ts'
import { hearsNobody, Site } from '../helpers/site.ts'

/** How long it may take to start, on a machine that is busy. */
const START_MS_MAX = 60_000

/** Of a daemon, by values of 10 MB: what is collected when is up to V8. */
const GROWTH_MB_MAX = 250

const MANY = 10_000

/** A daemon that is asked how it is has less time for the rest. */
const LOOK_MS = 50

/** After so long without anything to do a daemon has written what it knows. */
const REST_MS = 3000

/** Until a host knows all that the others know, and may vote; how long, and what it knew when it did. */
async function joined(host: Host): Promise<{ readonly ms: number; readonly count: number }> {
  const begin = performance.now()
  const client = await connect({ socket: host.socket })
  let count: number | undefined
  for (;;) {
    const { blank, variables } = await client.status()
    if (blank === null) count ??= variables.count
    if (count !== undefined && variables.complete) break
    if (performance.now() - begin > START_MS_MAX) throw new Error(`${host.name} is not complete`)
    await pause(LOOK_MS)
  }
  await client.close()
  return { ms: performance.now() - begin, count }
}

/** Starts it; what it knew when it had a vote. */
async function comesBack(t: ExecutionContext, host: Host, what: string): Promise<number> {
  const begin = performance.now()
  await host.start()
  const started = performance.now() - begin
  const { ms, count } = await joined(host)
  t.log(`${what}: answers after ${started.toFixed(0)} ms, complete ${ms.toFixed(0)} ms later`)
  return count
}

/** By how much more a daemon has in memory than one without variables. */
class Growth {
  readonly #t: ExecutionContext
  readonly #before: number

  constructor(t: ExecutionContext, host: Host) {
    this.#t = t
    this.#before = residentMb(host.daemon.pid)
  }

  async measure(host: Host, what: string): Promise<void> {
    await pause(REST_MS)
    const growth = residentMb(host.daemon.pid) - this.#before
    this.#t.log(`memory of a daemon that ${what}: ${growth.toFixed(1)} MB more than without`)
    this.#t.true(growth < GROWTH_MB_MAX)
  }
}

test.serial('a host that comes late knows what was set without it', async t => {
  const { one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  const client = await one.client()
  await client.set('speed', '1')
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await three.kill(signal)
    const { version } = await client.set('speed', `while it was away: ${signal}`)
    await client.set(`new after ${signal}`, 'here')
    await comesBack(t, three, `back after ${signal}`)
    const known = await three.ask(late => late.get('speed', { local: true }))
    t.is(known.value, `while it was away: ${signal}`)
    t.is(known.version, version)
    t.is((await three.ask(late => late.get(`new after ${signal}`, { local: true }))).value, 'here')
  }
  await two.kill()
  await client.set('speed', 'asked for at once')
  await two.start()
  const asked = await two.ask(late => late.get('speed'))
  t.is(asked.value, 'asked for at once', 'a get is answered by a majority, and not from memory')
  t.is((await two.ask(late => late.get('speed', { local: true }))).value, 'asked for at once')
})

test.serial('a blank host recovers 10,000 variables before it may vote', async t => {
  const { one, two, three, hosts } = await Site.start(t, { ids: [1, 2, 3] })
  const growth = new Growth(t, three)
  const begin = performance.now()
  await setMany(await Promise.all(hosts.map(host => host.client())), MANY)
  const seconds = (performance.now() - begin) / 1000
  t.log(`${MANY} variables of ${VALUE_BYTES} bytes set in ${seconds.toFixed(1)} s`)
  await eventually('all know all', async () => {
    await pause(LOOK_MS)
    const all = await Promise.all(hosts.map(host => host.status()))
    return all.every(({ variables }) => variables.count === MANY)
  })
  await growth.measure(three, 'took part in the writing')
  await three.kill()
  await comesBack(t, three, 'with its state')
  await hasMany(t, three, MANY)
  await growth.measure(three, 'was restarted')
  await three.kill()
  rmSync(three.state, { recursive: true })
  const count = await comesBack(t, three, 'without its state')
  t.is(count, MANY, 'it has every variable when it may vote')
  await hasMany(t, three, MANY)
  await growth.measure(three, 'recovered')
  await two.kill()
  await three.ask(client => client.set('many/0', 'by the one that recovered'))
  t.is((await one.ask(client => client.get('many/0'))).value, 'by the one that recovered')
})

test.serial('a blank host waits for all others, and says for whom', async t => {
  const { one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  const client = await one.client()
  await client.set('speed', '1')
  await two.kill()
  await client.set('speed', '2')
  await three.kill()
  rmSync(three.state, { recursive: true })
  await three.start()
  await eventually('it names whom it waits for', async () => {
    const { blank } = await three.status()
    return blank !== null && /host-2/.test(blank)
  })
  await eventually('its log names it too', () => /no vote yet.* host-2/.test(three.log))
  const local = await three.ask(blank => blank.get('speed', { local: true }))
  t.false(local.majority)
  const refused = await t.throwsAsync(
    three.ask(blank => blank.get('speed', { waitMs: 300 })),
    { instanceOf: LamportError },
  )
  t.is(refused.code, 'noMajority')
  t.log(refused.message)
  await hearsNobody(one)
  await t.throwsAsync(client.set('speed', '3', { waitMs: 300 }), { code: 'noMajority' })
  await two.start()
  await eventually('it may vote', async () => (await three.status()).blank === null)
  t.is((await three.ask(back => back.get('speed', { local: true }))).value, '2')
  t.is((await two.ask(back => back.get('speed'))).value, '2')
  await client.set('speed', '4')
  t.is((await three.ask(back => back.get('speed'))).value, '4')
})
