import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { connect, LamportError, type Client, type Lock } from '../../src/client/client.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { FakeDaemon, type FakeOptions } from '../helpers/fake-daemon.ts'
import { eventually } from '../helpers/processes.ts'

async function pair(t: ExecutionContext, options: FakeOptions = {}) {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start(options)
  const client = await connect({ socket: daemon.path })
  t.teardown(async () => {
    await client.close()
    await daemon.stop()
  })
  return { daemon, client }
}

async function failsWith(t: ExecutionContext, promise: Promise<unknown>, code: string) {
  const error = await t.throwsAsync(promise, { instanceOf: LamportError })
  t.is(error.code, code as typeof error.code, error.message)
  return error
}

/** Resolves when the client has seen that the daemon was killed. */
async function kill(daemon: FakeDaemon): Promise<void> {
  await daemon.kill()
  await delay(50)
}

test('a lock that waits is asked for again after a restart, and granted once', async t => {
  const { daemon, client } = await pair(t)
  const [away, positions]: [string[], number[]] = [[], []]
  const waiting = client.lock('door', {
    why: 'x',
    onAway: ({ code }) => away.push(code),
    onQueued: position => positions.push(position),
  })
  const first = await daemon.next('acquire')
  first.connection.notify('queued', { id: first.id, position: 3 })
  await sync(daemon, client)
  await kill(daemon)
  await delay(300)
  await daemon.listen()
  const second = await daemon.next('acquire')
  t.deepEqual(second.params, first.params)
  second.connection.notify('queued', { id: second.id, position: 1 })
  daemon.grant(second, { token: 9 })
  const lock = await waiting
  t.is(lock.token, 9)
  t.deepEqual(away, ['disconnected'])
  t.deepEqual(positions, [3, 1])
  await lock.release()
  t.is((await daemon.next('release')).connection, second.connection)
  t.is(daemon.heard.filter(({ method }) => method === 'acquire').length, 2)
})

test('what it has waited counts', async t => {
  const { daemon, client } = await pair(t)
  const waiting = client.lock('door', { waitMs: 5000 })
  await daemon.next('acquire')
  await delay(200)
  await kill(daemon)
  await daemon.listen()
  const again = await daemon.next('acquire')
  const rest = Number(again.params.waitMs)
  t.true(rest > 1000 && rest <= 4800, `${rest}`)
  daemon.refuse(again, 'notAcquired', 'held by attic')
  await failsWith(t, waiting, 'notAcquired')
})

test('where lamportd does not come back in time, the error says what to do', async t => {
  const { daemon, client } = await pair(t)
  const started = monotonicNow()
  const waiting = client.lock('door', { waitMs: 400 })
  await daemon.next('acquire')
  await kill(daemon)
  const error = await failsWith(t, waiting, 'unreachable')
  t.regex(error.message, /no lamportd at .*systemctl status lamportd/)
  const took = monotonicNow() - started
  t.true(took >= 399 && took < 2000, `${took}`)
})

test('a daemon that leaves is asked again until it has gone, and the next one then', async t => {
  const { daemon, client } = await pair(t)
  const waiting = client.lock('door')
  daemon.refuse(await daemon.next('acquire'), 'leaving', 'this host is leaving')
  daemon.refuse(await daemon.next('acquire'), 'leaving', 'this host is leaving')
  await daemon.next('acquire')
  await kill(daemon)
  await daemon.listen()
  daemon.grant(await daemon.next('acquire'), { token: 8 })
  t.is((await waiting).token, 8)
})

test('tryLock is asked once', async t => {
  const { daemon, client } = await pair(t)
  const trying = client.tryLock('door')
  await daemon.next('acquire')
  await kill(daemon)
  await failsWith(t, trying, 'disconnected')
  await failsWith(t, client.tryLock('door'), 'unreachable')
  await daemon.listen()
  const again = client.tryLock('door')
  daemon.grant(await daemon.next('acquire'))
  t.true((await again)?.isHeld)
})

test('a held lock is lost where the next lamportd does not have it, and its release asks nobody', async t => {
  const { daemon, client } = await pair(t)
  const granting = client.lock('door')
  daemon.grant(await daemon.next('acquire'), { token: 7 })
  const lock = await granting
  await kill(daemon)
  t.true(lock.isHeld)
  await daemon.listen()
  await lost(lock)
  t.is((lock.lost.reason as LamportError).code, 'disconnected')
  await lock.release()
  t.false(daemon.heard.some(({ method }) => method === 'release'))
})

test('what is asked while lamportd is away waits for it; the next calls share one connection', async t => {
  const { daemon, client } = await pair(t)
  await kill(daemon)
  const calls = Promise.all([client.set('speed', '1'), client.get('speed'), client.locks()])
  await delay(120)
  await daemon.listen()
  const value = { name: 'speed', value: '1', version: 1, writer: null }
  for (const method of ['set', 'get']) daemon.answer(await daemon.next(method), value)
  daemon.answer(await daemon.next('locks'), [])
  const [set] = await calls
  t.is(set.version, 1)
  t.is(daemon.connections.length, 2)
  // Nothing was sent: it is not uncertain.
  await kill(daemon)
  const started = monotonicNow()
  await failsWith(t, client.set('speed', '2', { waitMs: 100 }), 'unreachable')
  t.true(monotonicNow() - started < 1500)
})

test('close ends all of it, at any moment', async t => {
  const { daemon, client } = await pair(t)
  const waiting = client.lock('door')
  waiting.catch(() => undefined)
  await daemon.next('acquire')
  await kill(daemon)
  const asked = client.status()
  asked.catch(() => undefined)
  await delay(100)
  const started = monotonicNow()
  await client.close()
  await failsWith(t, waiting, 'closed')
  await failsWith(t, asked, 'closed')
  await failsWith(t, client.lock('door'), 'closed')
  t.true(monotonicNow() - started < 500)
  await daemon.listen()
  await delay(300)
  t.is(daemon.connections.length, 1)
})

test('a signal ends the waiting for lamportd', async t => {
  const { daemon, client } = await pair(t)
  await kill(daemon)
  const controller = new AbortController()
  const waiting = client.lock('door', { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 100)
  await t.throwsAsync(waiting, { message: 'enough' })
})

/** Everything that was sent before has been read. */
async function sync(daemon: FakeDaemon, client: Client): Promise<void> {
  const asked = client.locks()
  daemon.answer(await daemon.next('locks'), [])
  await asked
}

/** One that holds a lock until `leaseMs` from now, and whose lamportd does not answer by itself. */
async function holding(t: ExecutionContext, leaseMs: number) {
  const { daemon, client } = await pair(t, { isPolite: false })
  const granting = client.lock(['door', 'gate'])
  const { until } = daemon.grant(await daemon.next('acquire'), { token: 7, leaseMs })
  return { daemon, client, lock: await granting, until: until ?? 0 }
}

test('a held lock goes on with the next lamportd, which renews it and takes it back', async t => {
  const { daemon, lock, until } = await holding(t, 60_000)
  await kill(daemon)
  await daemon.listen()
  const adopting = await daemon.next('adopt')
  t.deepEqual(adopting.params, { names: ['door', 'gate'], token: 7, until })
  daemon.grant(adopting, { token: 7, until: until + 100 })
  const renewed = { token: 7, until: until + 200, leaseMs: 60_000 }
  adopting.connection.notify('lease', renewed)
  await eventually('it is renewed', () => lock.until === renewed.until)
  t.true(lock.isHeld)
  const releasing = lock.release()
  const heard = await daemon.next('release')
  t.deepEqual([heard.connection, heard.params], [adopting.connection, { token: 7 }])
  daemon.answer(heard, {})
  await releasing
  t.false(lock.lost.aborted)
})

test('where lamportd stays away, a lock is lost while there is time to stop', async t => {
  const { daemon, lock, until } = await holding(t, 800)
  await kill(daemon)
  await lost(lock)
  const left = until - monotonicNow()
  // Timers are whole milliseconds.
  t.true(left > 0 && left < 202, `${left}`)
  t.is((lock.lost.reason as LamportError).code, 'disconnected')
})

test('what is given back while the next lamportd is asked for it, that one is told', async t => {
  const { daemon, lock } = await holding(t, 60_000)
  await kill(daemon)
  await daemon.listen()
  const adopting = await daemon.next('adopt')
  void lock.release()
  t.deepEqual((await daemon.next('cancel')).params, { id: adopting.id })
  daemon.grant(adopting, { token: 7 })
  t.deepEqual((await daemon.next('release')).params, { token: 7 })
  t.false(lock.isHeld)
})

function lost(lock: Lock): Promise<unknown> {
  return new Promise(resolve => {
    if (lock.lost.aborted) resolve(undefined)
    lock.lost.addEventListener('abort', resolve)
  })
}
