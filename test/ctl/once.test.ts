import { setTimeout as pause } from 'node:timers/promises'
// One at a time: some measure deadlines.
import test, { type ExecutionContext } from 'ava'
import type { AcquireResult } from '../../src/control/protocol.ts'
import { formatRuns, type Runs } from '../../src/ctl/once/record.ts'
import type { Heard } from '../helpers/fake-daemon.ts'
import { FakeVariables } from '../helpers/fake-variables.ts'
import { lamportctl, type Running } from '../helpers/lamportctl.ts'

const HOUR = 3_600_000
const nothing: Runs = { every: undefined, key: undefined, keys: [] }

function stamped(agoMs: number, host = 'attic'): string {
  const every = { started: Date.now() - agoMs, host, token: 7 }
  return formatRuns({ ...nothing, every }) ?? ''
}

function once(t: ExecutionContext, fake: FakeVariables, ...args: readonly string[]): Running {
  return fake.run(t, ['once', ...args], { input: '' })
}

/** As far as the grant. */
async function granted(
  fake: FakeVariables,
  grant: Partial<AcquireResult> = {},
): Promise<{ heard: Heard; grant: AcquireResult }> {
  const heard = await fake.daemon.next('acquire')
  return { heard, grant: fake.daemon.grant(heard, grant) }
}

function everyOf(fake: FakeVariables): Record<string, unknown> | undefined {
  const text = fake.text('once/backup')
  if (text === '') return undefined
  return (JSON.parse(text) as { every?: Record<string, unknown> }).every
}

test.serial('the first one runs it, under the lock, with the stamp written before', async t => {
  const fake = await FakeVariables.start(t)
  const script = 'env | grep ^LAMPORT_LOCK | sort; read line; exit 3'
  const running = fake.run(t, ['once', '--every', '1h', '--why', 'x', 'backup', '-c', script])
  const { heard } = await granted(fake, { token: 77 })
  await running.says(/TOKEN/)
  t.is(everyOf(fake)?.token, 77)
  t.is(everyOf(fake)?.host, 'garage')
  t.true(Math.abs(Date.now() - Date.parse(String(everyOf(fake)?.started))) < 60_000)
  running.process.stdin?.end('\n')
  t.is(await running.ended, 3, 'its own code')
  t.is(
    running.stdout,
    'LAMPORT_LOCK_MODE=exclusive\nLAMPORT_LOCK_NAME=backup\nLAMPORT_LOCK_TOKEN=77\n',
  )
  t.is(running.stderr, '')
  t.deepEqual(heard.params.names, ['backup'])
  t.is(heard.params.why, 'x')
  t.deepEqual((await fake.daemon.next('release')).params, { token: 77 })
  t.is(everyOf(fake)?.token, 77, 'a failure has used it too')
})

test.serial('whoever comes too late exits 0, or with -E, and does not even ask', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('once/backup', stamped(0.89 * HOUR))
  const every = ['once', '--every', '1h']
  const late = await fake.ran(t, [...every, 'backup', 'echo', 'ran'])
  t.deepEqual(late, { code: 0, stdout: '', stderr: '' })
  const coded = await fake.ran(t, [...every, '-E', '9', 'backup', 'echo', 'ran'])
  t.deepEqual(coded, { code: 9, stdout: '', stderr: '' })
  const told = await fake.ran(t, [...every, '-v', 'backup', 'true'])
  t.is(told.stderr, 'lamportctl: backup is not due (started on attic 53 min ago)\n')
  const json = await fake.ran(t, ['--json', ...every, 'backup', 'true'])
  const event = JSON.parse(json.stderr) as Record<string, unknown>
  t.is(event.event, 'not-due')
  t.deepEqual(event.names, ['backup'])
  t.is(event.host, 'attic')
  t.is(event.started, everyOf(fake)?.started)
  t.false(fake.daemon.heard.some(({ method }) => method === 'acquire'))
})

test.serial('it is due when nine tenths have passed, and when the stamp is far ahead', async t => {
  const fake = await FakeVariables.start(t)
  for (const agoMs of [0.91 * HOUR, -0.2 * HOUR]) {
    fake.write('once/backup', stamped(agoMs))
    const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
    await granted(fake)
    t.is(await running.ended, 0)
    t.is(running.stdout, 'ran\n')
    t.is(everyOf(fake)?.host, 'garage')
  }
})

test.serial('a key runs once, and others of the same name as well', async t => {
  const fake = await FakeVariables.start(t)
  for (const key of ['v1', 'v2']) {
    const running = once(t, fake, '--key', key, 'migrate', 'echo', key)
    await granted(fake)
    t.is(await running.ended, 0)
    t.is(running.stdout, `${key}\n`)
  }
  for (const key of ['v1', 'v2']) {
    const late = await fake.ran(t, ['once', '--key', key, 'migrate', 'echo', key])
    t.deepEqual(late, { code: 0, stdout: '', stderr: '' })
  }
  t.deepEqual((JSON.parse(fake.text('once/migrate')) as { keys: unknown }).keys, ['v1', 'v2'])
})

test.serial('whoever waits for the lock goes when somebody else has used the period', async t => {
  const fake = await FakeVariables.start(t)
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  const heard = await fake.daemon.next('acquire')
  heard.connection.notify('queued', { id: heard.id, position: 1 })
  await fake.watched()
  fake.write('once/backup', stamped(0))
  t.is(await running.ended, 0)
  t.is(running.stdout + running.stderr, '')
  await fake.daemon.next('cancel')
})

test.serial('a period that was used while the lock was waited for is not used again', async t => {
  const fake = await FakeVariables.start(t)
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  const heard = await fake.daemon.next('acquire')
  fake.write('once/backup', stamped(0))
  fake.daemon.grant(heard)
  t.is(await running.ended, 0)
  t.is(running.stdout + running.stderr, '')
  t.is(everyOf(fake)?.host, 'attic')
  await fake.daemon.next('release')
})

test.serial('a lock that is taken is waited for; -n and -w give up as a loser does', async t => {
  const fake = await FakeVariables.start(t)
  const asked = async (options: readonly string[], code: number): Promise<Heard> => {
    const running = once(t, fake, '--every', '1h', ...options, 'backup', 'echo', 'ran')
    const heard = await fake.daemon.next('acquire')
    fake.daemon.refuse(heard, 'notAcquired', 'others precede')
    t.is(await running.ended, code)
    t.is(running.stdout + running.stderr, '')
    return heard
  }
  t.is((await asked(['-n'], 0)).params.waitMs, 0)
  t.is((await asked(['-n', '-E', '4'], 4)).params.waitMs, 0)
  const { waitMs } = (await asked(['-w', '5'], 0)).params
  t.true(typeof waitMs === 'number' && waitMs > 1000 && waitMs <= 5000, String(waitMs))
  t.is(everyOf(fake), undefined)
  const patient = once(t, fake, '--every', '1h', 'backup', 'true')
  t.false('waitMs' in (await granted(fake)).heard.params)
  t.is(await patient.ended, 0)
})

test.serial(
  '--retry-failed gives the period back where the command fails, and only then',
  async t => {
    const fake = await FakeVariables.start(t)
    const run = async (...args: readonly string[]): Promise<number | string> => {
      const running = once(t, fake, '--every', '1h', ...args)
      await granted(fake, { token: 4711 })
      return running.ended
    }
    t.is(await run('--retry-failed', 'backup', '-c', 'exit 5'), 5)
    t.is(fake.value('once/backup'), undefined)
    t.is(await run('--retry-failed', 'backup', 'true'), 0)
    t.is(everyOf(fake)?.token, 4711)
    fake.write('once/backup', undefined)
    t.is(await run('backup', 'false'), 1)
    t.is(everyOf(fake)?.token, 4711)
    const order = fake.daemon.heard.map(({ method }) => method)
    t.true(order.lastIndexOf('unset') < order.lastIndexOf('release'), 'before the lock is let go')
  },
)

test.serial('--retry-failed gives a key back, and leaves the others', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('once/migrate', formatRuns({ ...nothing, keys: ['v1'] }))
  const running = once(t, fake, '--key', 'v2', '--retry-failed', 'migrate', 'false')
  await granted(fake)
  t.is(await running.ended, 1)
  t.is(fake.text('once/migrate'), '{"keys":["v1"]}')
})

test.serial('a stamp that is another’s by then is not taken away', async t => {
  const fake = await FakeVariables.start(t)
  const args = ['--every', '1h', '--retry-failed', 'backup', '-c', 'echo in; read line; exit 1']
  const running = fake.run(t, ['once', ...args])
  await granted(fake)
  await running.says(/in/)
  fake.write('once/backup', stamped(0))
  running.process.stdin?.end('\n')
  t.is(await running.ended, 1)
  t.is(everyOf(fake)?.host, 'attic')
})

test.serial('what cannot be given back is told', async t => {
  const fake = await FakeVariables.start(t)
  const args = ['--every', '1h', '--retry-failed', 'backup', '-c', 'echo in; read line; exit 1']
  const running = fake.run(t, ['once', ...args])
  await granted(fake)
  await running.says(/in/)
  fake.majority = false
  running.process.stdin?.end('\n')
  t.is(await running.ended, 1)
  t.regex(running.stderr, /backup stays used .*no majority.*lamportctl unset once\/backup\)/)
})

test.serial('a command that cannot be started has not used the period', async t => {
  const fake = await FakeVariables.start(t)
  const running = once(t, fake, '--every', '1h', 'backup', '--', 'no-such-program')
  await granted(fake)
  t.is(await running.ended, 127)
  t.is(fake.value('once/backup'), undefined)
})

test.serial('a lock that is lost stops the command with 75, and the period is used', async t => {
  const fake = await FakeVariables.start(t)
  const running = once(
    t,
    fake,
    '--every',
    '1h',
    '--grace',
    '0.2',
    'backup',
    '-c',
    'echo in; sleep 9',
  )
  const { heard, grant } = await granted(fake)
  await running.says(/in/)
  heard.connection.notify('lost', { token: grant.token, reason: 'expelled' })
  t.is(await running.ended, 75)
  t.regex(running.stderr, /was lost: expelled; stopping the command/)
  t.is(everyOf(fake)?.token, grant.token)
})

test.serial('a lock that is lost between the stamp and the command runs nothing', async t => {
  const fake = await FakeVariables.start(t)
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  const { heard, grant } = await granted(fake)
  await fake.daemon.next('set')
  heard.connection.notify('lost', { token: grant.token, reason: 'expelled' })
  t.is(await running.ended, 69)
  t.is(running.stdout, '')
  t.is(fake.value('once/backup'), undefined)
})

test.serial('a stamp of which it is not known whether it was written is looked for', async t => {
  const fake = await FakeVariables.start(t)
  const unknown = { method: 'set', code: 'noMajority', data: { effect: 'unknown' } } as const
  for (const isDone of [true, false]) {
    fake.write('once/backup', undefined)
    const before = fake.now('once/backup').version
    fake.mishaps.push({ ...unknown, isDone })
    const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
    const { grant } = await granted(fake, { token: isDone ? 900 : 901 })
    t.is(await running.ended, 0)
    t.is(running.stdout, 'ran\n')
    t.is(everyOf(fake)?.token, grant.token)
    t.is(fake.now('once/backup').version, before + 1, 'it is written once')
  }
})

test.serial('one that took effect late is found when it is written again', async t => {
  const fake = await FakeVariables.start(t)
  // What is read is old: the write that nobody answered for comes between.
  fake.mishaps.push({ method: 'set', code: 'noMajority', data: { effect: 'unknown' } })
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  await granted(fake, { token: 900 })
  t.is(await running.ended, 0)
  const sets = fake.daemon.heard.filter(({ method }) => method === 'set')
  t.is(sets.length, 2)
  t.deepEqual(sets[0]?.params, sets[1]?.params, 'the same, for the same version')
})

test.serial('nothing is run while that is not known, and that is told with 76', async t => {
  const fake = await FakeVariables.start(t)
  fake.mishaps.push({ method: 'set', isDone: true, isCut: true })
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  // Without a lease a lock is lost with its connection.
  await granted(fake, { token: 900, until: null, leaseMs: null })
  t.is(await running.ended, 76, running.stderr)
  t.is(running.stdout, '')
  t.regex(
    running.stderr,
    /whether this run is noted in once\/backup is not known, so nothing was run/,
  )
  t.regex(running.stderr, /lamportctl get once\/backup\)\n$/)
})

test.serial('a lock that ends before the command starts gives the period back', async t => {
  const fake = await FakeVariables.start(t)
  fake.mishaps.push({ method: 'set', isDone: true, isCut: true })
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  await granted(fake, { token: 900 })
  t.is(await running.ended, 69)
  t.is(running.stdout, '')
  t.regex(running.stderr, /the connection to lamportd .* ended/)
  t.is(everyOf(fake), undefined)
})

test.serial('an unknown write that another one has overtaken is no run', async t => {
  const fake = await FakeVariables.start(t)
  fake.mishaps.push({ method: 'set', code: 'noMajority', data: { effect: 'unknown' } })
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  await granted(fake, { token: 900 })
  await fake.daemon.next('set')
  fake.write('once/backup', stamped(0))
  t.is(await running.ended, 0)
  t.is(running.stdout + running.stderr, '')
  t.is(everyOf(fake)?.host, 'attic')
})

test.serial('without a majority it waits, or gives up with 69 after -w', async t => {
  const fake = await FakeVariables.start(t)
  fake.majority = false
  const short = await fake.ran(t, ['once', '--every', '1h', '-w', '0.2', 'backup', 'true'])
  t.is(short.code, 69)
  t.regex(short.stderr, /no majority/)
  const running = once(t, fake, '--every', '1h', 'backup', 'echo', 'ran')
  await fake.daemon.next('get')
  fake.majority = true
  await granted(fake)
  t.is(await running.ended, 0)
  t.is(running.stdout, 'ran\n')
})

test.serial('a variable that once has not written is 65, and nothing runs', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('once/backup', 'yesterday')
  const foreign = await fake.ran(t, ['once', '--every', '1h', 'backup', 'echo', 'ran'])
  t.is(foreign.code, 65)
  t.is(foreign.stdout, '')
  t.regex(foreign.stderr, /once\/backup holds something .* lamportctl unset once\/backup\)/)
})

test.serial('a signal while it waits withdraws it; while it runs it is the command’s', async t => {
  const fake = await FakeVariables.start(t)
  const waiting = once(t, fake, '--every', '1h', 'backup', 'true')
  await fake.daemon.next('acquire')
  waiting.kill('SIGTERM')
  t.is(await waiting.ended, 143)
  const running = once(
    t,
    fake,
    '--every',
    '1h',
    '--retry-failed',
    'backup',
    '-c',
    'echo in; sleep 9',
  )
  await granted(fake)
  await running.says(/in/)
  running.kill('SIGTERM')
  t.is(await running.ended, 143)
  t.is(fake.value('once/backup'), undefined, 'it failed')
})

test.serial('no daemon is 69; --connect-wait waits for it', async t => {
  const fake = await FakeVariables.start(t)
  await fake.daemon.kill()
  const gone = await fake.ran(t, ['once', '--every', '1h', 'backup', 'true'])
  t.is(gone.code, 69)
  const running = once(t, fake, '--every', '1h', '--connect-wait', '30', 'backup', 'true')
  await pause(300)
  await fake.daemon.listen()
  await granted(fake)
  t.is(await running.ended, 0)
})

test.serial('-v and --json tell on stderr what happens', async t => {
  const fake = await FakeVariables.start(t)
  const told = once(t, fake, '-v', '--every', '1h', 'backup', 'true')
  await granted(fake, { token: 77 })
  t.is(await told.ended, 0)
  t.is(told.stderr, 'lamportctl: waiting for backup\nlamportctl: running true, token 77\n')
  const json = once(t, fake, '--json', '--key', 'a', 'backup', 'true')
  await granted(fake, { token: 78 })
  t.is(await json.ended, 0)
  t.deepEqual(JSON.parse(json.stderr), {
    event: 'held',
    names: ['backup'],
    token: 78,
    mode: 'exclusive',
  })
})

test.serial('lines that cannot be meant are 64 before the daemon is asked', async t => {
  t.timeout(60_000)
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['backup', 'true'], /once takes --every DURATION or --key KEY; neither is given/],
    [['--every', '1h', '--key', 'a', 'backup', 'true'], /both are given/],
    [['--every', 'daily', 'backup', 'true'], /--every is a duration of at least 1s, .*"daily"/],
    [['--every', '500ms', 'backup', 'true'], /at least 1s/],
    [['--every', '5', 'backup', 'true'], /such as 30s/],
    [['--key', '', 'backup', 'true'], /--key is empty/],
    [['--every', '1h'], /no NAME is given/],
    [['--every', '1h', 'backup'], /no COMMAND is given/],
    [['--every', '1h', 'x'.repeat(255), 'true'], /has 260 bytes/],
    [['--every', '1h', '-n', '-w', '5', 'backup', 'true'], /exclude each other/],
    [['--every', '1h', '-s', 'backup', 'true'], /unknown option -s/],
  ]
  for (const [args, expected] of cases) {
    const running = lamportctl(['once', ...args], { socket: '/nowhere', input: '' })
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, expected)
  }
})
