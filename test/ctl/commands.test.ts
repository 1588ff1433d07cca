import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { LocksResult, StatusResult } from '../../src/control/protocol.ts'
import { FakeDaemon } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL } from '../helpers/lamportctl.ts'

const COMMANDS = ['lock', 'locks', 'status', 'keygen']

const LOCKS: LocksResult = [
  {
    name: 'backup',
    holders: [
      {
        host: 'attic',
        hostId: 3,
        token: 4099,
        mode: 'exclusive',
        limit: 1,
        pid: 812,
        user: 'pi',
        command: 'rsync -a /home nas:',
        why: 'nightly',
        sinceMs: 65_000,
        unattended: true,
      },
    ],
    waiters: [
      {
        host: 'kitchen\u001b[31m',
        hostId: 1,
        token: 5121,
        mode: 'count',
        limit: 2,
        sinceMs: 1500,
        position: 1,
      },
    ],
  },
  { name: 'door', holders: [], waiters: [] },
]

const STATUS: StatusResult = {
  host: { id: 2, name: 'garage' },
  cluster: 'workshop',
  version: '1.2.3',
  keys: ['1f2e', 'abcd'],
  incarnation: 4,
  uptimeMs: 7_200_000,
  clock: 4711,
  view: { number: 7, members: ['garage', 'attic'] },
  majority: true,
  leaseMs: 1900,
  complete: true,
  blank: null,
  grants: 12,
  connections: 1,
  variables: { count: 3, bytes: 120, complete: true },
  hosts: [
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
      version: '0.1.0',
      differences: [],
    },
    {
      id: 3,
      name: 'attic',
      address: '127.0.0.1:7413',
      self: false,
      votes: 1,
      state: 'member',
      rttMs: 0.254,
      loss: 0.0125,
      silentMs: 20,
      key: '1f2e',
      notice: null,
      version: '0.1.0',
      differences: [],
    },
  ],
  notices: [],
  messages: { sent: { request: 3, reply: 4 }, received: { release: 5 } },
  datagrams: { sent: 100, received: 90, retransmitted: 2, dropped: { forged: 1 } },
}

async function asked(args: readonly string[], method: string, result: unknown) {
  const daemon = await FakeDaemon.start()
  const running = lamportctl(args, { socket: daemon.path })
  daemon.answer(await daemon.next(method), result)
  const code = await running.ended
  await daemon.stop()
  return { code, stdout: running.stdout, stderr: running.stderr }
}

test('the bundle runs alone, as an executable of its own', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-bundle-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  t.is(statSync(LAMPORTCTL).mode & 0o777, 0o755)
  const alone = join(folder, 'lamportctl.mjs')
  copyFileSync(LAMPORTCTL, alone)
  chmodSync(alone, 0o755)
  const running = lamportctl(['keygen'], { via: [alone] })
  t.is(await running.ended, 0)
  t.is(running.stderr, '')
})

test('keygen prints 32 bytes of base64, others each time', async t => {
  const keys = await Promise.all(
    [1, 2].map(async () => {
      const running = lamportctl(['keygen'])
      t.is(await running.ended, 0)
      return running.stdout
    }),
  )
  for (const key of keys) {
    t.regex(key, /^[A-Za-z0-9+/]{43}=\n$/)
    t.is(Buffer.from(key, 'base64').length, 32)
  }
  t.not(keys[0], keys[1])
})

test('locks lists who holds and who waits, and lets nobody write on the terminal', async t => {
  const { code, stdout } = await asked(['locks'], 'locks', LOCKS)
  t.is(code, 0)
  t.deepEqual(stdout.split('\n'), [
    'NAME    STATE       HOST          MODE       TOKEN  FOR     USER  PID  WHAT',
    'backup  unattended  attic         exclusive  4099   65 s    pi    812  rsync -a /home nas: (nightly)',
    'backup  waits (1)   kitchen\ufffd[31m  count 2    5121   1.50 s  -     -    -',
    '',
  ])
})

test('locks NAME is about that one, and an empty list is said in words', async t => {
  const { stdout } = await asked(['--json', 'locks', 'door'], 'locks', LOCKS)
  t.deepEqual(JSON.parse(stdout), [LOCKS[1]])
  t.is((await asked(['locks', 'shed'], 'locks', LOCKS)).stdout, 'shed is free\n')
  t.is((await asked(['locks'], 'locks', [])).stdout, 'no lock is in use\n')
})

test('status shows the host and the others', async t => {
  const { code, stdout } = await asked(['status'], 'status', STATUS)
  t.is(code, 0)
  t.regex(stdout, /^host +garage \(2\)\ncluster +workshop\n/)
  t.regex(stdout, /^packets +sealed with key 1f2e, abcd accepted as well$/m)
  t.regex(stdout, /^messages +7 sent, 5 received$/m)
  t.regex(
    stdout,
    /^ID  NAME    ADDRESS         VOTES  STATE               RTT      LOSS   SILENT  KEY$/m,
  )
  t.regex(
    stdout,
    /^3   attic   127.0.0.1:7413  1      member              0.25 ms  1.3 %  0.02 s  1f2e$/m,
  )
})

test('--json is what the daemon answered, before or after the command', async t => {
  for (const args of [
    ['--json', 'status'],
    ['status', '--json'],
  ]) {
    t.deepEqual(JSON.parse((await asked(args, 'status', STATUS)).stdout), STATUS)
  }
})

test('every command has a help with an example, and so has lamportctl', async t => {
  for (const args of [['--help'], ['-h'], ['help'], ...COMMANDS.map(name => [name, '--help'])]) {
    const running = lamportctl(args)
    t.is(await running.ended, 0, args.join(' '))
    t.regex(running.stdout, /^Usage: lamportctl/)
    t.regex(running.stdout, /Examples:\n +\(?[^\n]*lamportctl/)
    t.is(running.stderr, '')
  }
})

test('--version is the package’s, with or without a command', async t => {
  for (const args of [['--version'], ['lock', '--version']]) {
    const running = lamportctl(args)
    t.is(await running.ended, 0)
    t.regex(running.stdout, /^\d+\.\d+\.\d+\S*\n$/)
  }
})

test('a command that does not exist is 64, and the nearest is named', async t => {
  const says: readonly (readonly [args: string[], says: RegExp])[] = [
    [['lokc', 'door'], /"lokc" \(did you mean lock\?\)/],
    [['sttaus'], /did you mean status\?/],
    [['frobnicate'], /see lamportctl --help/],
    [['--nope', 'locks'], /unknown option --nope/],
    [['--socket'], /--socket needs a path/],
    [[], /no command is given/],
    [['locks', 'a', 'b'], /one NAME/],
    [['status', 'x'], /no operand/],
    [['keygen', '--nope'], /unknown option --nope/],
  ]
  for (const [args, pattern] of says) {
    const running = lamportctl(args)
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, /^lamportctl: .*\n$/)
    t.regex(running.stderr, pattern)
    t.is(running.stdout, '')
  }
})

test('--socket counts before $LAMPORT_SOCKET, a path that is too long is 64', async t => {
  const daemon = await FakeDaemon.start()
  t.teardown(() => daemon.stop())
  const running = lamportctl(['--socket', daemon.path, 'locks'], { socket: '/nonexistent/x' })
  daemon.answer(await daemon.next('locks'), [])
  t.is(await running.ended, 0)
  const long = lamportctl(['locks'], { socket: '/' + 'x'.repeat(120) })
  t.is(await long.ended, 64)
  t.regex(long.stderr, /121 bytes/)
})

test('a socket that this user may not open is 77', async t => {
  const daemon = await FakeDaemon.start()
  t.teardown(() => daemon.stop())
  chmodSync(daemon.path, 0)
  const user = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--clear-groups'] : []
  if (user.length > 0 && spawnSync('setpriv', ['--version']).status !== 0) {
    t.pass('no setpriv(1) to be someone else with')
    return
  }
  // The folder of a temporary socket is its owner's: let others look into it.
  chmodSync(join(daemon.path, '..'), 0o755)
  const folder = mkdtempSync(join(tmpdir(), 'lamport-user-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  chmodSync(folder, 0o755)
  const copy = join(folder, 'lamportctl.mjs')
  copyFileSync(LAMPORTCTL, copy)
  const node = spawnSync(user[0] ?? 'true', [...user.slice(1), process.execPath, '-e', '0'])
  if (node.status !== 0) {
    t.pass('node itself is not to be run by others here')
    return
  }
  const running = lamportctl(['status'], {
    socket: daemon.path,
    via: [...user, process.execPath, copy],
  })
  t.is(await running.ended, 77)
  t.regex(running.stderr, /^lamportctl: no permission to use .*control\.sock \(.*\)\n$/)
})

test('output that cannot be written is an error, a reader that left is none to talk about', t => {
  const full = spawnSync('/bin/sh', [
    '-c',
    '"$0" "$1" keygen > /dev/full',
    process.execPath,
    LAMPORTCTL,
  ])
  t.is(full.status, 74)
  t.regex(String(full.stderr), /cannot be written: ENOSPC/)
  const script = '{ sleep 0.3; "$0" "$1" keygen; echo $? >&2; } | true'
  const gone = spawnSync('/bin/sh', ['-c', script, process.execPath, LAMPORTCTL])
  t.is(String(gone.stderr), '141\n')
})
