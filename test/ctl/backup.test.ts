import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FakeVariables } from '../helpers/fake-variables.ts'

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-backup-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

test('export writes all that is set, import sets it elsewhere', async t => {
  const fake = await FakeVariables.start(t)
  const file = join(folderOf(t), 'variables.jsonl')
  fake.write('a/text', 'two\nlines "é"')
  fake.write('b', { base64: '/wA=' })
  fake.write('c', '')
  fake.write('gone', '1')
  fake.write('gone', undefined)
  fake.write('d', '4')
  t.deepEqual(await fake.ran(t, ['export', file]), {
    code: 0,
    stdout: `4 variables written to ${file}\n`,
    stderr: '',
  })
  t.is(
    readFileSync(file, 'utf8'),
    '{"name":"a/text","value":"two\\nlines \\"é\\"","version":1}\n' +
      '{"name":"b","value":{"base64":"/wA="},"version":1}\n' +
      '{"name":"c","value":"","version":1}\n' +
      '{"name":"d","value":"4","version":1}\n',
  )
  t.is(statSync(file).mode & 0o777, 0o600)
  const other = await FakeVariables.start(t)
  other.write('d', '5')
  other.write('kept', 'k')
  const first = await other.ran(t, ['import', file])
  t.deepEqual(first, { code: 0, stdout: '4 set, 0 kept\n', stderr: '' })
  t.is(other.value('a/text'), 'two\nlines "é"')
  t.deepEqual(other.value('b'), { base64: '/wA=' })
  t.is(other.value('d'), '4')
  t.is(other.value('kept'), 'k')
  const again = await other.ran(t, ['import', '-', '--json'], { input: readFileSync(file, 'utf8') })
  t.deepEqual(JSON.parse(again.stdout), { set: 0, kept: 4, variables: 4 })
  t.is(other.now('d').version, 2)
})

test('export to stdout, and over a file that is there; an unreachable folder is 74', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '1')
  const folder = folderOf(t)
  const file = join(folder, 'backup')
  writeFileSync(file, 'old', { mode: 0o644 })
  t.is((await fake.ran(t, ['export', '-'])).stdout, '{"name":"x","value":"1","version":1}\n')
  t.is((await fake.ran(t, ['export', file])).code, 0)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.deepEqual(readdirSync(folder), ['backup'])
  const device = await fake.ran(t, ['export', '/dev/null'])
  t.is(device.code, 74)
  t.regex(device.stderr, /\/dev\/null cannot be looked at: it is no regular file \(/)
  const lost = await fake.ran(t, ['export', join(folder, 'no', 'where')])
  t.is(lost.code, 74)
  t.regex(
    lost.stderr,
    /^lamportctl: .*\/no\/where cannot be used: it is not there \(check the path\)\n$/,
  )
})

test('export says so where this host may not know all', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '1')
  fake.majority = false
  const { code, stdout, stderr } = await fake.ran(t, ['export', '-'])
  t.is(code, 0)
  t.not(stdout, '')
  t.regex(stderr, /^lamportctl: this host hears no majority: others may know more \(/)
})

test('import --create leaves alone what is set', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'mine')
  const input = '{"name":"x","value":"theirs"}\n\n{"name":"y","value":"new"}\n'
  const { code, stdout } = await fake.ran(t, ['import', '--create', '-'], { input })
  t.is(code, 0)
  t.is(stdout, '1 set, 1 kept\n')
  t.is(fake.value('x'), 'mine')
  t.is(fake.value('y'), 'new')
})

test('a bad line is told with file and line, before anything is written', async t => {
  const fake = await FakeVariables.start(t)
  const good = '{"name":"x","value":"1"}\n'
  const says: readonly (readonly [line: string, says: RegExp])[] = [
    ['{"name":"y","val', /stdin:2: not JSON \(/],
    ['[]', /stdin:2: not a JSON object/],
    ['{"value":"1"}', /stdin:2: "name" is not a text/],
    ['{"name":"a\\nb","value":"1"}', /stdin:2: the name .* control character/],
    ['{"name":"y"}', /stdin:2: "value" is neither/],
    ['{"name":"y","value":{"base64":"?"}}', /stdin:2: "base64" is not base64/],
    ['{"name":"y","value":"\\ud800"}', /stdin:2: "value" is not valid Unicode/],
    ['{"name":"y","value":"1","version":"new"}', /stdin:2: "version" is not a number/],
    [
      JSON.stringify({ name: 'y', value: 'v'.repeat(65537) }),
      /stdin:2: the value has more than 65536/,
    ],
    ['{"name":"x","value":"2"}', /stdin:2: x is in line 1 already/],
  ]
  for (const [line, pattern] of says) {
    const { code, stdout, stderr } = await fake.ran(t, ['import', '-'], { input: good + line })
    t.is(code, 65, line)
    t.regex(stderr, pattern)
    t.regex(stderr, /^lamportctl: .* \(.*\)\n$/)
    t.is(stdout, '')
  }
  t.is(fake.value('x'), undefined)
  const missing = await fake.ran(t, ['import', '/nonexistent/file'])
  t.is(missing.code, 74)
  t.regex(missing.stderr, /\/nonexistent\/file cannot be read: it is not there/)
})

test('an import that fails midway says how far it came, and goes on when it is run again', async t => {
  const fake = await FakeVariables.start(t)
  const input = Array.from({ length: 30 }, (_, at) => `{"name":"v${at}","value":"${at}"}\n`).join(
    '',
  )
  const seen = fake.write('other', '1')
  const data = { effect: 'unknown', seen }
  fake.mishaps.push({ method: 'set', code: 'noMajority', data, isDone: true })
  const { code, stdout, stderr } = await fake.ran(t, ['import', '-'], { input })
  t.is(code, 76)
  t.regex(stdout, /^\d+ set, 0 kept\n$/)
  t.regex(stderr, /may still take effect/)
  t.regex(stderr, /variables? of 30 not imported \(run it again/)
  t.is((await fake.ran(t, ['import', '-'], { input })).code, 0)
  t.is(fake.value('v29'), '29')
  for (let at = 0; at < 30; at++) t.is(fake.now(`v${at}`).version, 1)
})
