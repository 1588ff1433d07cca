import test, { type ExecutionContext } from 'ava'
import { connect, LamportError, type Client } from '../../src/client/client.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'
import type { AcquireResult } from '../../src/control/protocol.ts'
import { FakeDaemon, type FakeOptions } from '../helpers/fake-daemon.ts'

async function pair(t: ExecutionContext, options?: FakeOptions) {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start(options)
  const client = await connect({ socket: daemon.path })
  t.teardown(async () => {
    await client.close()
    await daemon.stop()
  })
  return { daemon, client }
}

async function held(daemon: FakeDaemon, client: Client, grant: Partial<AcquireResult> = {}) {
  const promise = client.lock('door')
  const heard = await daemon.next('acquire')
  daemon.grant(heard, grant)
  return { lock: await promise, connection: heard.connection }
}

async function failsWith(t: ExecutionContext, promise: Promise<unknown>, code: string) {
  const error = await t.throwsAsync(promise, { instanceOf: LamportError })
  t.is(error.code, code as typeof error.code, error.message)
  return error
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise(resolve => {
    if (signal.aborted) resolve(signal.reason)
    else signal.addEventListener('abort', () => resolve(signal.reason))
  })
}

test('a client knows whom it talks to', async t => {
  const { daemon, client } = await pair(t)
  t.deepEqual(client.host, { id: 2, name: 'garage' })
  t.is(client.version, '1.2.3')
  t.is(client.socket, daemon.path)
})

test('a lock has the token of its grant and is released once', async t => {
  const { daemon, client } = await pair(t)
  const { lock } = await held(daemon, client, { token: 7 })
  t.is(lock.token, 7)
  t.deepEqual(lock.names, ['door'])
  t.is(lock.mode, 'exclusive')
  t.true(lock.isHeld)
  await Promise.all([lock.release(), lock.release(), lock[Symbol.asyncDispose]()])
  t.false(lock.isHeld)
  t.false(lock.lost.aborted)
  t.is(daemon.heard.filter(({ method }) => method === 'release').length, 1)
})

test('modes and waits are asked for as the control socket takes them', async t => {
  const { daemon, client } = await pair(t)
  const asked = async (lock: Promise<unknown>) => {
    const heard = await daemon.next('acquire')
    daemon.grant(heard)
    await lock
    return heard.params
  }
  t.like(await asked(client.lock('a')), { names: ['a'], limit: 1, pid: process.pid })
  t.like(await asked(client.lock(['a', 'b'], { mode: 'shared' })), { names: ['a', 'b'], limit: 0 })
  t.like(await asked(client.lock('a', { mode: 'count', count: 4 })), { limit: 4 })
  t.like(await asked(client.lock('a', { waitMs: 50, why: 'x' })), { waitMs: 50, why: 'x' })
  t.like(await asked(client.tryLock('a')), { waitMs: 0 })
})

test('what cannot be meant is refused without a word to the daemon', async t => {
  const { daemon, client } = await pair(t)
  await failsWith(t, client.lock(''), 'argument')
  await failsWith(t, client.lock([]), 'argument')
  await failsWith(t, client.lock(['a', 'a']), 'argument')
  await failsWith(t, client.lock('a\nb'), 'argument')
  await failsWith(t, client.lock('a', { count: 2 }), 'argument')
  await failsWith(t, client.lock('a', { mode: 'count' }), 'argument')
  await failsWith(t, client.lock('a', { mode: 'count', count: 0.5 }), 'argument')
  t.deepEqual(daemon.heard, [])
})

test('an error of the daemon keeps its code, its message and its data', async t => {
  const { daemon, client } = await pair(t)
  const refused = client.lock('door')
  const heard = await daemon.next('acquire')
  const error = { code: -32002, message: 'no majority', data: { effect: 'none' } }
  heard.connection.send({ jsonrpc: '2.0', id: heard.id, error })
  const got = await failsWith(t, refused, 'noMajority')
  t.is(got.message, 'no majority')
  t.deepEqual(got.data, { effect: 'none' })
})

test('a lock is waited for longer than a timer of Node’s can be', async t => {
  const { daemon, client } = await pair(t)
  const waiting = client.lock('door', { waitMs: 2 ** 31 })
  const heard = await daemon.next('acquire')
  // A timeout that is too long fires after a millisecond.
  await new Promise(resolve => setTimeout(resolve, 20))
  daemon.grant(heard, {})
  t.true((await waiting).isHeld)
})

test('tryLock is undefined where something precedes, and rejects for other reasons', async t => {
  const { daemon, client } = await pair(t)
  const taken = client.tryLock('door')
  daemon.refuse(await daemon.next('acquire'), 'notAcquired', 'held by attic')
  t.is(await taken, undefined)
  const unknown = client.tryLock('door')
  daemon.refuse(await daemon.next('acquire'), 'noMajority', 'alone')
  await failsWith(t, unknown, 'noMajority')
})

test('a signal withdraws the request, and a grant that crosses it is nobody’s', async t => {
  const { daemon, client } = await pair(t)
  const controller = new AbortController()
  const waiting = client.lock('door', { signal: controller.signal })
  const heard = await daemon.next('acquire')
  controller.abort(new Error('enough'))
  await t.throwsAsync(waiting, { message: 'enough' })
  t.deepEqual((await daemon.next('cancel')).params, { id: heard.id })
  daemon.grant(heard)
  t.deepEqual((await held(daemon, client)).lock.names, ['door'])
  await t.throwsAsync(client.lock('door', { signal: controller.signal }), { message: 'enough' })
})

test('positions in the queue are told while it waits', async t => {
  const { daemon, client } = await pair(t)
  const positions: number[] = []
  const waiting = client.lock('door', { onQueued: position => positions.push(position) })
  const heard = await daemon.next('acquire')
  for (const position of [2, 1]) heard.connection.notify('queued', { id: heard.id, position })
  heard.connection.notify('queued', { id: 99, position: 9 })
  heard.connection.notify('news', { of: 'a newer daemon' })
  daemon.grant(heard)
  await waiting
  t.deepEqual(positions, [2, 1])
})

test('lost is final: no renewal, one reason, and the daemon hears that its holder has stopped', async t => {
  const { daemon, client } = await pair(t)
  const { lock, connection } = await held(daemon, client, { token: 7 })
  connection.notify('lost', { token: 7, reason: 'expelled' })
  connection.notify('lease', { token: 7, until: monotonicNow() + 9000, leaseMs: 9000 })
  const reason = await aborted(lock.lost)
  t.true(reason instanceof LamportError && reason.code === 'lost')
  t.false(lock.isHeld)
  await lock.release()
  t.is(daemon.heard.filter(({ method }) => method === 'release').length, 1)
})

test('a loss in the same breath as the grant is not missed', async t => {
  const { daemon, client } = await pair(t)
  const promise = client.lock('door')
  const { connection, id } = await daemon.next('acquire')
  const grant = { token: 7, until: monotonicNow() + 9000, leaseMs: 9000 }
  const lines = [
    { jsonrpc: '2.0', id, result: grant },
    { jsonrpc: '2.0', method: 'lost', params: { token: 7, reason: 'expelled' } },
  ]
  connection.socket.write(lines.map(line => JSON.stringify(line) + '\n').join(''))
  t.true((await promise).lost.aborted)
})

test('the end of the connection loses every lock and rejects what was asked', async t => {
  const { daemon, client } = await pair(t)
  const { lock, connection } = await held(daemon, client)
  const waiting = client.lock('window')
  const trying = client.tryLock('window')
  const asked = client.status()
  await daemon.next('status')
  connection.socket.destroy()
  await failsWith(t, trying, 'disconnected')
  await failsWith(t, asked, 'disconnected')
  const reason = await aborted(lock.lost)
  t.true(reason instanceof LamportError && reason.code === 'disconnected')
  await daemon.next('acquire')
  await client.close()
  await failsWith(t, waiting, 'closed')
  await lock.release()
})

test('at until the lock is lost by our own clock, though the daemon is silent', async t => {
  const { daemon, client } = await pair(t)
  const until = monotonicNow() + 150
  const { lock } = await held(daemon, client, { until, leaseMs: 150 })
  const reason = await aborted(lock.lost)
  t.true(monotonicNow() >= until)
  t.true(reason instanceof LamportError && reason.code === 'expired')
})

test('a renewal moves until, one that is past already does not', async t => {
  const { daemon, client } = await pair(t)
  const until = monotonicNow() + 60_000
  const { lock, connection } = await held(daemon, client, { token: 7, until })
  const later = until + 5000
  connection.notify('lease', { token: 7, until: later, leaseMs: 60_000 })
  connection.notify('lease', { token: 7, until: monotonicNow() - 1, leaseMs: 60_000 })
  const asked = client.locks()
  daemon.answer(await daemon.next('locks'), [])
  await asked
  t.is(lock.until, later)
  t.true(lock.isHeld)
})

test('a renewal that is read after until comes too late', async t => {
  const { daemon, client } = await pair(t)
  const until = monotonicNow() + 300
  const { lock, connection } = await held(daemon, client, { token: 7, until, leaseMs: 300 })
  connection.notify('lease', { token: 7, until: until + 60_000, leaseMs: 300 })
  // The event loop stands still past the deadline, as in a process that was stopped.
  while (monotonicNow() < until + 5);
  t.false(lock.isHeld)
  const reason = await aborted(lock.lost)
  t.true(reason instanceof LamportError && reason.code === 'expired')
})

test('without a lease only the daemon and the connection can take a lock', async t => {
  const { daemon, client } = await pair(t)
  const { lock, connection } = await held(daemon, client, { token: 7, leaseMs: null })
  t.is(lock.until, null)
  t.true(lock.isHeld)
  connection.notify('lost', { token: 7, reason: 'leaving' })
  await aborted(lock.lost)
  t.false(lock.isHeld)
})

test('withLock releases after its work, also where that throws', async t => {
  const { daemon, client } = await pair(t)
  const done = client.withLock('door', ({ token }) => token + 1)
  daemon.grant(await daemon.next('acquire'), { token: 7 })
  t.is(await done, 8)
  await daemon.next('release')
  const failing = client.withLock('door', () => Promise.reject(new Error('mine')))
  daemon.grant(await daemon.next('acquire'))
  await t.throwsAsync(failing, { message: 'mine' })
  await daemon.next('release')
})

test('withLock rejects where the lock was lost before the work was done', async t => {
  const { daemon, client } = await pair(t)
  const work = client.withLock('door', async ({ signal }) => {
    await aborted(signal)
    return 'done all the same'
  })
  const heard = await daemon.next('acquire')
  daemon.grant(heard, { token: 7 })
  heard.connection.notify('lost', { token: 7, reason: 'expelled' })
  await failsWith(t, work, 'lost')
})

test('close is an end that locks hear of', async t => {
  const { daemon, client } = await pair(t)
  const { lock, connection } = await held(daemon, client)
  await client.close()
  await connection.closed
  t.true(lock.lost.aborted)
  await failsWith(t, client.locks(), 'closed')
  await client.close()
})

test('an answer that is none ends the connection', async t => {
  const { daemon, client } = await pair(t)
  const asked = client.locks()
  daemon.answer(await daemon.next('locks'), [{ name: 5 }])
  await failsWith(t, asked, 'protocol')
  await failsWith(t, client.locks(), 'protocol')
})

test('whatever else answers than lamportd is named as such', async t => {
  const daemon = await FakeDaemon.start({ hello: null })
  t.teardown(() => daemon.stop())
  const opened = connect({ socket: daemon.path })
  while (daemon.connections.length === 0) await new Promise(resolve => setImmediate(resolve))
  daemon.connections[0]!.socket.write('220 mail.example ESMTP\r\n')
  await failsWith(t, opened, 'protocol')
})

test('a daemon that refuses the connection is quoted', async t => {
  const daemon = await FakeDaemon.start({ hello: null })
  t.teardown(() => daemon.stop())
  const opened = connect({ socket: daemon.path })
  while (daemon.connections.length === 0) await new Promise(resolve => setImmediate(resolve))
  const error = { code: -32006, message: 'too many connections' }
  daemon.connections[0]!.send({ jsonrpc: '2.0', id: null, error })
  t.is((await failsWith(t, opened, 'busy')).message, 'too many connections')
})

test('connecting can be given up', async t => {
  const daemon = await FakeDaemon.start({ hello: null })
  t.teardown(() => daemon.stop())
  const controller = new AbortController()
  const opened = connect({ socket: daemon.path, signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(opened, { message: 'enough' })
})

test('where nobody listens the error says where and what to do', async t => {
  const error = await failsWith(t, connect({ socket: '/nonexistent/x.sock' }), 'unreachable')
  t.regex(error.message, /no lamportd at \/nonexistent\/x\.sock \(.*systemctl status lamportd\)/)
  await failsWith(t, connect({ socket: '/' + 'x'.repeat(200) }), 'socket')
})
