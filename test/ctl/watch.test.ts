import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FakeVariables } from '../helpers/fake-variables.ts'
import { LAMPORTCTL, type Running } from '../helpers/lamportctl.ts'

/** A command for `-- COMMAND` that prints what it was told. */
const TELL = [
  '/bin/sh',
  '-c',
  'echo "[$LAMPORT_VAR_NAME $LAMPORT_VAR_VERSION' +
    ' value=${LAMPORT_VAR_VALUE-none}/${LAMPORT_VAR_VALUE_BASE64-none}' +
    ' old=${LAMPORT_VAR_OLD_VALUE-none}/${LAMPORT_VAR_OLD_VALUE_BASE64-none}' +
    ' deleted=${LAMPORT_VAR_DELETED-no} stdin=$(base64 -w0)]"',
]

async function watching(t: ExecutionContext, fake: FakeVariables, args: readonly string[]) {
  const running = fake.run(t, ['watch', ...args])
  await fake.watched()
  return running
}

/** Ends it, and gives what it had printed. */
async function interrupted(running: Running): Promise<string> {
  running.kill('SIGTERM')
  await running.ended
  return running.stdout
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

test('of a NAME each new value is a line; an unset is told on stderr', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'before')
  const running = await watching(t, fake, ['x'])
  fake.write('y', 'other')
  fake.write('x', '1')
  fake.write('x', undefined)
  fake.write('x', 'two\nlines')
  await running.says(/lines\n/)
  t.is(await interrupted(running), '1\ntwo\nlines\n')
  t.is(running.stderr, 'lamportctl: x is not set\n')
})

test('of a PREFIX/ each change is one line that cannot be misread', async t => {
  const fake = await FakeVariables.start(t)
  const running = await watching(t, fake, ['a/'])
  fake.write('a', 'not below it')
  fake.write('a/b', 'plain $value = 1')
  fake.write('a/b', '"quoted')
  fake.write('a/b', 'two\nlines')
  fake.write('a/b', 'base64:aGk=')
  fake.write('a/b', { base64: '/w==' })
  fake.write('a/b', 'turned\u202e\u009b')
  fake.write('a/b', '')
  fake.write('a/b', undefined)
  fake.write('a/c=d', '1')
  await running.says(/c=d.*\n/)
  t.deepEqual((await interrupted(running)).split('\n'), [
    'a/b=plain $value = 1',
    'a/b="\\"quoted"',
    'a/b="two\\nlines"',
    'a/b="base64:aGk="',
    'a/b=base64:/w==',
    'a/b="turned\\u202e\\u009b"',
    'a/b=',
    'a/b',
    '"a/c=d"=1',
    '',
  ])
})

test('--json is an object a line, --initial begins with how things are', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('a/1', 'one')
  fake.write('a/2', 'gone')
  fake.write('a/2', undefined)
  const running = await watching(t, fake, ['--json', 'a/', '--initial'])
  fake.write('a/1', undefined)
  fake.write('a/2', 'back')
  await running.says(/back.*\n/)
  const lines = (await interrupted(running)).trim().split('\n')
  t.deepEqual(
    lines.map(line => JSON.parse(line) as unknown),
    [
      { name: 'a/1', value: 'one', version: 1, writer: { host: 'attic', time: 100 } },
      { name: 'a/1', deleted: true, version: 2, writer: { host: 'attic', time: 103 } },
      { name: 'a/2', value: 'back', version: 3, writer: { host: 'attic', time: 104 } },
    ],
  )
})

test('a daemon that restarts is looked for again, and what changed meanwhile is told once', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('a/kept', '1')
  fake.write('a/gone', '1')
  const running = await watching(t, fake, ['a/'])
  fake.write('a/new', '1')
  await running.says(/a\/new=1\n/)
  await fake.restart(() => {
    fake.write('a/gone', undefined)
    fake.write('a/kept', '2')
  })
  await fake.watched()
  await running.says(/a\/gone\n/)
  fake.write('a/new', '2')
  await running.says(/a\/new=2\n/)
  t.is(await interrupted(running), 'a/new=1\na/kept=2\na/gone\na/new=2\n')
  t.is(running.stderr, '')
})

test('it ends well when nobody reads any more', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '0')
  const script = '{ "$0" "$1" watch x --initial; echo $? >&2; } | head -1'
  const running = fake.run(t, [script, process.execPath, LAMPORTCTL], {
    via: ['/bin/sh', '-c'],
  })
  await fake.watched()
  await running.says(/0\n/)
  // The reader takes a moment to go.
  const again = setInterval(() => fake.write('x', '1'), 50)
  t.teardown(() => clearInterval(again))
  await running.ended
  t.is(running.stdout, '0\n')
  t.is(running.stderr, '0\n')
})

test('a signal ends it as it would end any other program', async t => {
  const fake = await FakeVariables.start(t)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const running = await watching(t, fake, ['x'])
    running.kill(signal)
    t.is(await running.ended, signal)
    t.is(running.stderr, '')
    await fake.restart()
  }
})

test('a command runs for each change and is told of old and new, with the value on stdin', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'before')
  const running = await watching(t, fake, ['x', '--', ...TELL])
  fake.write('x', 'it is\n$HOME')
  await running.says(/ 2 [^\]]*]/)
  fake.write('x', 'it is\n$HOME')
  fake.write('x', undefined)
  await running.says(/ 4 [^\]]*]/)
  fake.write('x', { base64: '/wA=' })
  await running.says(/ 5 .*]/)
  fake.write('x', 'nul\0')
  await running.says(/ 6 .*]/)
  t.is(
    await interrupted(running),
    [
      `[x 2 value=it is\n$HOME/none old=before/none deleted=no stdin=${base64('it is\n$HOME')}]`,
      `[x 4 value=none/none old=it is\n$HOME/none deleted=1 stdin=]`,
      `[x 5 value=none//wA= old=none/none deleted=no stdin=/wA=]`,
      `[x 6 value=none/${base64('nul\0')} old=none//wA= deleted=no stdin=${base64('nul\0')}]`,
      '',
    ].join('\n'),
  )
  t.is(running.stderr, '')
})

test('--initial runs the command for how things are, else it waits for a change', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('a/1', 'one')
  const running = fake.run(t, ['watch', '--initial', 'a/', '--', ...TELL])
  await running.says(/\[a\/1 1 value=one\/none old=none.*]/)
  t.is((await interrupted(running)).split('\n').length, 2)
  const unset = fake.run(t, ['watch', '--initial', 'b', '--', ...TELL])
  await unset.says(/\[b 0 value=none\/none old=none\/none deleted=1 stdin=]/)
})

test('what changes while the command runs is coalesced, names in order', async t => {
  const fake = await FakeVariables.start(t)
  const script =
    'echo "$LAMPORT_VAR_NAME=$LAMPORT_VAR_VALUE ($LAMPORT_VAR_OLD_VALUE)"; until rm "$0" 2>&-; do sleep 0.02; done'
  const folder = mkdtempSync(join(tmpdir(), 'lamport-watch-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const gate = join(folder, 'gate')
  const running = await watching(t, fake, ['a/', '--', '/bin/sh', '-c', script, gate])
  fake.write('a/m', '1')
  await running.says(/a\/m=1/)
  for (let at = 1; at <= 20; at++) fake.write('a/z', `${at}`)
  fake.write('a/m', '2')
  fake.write('a/m', '3')
  fake.write('a/b', 'b')
  // They are here once an answer that follows them is.
  await fake.ran(t, ['vars'])
  // Each command takes it away and ends.
  const go = (): void => writeFileSync(gate, '')
  for (const pattern of [/a\/b=b/, /a\/m=3/, /a\/z=20/]) {
    go()
    await running.says(pattern)
  }
  go()
  t.is(await interrupted(running), 'a/m=1 ()\na/b=b ()\na/m=3 (1)\na/z=20 ()\n')
})

test('a command that fails, is not there or reads nothing does not end the watch', async t => {
  const fake = await FakeVariables.start(t)
  const big = 'x'.repeat(64 * 1024)
  const script = 'case $LAMPORT_VAR_VALUE in f) exit 3;; s) kill -9 $$;; o) echo fine;; esac'
  const running = await watching(t, fake, ['x', '--', '/bin/sh', '-c', script])
  fake.write('x', 'f')
  await running.says(
    /lamportctl: \/bin\/sh ended with exit code 3, for version 1 of x \(/,
    'stderr',
  )
  fake.write('x', 's')
  await running.says(/\/bin\/sh was ended by SIGKILL, for version 2 of x/, 'stderr')
  fake.write('x', big)
  fake.write('x', 'o')
  await running.says(/fine/)
  await interrupted(running)
  await fake.restart()
  const missing = await watching(t, fake, ['x', '--', '/nonexistent/program'])
  fake.write('x', 'once more')
  await missing.says(/\/nonexistent\/program was not found, for version/, 'stderr')
  t.false(running.stderr.includes('version 3'))
})

test('a signal goes to the command that runs, which is waited for', async t => {
  const fake = await FakeVariables.start(t)
  const folder = mkdtempSync(join(tmpdir(), 'lamport-watch-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const script = `trap 'echo asked; sleep 0.3; echo ended > "$0"; exit 0' INT; echo begun; while :; do sleep 0.05; done`
  const args = ['x', '--', '/bin/sh', '-c', script, join(folder, 'log')]
  const running = await watching(t, fake, args)
  fake.write('x', '1')
  await running.says(/begun/)
  running.kill('SIGINT')
  t.is(await running.ended, 'SIGINT')
  t.is(readFileSync(join(folder, 'log'), 'utf8'), 'ended\n')
})
