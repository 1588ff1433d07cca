import test from 'ava'
import { FakeVariables } from '../helpers/fake-variables.ts'

const NOT_TEXT = Buffer.from([0xff, 0x00, 0x41])

test('get prints the value and nothing else', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('fan/speed', '12')
  t.deepEqual(await fake.ran(t, ['get', 'fan/speed']), { code: 0, stdout: '12', stderr: '' })
  fake.write('empty', '')
  t.deepEqual(await fake.ran(t, ['get', 'empty']), { code: 0, stdout: '', stderr: '' })
})

test('get gives bytes as they are, and as base64 in JSON', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('raw', { base64: NOT_TEXT.toString('base64') })
  const running = fake.run(t, ['get', 'raw'])
  const chunks: Buffer[] = []
  running.process.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  t.is(await running.ended, 0)
  t.deepEqual(Buffer.concat(chunks), NOT_TEXT)
  const { stdout } = await fake.ran(t, ['get', 'raw', '--json'])
  t.deepEqual(JSON.parse(stdout), {
    name: 'raw',
    value: { base64: '/wBB' },
    version: 1,
    writer: { host: 'attic', time: 100 },
  })
})

test('get of what is not set is 1, and JSON says its version', async t => {
  const fake = await FakeVariables.start(t)
  const { code, stdout, stderr } = await fake.ran(t, ['get', 'nothing'])
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^lamportctl: nothing is not set \(.*\)\n$/)
  fake.write('gone', '1')
  fake.write('gone', undefined)
  const json = await fake.ran(t, ['get', '--json', 'gone'])
  t.is(json.code, 1)
  t.deepEqual(JSON.parse(json.stdout), {
    name: 'gone',
    deleted: true,
    version: 2,
    writer: { host: 'attic', time: 101 },
  })
})

test('get without a majority is 69; --local does without, and says so', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'old')
  t.deepEqual(await fake.ran(t, ['get', 'x', '--local']), { code: 0, stdout: 'old', stderr: '' })
  fake.majority = false
  const far = await fake.ran(t, ['get', 'x', '-w', '0.5'])
  t.is(far.code, 69)
  t.is(far.stdout, '')
  t.regex(far.stderr, /^lamportctl: no majority of hosts/)
  t.is(fake.daemon.heard.findLast(({ method }) => method === 'get')?.params.waitMs, 500)
  const near = await fake.ran(t, ['get', '--local', 'x'])
  t.is(near.code, 0)
  t.is(near.stdout, 'old')
  t.regex(near.stderr, /^lamportctl: this host hears no majority: .* \(.*\)\n$/)
})

test('set writes, says nothing, and in JSON the version', async t => {
  const fake = await FakeVariables.start(t)
  t.deepEqual(await fake.ran(t, ['set', 'x', '007']), { code: 0, stdout: '', stderr: '' })
  t.is(fake.value('x'), '007')
  const { stdout } = await fake.ran(t, ['set', 'x', '', '--json'])
  t.deepEqual(JSON.parse(stdout), {
    name: 'x',
    value: '',
    version: 2,
    writer: { host: 'garage', time: 101 },
  })
  t.is((await fake.ran(t, ['set', '--', '-x', '-5'])).code, 0)
  t.is(fake.value('-x'), '-5')
})

test('set NAME - takes stdin byte by byte, at most 64 KiB', async t => {
  const fake = await FakeVariables.start(t)
  const input = 'two\nlines\n'
  t.is((await fake.ran(t, ['set', 'x', '-'], { input })).code, 0)
  t.is(fake.value('x'), input)
  const all = 'é'.repeat(32 * 1024)
  t.is((await fake.ran(t, ['set', 'x', '-'], { input: all })).code, 0)
  t.is(fake.value('x'), all)
  // It does not wait for the end of what is too long already.
  const running = fake.run(t, ['set', 'x', '-'])
  running.process.stdin?.write(`${all}!`)
  t.is(await running.ended, 64)
  t.regex(running.stderr, /more than 65536 bytes \(.*\)\n$/)
  t.is(fake.now('x').version, 2)
})

test('set --if and --create write only what is as it was thought to be', async t => {
  const fake = await FakeVariables.start(t)
  t.is((await fake.ran(t, ['set', 'x', 'a', '--if', '0'])).code, 0)
  t.is((await fake.ran(t, ['set', 'x', 'b', '--if=1'])).code, 0)
  const late = await fake.ran(t, ['set', 'x', 'c', '--if', '1'])
  t.is(late.code, 1)
  t.regex(late.stderr, /^lamportctl: x was not written: it is version 2, "b" \(.*\)\n$/)
  const twice = await fake.ran(t, ['set', '--create', 'x', 'd'])
  t.is(twice.code, 1)
  t.regex(twice.stderr, /it is version 2, "b"/)
  t.is(fake.value('x'), 'b')
  t.is((await fake.ran(t, ['set', '--create', 'y', 'd'])).code, 0)
  t.is(fake.value('y'), 'd')
})

test('unset takes away, with --if only what was seen', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '1')
  const wrong = await fake.ran(t, ['unset', 'x', '--if', '7'])
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /x was not written: it is version 1, "1"/)
  t.deepEqual(await fake.ran(t, ['unset', 'x']), { code: 0, stdout: '', stderr: '' })
  t.is(fake.value('x'), undefined)
  const again = await fake.ran(t, ['unset', 'x', '--json'])
  t.is(again.code, 0)
  t.like(JSON.parse(again.stdout), { name: 'x', deleted: true, version: 2 })
})

test('a write without a majority is 69 and was not made', async t => {
  const fake = await FakeVariables.start(t)
  fake.majority = false
  for (const args of [
    ['set', 'x', '1'],
    ['unset', 'x'],
  ]) {
    const { code, stderr } = await fake.ran(t, args)
    t.is(code, 69)
    t.regex(stderr, /^lamportctl: x was not written: no majority of hosts/)
  }
})

test('a write whose outcome nobody knows is 76, with what was seen last', async t => {
  const fake = await FakeVariables.start(t)
  const seen = fake.write('x', 'old')
  fake.mishaps.push({ method: 'set', code: 'noMajority', data: { effect: 'unknown', seen } })
  const { code, stderr } = await fake.ran(t, ['set', 'x', 'new'])
  t.is(code, 76)
  t.regex(
    stderr,
    /^lamportctl: x: the write may still take effect: .*last seen: version 1, "old" \(/,
  )
  fake.mishaps.push({ method: 'unset', isCut: true })
  const cut = await fake.ran(t, ['unset', 'x'])
  t.is(cut.code, 76)
  t.regex(cut.stderr, /may still take effect: the connection to lamportd at .* ended \(look before/)
})

test('without a daemon everything is 69', async t => {
  const fake = await FakeVariables.start(t)
  for (const args of [
    ['get', 'x'],
    ['set', 'x', '1'],
    ['unset', 'x'],
    ['vars'],
    ['history', 'x'],
    ['watch', 'x'],
    ['share', 'x'],
    ['export', '-'],
    ['import', '-'],
    ['env'],
    ['render', '/dev/null', '/tmp/lamport-nothing', '--once'],
  ]) {
    const { code, stderr } = await fake.ran(t, args, { socket: '/nonexistent/control.sock' })
    t.is(code, 69, args.join(' '))
    t.regex(stderr, /^lamportctl: no lamportd at .* \(is it running\? .*\)\n$/)
  }
})

test('a line that cannot be meant is 64', async t => {
  const fake = await FakeVariables.start(t)
  const says: readonly (readonly [args: string[], says: RegExp])[] = [
    [['get'], /get takes one NAME/],
    [['get', 'a', 'b'], /get takes one NAME/],
    [['get', ''], /the name is empty/],
    [['get', 'x', '--wait', 'long'], /no number of seconds/],
    [['set', 'x'], /one NAME and one VALUE \(quote/],
    [['set', 'x', 'two', 'words'], /quote a VALUE with spaces/],
    [['set', 'a\nb', '1'], /control character/],
    [['set', 'x', '1', '--if', 'new'], /--if "new" is no version/],
    [['set', 'x', '1', '--if', '1', '--create'], /exclude each other/],
    [['set', 'x', 'y'.repeat(65 * 1024)], /more than 65536 bytes/],
    [['set', 'x', '1', '--nope'], /unknown option --nope/],
    [['unset', 'x', 'y'], /unset takes one NAME/],
    [['vars', 'a', 'b'], /one PREFIX/],
    [['history'], /history takes one NAME/],
    [['watch'], /one NAME or PREFIX\//],
    [['watch', 'x', 'true'], /a command goes behind --/],
    [['watch', 'x', '--'], /no COMMAND follows/],
    [['share'], /share takes one NAME/],
    [['export'], /one FILE/],
    [['import', 'a', 'b'], /one FILE/],
    [['env', 'a', 'b'], /one PREFIX/],
    [['env', '--'], /no COMMAND follows/],
    [['render', 'x'], /a TEMPLATE and a DEST/],
    [['render', 'x', 'y', '--lock', ''], /the name is empty/],
  ]
  for (const [args, pattern] of says) {
    const { code, stdout, stderr } = await fake.ran(t, args)
    t.is(code, 64, args.join(' '))
    t.regex(stderr, /^lamportctl: .* \(.*\)\n$/, args.join(' '))
    t.regex(stderr, pattern)
    t.is(stdout, '')
  }
})

test('vars lists what is set, by name, over several pages', async t => {
  const fake = await FakeVariables.start(t)
  t.is((await fake.ran(t, ['vars'])).stdout, 'no variable is set\n')
  for (const name of ['b/3', 'a', 'b/1', 'b/2']) fake.write(name, name)
  fake.write('b/1', 'ten bytes!', 'kitchen')
  fake.write('gone', '1')
  fake.write('gone', undefined)
  const { code, stdout } = await fake.ran(t, ['vars'])
  t.is(code, 0)
  t.deepEqual(stdout.split('\n'), [
    'NAME  VERSION  SIZE  HOST',
    'a     1        1     attic',
    'b/1   2        10    kitchen',
    'b/2   1        3     attic',
    'b/3   1        3     attic',
    '',
  ])
  const json: unknown = JSON.parse((await fake.ran(t, ['vars', 'b/', '--json'])).stdout)
  t.like(json, { 0: { name: 'b/1', value: 'ten bytes!', version: 2, size: 10 }, length: 3 })
  t.is((await fake.ran(t, ['vars', 'c'])).stdout, 'no variable is set that begins with c\n')
})

test('history shows who wrote what, the newest first', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', 'first')
  fake.write('x', '\u001b[31mred\n', 'kitchen')
  fake.write('x', { base64: NOT_TEXT.toString('base64') })
  fake.write('x', 'l'.repeat(100))
  fake.write('x', undefined)
  const { code, stdout } = await fake.ran(t, ['history', 'x'])
  t.is(code, 0)
  t.deepEqual(stdout.split('\n'), [
    'VERSION  HOST     TIME  SIZE  VALUE',
    '5        attic    104   -     unset',
    `4        attic    103   100   "${'l'.repeat(40)}…"`,
    '3        attic    102   3     0xff0041',
    '2        kitchen  101   9     -',
    '1        attic    100   5     -',
    '',
  ])
  const json: unknown = JSON.parse((await fake.ran(t, ['history', 'x', '--json'])).stdout)
  t.like(json, { 0: { version: 5, deleted: true }, 2: { value: { base64: '/wBB' }, size: 3 } })
  const never = await fake.ran(t, ['history', 'never'])
  t.is(never.code, 1)
  t.regex(never.stderr, /never was never set \(/)
})

test('every command about variables has a help with an example', async t => {
  const fake = await FakeVariables.start(t)
  const names = 'get set unset vars history watch share export import env render'.split(' ')
  for (const name of names) {
    const { code, stdout, stderr } = await fake.ran(t, [name, '--help'])
    t.is(code, 0, name)
    t.is(stderr, '')
    t.regex(stdout, new RegExp(`^Usage: lamportctl ${name} `))
    t.regex(stdout, /Examples:\n[^\n]*lamportctl/)
  }
})
