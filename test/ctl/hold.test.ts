import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
// One at a time: they measure deadlines.
import test, { type ExecutionContext } from 'ava'
import { monotonicNow } from '../../src/control/monotonic.ts'
import type { AcquireResult } from '../../src/control/protocol.ts'
import { FakeDaemon, type Heard } from '../helpers/fake-daemon.ts'
import { lamportctl, type RunOptions, type Running } from '../helpers/lamportctl.ts'

async function fake(t: ExecutionContext): Promise<FakeDaemon> {
  t.timeout(30_000)
  const daemon = await FakeDaemon.start()
  t.teardown(() => daemon.stop())
  return daemon
}

function hold(
  t: ExecutionContext,
  daemon: FakeDaemon,
  onAcquire: string,
  onLost: string,
  more: readonly string[] = [],
  options: RunOptions = {},
): Running {
  const args = ['hold', 'web', '--on-acquire', onAcquire, '--on-lost', onLost, ...more]
  const running = lamportctl(args, { socket: daemon.path, input: '', ...options })
  t.teardown(() => running.process.kill('SIGKILL'))
  return running
}

async function granted(
  daemon: FakeDaemon,
  grant: Partial<AcquireResult> = {},
): Promise<{ heard: Heard; grant: AcquireResult }> {
  const heard = await daemon.next('acquire')
  return { heard, grant: daemon.grant(heard, grant) }
}

test.serial('active while it holds; SIGTERM runs on-lost, lets go, and is a good end', async t => {
  const daemon = await fake(t)
  const show = 'env | grep ^LAMPORT | sort'
  const running = hold(t, daemon, `${show}; echo up`, 'echo down $LAMPORT_LOCK_TOKEN', [
    '--and',
    'dns',
    '--why',
    'the site',
  ])
  const { heard } = await granted(daemon, { token: 77 })
  await running.says(/up\n/)
  t.deepEqual(heard.params.names, ['web', 'dns'])
  t.is(heard.params.why, 'the site')
  t.is(heard.params.command, 'hold')
  t.false('waitMs' in heard.params)
  await pause(100)
  t.false(daemon.heard.some(({ method }) => method === 'release'))
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(
    running.stdout,
    'LAMPORT_HOST=garage\nLAMPORT_LOCK_MODE=exclusive\nLAMPORT_LOCK_NAME=web dns\n' +
      `LAMPORT_LOCK_TOKEN=77\nLAMPORT_SOCKET=${daemon.path}\nup\ndown 77\n`,
  )
  t.is(
    running.stderr,
    ['waiting for web dns', 'held web dns, token 77', 'letting web dns go']
      .map(line => `lamportctl: ${line}\n`)
      .join(''),
  )
  await daemon.next('release')
})

test.serial('-s and --count are what the daemon is asked', async t => {
  const daemon = await fake(t)
  for (const [args, limit] of [
    [['-s'], 0],
    [['--count', '2'], 2],
    [['-x'], 1],
  ] as const) {
    const running = hold(t, daemon, 'echo up', 'true', args)
    t.is((await granted(daemon)).heard.params.limit, limit)
    await running.says(/up/)
    running.kill('SIGINT')
    t.is(await running.ended, 0)
  }
})

test.serial('while it stands by a signal withdraws it, and nothing runs', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down')
  await daemon.next('acquire')
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(running.stdout, '')
})

test.serial('a loss runs on-lost at once, and it stands by again', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down')
  const { heard, grant } = await granted(daemon, { token: 77 })
  await running.says(/up\n/)
  heard.connection.notify('lost', { token: grant.token, reason: 'expelled' })
  await granted(daemon, { token: 78 })
  await running.says(/up\ndown\nup\n/)
  t.regex(running.stderr, /was lost: expelled; running on-lost/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(running.stdout, 'up\ndown\nup\ndown\n')
})

test.serial(
  'without renewal on-lost runs a grace before until, and is killed at until',
  async t => {
    const daemon = await fake(t)
    const running = hold(t, daemon, 'echo up', 'echo down; sleep 60; echo never')
    const { grant } = await granted(daemon, { leaseMs: 1600 })
    await running.says(/down/)
    const until = grant.until ?? 0
    const left = until - monotonicNow()
    t.true(left > 0 && left <= 400, `${left} ms before until`)
    await running.says(/on-lost was ended by SIGKILL/, 'stderr')
    const late = monotonicNow() - until
    t.true(late >= 0 && late < 300, `${late} ms after until`)
    await daemon.next('acquire')
    t.false(running.stdout.includes('never'))
  },
)

test.serial('--grace is what on-lost has', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down', ['--grace', '0.1'])
  const { grant } = await granted(daemon, { leaseMs: 1600 })
  await running.says(/down/)
  t.true((grant.until ?? 0) - monotonicNow() <= 100)
})

test.serial('an on-acquire that still runs is killed when the lock is lost', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, "trap '' TERM; echo up; sleep 60; echo never", 'echo down')
  const { heard, grant } = await granted(daemon)
  await running.says(/up/)
  heard.connection.notify('lost', { token: grant.token, reason: 'expelled' })
  await running.says(/up\ndown\n/)
  await daemon.next('acquire')
  t.false(running.stdout.includes('never'))
})

test.serial('an on-acquire that fails is undone, and tried again after longer pauses', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up; exit 3', 'echo down')
  const times: number[] = []
  for (let time = 0; time < 3; time++) {
    await granted(daemon)
    await daemon.next('release')
    times.push(performance.now())
  }
  t.true(times[1]! - times[0]! >= 1000)
  t.true(times[2]! - times[1]! >= 2000)
  t.is(running.stdout, 'up\ndown\n'.repeat(3))
  t.regex(running.stderr, /on-acquire ended with exit code 3; letting web go/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
})

test.serial('what on-acquire has left behind is for on-lost to end', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'sleep 60 >&- 2>&- & echo $!', 'echo down')
  const { heard, grant } = await granted(daemon)
  const pid = Number((await running.says(/^(\d+)\n/))[1])
  await pause(200)
  heard.connection.notify('lost', { token: grant.token, reason: 'expelled' })
  await running.says(/down/)
  t.notThrows(() => process.kill(pid, 'SIGKILL'))
})

test.serial('SIGTERM while on-acquire runs asks it to end, and on-lost follows', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up; exec sleep 60', 'echo down')
  await granted(daemon)
  await running.says(/up/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(running.stdout, 'up\ndown\n')
})

test.serial('a daemon that is killed and started again is waited for', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down')
  await granted(daemon)
  await running.says(/up/)
  await daemon.kill()
  await running.says(/down/)
  await pause(500)
  await daemon.listen()
  await granted(daemon)
  await running.says(/up\ndown\nup\n/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
})

test.serial('where lamportd is not there yet it says so, once, and waits', async t => {
  const daemon = await fake(t)
  await daemon.kill()
  const running = hold(t, daemon, 'echo up', 'true')
  await running.says(/no lamportd at .*control\.sock \(is it running\?/, 'stderr')
  await daemon.listen()
  await granted(daemon)
  await running.says(/up\n/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(running.stderr.match(/no lamportd/g)?.length, 1)
})

test.serial('one that was stopped past until runs on-lost all the same, and says so', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down')
  const { grant } = await granted(daemon, { leaseMs: 1000 })
  await running.says(/up/)
  running.kill('SIGSTOP')
  await pause((grant.until ?? 0) - monotonicNow() + 100)
  running.kill('SIGCONT')
  await running.says(/down/)
  await running.says(/on-lost begins late: another host may be active already/, 'stderr')
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  t.is(running.stdout, 'up\ndown\n')
})

test.serial('--json tells events on stderr, and leaves stdout to the commands', async t => {
  const daemon = await fake(t)
  const running = hold(t, daemon, 'echo up', 'echo down', ['--json'])
  const { heard } = await granted(daemon, { token: 77 })
  await running.says(/up/)
  heard.connection.notify('lost', { token: 77, reason: 'expelled' })
  await granted(daemon, { token: 78 })
  await running.says(/up\ndown\nup\n/)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  const events = running.stderr
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as object)
  t.deepEqual(events, [
    { event: 'waiting', names: ['web'] },
    { event: 'held', names: ['web'], token: 77, mode: 'exclusive' },
    { event: 'lost', names: ['web'], reason: 'the lock web was lost: expelled' },
    { event: 'waiting', names: ['web'] },
    { event: 'held', names: ['web'], token: 78, mode: 'exclusive' },
    { event: 'released', names: ['web'], token: 78 },
  ])
})

test.serial('systemd is told READY=1 when it is active, and how it stands', async t => {
  const daemon = await fake(t)
  const folder = mkdtempSync(join(tmpdir(), 'lamport-hold-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [file, script] = [join(folder, 'told'), join(folder, 'systemd-notify')]
  writeFileSync(script, `#!/bin/sh\nprintf '%s\\n' "$@" >> '${file}'\n`)
  chmodSync(script, 0o755)
  const env = { PATH: `${folder}:${process.env.PATH ?? ''}`, NOTIFY_SOCKET: '/nowhere' }
  const running = hold(t, daemon, 'echo up', 'true', [], { env })
  const heard = await daemon.next('acquire')
  heard.connection.notify('queued', { id: heard.id, position: 1 })
  await pause(200)
  daemon.grant(heard, { token: 77 })
  await running.says(/up/)
  await pause(500)
  running.kill('SIGTERM')
  t.is(await running.ended, 0)
  const told = readFileSync(file, 'utf8').trim().split('\n')
  t.deepEqual(told.slice(0, 2), ['STATUS=waiting for web', 'STATUS=standing by, 1 before us'])
  t.is(told.filter(line => line === 'READY=1').length, 1)
  t.true(told.indexOf('READY=1') >= 2, 'not while it stands by')
  t.true(told.includes('STATUS=active: holds web'))
  t.deepEqual(told.slice(-2).sort(), ['STATUS=stopped', 'STOPPING=1'])
})

test.serial('lines that cannot be meant are 64', async t => {
  t.timeout(60_000)
  const [acquire, lost] = [
    ['--on-acquire', 'true'],
    ['--on-lost', 'true'],
  ]
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[...acquire, ...lost], /no NAME is given/],
    [['web', ...lost], /--on-acquire is missing/],
    [['web', ...acquire], /--on-lost is missing/],
    [['web', 'true', ...acquire, ...lost], /hold takes one NAME/],
    [['web', '--count', '0', ...acquire, ...lost], /--count is a number/],
    [['web', '-n', ...acquire, ...lost], /unknown option -n/],
  ]
  for (const [args, expected] of cases) {
    const running = lamportctl(['hold', ...args], { socket: '/nowhere', input: '' })
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, expected)
  }
})
