import test, { type ExecutionContext } from 'ava'
import { connect, type Watch } from '../../src/client/client.ts'
import { startServer } from '../helpers/daemon-server.ts'

async function started(t: ExecutionContext) {
  t.timeout(30_000)
  const { path, node, server } = await startServer(t)
  const client = await connect({ socket: path })
  t.teardown(() => client.close())
  return { path, node, server, client }
}

async function take(watch: Watch): Promise<string> {
  const { value } = await watch.next()
  return `${value?.name} ${value?.version} ${String(value?.value)}`
}

test('the client and the control socket understand each other', async t => {
  const { node, client } = await started(t)
  const writer = { host: 'attic', time: 101 }
  const speed = { name: 'speed', value: '12', version: 1, writer }
  t.deepEqual(await client.set('speed', '12', { create: true }), speed)
  t.deepEqual(await client.get('speed'), speed)
  t.deepEqual(await client.get('speed', { local: true }), { ...speed, majority: true })
  const bytes = new Uint8Array([0xff, 0])
  t.deepEqual((await client.set('speed', bytes, { ifVersion: 1 })).value, bytes)
  const differs = await t.throwsAsync(client.set('speed', '', { ifVersion: 1 }))
  t.like(differs, { code: 'versionDiffers', current: { version: 2, value: bytes } })
  t.like(await client.unset('speed'), { version: 3, value: undefined })
  const long = '\0'.repeat(65_536)
  const names = Array.from({ length: 9 }, (_, index) => `long/${index}`)
  for (const name of names) node.learn(name, long)
  const listed: string[] = []
  for await (const { name, value, size } of client.vars('long/', { values: true })) {
    listed.push(name)
    t.true(value === long && size === 65_536)
  }
  t.deepEqual(listed, names)
  node.past.set('speed', [{ version: 3, writer: { host: 1, time: 2 }, size: undefined, bytes }])
  t.like((await client.history('speed'))[0], { version: 3, deleted: true })
  t.like((await client.status()).variables, { count: 3, bytes: 120, complete: false })
})

test('a watch goes on over a restart of the daemon, and misses nothing that is left', async t => {
  const { path, node, server, client } = await started(t)
  for (const name of ['a/1', 'a/2', 'a/3', 'b']) node.learn(name, 'old')
  const [watch, all] = [client.watch('a/'), client.watch('', { initial: true })]
  await Promise.all([watch.ready, all.ready])
  node.learn('a/1', 'new')
  t.is(await take(watch), 'a/1 2 new')
  for (const expected of ['a/1', 'a/2', 'a/3', 'b']) t.regex(await take(all), new RegExp(expected))
  await server.close()
  const second = await startServer(t, {}, path)
  for (const [name, variable] of node.known) second.node.known.set(name, variable)
  second.node.learn('a/2', 'changed')
  second.node.learn('a/3', undefined)
  t.is(await take(watch), 'a/2 2 changed')
  t.is(await take(watch), 'a/3 2 undefined')
  second.node.learn('a/1', 'newer')
  t.is(await take(watch), 'a/1 3 newer')
})

test('a client that takes nothing while much changes is told of the last', async t => {
  const { node, client } = await started(t)
  const watch = client.watch('a')
  await watch.ready
  for (let round = 1; round <= 3000; round += 1) {
    node.learn('a', 'x'.repeat(20_000))
    if (round % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  let [version, told] = [0, 0]
  while (version < 3000) {
    const { value } = await watch.next()
    t.is(value?.version, version + 1 + (value?.skipped ?? 0))
    version = value?.version ?? 0
    told += 1
  }
  t.true(told < 200, `${told}`)
})
