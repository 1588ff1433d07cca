import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { LocksResult } from '../../src/control/protocol.ts'
import { locksText } from '../../src/ctl/commands/locks.ts'
import { FakeDaemon } from '../helpers/fake-daemon.ts'
import { lamportctl, type Running } from '../helpers/lamportctl.ts'

async function fake(t: ExecutionContext): Promise<FakeDaemon> {
  t.timeout(30_000)
  const daemon = await FakeDaemon.start({ isPolite: false })
  t.teardown(() => daemon.stop())
  return daemon
}

function run(t: ExecutionContext, daemon: FakeDaemon, ...args: readonly string[]): Running {
  const running = lamportctl(args, { socket: daemon.path, input: '' })
  t.teardown(() => running.process.kill('SIGKILL'))
  return running
}

test('acquire asks for a lock that stays, prints its token and leaves it', async t => {
  const daemon = await fake(t)
  const running = run(t, daemon, 'acquire', 'door', '--ttl', '15m', '--pid', '4711', '--why', 'x')
  const heard = await daemon.next('acquire')
  daemon.grant(heard, { token: 77 })
  t.is(await running.ended, 0)
  t.is(running.stdout, '77\n')
  t.is(running.stderr, '')
  const { user, ...params } = heard.params
  t.is(typeof user, 'string')
  t.deepEqual(params, {
    names: ['door'],
    limit: 1,
    why: 'x',
    pid: 4711,
    detached: { ttlMs: 900_000, pid: 4711 },
  })
  t.deepEqual(
    daemon.heard.map(({ method }) => method),
    ['acquire'],
    'it is not given back',
  )
})

test('acquire takes several names, shared or counted, and says so as JSON', async t => {
  const daemon = await fake(t)
  const asked = async (...args: readonly string[]): Promise<unknown[]> => {
    const running = run(t, daemon, '--json', 'acquire', 'door', '--ttl', '1h', ...args)
    const heard = await daemon.next('acquire')
    daemon.grant(heard, { token: 77 })
    t.is(await running.ended, 0)
    return [heard.params.names, heard.params.limit, JSON.parse(running.stdout) as unknown]
  }
  const about = { token: 77, ttlMs: 3_600_000 }
  t.deepEqual(await asked('--and', 'window'), [
    ['door', 'window'],
    1,
    { names: ['door', 'window'], mode: 'exclusive', ...about },
  ])
  t.deepEqual(await asked('-s'), [['door'], 0, { names: ['door'], mode: 'shared', ...about }])
  t.deepEqual(await asked('--count', '3'), [
    ['door'],
    3,
    { names: ['door'], mode: 'count', ...about },
  ])
})

test('acquire waits, or with -n and -w not for ever: 1, or what -E says, and no word', async t => {
  const daemon = await fake(t)
  const cases: readonly (readonly [readonly string[], number | undefined, number])[] = [
    [['-n'], 0, 1],
    [['-w', '0.5'], 500, 1],
    [['-n', '-E', '9'], 0, 9],
    [[], undefined, 1],
  ]
  for (const [args, waitMs, code] of cases) {
    const running = run(t, daemon, 'acquire', 'door', '--ttl', '1h', ...args)
    const heard = await daemon.next('acquire')
    t.is(heard.params.waitMs, waitMs)
    daemon.refuse(heard, 'notAcquired', 'others precede')
    t.is(await running.ended, code)
    t.is(running.stdout + running.stderr, '')
  }
})

test('acquire that is interrupted while it waits is withdrawn', async t => {
  const daemon = await fake(t)
  const running = run(t, daemon, 'acquire', 'door', '--ttl', '1h')
  const { connection } = await daemon.next('acquire')
  await pause(50)
  running.kill('SIGINT')
  const cancel = await daemon.next('cancel')
  daemon.answer(cancel, { wasGranted: false })
  const acquire = daemon.heard.find(({ method }) => method === 'acquire')!
  t.is(cancel.params.id, acquire.id)
  daemon.refuse(acquire, 'notAcquired', 'cancelled')
  t.is(await running.ended, 130)
  await connection.closed
})

test('a grant that crosses the interruption is given back', async t => {
  const daemon = await fake(t)
  const running = run(t, daemon, 'acquire', 'door', '--ttl', '1h')
  const acquire = await daemon.next('acquire')
  await pause(50)
  running.kill('SIGTERM')
  const cancel = await daemon.next('cancel')
  daemon.grant(acquire, { token: 77 })
  daemon.answer(cancel, { wasGranted: false })
  const release = await daemon.next('release')
  t.deepEqual(release.params, { token: 77 })
  daemon.answer(release, {})
  t.is(await running.ended, 143)
  t.is(running.stdout, '')
})

test('what the daemon refuses acquire is told: no majority, no such process', async t => {
  const daemon = await fake(t)
  for (const [code, exit] of [
    ['noMajority', 69],
    ['invalidParams', 64],
    ['limit', 69],
  ] as const) {
    const running = run(t, daemon, 'acquire', 'door', '--ttl', '1h')
    daemon.refuse(await daemon.next('acquire'), code, 'as the test wants it')
    t.is(await running.ended, exit)
    t.is(running.stderr, 'lamportctl: as the test wants it\n')
  }
  await daemon.kill()
  t.is(await run(t, daemon, 'acquire', 'door', '--ttl', '1h').ended, 69)
})

test('release names a lock, or its token', async t => {
  const daemon = await fake(t)
  for (const [args, params] of [
    [['door'], { name: 'door' }],
    [['--token', '77'], { token: 77 }],
  ] as const) {
    const running = run(t, daemon, 'release', ...args)
    const heard = await daemon.next('release')
    t.deepEqual(heard.params, params)
    daemon.answer(heard, { token: 77, names: ['door'] })
    t.is(await running.ended, 0)
    t.is(running.stdout + running.stderr, '')
  }
  const json = run(t, daemon, '--json', 'release', 'door')
  daemon.answer(await daemon.next('release'), { token: 77, names: ['door'] })
  t.is(await json.ended, 0)
  t.deepEqual(JSON.parse(json.stdout), { token: 77, names: ['door'] })
})

test('release of what is not held is 1, of what had been lost 75, of several 64', async t => {
  const daemon = await fake(t)
  const refused = async (code: 'notHeld' | 'invalidParams', data?: unknown): Promise<unknown> => {
    const running = run(t, daemon, 'release', 'door')
    daemon.refuse(await daemon.next('release'), code, 'as the test wants it', data)
    const ended = await running.ended
    t.is(running.stderr, 'lamportctl: as the test wants it\n')
    return ended
  }
  t.is(await refused('notHeld'), 1)
  t.is(await refused('notHeld', { lost: 'excluded' }), 75)
  t.is(await refused('invalidParams'), 64)
})

test('release of a token that is not held names the token, and what shows the others', async t => {
  const daemon = await fake(t)
  const running = run(t, daemon, 'release', '--token', '77')
  daemon.refuse(await daemon.next('release'), 'notHeld', 'this connection does not hold that lock')
  t.is(await running.ended, 1)
  t.regex(running.stderr, /^lamportctl: no lock .* has the token 77.* \(lamportctl locks .*\)\n$/)
})

test('release --force asks on admin.sock alone', async t => {
  const daemon = await fake(t)
  const running = run(t, daemon, 'release', '--force', 'door')
  t.is(await running.ended, 69, 'there is none here')
  t.regex(running.stderr, /no lamportd at .*admin\.sock/)
  t.deepEqual(daemon.heard, [])
})

test('lines of acquire and release that cannot be meant are 64', async t => {
  t.timeout(60_000)
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['acquire'], /no NAME is given/],
    [['acquire', 'door'], /--ttl is missing \(say how long at most: --ttl 1h\)/],
    [['acquire', 'door', '--ttl', '5'], /--ttl is a duration of at most 7d, .*"5"/],
    [['acquire', 'door', '--ttl', '8d'], /at most 7d/],
    [['acquire', 'door', '--ttl', '0s'], /at most 7d/],
    [['acquire', 'door', '--ttl', '1h', '--pid', 'me'], /--pid is a process id/],
    [['acquire', 'door', '--ttl', '1h', '--pid', '0'], /--pid is a process id/],
    [['acquire', 'door', 'true', '--ttl', '1h'], /acquire takes one NAME/],
    [['acquire', 'door', '--ttl', '1h', '-n', '-w', '5'], /exclude each other/],
    [['release'], /release takes one NAME, or --token N/],
    [['release', 'door', 'window'], /one NAME/],
    [['release', 'door', '--token', '5'], /one NAME/],
    [['release', '--token', 'x'], /--token is a number/],
    [['release', ''], /the name is empty/],
  ]
  for (const [args, expected] of cases) {
    const running = lamportctl(args, { socket: '/nowhere', input: '' })
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, expected)
  }
})

test('locks shows how long a lock has yet', t => {
  const holder = {
    host: 'attic',
    hostId: 10,
    token: 77,
    mode: 'exclusive',
    limit: 1,
    sinceMs: 5000,
    ttlMs: 12_300,
  } as const
  const result: LocksResult = [{ name: 'door', holders: [holder], waiters: [] }]
  t.regex(locksText(result, undefined), /^door +held \(ttl 12 s\) +attic/m)
})
