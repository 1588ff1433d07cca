import test from 'ava'
import { ErrorCode } from '../../src/control/protocol.ts'
import type { Session } from '../../src/daemon/sessions.ts'
import { Watches } from '../../src/daemon/watches.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import type { Answer } from '../helpers/daemon-client.ts'
import { until } from '../helpers/daemon-folder.ts'
import { startServer as start } from '../helpers/daemon-server.ts'

type Told = {
  readonly watches: readonly number[]
  readonly name: string
  readonly version: number
  readonly initial?: true
  readonly skipped?: number
}

function told({ params }: Answer): Told {
  return params as unknown as Told
}

const BIG = 'x'.repeat(60_000)

test('a change is told once to each connection that watches its name or a prefix of it', async t => {
  const { path, node } = await start(t)
  const [one, two] = [await RawClient.greeted(path), await RawClient.greeted(path)]
  t.deepEqual((await one.call(1, 'watch', { name: 'light/a' })).result, { watch: 1 })
  t.deepEqual((await one.call(2, 'watch', { prefix: 'light/' })).result, { watch: 2 })
  t.deepEqual((await one.call(3, 'watch', { name: 'light/a' })).result, { watch: 3 })
  t.deepEqual((await two.call(1, 'watch', { prefix: '' })).result, { watch: 1 })
  node.learn('light/a', 'on')
  node.learn('light', 'dim')
  node.learn('light/b', undefined)
  const { method, params } = await one.next()
  t.is(method, 'change')
  t.deepEqual(params, {
    watches: [1, 3, 2],
    name: 'light/a',
    value: 'on',
    version: 1,
    writer: { host: 'attic', time: 101 },
  })
  t.like((await one.next()).params, { watches: [2], name: 'light/b', deleted: true })
  t.deepEqual(await one.rest(), [])
  t.deepEqual(
    (await two.rest()).map(answer => told(answer).name),
    ['light/a', 'light', 'light/b'],
  )
})

test('what is not watched any more is not told; what never was is an error', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  await client.call(1, 'watch', { name: 'a' })
  await client.call(2, 'watch', { name: 'a' })
  t.deepEqual((await client.call(3, 'unwatch', { watch: 1 })).result, {})
  node.learn('a', '1')
  t.deepEqual(told(await client.next()).watches, [2])
  t.deepEqual((await client.call(4, 'unwatch', { watch: 2 })).result, {})
  node.learn('a', '2')
  t.deepEqual(await client.rest(), [])
  const { error } = await client.call(5, 'unwatch', { watch: 2 })
  t.is(error?.code, ErrorCode.invalidParams)
  const other = await RawClient.greeted(path)
  t.is((await other.call(1, 'unwatch', { watch: 1 })).error?.code, ErrorCode.invalidParams)
})

test('initial tells first how it is, then that this was all', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  node.learn('a/2', 'x')
  node.learn('a/1', 'x')
  node.learn('b', 'x')
  node.learn('a/gone', 'x')
  node.learn('a/gone', undefined)
  t.deepEqual((await client.call(1, 'watch', { prefix: 'a/', initial: true })).result, { watch: 1 })
  const seen = [await client.next(), await client.next(), await client.next()]
  t.deepEqual(
    seen.slice(0, 2).map(answer => [told(answer).name, told(answer).initial]),
    [
      ['a/1', true],
      ['a/2', true],
    ],
  )
  t.deepEqual([seen[2]?.method, seen[2]?.params], ['current', { watch: 1 }])
  t.deepEqual((await client.call(2, 'watch', { name: 'none', initial: true })).result, { watch: 2 })
  t.deepEqual((await client.next()).params, {
    watches: [2],
    initial: true,
    name: 'none',
    deleted: true,
    version: 0,
    writer: null,
  })
  t.is((await client.next()).method, 'current')
  node.learn('a/1', 'y')
  const change = told(await client.next())
  t.deepEqual([change.watches, change.version, change.initial], [[1], 2, undefined])
})

test('a connection has so many watches and no more', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  for (let id = 1; id <= 1000; id += 1) client.ask(id, 'watch', { name: `n${id}` })
  for (let id = 1; id <= 1000; id += 1) t.truthy((await client.next()).result)
  t.is((await client.call(1001, 'watch', { prefix: '' })).error?.code, ErrorCode.limit)
  t.truthy((await client.call(1002, 'unwatch', { watch: 500 })).result)
  t.truthy((await client.call(1003, 'watch', { prefix: '' })).result)
})

test('who does not read is told of the newest later, and of how many were left out', async t => {
  const { path, node } = await start(t)
  const slow = await RawClient.greeted(path)
  const token = await slow.acquire('door')
  await slow.call(1, 'watch', { prefix: '' })
  await slow.call(2, 'watch', { name: 'a' })
  const fast = await RawClient.greeted(path)
  await fast.call(1, 'watch', { name: 'b' })
  slow.socket.pause()
  // 60 MB that nobody keeps.
  for (let round = 1; round <= 500; round += 1) {
    for (const name of ['a', 'b']) node.learn(name, BIG)
    if (round % 50 === 0) {
      while (told(await fast.next()).version < round);
    }
  }
  node.learn('c', 'x')
  t.deepEqual(node.held, ['door'])
  slow.socket.resume()
  const versions = { a: 0, b: 0, c: 0 }
  let lines = 0
  while (versions.a < 500 || versions.b < 500 || versions.c < 1) {
    const { name, version, skipped = 0 } = told(await slow.next())
    lines += 1
    const key = name as keyof typeof versions
    t.is(version, versions[key] + 1 + skipped, 'each is told, or counted')
    versions[key] = version
  }
  t.true(lines < 50, `${lines}`)
  t.deepEqual((await slow.call(3, 'release', { token })).result, {})
})

test('a watch that begins while its connection does not read is told of later changes alone', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  await client.call(1, 'watch', { name: 'a' })
  client.socket.pause()
  for (let round = 0; round < 40; round += 1) node.learn('a', BIG)
  client.ask(2, 'watch', { name: 'a' })
  const other = await RawClient.greeted(path)
  // Until it has been read that the first one wants a second watch.
  for (let turn = 0; turn < 20; turn += 1) await other.call(turn, 'locks', { name: 'x' })
  client.socket.resume()
  const changes: Told[] = []
  while (changes.at(-1)?.version !== 40) {
    const answer = await client.next()
    if (answer.method === 'change') changes.push(told(answer))
  }
  t.true(changes.every(({ watches }) => watches.join() === '1'))
  node.learn('a', 'y')
  const { watches, version } = told((await client.rest()).at(-1)!)
  t.deepEqual([watches, version], [[1, 2], 41])
})

test('a long beginning is told in turns, and a change meanwhile only once', async t => {
  const { path, node } = await start(t)
  const names = Array.from({ length: 40 }, (_, index) => `n${String(index).padStart(2, '0')}`)
  for (const name of names) node.learn(name, BIG)
  const client = await RawClient.greeted(path)
  t.truthy((await client.call(1, 'watch', { prefix: 'n', initial: true })).result)
  client.socket.pause()
  node.learn('n39', 'new')
  node.learn('n38', undefined)
  node.learn('n99', 'late')
  client.socket.resume()
  const heard: string[] = []
  for (let next = await client.next(); next.method !== 'current'; next = await client.next()) {
    const { name, version, initial = false } = told(next)
    heard.push(`${name} ${version} ${initial}`)
  }
  const changes = ['n38 2 false', 'n39 2 false', 'n99 1 false']
  t.deepEqual(heard.sort(), [...names.slice(0, 38).map(name => `${name} 1 true`), ...changes])
})

test('a long beginning leaves others their turn, however fast it is read', async t => {
  const bytes = new Uint8Array(60_000).fill(0x78)
  const all = Array.from({ length: 40 }, (_, index) => ({
    name: `n${String(index).padStart(2, '0')}`,
    bytes,
    version: 1,
    writer: { host: 1, time: 1 },
  }))
  const watches = new Watches([], { variable: () => all[0]!, variables: () => all })
  const lines: string[] = []
  const connection = {
    unreadBytes: 0,
    result: () => undefined,
    write: (line: string) => lines.push(line),
  }
  const session = { connection, watched: 0 } as unknown as Session
  watches.watch(session, 1, { type: 'prefix', prefix: 'n' }, true)
  t.true(lines.length > 0 && lines.length < 10, `${lines.length} lines at once`)
  await until(() => lines.length === 41)
  watches.watch(session, 2, { type: 'prefix', prefix: 'n' }, true)
  const before = lines.length
  watches.close(session)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.is(lines.length, before, 'nothing is told to a connection that has closed')
})

test('a connection that watches is no anchor', async t => {
  const { path } = await start(t)
  const [owner, watcher] = [await RawClient.greeted(path), await RawClient.greeted(path)]
  const token = await owner.acquire('door')
  await watcher.call(1, 'watch', { name: 'a' })
  const { error } = await watcher.call(2, 'anchor', { token })
  t.is(error?.code, ErrorCode.invalidRequest)
  await watcher.call(3, 'unwatch', { watch: 1 })
  t.truthy((await watcher.call(4, 'anchor', { token })).result)
})

test('a watcher that closes is forgotten', async t => {
  const { path, node } = await start(t)
  for (let index = 0; index < 40; index += 1) node.learn(`n${index}`, BIG)
  const client = await RawClient.greeted(path)
  client.ask(1, 'watch', { prefix: '', initial: true })
  await client.next()
  client.close()
  const other = await RawClient.greeted(path)
  await other.call(1, 'watch', { name: 'n1' })
  const connections = async (): Promise<unknown> =>
    ((await other.call(2, 'status')).result as { connections: number }).connections
  while ((await connections()) !== 1);
  node.learn('n1', 'y')
  t.deepEqual(told(await other.next()).watches, [1])
})
