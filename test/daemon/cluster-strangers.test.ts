import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LINE_BYTES_MAX } from '../../src/control/protocol.ts'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { eventually, program } from '../helpers/processes.ts'

const net = '127.77.4'

/** Of those who are no hosts. */
const STRANGER = '127.77.4.250'
const STRANGER_PORT = 7499

/** The longest payload of a UDP datagram over IPv4. */
const UDP_BYTES_MAX = 65_507

async function stranger(t: ExecutionContext, address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', sendBufferSize: 1024 * 1024 })
  socket.bind(port, address)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return socket
}

async function throwAt(host: Host, socket: Socket, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(bytes, host.port, host.address, error => {
      if (error === null) resolve()
      else reject(error)
    })
  })
}

/** What was refused, by reason. */
async function dropped(host: Host): Promise<Readonly<Record<string, number>>> {
  return (await host.status()).datagrams.dropped
}

/** Without what a host that is held up hears twice. */
async function total(host: Host): Promise<number> {
  const counts = Object.entries(await dropped(host))
  return counts.reduce((sum, [reason, count]) => sum + (reason === 'duplicate' ? 0 : count), 0)
}

/** All that the rubbish must leave as it is. */
async function picture(cluster: Cluster): Promise<unknown> {
  return Promise.all(
    cluster.hosts.map(async host => {
      const { incarnation, hosts, complete } = await host.status()
      const states = hosts.map(({ id, state, address }) => [id, state, address])
      return { incarnation, complete, states }
    }),
  )
}

/** Datagrams that no host sends. */
function rubbish(): Uint8Array[] {
  const all: Uint8Array[] = [new Uint8Array(0)]
  for (let type = 0; type < 256; type += 1) {
    // Short, of a length that occurs, longest that we send, and beyond.
    for (const length of [1, 24, 120, 1200, 1500]) {
      const bytes = new Uint8Array(randomBytes(length))
      bytes[0] = type
      all.push(bytes)
    }
  }
  all.push(new Uint8Array(UDP_BYTES_MAX), new Uint8Array(randomBytes(UDP_BYTES_MAX)))
  return all
}

test.serial('datagrams that are none of ours are counted and change nothing', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3] })
  const victim = cluster.host(1)
  const held = await (await cluster.host(2).client()).lock('held meanwhile')
  const before = await picture(cluster)
  const socket = await stranger(t, STRANGER, STRANGER_PORT)
  const client = await victim.client()
  let thrown = 0
  const start = await total(victim)
  for (const bytes of rubbish()) {
    await throwAt(victim, socket, bytes)
    thrown += 1
    // One burst is not longer than the kernel keeps; and locks go on between.
    if (thrown % 50 !== 0) continue
    await (await client.lock('door')).release()
    await eventually(`${thrown} are counted`, async () => (await total(victim)) >= start + thrown)
  }
  await eventually('all are counted', async () => (await total(victim)) >= start + thrown)
  t.is(await total(victim), start + thrown)
  const reasons = await dropped(victim)
  t.true(reasons['unknown-type']! > 0 && reasons.truncated! > 0, JSON.stringify(reasons))
  t.true(reasons.oversized! >= 2, JSON.stringify(reasons))
  t.deepEqual(await picture(cluster), before)
  t.true(held.isHeld)
  await held.release()
  await cluster.ready()
  t.false(/error|fault/.test(victim.daemon.stderr), victim.daemon.stderr)
  t.log(`${thrown} datagrams, dropped: ${JSON.stringify(reasons)}`)
})

test.serial(
  'the packets of the hosts themselves, damaged, cut or replayed, change nothing',
  async t => {
    t.timeout(120_000)
    // Of this cluster only host 1 runs; we take what it sends to the others.
    const cluster = new Cluster(t, { net, ids: [1, 2] })
    const [one, two] = [cluster.host(1), cluster.host(2)]
    await one.start()
    const silent = await stranger(t, two.address, two.port)
    const [hello] = (await once(silent, 'message')) as [Buffer]
    const start = await total(one)
    const bad: Uint8Array[] = []
    for (let at = 1; at < hello.length; at += 7) {
      const damaged = new Uint8Array(hello)
      damaged[at]! ^= 0x10
      bad.push(damaged, new Uint8Array(hello.subarray(0, at)))
    }
    // Its own, come back to it.
    bad.push(new Uint8Array(hello))
    for (const bytes of bad) await throwAt(one, silent, bytes)
    await eventually('all are counted', async () => (await total(one)) >= start + bad.length)
    t.is(await total(one), start + bad.length, JSON.stringify(await dropped(one)))
    const [, peer] = (await one.status()).hosts
    t.is(peer?.state, 'down')
  },
)

test.serial('a host of another cluster is not heard, and both go on', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3] })
  const victim = cluster.host(1)
  // Its hosts.yml names our host 1 as its host 1.
  const other = new Cluster(t, { net, ids: [1, 2], name: 'elsewhere', first: victim.address })
  const foreign = other.host(2)
  await foreign.start()
  await eventually('the call was refused', async () => ((await dropped(victim)).cluster ?? 0) > 0)
  await cluster.ready()
  const { hosts } = await victim.status()
  t.deepEqual(
    hosts.map(({ state }) => state),
    ['self', 'up', 'up'],
  )
  t.is((await foreign.status()).hosts[0]?.state, 'down')
})

test.serial('rubbish on the control socket is answered, and the others go on', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { net, ids: [1, 2, 3] })
  const one = cluster.host(1)
  const held = await (await one.client()).lock('held meanwhile')
  const raw = await RawClient.greeted(one.socket)
  t.teardown(() => raw.close())
  const code = async (line: string): Promise<readonly [unknown, number | undefined]> => {
    raw.write(`${line}\n`)
    const { id, error } = await raw.next()
    return [id, error?.code]
  }
  t.deepEqual(await code('garbage'), [null, -32700])
  t.deepEqual(await code(''), [null, -32700])
  t.deepEqual(await code('{"jsonrpc":"2.0","id":1,"method":"status"'), [null, -32700])
  t.deepEqual(await code('[]'), [null, -32600])
  t.deepEqual(await code('42'), [null, -32600])
  t.deepEqual(await code('{"jsonrpc":"1.0","id":1,"method":"status"}'), [1, -32600])
  const ask = (id: number, method: string, params?: unknown): Promise<readonly unknown[]> =>
    code(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
  t.deepEqual(await ask(2, 'no such method'), [2, -32601])
  t.deepEqual(await ask(3, 'constructor'), [3, -32601])
  t.deepEqual(await ask(4, 'release', { token: 12345 }), [4, -32005])
  t.deepEqual(await ask(5, 'release', { token: held.token }), [5, -32005])
  t.deepEqual(await ask(6, 'anchor', { token: 12345 }), [6, -32005])
  for (const names of [[], [''], ['a'.repeat(256)], ['ü'.repeat(128)], ['a\nb'], ['a', 'a'], 'a']) {
    t.deepEqual(await ask(7, 'acquire', { names, limit: 1 }), [7, -32602], JSON.stringify(names))
  }
  for (const limit of [-1, 1.5, '1', null, undefined]) {
    t.deepEqual(await ask(8, 'acquire', { names: ['a'], limit }), [8, -32602], String(limit))
  }
  const longest = await raw.call(9, 'acquire', { names: ['a'.repeat(255)], limit: 1 })
  const { token } = longest.result as { token: number }
  t.deepEqual((await raw.call(10, 'release', { token })).result, {})
  raw.socket.write(Buffer.from([0xff, 0xfe, 0x0a]))
  t.is((await raw.next()).error?.code, -32700)
  const long = await RawClient.greeted(one.socket)
  long.write('x'.repeat(LINE_BYTES_MAX + 1))
  const answers = await long.untilClosed()
  t.deepEqual(
    answers.map(({ id, error }) => [id, error?.code]),
    [[null, -32600]],
  )
  t.truthy((await raw.call(11, 'status')).result, 'the other connections are still open')
  t.true(held.isHeld)
  t.deepEqual(
    (await cluster.host(2).ask(client => client.locks())).map(({ name }) => name),
    ['held meanwhile'],
  )
  await held.release()
  await cluster.ready()
})

test.serial('what cannot be meant is refused by lamportctl, with advice', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { net, ids: [1] })
  const one = cluster.host(1)
  const marker = join(cluster.folder, 'ran')
  const refused = async (pattern: RegExp, ...args: readonly string[]): Promise<void> => {
    const [code, stdout, stderr] = await one.outcome(...args)
    t.deepEqual([code, stdout], [64, ''], `${args.join(' ')}: ${stderr}`)
    t.regex(stderr, /^lamportctl: .* \(.*\)\n$/)
    t.regex(stderr, pattern)
  }
  await refused(/the name is empty/, 'lock', '', 'touch', marker)
  await refused(/256 bytes, at most 255/, 'lock', 'a'.repeat(256), 'touch', marker)
  await refused(/control character/, 'lock', 'a\tb', 'touch', marker)
  await refused(/no NAME/, 'lock')
  await refused(/--wait/, 'lock', '-w', 'soon', 'door', 'touch', marker)
  await refused(/exclude each other/, 'lock', '-s', '-x', 'door', 'touch', marker)
  await refused(/unknown option --exlusive/, 'lock', '--exlusive', 'door', 'touch', marker)
  await refused(/did you mean locks\?/, 'lokcs')
  t.false(existsSync(marker))
  t.is((await one.outcome('lock', 'a'.repeat(255), 'touch', marker))[0], 0)
  t.true(existsSync(marker))
})

test.serial('without a daemon lamportctl exits 69 and says what to do', async t => {
  t.timeout(120_000)
  const cluster = new Cluster(t, { net, ids: [1] })
  const one = cluster.host(1)
  const marker = join(cluster.folder, 'ran')
  const nobody = `lamportctl: no lamportd at ${one.socket} (is it running? systemctl status lamportd)\n`
  t.deepEqual(await one.outcome('lock', 'door', 'touch', marker), [69, '', nobody])
  t.deepEqual(await one.outcome('lock', '-n', 'door', 'touch', marker), [69, '', nobody])
  t.deepEqual(await one.outcome('locks'), [69, '', nobody])
  t.deepEqual(await one.outcome('status'), [69, '', nobody])
  // What a killed daemon leaves behind.
  await one.start()
  await one.kill()
  t.true(existsSync(one.socket))
  t.deepEqual(await one.outcome('lock', 'door', 'touch', marker), [69, '', nobody])
  t.false(existsSync(marker))
  const waiting = one.ctl('lock', '--connect-wait', '60', 'door', 'touch', marker)
  await one.start()
  t.deepEqual(await waiting.outcome(), [0, '', ''])
  t.true(existsSync(marker))
  const long = `/tmp/${'x'.repeat(120)}`
  const [code, , stderr] = await cluster
    .run([program('lamportctl'), '--socket', long, 'locks'])
    .outcome()
  t.is(code, 64)
  t.regex(stderr, /a Unix socket at most 107/)
})
