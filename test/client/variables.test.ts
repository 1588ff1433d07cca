import test, { type ExecutionContext } from 'ava'
import { connect, LamportError } from '../../src/client/client.ts'
import { ErrorCode } from '../../src/control/protocol.ts'
import { FakeDaemon } from '../helpers/fake-daemon.ts'

async function pair(t: ExecutionContext) {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start()
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

const writer = { host: 'attic', time: 7 }
const speed = { name: 'speed', value: '12', version: 3, writer }
const absent = { name: 'speed', deleted: true, version: 0, writer: null }

test('get asks as it is told, and reads what is there', async t => {
  const { daemon, client } = await pair(t)
  const read = client.get('speed')
  const heard = await daemon.next('get')
  t.deepEqual(heard.params, { name: 'speed' })
  daemon.answer(heard, speed)
  t.deepEqual(await read, speed)
  const local = client.get('speed', { local: true, waitMs: 5 })
  const asked = await daemon.next('get')
  t.deepEqual(asked.params, { name: 'speed', local: true, waitMs: 5 })
  daemon.answer(asked, { ...absent, majority: false })
  t.deepEqual(await local, {
    name: 'speed',
    value: undefined,
    version: 0,
    writer: undefined,
    majority: false,
  })
})

test('a value is text wherever it is UTF-8, and bytes else', async t => {
  const { daemon, client } = await pair(t)
  const read = async (value: unknown): Promise<unknown> => {
    const reading = client.get('speed')
    daemon.answer(await daemon.next('get'), { ...speed, value })
    return (await reading).value
  }
  t.is(await read(''), '')
  t.is(await read({ base64: Buffer.from('\0\u0001').toString('base64') }), '\0\u0001')
  t.deepEqual(await read({ base64: '/wA=' }), new Uint8Array([0xff, 0]))
})

test('set and unset send what is given, and give what has become of it', async t => {
  const { daemon, client } = await pair(t)
  const set = client.set('speed', '12', { ifVersion: 2, waitMs: 100 })
  const first = await daemon.next('set')
  t.deepEqual(first.params, { name: 'speed', value: '12', ifVersion: 2, waitMs: 100 })
  daemon.answer(first, speed)
  t.deepEqual(await set, speed)
  const created = client.set('speed', new Uint8Array([0xff, 0]), { create: true })
  const second = await daemon.next('set')
  t.deepEqual(second.params, { name: 'speed', value: { base64: '/wA=' }, create: true })
  daemon.answer(second, speed)
  await created
  const unset = client.unset('speed', { ifVersion: 3 })
  const third = await daemon.next('unset')
  t.deepEqual(third.params, { name: 'speed', ifVersion: 3 })
  daemon.answer(third, { name: 'speed', deleted: true, version: 4, writer })
  t.deepEqual(await unset, { name: 'speed', value: undefined, version: 4, writer })
})

test('what cannot be meant is refused without a word to the daemon', async t => {
  const { daemon, client } = await pair(t)
  const wrong = (promise: Promise<unknown>) => failsWith(t, promise, 'argument')
  await wrong(client.get(''))
  await wrong(client.get('a', { waitMs: NaN }))
  await wrong(client.set('a\n', ''))
  await wrong(client.set('a', 'x'.repeat(65_537)))
  await wrong(client.set('a', 'ü'.repeat(32_769)))
  await wrong(client.set('a', new Uint8Array(65_537)))
  await wrong(client.set('a', '\ud800'))
  await wrong(client.set('a', 5 as never))
  await wrong(client.set('a', '', { ifVersion: -1 }))
  await wrong(client.set('a', '', { ifVersion: 1, create: true }))
  await wrong(client.unset('a', { ifVersion: 0.5 }))
  await wrong(client.history('x'.repeat(256)))
  await wrong(client.vars('\n').next())
  t.throws(() => client.watch('a\n'), { instanceOf: LamportError })
  t.throws(() => client.watch('a/', { since: 3 }), { instanceOf: LamportError })
  t.throws(() => client.watch('a', { since: -3 }), { instanceOf: LamportError })
  t.deepEqual(daemon.heard, [])
})

test('the daemon’s errors say how the variable is', async t => {
  const { daemon, client } = await pair(t)
  const failing = async (code: keyof typeof ErrorCode, data?: unknown) => {
    const set = client.set('speed', '13')
    set.catch(() => undefined)
    const { connection, id } = await daemon.next('set')
    const error = { code: ErrorCode[code], message: 'why not', data }
    connection.send({ jsonrpc: '2.0', id, error })
    return set
  }
  const differs = await failsWith(
    t,
    failing('versionDiffers', { current: speed }),
    'versionDiffers',
  )
  t.deepEqual(differs.current, speed)
  const none = await failsWith(t, failing('noMajority', { effect: 'none' }), 'noMajority')
  t.is(none.seen, undefined)
  const unknown = failing('noMajority', { effect: 'unknown', seen: absent })
  const uncertain = await failsWith(t, unknown, 'uncertain')
  t.deepEqual([uncertain.seen?.version, uncertain.seen?.value], [0, undefined])
  await failsWith(t, failing('limit'), 'limit')
  await failsWith(t, failing('busy'), 'busy')
  await failsWith(t, failing('leaving'), 'leaving')
})

test('a change whose answer is lost is uncertain; one that was not sent is not', async t => {
  const { daemon, client } = await pair(t)
  const set = client.set('speed', '13')
  const read = client.get('speed')
  read.catch(() => undefined)
  const { connection } = await daemon.next('set')
  connection.socket.destroy()
  await failsWith(t, set, 'uncertain')
  await failsWith(t, read, 'disconnected')
  await daemon.kill()
  await failsWith(t, client.set('speed', '13', { waitMs: 50 }), 'unreachable')
})

test('a signal ends the waiting, and the late answer is dropped', async t => {
  const { daemon, client } = await pair(t)
  const controller = new AbortController()
  const set = client.set('speed', '13', { signal: controller.signal })
  const heard = await daemon.next('set')
  controller.abort(new Error('enough'))
  await t.throwsAsync(set, { message: 'enough' })
  daemon.answer(heard, { nonsense: true })
  await t.throwsAsync(client.get('speed', { signal: controller.signal }), { message: 'enough' })
  const read = client.get('speed')
  daemon.answer(await daemon.next('get'), speed)
  t.deepEqual(await read, speed)
})

test('an answer that is none ends the connection', async t => {
  const { daemon, client } = await pair(t)
  const read = client.get('speed')
  daemon.answer(await daemon.next('get'), { ...speed, version: 'new' })
  await failsWith(t, read, 'protocol')
})

test('vars takes page after page, as they are wanted', async t => {
  const { daemon, client } = await pair(t)
  const list = client.vars('light/', { values: true })
  const first = list.next()
  const heard = await daemon.next('vars')
  t.deepEqual(heard.params, { prefix: 'light/', values: true })
  const entry = (name: string) => ({ ...speed, name, size: 2 })
  daemon.answer(heard, { variables: [entry('light/a'), entry('light/b')], next: 'light/b' })
  t.deepEqual((await first).value, entry('light/a'))
  t.like((await list.next()).value, { name: 'light/b' })
  t.is(daemon.heard.length, 1)
  const third = list.next()
  const again = await daemon.next('vars')
  t.deepEqual(again.params, { prefix: 'light/', values: true, after: 'light/b' })
  daemon.answer(again, { variables: [entry('light/c')], next: null })
  t.like((await third).value, { name: 'light/c' })
  t.true((await list.next()).done)
  const all = client.vars().next()
  const last = await daemon.next('vars')
  t.deepEqual(last.params, { prefix: '' })
  daemon.answer(last, { variables: [], next: null })
  t.true((await all).done)
})

test('history tells an unset from a value that is not kept', async t => {
  const { daemon, client } = await pair(t)
  const history = client.history('speed')
  const heard = await daemon.next('history')
  t.deepEqual(heard.params, { name: 'speed' })
  daemon.answer(heard, [
    { ...speed, size: 2 },
    { name: 'speed', deleted: true, version: 2, writer },
    { name: 'speed', size: 9, version: 1, writer },
  ])
  t.deepEqual(await history, [
    { ...speed, deleted: false, size: 2 },
    { name: 'speed', value: undefined, version: 2, writer, deleted: true, size: undefined },
    { name: 'speed', value: undefined, version: 1, writer, deleted: false, size: 9 },
  ])
})
