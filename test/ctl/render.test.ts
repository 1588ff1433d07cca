import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { fill, parseTemplate, type Template } from '../../src/ctl/variables/template.ts'
import { FakeVariables } from '../helpers/fake-variables.ts'

type Place = { readonly folder: string; readonly template: string; readonly file: string }

function placeOf(t: ExecutionContext, template: string): Place {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-render-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const place = { folder, template: join(folder, 'template'), file: join(folder, 'file') }
  writeFileSync(place.template, template, { mode: 0o644 })
  return place
}

function filled(template: string, values: Record<string, string>) {
  const parsed = parseTemplate(Buffer.from(template)) as Template
  const bytes = Object.entries(values).map(([name, value]) => [name, Buffer.from(value)] as const)
  return fill(parsed, new Map(bytes))
}

test('a template names variables by their names, or with dots', t => {
  const values = { 'app/db/host': '<nas> & "co"', 'app/port': '80', 'a.b': 'exact', 'a/b': 'path' }
  const text = (template: string): string => {
    const made = filled(template, values)
    return made.type === 'filled' ? made.text : made.type
  }
  t.is(
    text('{{app/db/host}} {{app.db.host}} {{{app.port}}} {{&app.port}}'),
    '<nas> & "co" <nas> & "co" 80 80',
  )
  t.is(text('{{a.b}} {{a/b}}'), 'exact path')
  t.is(text('{{#app}}{{db.host}}:{{port}} {{a.b}}{{/app}}'), '<nas> & "co":80 exact')
  t.is(text('{{#app.port}}[{{.}} {{app.port}}]{{/app.port}}'), '[80 80]')
  t.is(text('{{#app.no}}[{{app.no}}]{{/app.no}}{{^app.no}}none{{app.no}}{{/app.no}}'), 'none')
  t.is(text('{{=<% %>=}}<% app.port %> {{app}}'), '80 {{app}}')
  t.deepEqual(filled('{{no}} {{app}} {{app.port}} {{no}}', values), {
    type: 'unset',
    names: ['no', 'app'],
  })
})

test('render --once writes the file, and nothing where it is the same already', async t => {
  const fake = await FakeVariables.start(t)
  const { folder, template, file } = placeOf(t, 'speed={{fan.speed}}\n')
  fake.write('fan/speed', '12')
  const args = ['render', template, file, '--once', '--reload', 'echo reloaded $LAMPORT_RENDERED']
  const first = await fake.ran(t, args)
  t.deepEqual(first, { code: 0, stdout: `reloaded ${file}\n${file} replaced\n`, stderr: '' })
  t.is(readFileSync(file, 'utf8'), 'speed=12\n')
  t.is(statSync(file).mode, statSync(template).mode)
  utimesSync(file, 1, 1)
  t.deepEqual(await fake.ran(t, args), { code: 0, stdout: '', stderr: '' })
  t.is(statSync(file).mtimeMs, 1000)
  t.deepEqual(readdirSync(folder).sort(), ['file', 'template'])
})

test('an existing file keeps its mode, and a symbolic link stays one', async t => {
  const fake = await FakeVariables.start(t)
  const { folder, template, file } = placeOf(t, '{{x}}')
  fake.write('conf/x', '1')
  const target = join(folder, 'target')
  writeFileSync(target, 'old')
  chmodSync(target, 0o640)
  // Only root may give a file away.
  const owner = process.getuid?.() === 0 ? 65_534 : statSync(target).uid
  chownSync(target, owner, statSync(target).gid)
  symlinkSync('target', file)
  t.is((await fake.ran(t, ['render', template, file, '--once', '--prefix', 'conf/'])).code, 0)
  t.is(readlinkSync(file), 'target')
  t.is(readFileSync(target, 'utf8'), '1')
  t.is(statSync(target).mode & 0o777, 0o640)
  t.is(statSync(target).uid, owner)
  rmSync(target)
  fake.write('conf/x', '2')
  t.is((await fake.ran(t, ['render', template, file, '--once', '--prefix', 'conf/'])).code, 0)
  t.is(readFileSync(target, 'utf8'), '2')
})

test('a check that fails keeps the old file', async t => {
  const fake = await FakeVariables.start(t)
  const { folder, template, file } = placeOf(t, '{{x}}')
  fake.write('x', 'bad')
  writeFileSync(file, 'old')
  const reload = ['--reload', 'echo reloaded']
  const check = ['--check', 'test "$LAMPORT_RENDERED" = {} && ! grep -q bad {}']
  const args = ['render', template, file, '--once', ...reload, ...check]
  const refused = await fake.ran(t, args)
  t.is(refused.code, 1)
  t.is(refused.stdout, '')
  t.regex(refused.stderr, /^lamportctl: --check ended with exit code 1; .* is as it was \(/)
  t.is(readFileSync(file, 'utf8'), 'old')
  t.deepEqual(readdirSync(folder).sort(), ['file', 'template'])
  fake.write('x', 'good')
  t.is((await fake.ran(t, args)).stdout, `reloaded\n${file} replaced\n`)
  t.is(readFileSync(file, 'utf8'), 'good')
})

test('what keeps a file from being rendered is said', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('x', '1')
  fake.write('raw', { base64: '/w==' })
  const says: readonly (readonly [template: string, code: number, says: RegExp])[] = [
    ['{{x}} {{app.no}}', 1, /app\.no not set; .* is as it was \(lamportctl set app\/no VALUE, or/],
    ['{{raw}}', 65, /raw not UTF-8; .* is as it was/],
    ['{{#x}}{{raw}}{{/x}}', 65, /raw not UTF-8/],
    ['one\n{{#x}}', 65, /template: line 2: Unclosed section "x"/],
    ['one\ntwo {{x', 65, /template: line 2: Unclosed tag/],
    ['{{#x}}\n{{> other}}{{/x}}', 65, /template: line 2: {{> other}}: no other files/],
  ]
  for (const [template, code, pattern] of says) {
    const place = placeOf(t, template)
    const ran = await fake.ran(t, ['render', place.template, place.file, '--once'])
    t.is(ran.code, code, template)
    t.regex(ran.stderr, pattern)
    t.regex(ran.stderr, /^lamportctl: .* \(.*\)\n$/)
    t.false(existsSync(place.file))
  }
  const { folder, template, file } = placeOf(t, '{{x}}')
  const missing = await fake.ran(t, ['render', join(folder, 'none'), file, '--once'])
  t.is(missing.code, 74)
  t.regex(missing.stderr, /none cannot be read: it is not there/)
  const noFile = await fake.ran(t, ['render', template, folder, '--once'])
  t.is(noFile.code, 74)
  t.regex(noFile.stderr, /cannot be looked at: it is no regular file/)
  const reload = await fake.ran(t, ['render', template, file, '--once', '--reload', 'exit 4'])
  t.is(reload.code, 1)
  t.regex(reload.stderr, /file was replaced, but --reload ended with exit code 4 \(/)
  t.is(readFileSync(file, 'utf8'), '1')
})

test('the file follows the variables, and what does not change it runs nothing', async t => {
  const fake = await FakeVariables.start(t)
  const { template, file } = placeOf(t, '{{x}}{{#y}} {{y}}{{/y}}')
  const running = fake.run(t, ['render', template, file, '--reload', 'echo now $(cat {})'])
  await running.says(/lamportctl: x not set; .* is as it was/, 'stderr')
  await fake.watched()
  fake.write('x', '1')
  await running.says(/now 1\n.*replaced\n/)
  fake.write('z', 'of no interest')
  fake.write('x', '2')
  fake.write('y', 'together')
  await running.says(/now 2 together\n.*replaced\n/)
  await fake.restart(() => fake.write('y', undefined))
  await running.says(/now 2\n.*replaced\n/)
  running.kill('SIGTERM')
  t.is(await running.ended, 'SIGTERM')
  t.is(running.stdout.match(/now/g)?.length, 3)
  t.is(readFileSync(file, 'utf8'), '2')
})

test('a template that is wrong at the beginning ends it', async t => {
  const fake = await FakeVariables.start(t)
  const { template, file } = placeOf(t, '{{#x}}')
  const { code, stderr } = await fake.ran(t, ['render', template, file])
  t.is(code, 65)
  t.regex(stderr, /Unclosed section/)
})

test('with --lock it waits for its turn, and renders what is newest then', async t => {
  const fake = await FakeVariables.start(t)
  const { template, file } = placeOf(t, '{{x}}')
  fake.write('x', '1')
  const running = fake.run(t, [
    'render',
    template,
    file,
    '--lock',
    'reload',
    '--reload',
    'echo now $(cat {})',
  ])
  const heard = await fake.daemon.next('acquire')
  t.deepEqual(heard.params.names, ['reload'])
  t.false(existsSync(file))
  await fake.watched()
  fake.write('x', '2')
  await fake.ran(t, ['vars'])
  fake.daemon.grant(heard)
  await running.says(/now 2\n/)
  await fake.daemon.next('release')
  t.is(readFileSync(file, 'utf8'), '2')
  running.kill('SIGTERM')
  await running.ended
  t.is(running.stdout.match(/now/g)?.length, 1)
})

test('a lock that is not to be had is asked for again', async t => {
  const fake = await FakeVariables.start(t)
  const { template, file } = placeOf(t, '{{x}}')
  fake.write('x', '1')
  const running = fake.run(t, ['render', template, file, '--lock', 'reload'])
  fake.daemon.refuse(await fake.daemon.next('acquire'), 'busy', 'no room')
  await running.says(/no room/, 'stderr')
  fake.daemon.grant(await fake.daemon.next('acquire'))
  await running.says(/file replaced/)
  t.is(readFileSync(file, 'utf8'), '1')
})
