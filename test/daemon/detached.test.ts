import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'ava'
import { adminSocketPath } from '../../src/control/paths.ts'
import { ErrorCode, TTL_MS_MAX } from '../../src/control/protocol.ts'
import { Detached, DETACHED_MAX } from '../../src/daemon/detached.ts'
import { nameOfProcess } from '../../src/daemon/processes.ts'
import { milliseconds } from '../../src/lib/time.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { until } from '../helpers/daemon-folder.ts'
import { startServer as start } from '../helpers/daemon-server.ts'

const HOUR = 3_600_000

function detached(name: string, ttlMs: number, pid?: number): unknown {
  return { names: [name], limit: 1, detached: { ttlMs, ...(pid === undefined ? {} : { pid }) } }
}

function tokenOf({ result }: { readonly result?: unknown }): number {
  return (result as { token: number }).token
}

test('a detached lock outlives its connection, and ends with its ttl', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  t.deepEqual((await one.call(1, 'acquire', detached('door', 300))).result, {
    token: 1024,
    until: null,
    leaseMs: null,
  })
  one.close()
  const two = await RawClient.greeted(path)
  const asked = performance.now()
  const [lock] = (await two.call(2, 'locks', {})).result as { holders: { ttlMs?: number }[] }[]
  const ttlMs = lock?.holders[0]?.ttlMs ?? 0
  t.true(ttlMs > 0 && ttlMs <= 300, String(ttlMs))
  t.false('unattended' in (lock?.holders[0] ?? {}))
  await until(() => node.held.length === 0)
  t.true(performance.now() - asked >= ttlMs - 5)
})

test('it ends when its process does, a zombie among them', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const child = spawn('sleep', ['60'])
  t.teardown(() => child.kill('SIGKILL'))
  await one.call(1, 'acquire', detached('door', HOUR, child.pid))
  // Its parent does not wait for it while it is stopped.
  const script = 'sleep 60 & echo $!; kill -STOP $$'
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const zombie = Number(String(line))
  await one.call(2, 'acquire', detached('window', HOUR, zombie))
  await one.call(3, 'acquire', detached('roof', HOUR, process.pid))
  one.close()
  t.deepEqual(node.held, ['door', 'window', 'roof'])
  child.kill('SIGKILL')
  process.kill(zombie, 'SIGKILL')
  await until(() => node.held.length === 1)
  t.deepEqual(node.held, ['roof'])
  t.is(nameOfProcess(zombie), undefined)
})

test('a process has a name that another one with its number has not', t => {
  const name = nameOfProcess(process.pid)
  t.is(name?.pid, process.pid)
  t.regex(name?.started ?? '', /^\d+$/)
  t.not(name?.started, nameOfProcess(process.ppid)?.started)
  t.is(nameOfProcess(2 ** 31 - 1), undefined)
})

test('another process with the number of the one that has gone does not count', async t => {
  const ended: number[] = []
  const books = new Detached(token => void ended.push(token))
  const ttl = milliseconds(HOUR)
  books.add(1, { ttl, process: { pid: process.pid, started: '1' } })
  books.add(2, { ttl, process: nameOfProcess(process.pid) })
  t.true(books.has(1))
  await until(() => ended.length > 0)
  t.deepEqual(ended, [1])
  t.false(books.has(1))
  t.true(books.has(2))
  books.remove(2)
})

test('it is released by name or by token, from any connection', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const two = await RawClient.greeted(path)
  const token = tokenOf(await one.call(1, 'acquire', detached('door', HOUR)))
  t.deepEqual((await two.call(1, 'release', { name: 'door' })).result, { token, names: ['door'] })
  const next = tokenOf(await one.call(2, 'acquire', detached('door', HOUR)))
  const stale = await two.call(2, 'release', { token })
  t.is(stale.error?.code, ErrorCode.notHeld)
  t.deepEqual((await two.call(3, 'release', { token: next })).result, {
    token: next,
    names: ['door'],
  })
  t.deepEqual(node.held, [])
  const gone = await two.call(4, 'release', { name: 'door' })
  t.is(gone.error?.code, ErrorCode.notHeld)
  t.regex(gone.error?.message ?? '', /no lock door was taken here with a ttl, or it has ended/)
})

test('what a connection holds is released by that connection only', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const two = await RawClient.greeted(path)
  const token = await one.acquire('door')
  for (const which of [{ token }, { name: 'door' }]) {
    t.is((await two.call(1, 'release', which)).error?.code, ErrorCode.notHeld)
  }
  t.is((await one.call(1, 'release', { name: 'door' })).error?.code, ErrorCode.notHeld)
  t.deepEqual(node.held, ['door'])
  t.deepEqual((await one.call(2, 'release', { token })).result, {})
})

test('where a name means several, they are told apart by their tokens', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const both = { names: ['door', 'window'], limit: 1, detached: { ttlMs: HOUR } }
  const first = tokenOf(await one.call(1, 'acquire', both))
  // As if it were shared.
  const { id } = node.inputs.at(-1) as { id: number }
  one.ask(2, 'acquire', { names: ['window'], limit: 0, detached: { ttlMs: HOUR } })
  await one.next()
  node.respond(id + 1, { type: 'granted', token: 99, until: Infinity as never })
  await one.next()
  const { error } = await one.call(3, 'release', { name: 'window' })
  t.is(error?.code, ErrorCode.invalidParams)
  t.regex(error?.message ?? '', new RegExp(`the tokens ${first}, 99 `))
  t.truthy((await one.call(4, 'release', { name: 'door' })).result)
})

test('a client that has gone, or has withdrawn, leaves nothing', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const two = await RawClient.greeted(path)
  await one.acquire('door')
  await two.call(1, 'acquire', detached('door', HOUR))
  two.close()
  await until(() => node.inputs.some(({ type }) => type === 'cancel'))
  one.close()
  await until(() => node.held.length === 0)
  const three = await RawClient.greeted(path)
  await three.acquire('door')
  node.grantsBeforeCancels = true
  three.ask('late', 'acquire', detached('window', HOUR))
  t.is((await three.next()).id, 'late')
  t.deepEqual(node.held, ['door', 'window'])
})

test('it is anchored without becoming the anchor’s', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const token = tokenOf(await one.call(1, 'acquire', detached('door', HOUR)))
  const anchor = await RawClient.greeted(path)
  t.truthy((await anchor.call(1, 'anchor', { token })).result)
  anchor.close()
  await one.rest()
  await one.rest()
  t.deepEqual(node.held, ['door'])
})

test('its loss is told to people, and to whoever releases it', async t => {
  const warnings: string[] = []
  const { path, node } = await start(t, { warn: text => void warnings.push(text) })
  const one = await RawClient.greeted(path)
  const token = tokenOf(await one.call(1, 'acquire', detached('door', HOUR)))
  node.lose(token, 'this host was excluded')
  t.deepEqual(await one.rest(), [], 'no connection is told')
  t.is(warnings.length, 1)
  t.regex(warnings[0] ?? '', /^the lock door, held without a connection, is lost \(this host/)
  const { error } = await one.call(2, 'release', { name: 'door' })
  t.is(error?.code, ErrorCode.notHeld)
  t.deepEqual(error?.data, { lost: 'this host was excluded' })
})

test('a host holds so many and no more', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  for (let at = 0; at < DETACHED_MAX; at++) {
    await one.call(at, 'acquire', detached(`door ${at}`, HOUR))
  }
  const { error } = await one.call('more', 'acquire', detached('more', HOUR))
  t.is(error?.code, ErrorCode.limit)
  t.is(node.held.length, DETACHED_MAX)
  t.truthy((await one.call('r', 'release', { name: 'door 7' })).result)
  t.truthy((await one.call('again', 'acquire', detached('more', HOUR))).result)
})

test('what cannot be meant is refused', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['acquire', { detached: 5 }, /^detached is 5 \(write \{"ttlMs": 60000\}/],
    ['acquire', { detached: {} }, /^ttlMs is missing/],
    ['acquire', { detached: { ttlMs: 0 } }, /^ttlMs is 0/],
    ['acquire', { detached: { ttlMs: TTL_MS_MAX + 1 } }, /at most 604800000/],
    ['acquire', { detached: { ttlMs: 5, pid: 0 } }, /^pid is 0/],
    ['acquire', { detached: { ttlMs: 5, process: 7 } }, /^unknown parameter "process"/],
    ['acquire', { detached: { ttlMs: 5, pid: 2 ** 31 - 1 } }, /no process 2147483647 that/],
    ['release', {}, /^token is missing/],
    ['release', { token: 1, name: 'door' }, /exclude each other/],
    ['release', { name: '' }, /^the name is empty/],
    ['release', { name: 'door', force: 1 }, /^force is 1/],
  ]
  for (const [method, params, message] of cases) {
    const about = method === 'acquire' ? { names: ['door'], limit: 1 } : {}
    const { error } = await one.call(1, method, { ...about, ...(params as object) })
    t.is(error?.code, ErrorCode.invalidParams)
    t.regex(error?.message ?? '', message)
  }
  t.deepEqual(node.inputs, [])
})

test('an administrator ends any lock of this host, and its holder is told', async t => {
  const warnings: string[] = []
  const { path, node } = await start(t, { warn: text => void warnings.push(text) })
  const holder = await RawClient.greeted(path)
  const token = await holder.acquire('door')
  const force = { name: 'door', force: true }
  const refused = await holder.call(1, 'release', force)
  t.is(refused.error?.code, ErrorCode.invalidRequest)
  t.regex(refused.error?.message ?? '', /only an administrator/)
  t.deepEqual(node.held, ['door'])
  const administrator = await RawClient.greeted(adminSocketPath(path))
  t.deepEqual((await administrator.call(1, 'release', force)).result, { token, names: ['door'] })
  t.deepEqual(node.held, [])
  const told = await holder.next()
  t.is(told.method, 'lost')
  t.deepEqual(told.params, { token, reason: 'an administrator has ended it' })
  t.regex(warnings.join(), /^the lock door with the token 1024 is taken from its holder/)
  t.is((await holder.call(2, 'release', { token })).error?.code, ErrorCode.notHeld)
  const none = await administrator.call(2, 'release', force)
  t.is(none.error?.code, ErrorCode.notHeld)
  t.regex(none.error?.message ?? '', /no client of this host holds door \(lamportctl locks/)
  await holder.call(3, 'acquire', detached('window', HOUR))
  t.truthy((await administrator.call(3, 'release', { name: 'window', force: true })).result)
})
