import test from 'ava'
import { ErrorCode, LINE_BYTES_MAX } from '../../src/control/protocol.ts'
import type { HistoryResult, VarsResult } from '../../src/control/protocol.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { until } from '../helpers/daemon-folder.ts'
import type { StandInNode } from '../helpers/daemon-node.ts'
import { startServer as start } from '../helpers/daemon-server.ts'

function commands(node: StandInNode): number[] {
  return node.inputs.flatMap(input => (input.type === 'command' ? [input.id] : []))
}

test('a variable is set, read and unset', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  const writer = { host: 'attic', time: 101 }
  const speed = { name: 'speed', value: '12', version: 1, writer }
  t.deepEqual((await client.call(1, 'get', { name: 'speed' })).result, {
    name: 'speed',
    deleted: true,
    version: 0,
    writer: null,
  })
  t.deepEqual((await client.call(2, 'set', { name: 'speed', value: '12' })).result, speed)
  t.deepEqual((await client.call(3, 'get', { name: 'speed' })).result, speed)
  const unset = await client.call(4, 'unset', { name: 'speed', ifVersion: 1 })
  t.deepEqual(unset.result, {
    name: 'speed',
    deleted: true,
    version: 2,
    writer: { host: 'attic', time: 102 },
  })
  const bytes = await client.call(5, 'set', { name: 'speed', value: { base64: '/wA=' } })
  t.deepEqual((bytes.result as { value: unknown }).value, { base64: '/wA=' })
})

test('a condition that does not hold says how the variable is', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  node.learn('speed', '12')
  const current = { name: 'speed', value: '12', version: 1, writer: { host: 'attic', time: 101 } }
  t.deepEqual((await client.call(1, 'set', { name: 'speed', value: '', ifVersion: 7 })).error, {
    code: ErrorCode.versionDiffers,
    message: 'speed has the version 1 (read it again, and decide anew)',
    data: { current },
  })
  const created = await client.call(2, 'set', { name: 'speed', value: '', create: true })
  t.deepEqual(created.error?.data, { current })
  const never = await client.call(3, 'unset', { name: 'none', ifVersion: 1 })
  t.is(never.error?.message, 'none was never set (read it again, and decide anew)')
  node.learn('speed', undefined)
  const gone = await client.call(4, 'set', { name: 'speed', value: '', ifVersion: 1 })
  t.regex(gone.error?.message ?? '', /^speed is not set, and its version is 2 /)
})

test('what is not done, or perhaps, has its code and its effect', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  node.answers = false
  const codes = {
    'no-majority': ErrorCode.noMajority,
    limit: ErrorCode.limit,
    busy: ErrorCode.busy,
    leaving: ErrorCode.leaving,
  } as const
  for (const reason of Object.keys(codes) as (keyof typeof codes)[]) {
    for (const [method, params] of [
      ['get', { name: 'a' }],
      ['set', { name: 'a', value: '1' }],
    ] as const) {
      const before = commands(node).length
      client.ask(reason, method, params)
      await until(() => commands(node).length > before)
      node.respond(commands(node).at(-1)!, { type: 'refused', reason, detail: 'why not' })
      const { error } = await client.next()
      t.is(error?.code, codes[reason])
      t.deepEqual(error?.data, reason === 'no-majority' ? { effect: 'none' } : undefined)
      if (reason !== 'leaving') t.regex(error?.message ?? '', /: why not$/)
    }
  }
  const before = commands(node).length
  client.ask(1, 'set', { name: 'a', value: '1' })
  await until(() => commands(node).length > before)
  const seen = { name: 'a', bytes: undefined, version: 0, writer: undefined }
  node.respond(commands(node).at(-1)!, { type: 'uncertain', detail: 'time is up', seen })
  t.deepEqual((await client.next()).error, {
    code: ErrorCode.noMajority,
    message:
      'the change may still take effect: time is up ' +
      '(look at the variable again before the change is repeated)',
    data: {
      effect: 'unknown',
      seen: { name: 'a', deleted: true, version: 0, writer: null },
    },
  })
})

test('a local get asks nobody, and says whether a majority is heard', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  node.answers = false
  node.learn('speed', '12')
  t.deepEqual((await client.call(1, 'get', { name: 'speed', local: true })).result, {
    name: 'speed',
    value: '12',
    version: 1,
    writer: { host: 'attic', time: 101 },
    majority: true,
  })
  node.majority = false
  const heard = async (): Promise<unknown> =>
    ((await client.call(1, 'get', { name: 'x', local: true })).result as { majority: unknown })
      .majority
  while ((await heard()) === true);
  t.deepEqual(node.inputs, [])
})

test('gets and changes under way count as requests of their connection', async t => {
  const { path, node } = await start(t, { requestsMax: 3 })
  const client = await RawClient.greeted(path)
  await client.acquire('door')
  node.answers = false
  client.ask(1, 'get', { name: 'a' })
  client.ask(2, 'set', { name: 'a', value: '1' })
  t.is((await client.call(3, 'unset', { name: 'a' })).error?.code, ErrorCode.limit)
  t.is((await client.call(4, 'get', { name: 'a' })).error?.code, ErrorCode.limit)
  const lock = await client.call(5, 'acquire', { names: ['gate'], limit: 1 })
  t.is(lock.error?.code, ErrorCode.limit)
  t.truthy((await client.call(6, 'get', { name: 'a', local: true })).result)
  const [, get = 0, set = 0] = commands(node)
  node.respond(get, { type: 'value', variable: node.variable('a') })
  node.respond(set, { type: 'refused', reason: 'busy', detail: '' })
  t.deepEqual([(await client.next()).id, (await client.next()).id], [1, 2])
  client.ask(7, 'get', { name: 'a' })
  client.ask(8, 'get', { name: 'a' })
  t.is((await client.call(9, 'get', { name: 'a' })).id, 9)
})

test('a client that dies takes back nothing of its change, and its answer goes nowhere', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  node.answers = false
  client.ask(1, 'set', { name: 'a', value: '1' })
  await until(() => node.inputs.length === 1)
  client.close()
  const other = await RawClient.greeted(path)
  const connections = async (): Promise<unknown> =>
    ((await other.call(1, 'status')).result as { connections: number }).connections
  while ((await connections()) !== 1);
  node.respond(commands(node)[0]!, { type: 'changed', variable: node.variable('a') })
  t.is(node.inputs.length, 1)
  t.truthy((await other.call(2, 'status')).result)
})

async function pages(client: RawClient, params: object): Promise<VarsResult[]> {
  const found: VarsResult[] = []
  for (let next: string | null | undefined; next !== null; next = found.at(-1)!.next) {
    const after = next === undefined ? {} : { after: next }
    const { result } = await client.call(1, 'vars', { ...params, ...after })
    found.push(result as VarsResult)
  }
  return found
}

test('vars lists what is set by name, in pages that each fit into a line', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const names = Array.from({ length: 12 }, (_, index) => `light/${index}`).sort()
  // As text every byte would be six.
  for (const name of names) node.learn(name, '\0'.repeat(65_536))
  node.learn('light', 'a')
  node.learn('lights', 'b')
  node.learn('gone', 'c')
  node.learn('gone', undefined)
  const all = await pages(client, { prefix: 'light/', values: true })
  t.true(all.length > 2)
  for (const page of all) t.true(JSON.stringify(page).length < LINE_BYTES_MAX / 2)
  const listed = all.flatMap(({ variables }) => variables)
  t.deepEqual(
    listed.map(({ name }) => name),
    names,
  )
  t.true(listed.every(({ size, value }) => size === 65_536 && value !== undefined))
  const [whole, ...others] = await pages(client, {})
  t.deepEqual(others, [])
  t.deepEqual(
    whole?.variables.map(({ name }) => name),
    ['light', ...names, 'lights'],
  )
  t.deepEqual(whole?.variables[0], {
    name: 'light',
    version: 1,
    writer: { host: 'attic', time: 101 },
    size: 1,
  })
  t.deepEqual(await pages(client, { prefix: 'x' }), [{ variables: [], next: null }])
  t.deepEqual((await client.call(1, 'vars', { prefix: 'light/', after: 'zoo' })).result, {
    variables: [],
    next: null,
  })
})

test('history has the newest first, and leaves out old values where a line would be too long', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const name = '"'.repeat(255)
  const writer = { host: 1, time: 7 }
  const long = Array.from({ length: 1000 }, (_, index) => {
    // JSON makes the most of this that is still text.
    const bytes = new TextEncoder().encode('"""""""\0'.repeat(8192))
    return { version: 2000 - index, writer, size: bytes.length, bytes }
  })
  node.past.set(name, long)
  const { result, error } = await client.call(1, 'history', { name })
  t.is(error, undefined)
  const versions = result as HistoryResult
  t.deepEqual(
    versions.slice(0, 6).map(({ version, value, size }) => [version, value !== undefined, size]),
    [2000, 1999, 1998, 1997, 1996, 1995].map((version, index) => [version, index < 4, 65_536]),
  )
  t.true(versions.length < 1000)
  node.past.set('speed', [
    { version: 3, writer, size: 2, bytes: new TextEncoder().encode('12') },
    { version: 2, writer, size: undefined, bytes: undefined },
    { version: 1, writer, size: 4, bytes: undefined },
  ])
  const by = { host: 'kitchen', time: 7 }
  t.deepEqual((await client.call(2, 'history', { name: 'speed' })).result, [
    { name: 'speed', value: '12', size: 2, version: 3, writer: by },
    { name: 'speed', deleted: true, version: 2, writer: by },
    { name: 'speed', size: 4, version: 1, writer: by },
  ])
  t.deepEqual((await client.call(3, 'history', { name: 'none' })).result, [])
})
