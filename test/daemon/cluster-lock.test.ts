import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { LocksResult } from '../../src/control/protocol.ts'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually, program } from '../helpers/processes.ts'
import type { Program } from '../helpers/processes.ts'

/** How long a lock may stay taken when its holders are gone: 20 ms, on a machine that is busy. */
const FREED_MS_MAX = 200

/** What is promised, where the machine lets everybody run when it is due: in one round of so many. */
const FREED_MS_BEST = 20
const ROUNDS_MAX = 20

type Site = { readonly cluster: Cluster; readonly one: Host; readonly two: Host }

async function site(t: ExecutionContext): Promise<Site> {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  return { cluster, one: cluster.host(1), two: cluster.host(2) }
}

/** A `lock` that holds until its stdin ends. */
async function holder(host: Host, ...args: readonly string[]): Promise<Program> {
  const ctl = host.ctl('lock', ...args)
  await ctl.said(/^held /m)
  return ctl
}

/** A command that says its process id and then runs until `end`, whatever becomes of lamportctl. */
function leashed(cluster: Cluster): { readonly command: readonly string[]; end(): void } {
  const path = join(cluster.folder, 'leash')
  execFileSync('mkfifo', [path])
  // Opened for both, it waits for no reader.
  const leash = openSync(path, 'r+')
  let isOpen = true
  const end = (): void => {
    if (isOpen) closeSync(leash)
    isOpen = false
  }
  cluster.t.teardown(end)
  return { command: ['/bin/sh', '-c', 'exec < "$0"; echo $$; exec cat', path], end }
}

/** Lets go, and waits for the end. */
async function letGo(ctl: Program): Promise<unknown> {
  ctl.child.stdin.end()
  return ctl.closed
}

async function isTaken(host: Host, name: string): Promise<boolean> {
  const [code] = await host.outcome('lock', '-n', name, 'true')
  return code === 1
}

async function waits(host: Host, name: string, count: number): Promise<void> {
  await host.ask(client =>
    eventually(`${count} wait for ${name}`, async () => {
      const [lock] = await client.locks(name)
      return lock?.waiters.length === count
    }),
  )
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test.serial("lock ends with the command's own code, 128+n, 126 or 127", async t => {
  const { cluster, one } = await site(t)
  const file = join(cluster.folder, 'plain')
  writeFileSync(file, 'no program\n', { mode: 0o644 })
  mkdirSync(join(cluster.folder, 'folder'))
  t.deepEqual(await one.outcome('lock', 'door', 'echo', 'hello'), [0, 'hello\n', ''])
  t.deepEqual(await one.outcome('lock', 'door', '--', 'sh', '-c', 'exit 7'), [7, '', ''])
  t.deepEqual(await one.outcome('lock', 'door', 'sh', '-c', 'kill -TERM $$'), [143, '', ''])
  t.deepEqual(await one.outcome('lock', 'door', 'sh', '-c', 'kill -KILL $$'), [137, '', ''])
  t.deepEqual(await one.outcome('lock', 'door', 'no-such-program'), [
    127,
    '',
    'lamportctl: no-such-program: not found (is it installed, and in $PATH?)\n',
  ])
  for (const what of [file, join(cluster.folder, 'folder')]) {
    const [code, stdout, stderr] = await one.outcome('lock', 'door', what)
    t.deepEqual([code, stdout], [126, ''])
    t.true(stderr.startsWith(`lamportctl: ${what}: cannot be run (`), stderr)
  }
  await cluster.idle()
})

test.serial('the codes of -n, -w and -E while a host has the lock, and no word', async t => {
  const { cluster, one, two } = await site(t)
  const held = await holder(one, 'door')
  t.regex(held.stdout, /^held door token=\d+\n$/)
  t.deepEqual(await two.outcome('lock', '-n', 'door', 'echo', 'ran'), [1, '', ''])
  t.deepEqual(await two.outcome('lock', '-n', '-E', '42', 'door', 'echo', 'ran'), [42, '', ''])
  const start = performance.now()
  t.deepEqual(await two.outcome('lock', '-w', '0.5', 'door', 'echo', 'ran'), [1, '', ''])
  t.true(performance.now() - start >= 500)
  t.deepEqual(await two.outcome('lock', '-w', '0', '-E', '9', 'door', 'true'), [9, '', ''])
  t.deepEqual(await one.outcome('lock', '-n', 'door', 'true'), [1, '', ''], 'on its own host too')
  const [code, , said] = await two.outcome('lock', '-v', '-n', 'door', 'true')
  t.is(code, 1)
  t.regex(said, /door not acquired: /)
  const waiting = two.ctl('lock', '-w', '60', 'door', 'echo', 'ran')
  await waits(one, 'door', 1)
  t.is(await letGo(held), 0)
  t.deepEqual(await waiting.outcome(), [0, 'ran\n', ''])
  await cluster.idle()
})

test.serial('several names are taken all or none, in any order without deadlock', async t => {
  const { cluster, one, two } = await site(t)
  const both = await holder(one, '--and', 'window', 'door')
  t.regex(both.stdout, /^held door window token=\d+\n$/)
  t.true(await isTaken(two, 'door'))
  t.true(await isTaken(two, 'window'))
  t.is(await letGo(both), 0)
  const window = await holder(two, 'window')
  t.deepEqual(await one.outcome('lock', '-n', '--and', 'window', 'door', 'true'), [1, '', ''])
  t.false(await isTaken(two, 'door'), 'none was taken')
  t.is(await letGo(window), 0)
  const [here, there] = await Promise.all([one.client(), two.client()])
  for (let round = 0; round < 50; round += 1) {
    await Promise.all([
      here.withLock(['a', 'b', 'c'], () => undefined),
      there.withLock(['c', 'b', 'a'], () => undefined),
    ])
  }
  await cluster.idle()
})

test.serial('readers are inside together while a writer waits for all of them', async t => {
  const { cluster, one, two } = await site(t)
  const readers = [await holder(one, '-s', 'book'), await holder(two, '-s', 'book')]
  const writer = cluster.host(3).ctl('lock', '-x', 'book')
  await waits(one, 'book', 1)
  const [lock] = await one.ask(client => client.locks('book'))
  t.deepEqual(
    lock?.holders.map(({ host, mode }) => [host, mode]),
    [
      ['host-1', 'shared'],
      ['host-2', 'shared'],
    ],
  )
  t.deepEqual(
    lock?.waiters.map(({ host, mode, position }) => [host, mode, position]),
    [['host-3', 'exclusive', 2]],
  )
  t.is(await letGo(readers[0]!), 0)
  await two.ask(client =>
    eventually('one reader is left', async () => {
      const [left] = await client.locks('book')
      return left?.holders.length === 1 && left.waiters.length === 1
    }),
  )
  t.is(writer.stdout, '')
  t.is(await letGo(readers[1]!), 0)
  await writer.said(/^held book token=\d+$/m)
  t.true(await isTaken(one, 'book'))
  t.is(await letGo(writer), 0)
  await cluster.idle()
})

test.serial('--count 2 lets two in, and a third when one of them has left', async t => {
  const { cluster, one, two } = await site(t)
  const first = await holder(one, '--count', '2', 'uplink')
  const second = await holder(two, '--count', '2', 'uplink')
  const third = cluster.host(3)
  t.deepEqual(await third.outcome('lock', '-n', '--count', '2', 'uplink', 'true'), [1, '', ''])
  const waiting = third.ctl('lock', '--count', '2', 'uplink')
  await waits(one, 'uplink', 1)
  t.is(await letGo(first), 0)
  await waiting.said(/^held uplink/m)
  t.is(await letGo(waiting), 0)
  t.is(await letGo(second), 0)
  await cluster.idle()
})

test.serial('the command finds the lock in its environment, and a nested one its own', async t => {
  const { cluster, one } = await site(t)
  const variables =
    'printf "%s|" "$LAMPORT_LOCK_NAME" "$LAMPORT_LOCK_MODE" "$LAMPORT_HOST" "$LAMPORT_SOCKET";' +
    ' echo "$LAMPORT_LOCK_TOKEN"'
  const [code, stdout] = await one.outcome('lock', '--and', 'b', 'a', '-c', variables)
  t.is(code, 0)
  const [name, mode, host, socket, token] = stdout.trimEnd().split('|')
  t.deepEqual([name, mode, host, socket], ['a b', 'exclusive', 'host-1', one.socket])
  t.regex(token ?? '', /^[1-9]\d*$/)
  const shared = await one.outcome('lock', '-s', 'a', '-c', 'echo $LAMPORT_LOCK_MODE')
  t.deepEqual(shared, [0, 'shared\n', ''])
  const counted = await one.outcome('lock', '--count', '3', 'a', '-c', 'echo $LAMPORT_LOCK_MODE')
  t.deepEqual(counted, [0, 'count\n', ''])
  const echo = 'echo $LAMPORT_LOCK_NAME $LAMPORT_LOCK_TOKEN'
  const nested = `${echo}; "$0" "$1" lock inner -c '${echo}'; ${echo}`
  const shell = ['/bin/sh', '-c', nested, process.execPath, program('lamportctl')]
  const [nestedCode, said] = await one.outcome('lock', 'outer', ...shell)
  t.is(nestedCode, 0)
  const lines = said
    .trimEnd()
    .split('\n')
    .map(line => line.split(' '))
  t.deepEqual(
    lines.map(([lock]) => lock),
    ['outer', 'inner', 'outer'],
  )
  const tokens = lines.map(([, each]) => Number(each))
  t.true(tokens[1]! > tokens[0]!)
  t.is(tokens[2], tokens[0])
  await cluster.idle()
})

test.serial(
  'stdin goes to the command; without one its end lets go, and so does SIGTERM',
  async t => {
    const { cluster, one, two } = await site(t)
    const cat = one.ctl('lock', 'door', 'cat')
    cat.child.stdin.end('through the lock\n')
    t.deepEqual(await cat.outcome(), [0, 'through the lock\n', ''])
    const held = await holder(one, 'door')
    t.true(await isTaken(two, 'door'))
    held.child.stdin.end('anything')
    t.is(await held.closed, 0)
    t.false(await isTaken(two, 'door'))
    const json = one.ctl('lock', '--json', '--and', 'window', 'door')
    const [line] = await json.said(/^.*\n/)
    const { token, ...event } = JSON.parse(line) as Record<string, unknown>
    t.deepEqual(event, { event: 'held', names: ['door', 'window'], mode: 'exclusive' })
    t.is(typeof token, 'number')
    json.kill('SIGTERM')
    t.is(await json.closed, 0)
    await cluster.idle()
  },
)

test.serial('lamportctl is killed: its command keeps the lock to its end', async t => {
  const { cluster, one, two } = await site(t)
  const leash = leashed(cluster)
  const ctl = one.ctl('lock', '--why', 'spring', 'door', ...leash.command)
  const pid = Number((await ctl.said(/^(\d+)\n/))[1])
  const shown = async (): Promise<LocksResult> =>
    JSON.parse((await one.outcome('locks', '--json', 'door'))[1]) as LocksResult
  const [before] = await shown()
  t.is(before?.holders.length, 1)
  t.is(before?.holders[0]?.unattended, undefined)
  ctl.kill('SIGKILL')
  t.is(await ctl.exited, 'SIGKILL')
  await eventually(
    'the lock is unattended',
    async () => (await shown())[0]?.holders[0]?.unattended === true,
  )
  t.regex((await one.outcome('locks'))[1], /^door +unattended +host-1 .*spring/m)
  t.true(isAlive(pid))
  t.true(await isTaken(two, 'door'))
  const client = await two.client()
  const next = client.lock('door')
  await waits(one, 'door', 1)
  const end = performance.now()
  leash.end()
  await next
  const ms = performance.now() - end
  t.log(`free ${ms.toFixed(1)} ms after the command was told to end`)
  t.true(ms < FREED_MS_MAX, `${ms} ms`)
  t.is(await ctl.closed, 'SIGKILL')
  await (await next).release()
  await cluster.idle()
})

test.serial('with -o the lock ends with lamportctl, though its command lives', async t => {
  const { cluster, one, two } = await site(t)
  const leash = leashed(cluster)
  const ctl = one.ctl('lock', '-o', 'door', ...leash.command)
  const pid = Number((await ctl.said(/^(\d+)\n/))[1])
  t.true(await isTaken(two, 'door'))
  ctl.kill('SIGKILL')
  await ctl.exited
  const client = await two.client()
  await (await client.lock('door')).release()
  t.true(isAlive(pid))
  leash.end()
  await ctl.closed
  await cluster.idle()
})

test.serial('lamportctl and its command are killed: the next one is inside at once', async t => {
  const { cluster, one, two } = await site(t)
  const client = await two.client()
  const times: number[] = []
  const best = (): number => Math.min(...times)
  for (let round = 0; round < 5 || (best() > FREED_MS_BEST && round < ROUNDS_MAX); round += 1) {
    const ctl = one.ctl('lock', 'door', '/bin/sh', '-c', 'echo $$; exec cat')
    const pid = Number((await ctl.said(/^(\d+)\n/))[1])
    const next = client.lock('door')
    await waits(one, 'door', 1)
    const end = performance.now()
    ctl.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    const lock = await next
    times.push(performance.now() - end)
    await lock.release()
    await ctl.closed
  }
  t.log(`the next one inside after ${times.map(ms => ms.toFixed(1)).join(', ')} ms`)
  t.true(best() < FREED_MS_BEST, String(times))
  await cluster.idle()
})

test.serial('SIGINT or SIGTERM while it waits takes the request out of every queue', async t => {
  const { cluster, one, two } = await site(t)
  const marker = join(cluster.folder, 'ran')
  const held = await holder(one, 'door')
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const waiting = two.ctl('lock', 'door', 'touch', marker)
    for (const host of cluster.hosts) await waits(host, 'door', 1)
    waiting.kill(signal)
    t.deepEqual(await waiting.outcome(), [code, '', ''])
    for (const host of cluster.hosts) await waits(host, 'door', 0)
  }
  const waiting = two.ctl('lock', 'door', 'touch', marker)
  for (const host of cluster.hosts) await waits(host, 'door', 1)
  waiting.kill('SIGKILL')
  for (const host of cluster.hosts) await waits(host, 'door', 0)
  t.is(await letGo(held), 0)
  await cluster.idle()
  t.false(existsSync(marker))
})

test.serial('a signal goes on to the command, whose end decides the code', async t => {
  const { cluster, one } = await site(t)
  // `exec`: dash loses a SIGINT that comes while it starts a program.
  const plain = one.ctl('lock', 'door', '/bin/sh', '-c', 'echo on; exec cat')
  await plain.said(/^on$/m)
  plain.kill('SIGINT')
  t.is(await plain.closed, 130)
  // Not a shell: a signal just before its `read` would wait for a line.
  const script =
    'process.on("SIGTERM", () => { console.log("caught"); process.exit(5) });' +
    'console.log("on"); process.stdin.resume()'
  const caught = one.ctl('lock', 'door', process.execPath, '-e', script)
  await caught.said(/^on$/m)
  caught.kill('SIGTERM')
  t.deepEqual(await caught.outcome(), [5, 'on\ncaught\n', ''])
  await cluster.idle()
})
