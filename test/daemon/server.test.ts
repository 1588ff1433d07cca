import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import test from 'ava'
import { adminSocketPath } from '../../src/control/paths.ts'
import { ErrorCode, LINE_BYTES_MAX } from '../../src/control/protocol.ts'
import { MESSAGE_TYPES } from '../../src/core/message.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { until } from '../helpers/daemon-folder.ts'
import { startServer as start } from '../helpers/daemon-server.ts'

test('the first line greets, and the socket is for its owner and group', async t => {
  const { path } = await start(t)
  const client = await RawClient.open(path)
  t.deepEqual(await client.next(), {
    jsonrpc: '2.0',
    method: 'hello',
    params: { protocol: 1, version: '1.2.3', host: { id: 2, name: 'garage' } },
  } as object)
  t.is(statSync(path).mode & 0o777, 0o660)
})

test('a lock is granted, waited for, and passed on when it is released', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  const two = await RawClient.greeted(path)
  const answer = await one.call(1, 'acquire', { names: ['door'], limit: 1, why: 'painting' })
  t.deepEqual(answer.result, { token: 1024, until: null, leaseMs: null })
  const queued = await two.call('a', 'acquire', { names: ['door'], limit: 1 })
  t.deepEqual([queued.method, queued.params], ['queued', { id: 'a', position: 1 }])
  t.truthy((await one.call(2, 'release', { token: 1024 })).result)
  t.deepEqual(await two.next().then(next => [next.id, next.result]), [
    'a',
    { token: 2048, until: null, leaseMs: null },
  ])
  t.deepEqual(node.held, ['door'])
})

test('who does not want to know how many precede is not told', async t => {
  const { path } = await start(t)
  const one = await RawClient.greeted(path)
  const two = await RawClient.greeted(path)
  const token = await one.acquire('door')
  two.ask('a', 'acquire', { names: ['door'], limit: 1, positions: false })
  t.deepEqual((await two.rest()).length, 0)
  one.ask(2, 'release', { token })
  t.is((await two.next()).id, 'a')
})

test('until is told where there is a lease', async t => {
  const { path, node } = await start(t)
  const one = await RawClient.greeted(path)
  await one.acquire('door')
  one.ask(5, 'acquire', { names: ['door'], limit: 1 })
  await one.next()
  const command = node.inputs.at(-1)
  const id = command?.type === 'command' ? command.id : -1
  const until = 123_456.5 as never
  node.respond(id, { type: 'granted', token: 9, until })
  t.deepEqual((await one.next()).result, { token: 9, until: 123_456.5, leaseMs: 50 })
})

test('what is not a request gets an error, and changes nothing', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const { parse, invalidRequest, methodNotFound, invalidParams } = ErrorCode
  const lines: readonly (readonly [string, number, unknown, string])[] = [
    ['garbage', parse, null, 'this line is not JSON (write one request a line)'],
    ['', parse, null, 'this line is not JSON (write one request a line)'],
    ['[]', invalidRequest, null, 'a batch is not taken (write one request a line)'],
    [
      '[{"jsonrpc":"2.0","id":1,"method":"status"}]',
      invalidRequest,
      null,
      'a batch is not taken (write one request a line)',
    ],
    ['7', invalidRequest, null, 'a request is an object'],
    ['null', invalidRequest, null, 'a request is an object'],
    [
      '{"jsonrpc":"2.0","method":"status"}',
      invalidRequest,
      null,
      'id is missing or wrong (write a number or a short text)',
    ],
    ['{"id":1,"method":"status"}', invalidRequest, 1, 'not JSON-RPC 2.0 (write "jsonrpc": "2.0")'],
    ['{"jsonrpc":"2.0","id":1}', invalidRequest, 1, 'method is missing (write a text)'],
    [
      '{"jsonrpc":"2.0","id":"x","method":"aquire"}',
      methodNotFound,
      'x',
      'unknown method "aquire" (write acquire)',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"__proto__"}',
      methodNotFound,
      1,
      'unknown method "__proto__" (there are status, metrics, doctor, locks, why, found, acquire, release, anchor, cancel, trace, ' +
        'get, set, unset, vars, history, watch, unwatch)',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"method":"status","params":[1]}',
      invalidParams,
      1,
      'params is not an object (write them by name)',
    ],
  ]
  for (const [line, code, id, message] of lines) {
    client.write(line + '\n')
    const answer = await client.next()
    t.is(answer.id, id, line)
    t.deepEqual(answer.error, { code, message })
  }
  client.socket.write(Buffer.from([0x22, 0xff, 0x22, 0x0a]))
  t.deepEqual((await client.next()).error?.message, 'this line is not UTF-8 (write JSON in UTF-8)')
  t.deepEqual(node.inputs, [])
})

test('a line that is too long ends its connection only, after an error', async t => {
  const { path } = await start(t)
  const other = await RawClient.greeted(path)
  const client = await RawClient.greeted(path)
  client.write('x'.repeat(3 * LINE_BYTES_MAX) + '\n')
  client.ask(1, 'status')
  const answers = await client.untilClosed()
  t.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [[null, ErrorCode.invalidRequest]],
  )
  t.regex(answers[0]?.error?.message ?? '', /^this line has more than 1048576 bytes/)
  t.truthy((await other.call(1, 'status')).result)
})

test('releasing what one does not hold is refused, and the holder keeps it', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const thief = await RawClient.greeted(path)
  const token = await holder.acquire('door')
  t.deepEqual((await thief.call(1, 'release', { token })).error, {
    code: ErrorCode.notHeld,
    message: 'this connection does not hold that lock (it may have been lost or released)',
  })
  t.deepEqual(node.held, ['door'])
  t.truthy((await holder.call(1, 'release', { token })).result)
  t.is((await holder.call(2, 'release', { token })).error?.code, ErrorCode.notHeld)
})

test('refusals of the node have their codes', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  await client.acquire('door')
  const tried = await client.call(1, 'acquire', { names: ['door'], limit: 1, waitMs: 0 })
  t.is(tried.error?.code, ErrorCode.notAcquired)
  const codes = {
    'no-majority': ErrorCode.noMajority,
    busy: ErrorCode.busy,
    limit: ErrorCode.limit,
    leaving: ErrorCode.leaving,
    'not-held': ErrorCode.notHeld,
  } as const
  for (const reason of Object.keys(codes) as (keyof typeof codes)[]) {
    client.ask(reason, 'acquire', { names: ['door'], limit: 1 })
    t.is((await client.next()).method, 'queued')
    const command = node.inputs.at(-1)
    const id = command?.type === 'command' ? command.id : -1
    node.respond(id, { type: 'refused', reason, detail: 'no answer from attic' })
    const { error } = await client.next()
    t.is(error?.code, codes[reason])
    if (reason === 'no-majority') t.deepEqual(error?.data, { effect: 'none' })
    if (reason !== 'leaving') t.regex(error?.message ?? '', /: no answer from attic$/)
  }
})

test('a client that dies holds nothing and waits for nothing any more', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const second = await RawClient.greeted(path)
  const third = await RawClient.greeted(path)
  await holder.acquire('door')
  second.ask(1, 'acquire', { names: ['door'], limit: 1 })
  await second.next()
  third.ask(1, 'acquire', { names: ['door'], limit: 1 })
  await third.next()
  second.close()
  await until(() => node.inputs.some(({ type }) => type === 'cancel'))
  holder.close()
  t.is(((await third.next()).result as { token: number }).token, 2048)
})

test('a client that has ended its side alone counts as gone, and still reads its answers', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.open(path)
  client.ask(1, 'status')
  client.ask(2, 'acquire', { names: ['door'], limit: 1 })
  client.socket.end()
  const answers = await client.untilClosed()
  t.deepEqual(
    answers.map(({ id, method }) => id ?? method),
    ['hello', 1, 2],
  )
  await until(() => node.held.length === 0)
  t.pass()
})

test('a grant for a connection that is gone is released at once', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const waiter = await RawClient.greeted(path)
  await holder.acquire('door')
  waiter.ask(1, 'acquire', { names: ['door'], limit: 3 })
  await waiter.next()
  node.grantsBeforeCancels = true
  waiter.close()
  await until(() => node.inputs.some(({ type }) => type === 'cancel'))
  t.deepEqual(node.tokens, [1024])
})

test('a waiting request can be cancelled, and so can one that was granted', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const waiter = await RawClient.greeted(path)
  await holder.acquire('door')
  waiter.ask('w', 'acquire', { names: ['door'], limit: 1 })
  await waiter.next()
  waiter.ask('c', 'cancel', { id: 'w' })
  const [withdrawn, cancelled] = [await waiter.next(), await waiter.next()]
  t.deepEqual([withdrawn.id, withdrawn.error?.code], ['w', ErrorCode.notAcquired])
  t.deepEqual([cancelled.id, cancelled.result], ['c', { wasGranted: false }])
  t.deepEqual((await holder.call(1, 'cancel', { id: 'door' })).result, { wasGranted: true })
  t.deepEqual(node.held, [])
  t.deepEqual((await holder.call(2, 'cancel', { id: 'door' })).result, { wasGranted: false })
  t.is((await holder.call(3, 'release', { token: 1024 })).error?.code, ErrorCode.notHeld)
})

test('a cancel that crosses the grant releases it and says so', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const waiter = await RawClient.greeted(path)
  await holder.acquire('door')
  waiter.ask('w', 'acquire', { names: ['door'], limit: 2 })
  await waiter.next()
  node.grantsBeforeCancels = true
  waiter.ask('c', 'cancel', { id: 'w' })
  t.is((await waiter.next()).error?.code, ErrorCode.notAcquired)
  t.deepEqual((await waiter.next()).result, { wasGranted: true })
  t.deepEqual(node.tokens, [1024])
})

test('cancel reaches only requests of the same connection', async t => {
  const { path, node } = await start(t)
  const holder = await RawClient.greeted(path)
  const other = await RawClient.greeted(path)
  await holder.acquire('door')
  t.deepEqual((await other.call(1, 'cancel', { id: 'door' })).result, { wasGranted: false })
  t.deepEqual(node.held, ['door'])
})

test('an id that is under way cannot be used twice', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  await client.acquire('door')
  client.ask(1, 'acquire', { names: ['door'], limit: 1 })
  await client.next()
  const again = await client.call(1, 'acquire', { names: ['gate'], limit: 1 })
  t.is(again.error?.code, ErrorCode.invalidRequest)
  // A text is another id than the number.
  t.truthy((await client.call('1', 'acquire', { names: ['gate'], limit: 1 })).result)
})

test('an anchor keeps the lock of a client that is gone, until it closes too', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const anchor = await RawClient.greeted(path)
  const watcher = await RawClient.greeted(path)
  const token = await client.acquire('door')
  t.truthy((await anchor.call(1, 'anchor', { token })).result)
  const isUnattended = async (): Promise<unknown> => {
    const { result } = await watcher.call(1, 'locks', { name: 'door' })
    return (result as { holders: { unattended?: true }[] }[])[0]?.holders[0]?.unattended
  }
  t.is(await isUnattended(), undefined)
  client.close()
  while ((await isUnattended()) !== true) t.deepEqual(node.held, ['door'])
  anchor.close()
  await until(() => node.held.length === 0)
  t.pass()
})

test('a lock with two anchors ends with the last of them', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const anchors = [await RawClient.greeted(path), await RawClient.greeted(path)]
  const token = await client.acquire('door')
  for (const anchor of anchors) t.truthy((await anchor.call(1, 'anchor', { token })).result)
  anchors[0]?.close()
  client.close()
  const other = await RawClient.greeted(path)
  other.ask(1, 'acquire', { names: ['door'], limit: 1 })
  t.is((await other.next()).method, 'queued')
  t.deepEqual(node.tokens, [token])
  anchors[1]?.close()
  t.is(((await other.next()).result as { token: number }).token, 2048)
})

test('nothing is written to an anchor after its answer, and what it says is ignored', async t => {
  const { path, node, server } = await start(t)
  const client = await RawClient.greeted(path)
  const anchor = await RawClient.greeted(path)
  const token = await client.acquire('door')
  anchor.ask(1, 'anchor', { token })
  anchor.ask(2, 'release', { token })
  anchor.write('x'.repeat(2 * LINE_BYTES_MAX))
  t.is((await anchor.next()).id, 1)
  node.lose(token, 'the lease has ended')
  t.is((await client.next()).method, 'lost')
  await server.close()
  t.deepEqual(await anchor.untilClosed(), [])
})

test('the owner releases although an anchor is there, and the anchor’s end changes nothing', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const anchor = await RawClient.greeted(path)
  const token = await client.acquire('door')
  await anchor.call(1, 'anchor', { token })
  t.truthy((await client.call(1, 'release', { token })).result)
  t.deepEqual(node.held, [])
  const count = node.inputs.length
  anchor.close()
  t.truthy((await client.call(2, 'status')).result)
  t.is(node.inputs.length, count)
})

test('an anchor needs a lock that is held, and a connection of its own', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  t.is((await client.call(1, 'anchor', { token: 99 })).error?.code, ErrorCode.notHeld)
  const token = await client.acquire('door')
  t.is((await client.call(2, 'anchor', { token })).error?.code, ErrorCode.invalidRequest)
})

test('a lost lock is told once, and is not the client’s any more', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  const token = await client.acquire('door')
  node.lose(token, 'the lease has ended')
  node.lose(token, 'again')
  const lost = await client.next()
  t.deepEqual([lost.method, lost.params], ['lost', { token, reason: 'the lease has ended' }])
  t.is((await client.call(1, 'release', { token })).error?.code, ErrorCode.notHeld)
  client.close()
})

test('one connection too many is told so and closed, the others go on', async t => {
  const { path } = await start(t, { connectionsMax: 2 })
  const [first] = [await RawClient.greeted(path), await RawClient.greeted(path)]
  const third = await RawClient.open(path)
  t.deepEqual(
    (await third.untilClosed()).map(({ id, error }) => [id, error?.code]),
    [[null, ErrorCode.busy]],
  )
  t.truthy((await first.call(1, 'status')).result)
  first.close()
  await until(() => first.socket.closed)
  const next = await RawClient.open(path)
  t.is((await next.next()).method, 'hello')
})

test('a connection waits for and holds only so many locks', async t => {
  const { path } = await start(t, { requestsMax: 2 })
  const client = await RawClient.greeted(path)
  const token = await client.acquire('a')
  client.ask('b', 'acquire', { names: ['a'], limit: 1 })
  await client.next()
  const refused = await client.call('c', 'acquire', { names: ['c'], limit: 1 })
  t.is(refused.error?.code, ErrorCode.limit)
  t.truthy((await client.call('r', 'release', { token })).result)
  t.is((await client.next()).id, 'b')
})

test('a client that reads nothing is asked to wait, loses nothing, and keeps its lock', async t => {
  const { path, node } = await start(t)
  const slow = connect(path)
  await once(slow, 'connect')
  slow.pause()
  const request = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'locks' })
  const acquire = { jsonrpc: '2.0', id: 0, method: 'acquire', params: { names: ['x'], limit: 1 } }
  const big = JSON.stringify({ w: 'w'.repeat(400) })
  node.foreign = Array.from({ length: 100 }, (_, index) => ({
    name: `lock ${index}`,
    holders: [
      {
        host: 1,
        token: 5,
        limit: 1,
        info: big,
        since: milliseconds(1),
        position: 0,
        ghostFor: undefined,
      },
    ],
    waiters: [],
  }))
  slow.write(JSON.stringify(acquire) + '\n' + (request + '\n').repeat(500))
  await until(() => node.held.length === 1)
  const other = await RawClient.greeted(path)
  t.truthy((await other.call(1, 'status')).result)
  t.deepEqual(node.held, ['x'])
  // All 502 lines come when it reads.
  let lines = 0
  slow.on('data', bytes => (lines += bytes.toString('latin1').split('\n').length - 1))
  slow.resume()
  await until(() => lines === 502)
  slow.destroy()
})

test('an answer that is longer than a line may be is an error', async t => {
  const { path, node } = await start(t)
  const info = JSON.stringify({ w: 'w'.repeat(500) })
  node.foreign = Array.from({ length: 3000 }, (_, index) => ({
    name: `lock ${index}`,
    holders: [
      {
        host: 1,
        token: 5,
        limit: 1,
        info,
        since: milliseconds(1),
        position: 0,
        ghostFor: undefined,
      },
    ],
    waiters: [],
  }))
  const client = await RawClient.greeted(path)
  t.is((await client.call(1, 'locks')).error?.code, ErrorCode.limit)
  t.truthy((await client.call(1, 'locks', { name: 'lock 7' })).result)
})

test('locks names hosts and tells what clients said, whatever the bytes of others hold', async t => {
  const { path, node } = await start(t)
  const client = await RawClient.greeted(path)
  await client.call(1, 'acquire', {
    names: ['door'],
    limit: 1,
    pid: 77,
    user: 'pi',
    command: 'paint\n--fast',
    why: 'spring',
  })
  await client.call(2, 'acquire', { names: ['door'], limit: 0 })
  const base = { host: 10, token: 9, since: milliseconds(1.6), position: 0, ghostFor: undefined }
  node.foreign = [
    {
      name: 'gate',
      holders: [
        { ...base, limit: Infinity, info: 'not json' },
        { ...base, host: 77, limit: 3, info: '{"p":"x","u":5,"c":"a\\u001b[31m","w":null}' },
      ],
      waiters: [],
    },
  ]
  t.deepEqual((await client.call(3, 'locks')).result, [
    {
      name: 'door',
      holders: [
        {
          host: 'garage',
          hostId: 2,
          token: 1024,
          mode: 'exclusive',
          limit: 1,
          pid: 77,
          user: 'pi',
          command: 'paint --fast',
          why: 'spring',
          sinceMs: 5,
        },
      ],
      waiters: [
        {
          host: 'garage',
          hostId: 2,
          token: 10_000,
          mode: 'shared',
          limit: 0,
          sinceMs: 5,
          position: 1,
        },
      ],
    },
    {
      name: 'gate',
      holders: [
        { host: 'attic', hostId: 10, token: 9, mode: 'shared', limit: 0, sinceMs: 2 },
        {
          host: '77',
          hostId: 77,
          token: 9,
          mode: 'count',
          limit: 3,
          command: 'a [31m',
          sinceMs: 2,
        },
      ],
      waiters: [],
    },
  ])
  t.deepEqual((await client.call(4, 'locks', { name: 'none' })).result, [])
})

test('status tells of every host of the file, in the order of ids', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  const { uptimeMs, ...result } = (await client.call(1, 'status')).result as { uptimeMs: number }
  t.true(Number.isSafeInteger(uptimeMs) && uptimeMs >= 0)
  const messages = Object.fromEntries(MESSAGE_TYPES.map(type => [type, 0]))
  t.deepEqual(result, {
    host: { id: 2, name: 'garage' },
    cluster: 'demo',
    version: '1.2.3',
    keys: [],
    incarnation: 7,
    clock: 42,
    view: { number: 3, members: ['kitchen', 'garage'] },
    majority: true,
    leaseMs: 1900,
    complete: true,
    blank: null,
    grants: 0,
    connections: 1,
    variables: { count: 3, bytes: 120, complete: false },
    hosts: [
      {
        id: 1,
        name: 'kitchen',
        address: '127.0.0.1:7411',
        self: false,
        votes: 1,
        state: 'member',
        rttMs: 0.123,
        loss: 0.5,
        silentMs: 12.346,
        key: null,
        notice: null,
        version: null,
        differences: [],
      },
      {
        id: 2,
        name: 'garage',
        address: '127.0.0.1:7412',
        self: true,
        votes: 1,
        state: 'member',
        rttMs: null,
        loss: 0,
        silentMs: null,
        key: null,
        notice: null,
        version: '1.2.3',
        differences: [],
      },
      {
        id: 10,
        name: 'attic',
        address: 'attic.local:7413',
        self: false,
        votes: 1,
        state: 'silent',
        rttMs: null,
        loss: 0,
        silentMs: null,
        key: null,
        notice: null,
        version: null,
        differences: [],
      },
    ],
    notices: [],
    messages: { sent: messages, received: messages },
    datagrams: { sent: 1, received: 2, retransmitted: 3, dropped: { malformed: 4 } },
  })
})

test('leaving: no new client, and what the node says is passed on until it has left', async t => {
  const { path, node, server } = await start(t)
  const holder = await RawClient.greeted(path)
  const token = await holder.acquire('door')
  node.leaves = false
  const left = server.leave()
  t.is(node.inputs.at(-1)?.type, 'leave')
  node.tellLost(token, 'this host is leaving')
  t.is((await holder.next()).method, 'lost')
  await t.throwsAsync(RawClient.open(path))
  // The lock is the client's until it goes: only then may another have it.
  t.deepEqual(node.held, ['door'])
  holder.close()
  await until(() => node.held.length === 0)
  server.notify({ type: 'left' })
  await left
  await server.close()
})

test('a lock that is lost while nobody attends to its command is told to people, once', async t => {
  const warnings: string[] = []
  const { path, node } = await start(t, { warn: text => warnings.push(text) })
  const anchored = async (name: string): Promise<[RawClient, RawClient, number]> => {
    const [owner, anchor] = [await RawClient.greeted(path), await RawClient.greeted(path)]
    const token = await owner.acquire(name)
    await anchor.call(1, 'anchor', { token })
    return [owner, anchor, token]
  }
  const isUnattended = async (name: string): Promise<boolean> => {
    const { result } = await watcher.call(1, 'locks', { name })
    return JSON.stringify(result).includes('"unattended":true')
  }
  const watcher = await RawClient.greeted(path)
  const [attended, first, kept] = await anchored('attended')
  node.tellLost(kept, 'this host is leaving')
  t.is((await attended.next()).method, 'lost')
  t.deepEqual(warnings, [], 'its client was told')
  const [owner, second, token] = await anchored('door')
  owner.close()
  while (!(await isUnattended('door')));
  node.tellLost(token, 'this host is leaving')
  node.tellLost(token, 'this host is leaving')
  const advice = '(end the command: another host may enter within the lease)'
  const lost = 'is lost (this host is leaving) and its command runs on unattended'
  t.deepEqual(warnings, [`the lock door ${lost} ${advice}`])
  attended.close()
  t.deepEqual(node.held, ['attended', 'door'], 'the commands still have them')
  first.close()
  second.close()
  await until(() => node.held.length === 0)
})

test('a renewal is told once to each connection that holds something', async t => {
  const { path, server } = await start(t)
  const holder = await RawClient.greeted(path)
  const waiter = await RawClient.greeted(path)
  const token = await holder.acquire('door')
  await holder.acquire('gate')
  waiter.ask(1, 'acquire', { names: ['door'], limit: 1 })
  t.is((await waiter.next()).method, 'queued')
  server.notify({ type: 'lease', until: toInstant(1234.5) })
  const { method, params } = await holder.next()
  t.deepEqual([method, params?.token, params?.until], ['lease', token, 1234.5])
  t.is((await holder.call(9, 'locks', { name: 'none' })).id, 9)
  t.is((await waiter.call(9, 'locks', { name: 'none' })).id, 9)
})

test('why is answered with reasons, holders and waiters', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  t.deepEqual((await client.call(1, 'why', { name: 'door' })).result, {
    name: 'door',
    reasons: ['door is scripted'],
    holders: [],
    waiters: [],
  })
  t.is((await client.call(2, 'why', {})).error?.code, ErrorCode.invalidParams)
})

test('only the administrator founds a cluster, on a socket of its owner alone', async t => {
  const { path } = await start(t)
  const client = await RawClient.greeted(path)
  t.is((await client.call(1, 'found')).error?.code, ErrorCode.invalidRequest)
  const admin = adminSocketPath(path)
  t.is(statSync(admin).mode & 0o777, 0o600)
  const administrator = await RawClient.greeted(admin)
  t.deepEqual((await administrator.call(1, 'found')).result, {})
})
