import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { connect, LamportError, type Change, type Watch } from '../../src/client/client.ts'
import { FakeDaemon, type FakeConnection, type Heard } from '../helpers/fake-daemon.ts'

async function pair(t: ExecutionContext) {
  t.timeout(30_000)
  const daemon = await FakeDaemon.start()
  const client = await connect({ socket: daemon.path })
  t.teardown(async () => {
    await client.close()
    await daemon.stop()
  })
  return { daemon, client }
}

/** A variable as a change tells it. */
function entry(name: string, version: number) {
  return { name, version, writer: { host: 'attic', time: version }, value: `v${version}` }
}

function unset(name: string, version: number) {
  const writer = version === 0 ? null : { host: 'attic', time: version }
  return { name, version, writer, deleted: true }
}

/** Begins a watch with what is set, as the daemon does. */
function begin(daemon: FakeDaemon, heard: Heard, ...initial: readonly object[]): FakeConnection {
  const { connection } = heard
  daemon.answer(heard, { watch: 1 })
  for (const each of initial) {
    connection.notify('change', { ...each, watches: [1], initial: true })
  }
  connection.notify('current', { watch: 1 })
  return connection
}

function tell(connection: FakeConnection, change: object): void {
  connection.notify('change', { ...change, watches: [1] })
}

async function take(watch: Watch): Promise<Change> {
  const { value } = await watch.next()
  if (value === undefined) throw new Error('the watch has ended')
  return value
}

async function versions(watch: Watch, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const { name, version, skipped, deleted } = await take(watch)
    taken.push(
      [name, version, deleted && 'unset', skipped && `+${skipped}`].filter(Boolean).join(' '),
    )
  }
  return taken
}

test('a watch tells of changes, not of what was there, unless it is asked to', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('speed')
  const heard = await daemon.next('watch')
  t.deepEqual(heard.params, { name: 'speed', initial: true })
  const connection = begin(daemon, heard, entry('speed', 3))
  await watch.ready
  tell(connection, entry('speed', 4))
  tell(connection, unset('speed', 5))
  t.deepEqual(await take(watch), {
    name: 'speed',
    value: 'v4',
    version: 4,
    writer: { host: 'attic', time: 4 },
  })
  t.deepEqual(await take(watch), {
    name: 'speed',
    value: undefined,
    version: 5,
    writer: { host: 'attic', time: 5 },
    deleted: true,
  })
  const initial = client.watch('speed', { initial: true })
  begin(daemon, await daemon.next('watch'), unset('speed', 0))
  t.like(await take(initial), { version: 0, deleted: true, writer: undefined })
})

test('a prefix is asked for as one, and a change before its beginning is told is a change', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('light/')
  const heard = await daemon.next('watch')
  t.deepEqual(heard.params, { prefix: 'light/', initial: true })
  const { connection } = heard
  daemon.answer(heard, { watch: 1 })
  connection.notify('change', { ...entry('light/a', 1), watches: [1], initial: true })
  tell(connection, entry('light/b', 2))
  tell(connection, entry('light/a', 2))
  t.deepEqual(await versions(watch, 2), ['light/b 2', 'light/a 2'])
  const all = client.watch('')
  t.deepEqual((await daemon.next('watch')).params, { prefix: '', initial: true })
  await all.return()
})

test('since tells what is newer than that at once, and nothing else', async t => {
  const { daemon, client } = await pair(t)
  const newer = client.watch('speed', { since: 3 })
  begin(daemon, await daemon.next('watch'), entry('speed', 5))
  t.deepEqual(await versions(newer, 1), ['speed 5 +1'])
  const same = client.watch('speed', { since: 5, initial: true })
  const connection = begin(daemon, await daemon.next('watch'), entry('speed', 5))
  tell(connection, entry('speed', 6))
  t.deepEqual(await versions(same, 1), ['speed 6'])
})

test('a watch begins anew when the daemon was restarted, and tells what is new', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('light/')
  const first = begin(
    daemon,
    await daemon.next('watch'),
    ...['a', 'b', 'c', 'd'].map(name => entry(`light/${name}`, 5)),
  )
  tell(first, entry('light/a', 6))
  t.deepEqual(await versions(watch, 1), ['light/a 6'])
  await daemon.kill()
  const next = take(watch)
  await delay(300)
  await daemon.listen()
  // a is as it was, b has changed, c is older than we know, d was unset, e is new.
  const second = begin(
    daemon,
    await daemon.next('watch'),
    entry('light/a', 6),
    entry('light/b', 9),
    entry('light/c', 4),
    entry('light/e', 1),
  )
  t.like(await next, { name: 'light/b', version: 9, skipped: 3 })
  t.deepEqual(await versions(watch, 1), ['light/e 1'])
  const asked = await daemon.next('get')
  t.deepEqual(asked.params, { name: 'light/d', local: true })
  daemon.answer(asked, { ...unset('light/d', 6), majority: true })
  t.deepEqual(await versions(watch, 1), ['light/d 6 unset'])
  tell(second, entry('light/c', 5))
  tell(second, entry('light/c', 6))
  t.deepEqual(await versions(watch, 1), ['light/c 6'])
})

test('what a watch was told of before it was cut off in its beginning is no news later', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('a/')
  const { connection, ...heard } = await daemon.next('watch')
  daemon.answer({ ...heard, connection }, { watch: 1 })
  connection.notify('change', { ...entry('a/1', 1), watches: [1], initial: true })
  await watch.ready
  connection.socket.end()
  const again = begin(daemon, await daemon.next('watch'), entry('a/1', 1), entry('a/2', 1))
  tell(again, entry('a/2', 2))
  t.deepEqual(await versions(watch, 1), ['a/2 2'])
})

test('while the daemon is away it is looked for in growing pauses, for as long as it takes', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('speed')
  begin(daemon, await daemon.next('watch'), entry('speed', 1))
  await watch.ready
  await daemon.kill()
  const before = process.cpuUsage().user
  // The next pause would be 3.2 seconds.
  await delay(3300)
  t.true(process.cpuUsage().user - before < 1_000_000)
  await daemon.listen()
  const started = performance.now()
  begin(daemon, await daemon.next('watch'), entry('speed', 2))
  t.deepEqual(await versions(watch, 1), ['speed 2'])
  t.true(performance.now() - started < 2600)
})

test('a daemon that has no room is asked again; what makes it useless to go on is an error', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('speed', { initial: true })
  daemon.refuse(await daemon.next('watch'), 'leaving', 'it stops')
  daemon.refuse(await daemon.next('watch'), 'busy', 'later')
  begin(daemon, await daemon.next('watch'), entry('speed', 1))
  t.deepEqual(await versions(watch, 1), ['speed 1'])
  const useless = client.watch('speed')
  daemon.refuse(await daemon.next('watch'), 'methodNotFound', 'an old one')
  const error = await t.throwsAsync(useless.next(), { instanceOf: LamportError })
  t.is(error.code, 'methodNotFound')
  await t.throwsAsync(useless.ready, { instanceOf: LamportError })
  t.true((await useless.next()).done)
})

test('an abort ends the loop without an error, and its connection', async t => {
  const { daemon, client } = await pair(t)
  const controller = new AbortController()
  const watch = client.watch('speed', { signal: controller.signal, initial: true })
  const connection = begin(daemon, await daemon.next('watch'), entry('speed', 1))
  const taken: number[] = []
  for await (const { version } of watch) {
    taken.push(version)
    tell(connection, entry('speed', 2))
    controller.abort(new Error('enough'))
  }
  t.deepEqual(taken, [1])
  await connection.closed
  const late = client.watch('speed', { signal: controller.signal })
  t.true((await late.next()).done)
  await t.throwsAsync(late.ready)
})

test('an abort is heard while it waits for a change, for the daemon’s answer, or for the daemon', async t => {
  const { daemon, client } = await pair(t)
  const aborted = async (wait: (watch: Watch) => Promise<unknown>) => {
    const controller = new AbortController()
    const watch = client.watch('speed', { signal: controller.signal })
    await wait(watch)
    const next = watch.next()
    const started = performance.now()
    controller.abort()
    t.true((await next).done)
    await watch.return()
    t.true(performance.now() - started < 1500)
  }
  await aborted(async watch => {
    begin(daemon, await daemon.next('watch'))
    await watch.ready
  })
  await aborted(() => daemon.next('watch'))
  await aborted(async () => {
    const heard = await daemon.next('watch')
    await daemon.kill()
    await heard.connection.closed
    await delay(500)
  })
})

test('breaking the loop ends the watch, and so does closing the client', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('speed', { initial: true })
  const connection = begin(daemon, await daemon.next('watch'), entry('speed', 1))
  for await (const { version } of watch) if (version === 1) break
  await connection.closed
  t.true((await watch.next()).done)
  const other = client.watch('speed')
  const second = begin(daemon, await daemon.next('watch'))
  await other.ready
  const next = other.next()
  await client.close()
  t.true((await next).done)
  await second.closed
})

test('who takes slowly gets all at first, then the newest of each name and how many are missing', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('a/')
  const connection = begin(daemon, await daemon.next('watch'))
  await watch.ready
  for (let version = 1; version <= 500; version += 1) {
    tell(connection, entry('a/1', version))
    tell(connection, entry('a/2', version))
  }
  tell(connection, entry('a/3', 1))
  const asked = client.get('a/1')
  daemon.answer(await daemon.next('get'), entry('a/1', 500))
  await asked
  await delay(200)
  const last = { 'a/1': 0, 'a/2': 0, 'a/3': 0 }
  let count = 0
  while (last['a/1'] < 500 || last['a/2'] < 500 || last['a/3'] < 1) {
    const { name, version, skipped = 0 } = await take(watch)
    const key = name as keyof typeof last
    t.is(version, last[key] + 1 + skipped)
    last[key] = version
    count += 1
    if (count <= 60) t.is(skipped, 0)
  }
  t.is(count, 65)
})

test('what the daemon left out is counted too', async t => {
  const { daemon, client } = await pair(t)
  const watch = client.watch('a')
  const connection = begin(daemon, await daemon.next('watch'), entry('a', 3))
  tell(connection, { ...entry('a', 9), skipped: 5 })
  t.deepEqual(await versions(watch, 1), ['a 9 +5'])
})
