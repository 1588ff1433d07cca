import { spawnSync, type StdioOptions } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// One at a time: they measure deadlines.
import test, { type ExecutionContext } from 'ava'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { FakeDaemon, type FakeOptions } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL, type RunOptions, type Running } from '../helpers/lamportctl.ts'

async function fake(t: ExecutionContext, options?: FakeOptions): Promise<FakeDaemon> {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start(options)
  t.teardown(() => daemon.stop())
  return daemon
}

function lock(t: ExecutionContext, daemon: FakeDaemon, args: string[], options: RunOptions = {}) {
  const running = lamportctl(['lock', ...args], { socket: daemon.path, ...options })
  t.teardown(() => running.process.kill('SIGKILL'))
  return running
}

/** Runs to the grant and returns what was granted. */
async function granted(daemon: FakeDaemon, grant = {}) {
  const heard = await daemon.next('acquire')
  return { heard, grant: daemon.grant(heard, grant) }
}

async function pidOf(running: Running): Promise<number> {
  return Number((await running.says(/^pid (\d+)\r?\n/m))[1])
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Its main thread sleeps: it has handled everything that it was sent so far. */
async function stopped(pid: number): Promise<void> {
  while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) {
    await new Promise(resolve => setImmediate(resolve))
  }
}

test.serial(
  'the command runs under the lock, with its token in the environment, and its code is ours',
  async t => {
    const daemon = await fake(t)
    const script = 'env | grep ^LAMPORT | sort; exit 3'
    const env = { LAMPORT_LOCK_TOKEN: '1', LAMPORT_HOST: 'elsewhere' }
    const running = lock(t, daemon, ['--and', 'window', 'door', '/bin/sh', '-c', script], { env })
    const { heard } = await granted(daemon, { token: 77 })
    t.is(await running.ended, 3)
    t.deepEqual(running.stdout.trim().split('\n'), [
      'LAMPORT_HOST=garage',
      'LAMPORT_LOCK_MODE=exclusive',
      'LAMPORT_LOCK_NAME=door window',
      'LAMPORT_LOCK_TOKEN=77',
      `LAMPORT_SOCKET=${daemon.path}`,
    ])
    t.is(running.stderr, '')
    t.deepEqual(heard.params.names, ['door', 'window'])
    t.is(heard.params.limit, 1)
    t.false('waitMs' in heard.params)
    t.is(heard.params.pid, running.pid)
    t.is(heard.params.command, `/bin/sh -c ${script}`)
    t.deepEqual((await daemon.next('release')).params, { token: 77 })
  },
)

test.serial('options that follow the name are the command’s, -- or not', async t => {
  const daemon = await fake(t)
  for (const args of [
    ['007', 'echo', '-n', '--json'],
    ['007', '--', 'echo', '-n', '--json'],
  ]) {
    const running = lock(t, daemon, args)
    const { heard } = await granted(daemon)
    t.is(await running.ended, 0)
    t.deepEqual(heard.params.names, ['007'])
    t.is(running.stdout, '--json')
  }
})

test.serial('-c hands one line to the shell, and stdin passes through', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', '-c', 'read line; echo "got $line"'], { input: 'in\n' })
  await granted(daemon)
  t.is(await running.ended, 0)
  t.is(running.stdout, 'got in\n')
})

test.serial('-s, --count, -n, -w and --why are what the daemon is asked', async t => {
  const daemon = await fake(t)
  const asked = async (...args: string[]) => {
    const running = lock(t, daemon, [...args, 'door', 'true'])
    const { heard } = await granted(daemon)
    t.is(await running.ended, 0)
    return heard.params
  }
  t.is((await asked('-s')).limit, 0)
  t.is((await asked('--count', '3')).limit, 3)
  t.is((await asked('-x')).limit, 1)
  t.is((await asked('-n')).waitMs, 0)
  t.is((await asked('-w', '1.5')).waitMs, 1500)
  t.is((await asked('-w.25')).waitMs, 250)
  t.is((await asked('-vw.5')).waitMs, 500)
  t.is((await asked('--why', 'spring cleaning')).why, 'spring cleaning')
})

test.serial('a command that a signal ends gives 128 and its number', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', '-c', 'kill -KILL $$'])
  await granted(daemon)
  t.is(await running.ended, 137)
})

test.serial(
  'a command that is not there is 127, one that is no program 126; both let go at once',
  async t => {
    const daemon = await fake(t)
    const missing = lock(t, daemon, ['door', 'no-such-command-here'])
    await granted(daemon)
    t.is(await missing.ended, 127)
    t.regex(missing.stderr, /^lamportctl: no-such-command-here: not found \(/)
    await daemon.next('release')
    const plain = lock(t, daemon, ['door', '/etc/passwd'])
    await granted(daemon)
    t.is(await plain.ended, 126)
    await daemon.next('release')
  },
)

test.serial(
  'what is not acquired is 1 or -E, and silent as flock is; no majority is 69',
  async t => {
    const daemon = await fake(t)
    const busy = lock(t, daemon, ['-n', 'door', 'true'])
    daemon.refuse(await daemon.next('acquire'), 'notAcquired', 'held by attic')
    t.is(await busy.ended, 1)
    t.is(busy.stderr, '')
    const other = lock(t, daemon, ['-v', '-w', '0.1', '-E', '0', 'door', 'true'])
    daemon.refuse(await daemon.next('acquire'), 'notAcquired', 'held by attic')
    t.is(await other.ended, 0)
    t.regex(other.stderr, /door not acquired: held by attic/)
    const alone = lock(t, daemon, ['-n', 'door', 'true'])
    daemon.refuse(await daemon.next('acquire'), 'noMajority', 'no majority: 1 of 3 hosts')
    t.is(await alone.ended, 69)
    t.is(alone.stderr, 'lamportctl: no majority: 1 of 3 hosts\n')
  },
)

test.serial('no daemon is 69 at once and says what to do; --connect-wait waits for it', async t => {
  const gone = await FakeDaemon.start()
  await gone.stop()
  const none = lock(t, gone, ['door', 'true'])
  t.is(await none.ended, 69)
  t.regex(none.stderr, /^lamportctl: no lamportd at .*control\.sock \(is it running\?.*\)\n$/)

  const daemon = await fake(t)
  const later = lock(t, daemon, ['--connect-wait', '0.05', 'door', 'true'], {
    socket: `${daemon.path}.later`,
  })
  t.is(await later.ended, 69)
  const patient = lock(t, daemon, ['--connect-wait', '30', 'door', 'true'])
  await granted(daemon)
  t.is(await patient.ended, 0)
})

test.serial(
  'a daemon that ends the connection before it answers -n is 69, and nothing runs',
  async t => {
    const daemon = await fake(t)
    const running = lock(t, daemon, ['-n', 'door', 'echo', 'ran'])
    const heard = await daemon.next('acquire')
    heard.connection.socket.destroy()
    t.is(await running.ended, 69)
    t.is(running.stdout, '')
    t.regex(running.stderr, /connection to lamportd .* ended/)
  },
)

test.serial('a daemon that talks nonsense, or another protocol, is 69 and named', async t => {
  const hello = { protocol: 2, version: '9.0.0', host: { id: 1, name: 'x' } }
  const newer = lock(t, await fake(t, { hello }), ['door', 'true'])
  t.is(await newer.ended, 69)
  t.regex(newer.stderr, /9\.0\.0.*protocol 2/)
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', 'true'])
  const heard = await daemon.next('acquire')
  heard.connection.socket.write('HTTP/1.1 400 Bad Request\r\n')
  t.is(await running.ended, 69)
  t.regex(running.stderr, /is not lamportd/)
})

test.serial(
  'a signal while waiting withdraws the request and exits with 128 and its number',
  async t => {
    const daemon = await fake(t)
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const running = lock(t, daemon, ['door', 'true'])
      const heard = await daemon.next('acquire')
      running.kill(signal)
      const cancel = await daemon.next('cancel')
      t.deepEqual(cancel.params, { id: heard.id })
      t.is(await running.ended, code)
    }
  },
)

test.serial('a grant that comes together with the withdrawal runs nothing', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', 'echo', 'ran'])
  const heard = await daemon.next('acquire')
  running.kill('SIGSTOP')
  await stopped(running.pid)
  daemon.grant(heard)
  running.kill('SIGTERM')
  running.kill('SIGCONT')
  const code = await running.ended
  // Whichever is read first: a lock that is withdrawn, or a command that gets the signal.
  t.true(code === 143 || code === 0)
  if (code === 143) t.notRegex(running.stdout, /ran/)
})

test.serial('-v tells what is waited for and what was got, on stderr', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['-v', 'door', 'true'])
  const heard = await daemon.next('acquire')
  heard.connection.notify('queued', { id: heard.id, position: 2 })
  daemon.grant(heard, { token: 9 })
  t.is(await running.ended, 0)
  t.regex(
    running.stderr,
    /waiting for door\n.*door: 2 before us\n.*got door after .* token 9\n.*running true\n/,
  )
})

test.serial('--json with a command tells events on stderr and leaves stdout alone', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['--json', 'door', 'echo', 'out'])
  await granted(daemon, { token: 9 })
  t.is(await running.ended, 0)
  t.is(running.stdout, 'out\n')
  t.deepEqual(JSON.parse(running.stderr), {
    event: 'held',
    names: ['door'],
    token: 9,
    mode: 'exclusive',
  })
})

test.serial('the lock outlives a lamportctl that is killed, until the command ends', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', '-c', 'echo pid $$; read line'])
  const { heard } = await granted(daemon, { token: 5 })
  const anchor = await daemon.next('anchor')
  t.deepEqual(anchor.params, { token: 5 })
  const pid = await pidOf(running)
  running.kill('SIGKILL')
  await heard.connection.closed
  t.true(isAlive(pid))
  t.false(anchor.connection.isClosed)
  running.process.stdin?.end('\n')
  await anchor.connection.closed
  t.pass()
})

test.serial('with -o the lock ends with lamportctl', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['-o', 'door', '-c', 'echo pid $$; read line'])
  const { heard } = await granted(daemon)
  await pidOf(running)
  t.is(daemon.connections.length, 1)
  running.kill('SIGKILL')
  await heard.connection.closed
  running.process.stdin?.end('\n')
  t.deepEqual(
    daemon.heard.map(({ method }) => method),
    ['acquire'],
  )
})

test.serial(
  'nothing is written on the anchor, and it ends with the command though others have it',
  async t => {
    const daemon = await fake(t)
    const running = lock(t, daemon, ['door', '-c', 'sleep 1000 & echo pid $!'])
    await granted(daemon)
    const pid = await pidOf(running)
    t.teardown(() => process.kill(pid, 'SIGKILL'))
    await daemon.next('release')
    t.deepEqual(
      daemon.heard.map(({ method }) => method),
      ['acquire', 'anchor', 'release'],
    )
  },
)

test.serial('where no anchor can be had, nothing runs and the lock is let go', async t => {
  const daemon = await fake(t, { isPolite: false })
  const running = lock(t, daemon, ['door', 'echo', 'ran'])
  await granted(daemon)
  daemon.refuse(await daemon.next('anchor'), 'limit', 'too many connections')
  daemon.answer(await daemon.next('release'), {})
  t.is(await running.ended, 69)
  t.is(running.stdout, '')
  t.regex(running.stderr, /too many connections \(-o does without\)/)
})

test.serial(
  'the command inherits every descriptor at its number, and none of ours but the anchor',
  async t => {
    const daemon = await fake(t)
    const folder = mkdtempSync(join(tmpdir(), 'lamport-fds-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const [a, b] = [openSync(join(folder, 'a'), 'a'), openSync(join(folder, 'b'), 'a')]
    const list = 'for f in /proc/$$/fd/*; do echo "${f##*/}"; done'
    const args = ['-c', `${list}; echo three >&3; echo thirty >&30`]
    const stdio: StdioOptions = [
      'pipe',
      'pipe',
      'pipe',
      a,
      ...Array<'ignore'>(26).fill('ignore'),
      b,
    ]
    // What a command gets that is run without us, from whoever runs this test.
    const without = spawnSync('/bin/bash', args, { stdio, encoding: 'utf8' })
    const running = lock(t, daemon, ['door', '/bin/bash', ...args], { stdio })
    closeSync(a)
    closeSync(b)
    await granted(daemon)
    t.is(await running.ended, 0, running.stderr)
    t.is(readFileSync(join(folder, 'a'), 'utf8'), 'three\nthree\n')
    t.is(readFileSync(join(folder, 'b'), 'utf8'), 'thirty\nthirty\n')
    const numbers = (output: string): number[] => output.trim().split('\n').map(Number)
    const anchors = numbers(running.stdout).filter(fd => !numbers(without.stdout).includes(fd))
    t.is(anchors.length, 1, `${without.stdout} ${running.stdout}`)
    t.true(anchors[0]! >= 10)
    t.deepEqual(
      numbers(running.stdout).filter(fd => fd !== anchors[0]),
      numbers(without.stdout),
    )
  },
)

test.serial(
  'both ends of a pipe that our parent has as well are inherited, as make’s jobserver is',
  async t => {
    const daemon = await fake(t)
    const script = [
      'import os, subprocess, sys',
      'r, w = os.pipe()',
      'for fd in (r, w): os.set_inheritable(fd, True)',
      'print(r, w, flush=True)',
      'sys.exit(subprocess.call(sys.argv[1:], close_fds=False))',
    ].join('\n')
    const python = spawnSync('python3', ['--version'])
    if (python.status !== 0) {
      t.pass('no python3 to make such a pipe with')
      return
    }
    const command = ['door', '-c', 'for f in 3 4; do readlink /proc/$$/fd/$f; done']
    const running = lock(t, daemon, command, {
      via: ['python3', '-c', script, process.execPath, LAMPORTCTL],
    })
    await granted(daemon)
    t.is(await running.ended, 0)
    t.regex(running.stdout, /^3 4\n(pipe:\[\d+\])\n\1\n$/)
  },
)

test.serial(
  'without a terminal the command has a session of its own, and signals reach all of it',
  async t => {
    const daemon = await fake(t)
    const script = 'echo pid $$; ps -o sid= -p $$; sleep 1000'
    const running = lock(t, daemon, ['door', '-c', script])
    await granted(daemon)
    const pid = await pidOf(running)
    t.is(Number((await running.says(/^ *(\d+)\n/m))[1]), pid)
    running.kill('SIGTERM')
    t.is(await running.ended, 143)
    await daemon.next('release')
  },
)

test.serial('a command that handles the signal decides on the code', async t => {
  const daemon = await fake(t)
  const trap = (name: string) => `trap 'echo ${name}; exit 9' ${name}`
  for (const name of ['INT', 'HUP', 'QUIT', 'USR1', 'USR2'] as const) {
    const script = `${trap(name)}; echo pid $$; while :; do sleep 0.05; done`
    const running = lock(t, daemon, ['door', '-c', script])
    await granted(daemon)
    await pidOf(running)
    running.kill(`SIG${name}`)
    t.is(await running.ended, 9, name)
    t.regex(running.stdout, new RegExp(`^${name}$`, 'm'))
  }
})

test.serial(
  'at a quarter of the lease before until the command is asked to stop; it ends and it is 75',
  async t => {
    const daemon = await fake(t)
    const script = "trap 'echo asked; exit 0' TERM; echo pid $$; while :; do sleep 0.01; done"
    const running = lock(t, daemon, ['door', '-c', script])
    const { grant } = await granted(daemon, { leaseMs: 800 })
    await running.says(/^asked\n/m)
    const at = monotonicNow()
    t.true(at >= grant.until! - 200, 'not before a grace')
    t.true(at < grant.until!, 'and before until')
    t.is(await running.ended, 75)
    t.true(monotonicNow() < grant.until! + 100)
    t.regex(running.stderr, /stopping the command \(SIGTERM now, SIGKILL in 0\.[12]\d s\)/)
  },
)

test.serial('at until a command that does not stop is killed with all its children', async t => {
  const daemon = await fake(t)
  const child = "trap '' TERM; echo child $$; while :; do sleep 0.01; done"
  const script = `trap '' TERM; echo pid $$; sh -c "${child}" & setsid sh -c "${child}"; wait`
  const running = lock(t, daemon, ['--lost-code', '42', 'door', '-c', script])
  const { grant } = await granted(daemon, { leaseMs: 1200 })
  const pid = await pidOf(running)
  await running.says(/child \d+\n[^]*child \d+\n/)
  t.is(await running.ended, 42)
  t.true(monotonicNow() >= grant.until!)
  t.true(monotonicNow() < grant.until! + 400)
  const all = [pid, ...[...running.stdout.matchAll(/child (\d+)/g)].map(found => Number(found[1]))]
  t.is(all.length, 3)
  t.deepEqual(all.filter(isAlive), [])
})

test.serial('renewals keep the command running past the first until', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', '-c', 'echo pid $$; read line; exit 6'])
  const { heard, grant } = await granted(daemon, { token: 5, leaseMs: 1000 })
  await pidOf(running)
  const renewals = setInterval(() => {
    heard.connection.notify('lease', { token: 5, until: monotonicNow() + 2000, leaseMs: 1000 })
    if (monotonicNow() > grant.until! + 200) running.process.stdin?.end('\n')
  }, 50)
  t.is(await running.ended, 6)
  clearInterval(renewals)
})

test.serial('once it was asked to stop, a renewal changes nothing', async t => {
  const daemon = await fake(t)
  const script = "trap 'echo asked' TERM; echo pid $$; while :; do sleep 0.01; done"
  const running = lock(t, daemon, ['door', '-c', script])
  const { heard, grant } = await granted(daemon, { token: 5, leaseMs: 800 })
  await running.says(/^asked\n/m)
  heard.connection.notify('lease', { token: 5, until: monotonicNow() + 60_000, leaseMs: 800 })
  t.is(await running.ended, 75)
  t.true(monotonicNow() < grant.until! + 400)
})

test.serial('lost, and the end of the connection, ask at once and kill at until', async t => {
  const daemon = await fake(t)
  const script = "trap 'echo asked' TERM; echo pid $$; while :; do sleep 0.01; done"
  for (const how of ['lost', 'end'] as const) {
    const running = lock(t, daemon, ['door', '-c', script])
    const { heard, grant } = await granted(daemon, {
      token: 5,
      leaseMs: 2000,
    })
    await pidOf(running)
    if (how === 'end') heard.connection.socket.destroy()
    else heard.connection.notify('lost', { token: 5, reason: 'expelled' })
    await running.says(/^asked\n/m)
    t.true(monotonicNow() < grant.until!)
    t.is(await running.ended, 75)
    t.true(monotonicNow() >= grant.until!)
    t.regex(running.stderr, how === 'end' ? /connection to lamportd/ : /was lost: expelled/)
  }
})

test.serial('without a lease, a lock that is lost gives the command a grace', async t => {
  const daemon = await fake(t)
  const script = "trap 'echo asked' TERM; echo pid $$; while :; do sleep 0.01; done"
  const running = lock(t, daemon, ['--grace', '0.2', 'door', '-c', script])
  const { heard } = await granted(daemon, { token: 5, leaseMs: null })
  await pidOf(running)
  heard.connection.notify('lost', { token: 5, reason: 'expelled' })
  t.is(await running.ended, 75)
  t.regex(running.stdout, /asked/)
})

test.serial('--kill-signal is what it is asked with', async t => {
  const daemon = await fake(t)
  const script = "trap 'echo asked; exit 0' USR2; echo pid $$; while :; do sleep 0.01; done"
  const running = lock(t, daemon, ['--kill-signal', 'usr2', 'door', '-c', script])
  const { heard } = await granted(daemon, { token: 5 })
  await pidOf(running)
  heard.connection.notify('lost', { token: 5, reason: 'expelled' })
  t.is(await running.ended, 75)
  t.regex(running.stdout, /asked/)
})

test.serial('--on-lost warn lets the command end by itself, and says so', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['--on-lost', 'warn', 'door', '-c', 'echo pid $$; read line'])
  const { grant } = await granted(daemon, { leaseMs: 200 })
  const pid = await pidOf(running)
  await running.says(/stale token/, 'stderr')
  while (monotonicNow() < grant.until! + 50) await new Promise(resolve => setImmediate(resolve))
  t.true(isAlive(pid))
  running.process.stdin?.end('\n')
  t.is(await running.ended, 75)
})

test.serial('a lamportctl that was stopped past until kills the command first of all', async t => {
  const daemon = await fake(t)
  const script = "trap 'echo asked' TERM; echo pid $$; while :; do sleep 0.01; done"
  const running = lock(t, daemon, ['door', '-c', script])
  const { heard, grant } = await granted(daemon, { token: 5, leaseMs: 400 })
  const pid = await pidOf(running)
  running.kill('SIGSTOP')
  await stopped(running.pid)
  // The daemon goes on renewing: what is read too late does not count.
  heard.connection.notify('lease', { token: 5, until: monotonicNow() + 60_000, leaseMs: 400 })
  while (monotonicNow() < grant.until! + 20) await new Promise(resolve => setImmediate(resolve))
  t.true(isAlive(pid))
  running.kill('SIGCONT')
  t.is(await running.ended, 75)
  t.false(isAlive(pid))
  t.notRegex(running.stdout, /asked/)
  t.regex(running.stderr, /killed the command/)
})

test.serial('a grant that is read too late runs nothing until a renewal makes it good', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door', 'echo', 'ran'])
  const heard = await daemon.next('acquire')
  const late = { token: 5, until: monotonicNow() - 1, leaseMs: 10_000 }
  daemon.grant(heard, late)
  heard.connection.notify('lease', { ...late, until: late.until - 1 })
  heard.connection.notify('lease', { ...late, until: monotonicNow() + 60_000 })
  t.is(await running.ended, 0)
  t.is(running.stdout, 'ran\n')
})

test.serial(
  'a grant that is read too late and never renewed is given back, and nothing runs',
  async t => {
    const daemon = await fake(t)
    const running = lock(t, daemon, ['door', 'echo', 'ran'])
    const heard = await daemon.next('acquire')
    daemon.grant(heard, { token: 5, until: monotonicNow() - 1, leaseMs: 100 })
    t.deepEqual((await daemon.next('release')).params, { token: 5 })
    t.is(await running.ended, 69)
    t.is(running.stdout, '')
  },
)

test.serial('--min-hold keeps the lock after the command, and a signal ends that', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['-v', '--min-hold', '0.3', 'door', 'true'])
  await granted(daemon)
  const at = monotonicNow()
  await daemon.next('release')
  t.true(monotonicNow() - at >= 290)
  t.is(await running.ended, 0)
  const long = lock(t, daemon, ['-v', '--min-hold', '1000', 'door', '-c', 'exit 4'])
  await granted(daemon)
  await long.says(/keeping door/, 'stderr')
  long.kill('SIGTERM')
  await daemon.next('release')
  t.is(await long.ended, 4)
})

test.serial('without a command it says held, and holds until stdin ends', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['door'])
  await granted(daemon, { token: 12 })
  await running.says(/^held door token=12\n$/)
  t.is(daemon.heard.length, 1)
  running.process.stdin?.end()
  t.deepEqual((await daemon.next('release')).params, { token: 12 })
  t.is(await running.ended, 0)
})

test.serial('without a command a signal lets go, and that is a good end', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['--json', '-s', 'door'])
  await granted(daemon, { token: 12 })
  const [line] = await running.says(/.*\n/)
  t.deepEqual(JSON.parse(line), { event: 'held', names: ['door'], token: 12, mode: 'shared' })
  running.kill('SIGTERM')
  await daemon.next('release')
  t.is(await running.ended, 0)
})

test.serial('without a command a loss is told in time, and we are gone at until', async t => {
  const daemon = await fake(t)
  const running = lock(t, daemon, ['--json', 'door'])
  const { grant } = await granted(daemon, { token: 12, leaseMs: 800 })
  const [line] = await running.says(/.*"lost".*\n/)
  t.true(monotonicNow() < grant.until!)
  t.like(JSON.parse(line), { event: 'lost', names: ['door'], token: 12 })
  t.is(await running.ended, 75)
  t.true(monotonicNow() >= grant.until!)
})

test.serial('a lock within a lock tells of its own', async t => {
  const [outer, inner] = [await fake(t), await fake(t)]
  const nested = [process.execPath, LAMPORTCTL, 'lock', '--socket', inner.path, 'b']
  const running = lock(t, outer, [
    'a',
    ...nested,
    '-c',
    'echo $LAMPORT_LOCK_NAME $LAMPORT_LOCK_TOKEN',
  ])
  await granted(outer, { token: 1 })
  await granted(inner, { token: 2 })
  t.is(await running.ended, 0)
  t.is(running.stdout, 'b 2\n')
})

test.serial('losing the outer of two locks ends what runs under the inner', async t => {
  const [outer, inner] = [await fake(t), await fake(t)]
  const nested = [process.execPath, LAMPORTCTL, 'lock', '--socket', inner.path, 'b']
  const script = "trap '' TERM; echo pid $$; while :; do sleep 0.01; done"
  const running = lock(t, outer, ['a', ...nested, '-c', script])
  const { heard } = await granted(outer, { token: 1, leaseMs: 3000 })
  await granted(inner, { token: 2 })
  const pid = await pidOf(running)
  heard.connection.notify('lost', { token: 1, reason: 'expelled' })
  t.is(await running.ended, 75)
  t.false(isAlive(pid))
})

test.serial('in a terminal the command is in our group, and Ctrl-C reaches it once', async t => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.pass('no script(1) for a terminal')
    return
  }
  const daemon = await fake(t)
  const folder = mkdtempSync(join(tmpdir(), 'lamport-tty-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const inner = join(folder, 'inner.sh')
  const trap = "trap 'echo interrupted; n=1' INT"
  writeFileSync(
    inner,
    `#!/bin/sh\n${trap}\nps -o pgid= -p $$ -p $PPID | uniq | wc -l\necho ready\n` +
      'while [ -z "$n" ]; do sleep 0.01; done\nsleep 0.1\nexit 5\n',
  )
  chmodSync(inner, 0o755)
  const command = `exec ${process.execPath} ${LAMPORTCTL} lock door ${inner}`
  const running = lamportctl([], {
    socket: daemon.path,
    via: ['script', '-qec', command, '/dev/null'],
  })
  t.teardown(() => running.process.kill('SIGKILL'))
  await granted(daemon)
  await running.says(/^1\r?\nready/m)
  running.process.stdin?.write('\x03')
  t.is(await running.ended, 5)
  t.is(running.stdout.match(/interrupted/g)?.length, 1)
})

test.serial('lines that cannot be meant are 64 before the daemon is asked', async t => {
  const nowhere = { socket: '/nonexistent/control.sock' }
  const wrong: readonly (readonly [args: string[], says: RegExp])[] = [
    [[], /no NAME/],
    [['-n', '-w', '1', 'door', 'true'], /-n and -w/],
    [['-s', '--count', '2', 'door', 'true'], /-s and --count/],
    [['-s', '-x', 'door', 'true'], /-s and -x/],
    [['--count', '0', 'door', 'true'], /--count/],
    [['-w', 'soon', 'door', 'true'], /--wait is a number of seconds/],
    [['-E', '256', 'door', 'true'], /exit code from 0 to 255/],
    [['--kill-signal', 'NOPE', 'door', 'true'], /--kill-signal/],
    [['--on-lost', 'cry', 'door', 'true'], /--on-lost/],
    [['--and', 'door', 'door', 'true'], /given twice/],
    [['', 'true'], /empty/],
    [['a\tb', 'true'], /control character/],
    [['ö'.repeat(128), 'true'], /256 bytes/],
    [['door', '-c'], /exactly one argument/],
    [['door', '-c', 'true', 'false'], /exactly one argument/],
    [['door', '--'], /no COMMAND/],
    [['--nope', 'door'], /unknown option --nope/],
    [['-w'], /-w needs a value/],
    [['--why', 'x'.repeat(300), 'door', 'true'], /--why/],
  ]
  for (const [args, says] of wrong) {
    const running = lamportctl(['lock', ...args], nowhere)
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, says)
    t.regex(running.stderr, /^lamportctl: lock: .*\(.*\)\n$/)
    t.is(running.stdout, '')
  }
})

test.serial('an argument that is not UTF-8 is refused, for Node would change it', async t => {
  const shell = `exec "$0" "$1" lock door echo "$(printf 'caf\\351')"`
  const running = lamportctl([], { via: ['/bin/sh', '-c', shell, process.execPath, LAMPORTCTL] })
  t.is(await running.ended, 64)
  t.regex(running.stderr, /not valid UTF-8/)
})
