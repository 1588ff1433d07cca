import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { environmentLine, environmentName } from '../../src/ctl/variables/environment.ts'
import { FakeVariables } from '../helpers/fake-variables.ts'

const NASTY = [
  'plain',
  '',
  ' spaces  around ',
  `it's "quoted"`,
  '$HOME ${HOME} $(id) `id`',
  'back\\slash \\n \\\\ \\" end\\',
  'two\nlines\n\nand an end\n',
  'tab\tcr\rlf\r\n',
  '# no comment; nor this',
  'é€😀 !history!',
  '\\\'\\"\\$\\`',
]

/** What systemd's EnvironmentFile= makes of a file (parse_env_file in src/basic/env-file.c). */
function parseEnvironmentFile(text: string): Map<string, string> {
  const values = new Map<string, string>()
  let at = 0
  while (at < text.length) {
    const equals = text.indexOf('=', at)
    const name = text.slice(at, equals)
    let value = ''
    let quote = ''
    for (at = equals + 1; at < text.length; at++) {
      const character = text[at]!
      if (quote === '' && character === '\n') break
      if (quote === '' && (character === '"' || character === "'")) quote = character
      else if (character === quote) quote = ''
      else if (quote === '"' && character === '\\') {
        const next = text[++at]!
        if ('"\\`$'.includes(next)) value += next
        else if (next !== '\n') value += `\\${next}`
      } else value += character
    }
    values.set(name, value)
    at++
  }
  return values
}

/** What sh(1) makes of a file that it reads with `.`; NUL ends each. */
function sourced(t: ExecutionContext, text: string, names: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'lamport-env-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'env')
  writeFileSync(file, text)
  const printed = names.map(name => `printf '%s\\0' "$${name}"`).join('; ')
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', `. '${file}'; ${printed}`])
  t.is(String(stderr), '')
  return String(stdout).split('\0').slice(0, -1)
}

test('what env prints is read back by sh and by systemd as it was', async t => {
  const fake = await FakeVariables.start(t)
  const names = NASTY.map((_, at) => `v${at}`)
  NASTY.forEach((value, at) => fake.write(`app/v${at}`, value))
  const { code, stdout, stderr } = await fake.ran(t, ['env', 'app/'])
  t.is(code, 0)
  t.is(stderr, '')
  t.deepEqual(sourced(t, stdout, names), NASTY)
  const parsed = parseEnvironmentFile(stdout)
  t.deepEqual(
    names.map(name => parsed.get(name)),
    NASTY,
  )
})

test('any value survives the parser of systemd', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (one, other) => {
      const text = `${environmentLine('A', one)}\n${environmentLine('B', other)}\n`
      t.deepEqual(
        [...parseEnvironmentFile(text)],
        [
          ['A', one],
          ['B', other],
        ],
      )
    }),
  )
})

test('names become what a shell takes for one', t => {
  const name = (text: string, prefix = '', isUpper = false) =>
    environmentName(text, { prefix, isUpper })
  t.is(name('app/db/host', 'app/'), 'db_host')
  t.is(name('app/db/host', 'app/', true), 'DB_HOST')
  t.is(name('a.b-c d', ''), 'a_b_c_d')
  t.is(name('2nd'), '_2nd')
  t.is(name('é€😀x'), '___x')
  t.is(name('app/', 'app/'), undefined)
})

test('a command runs with the variables, and its exit code is ours', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('app/db/host', 'nas\nlocal')
  const script = 'echo "$DB_HOST $HOME"; read line; echo "$line"; exit 7'
  const args = ['env', '--upper', 'app/', '--', '/bin/sh', '-c', script, '--', '--json']
  const env = { HOME: '/root/here' }
  t.deepEqual(await fake.ran(t, args, { input: 'from stdin\n', env }), {
    code: 7,
    stdout: 'nas\nlocal /root/here\nfrom stdin\n',
    stderr: '',
  })
  t.is((await fake.ran(t, ['env', '--', 'sh', '-c', 'kill -9 $$'])).code, 137)
  const missing = await fake.ran(t, ['env', '--', '/nonexistent/program'])
  t.is(missing.code, 127)
  t.regex(missing.stderr, /^lamportctl: \/nonexistent\/program was not found \(/)
  t.is((await fake.ran(t, ['env', '--', '/dev/null'])).code, 126)
})

test('signals go on to the command', async t => {
  const fake = await FakeVariables.start(t)
  const script = `trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.05; done`
  const running = fake.run(t, ['env', '--', '/bin/sh', '-c', script])
  await running.says(/ready/)
  running.kill('SIGTERM')
  t.is(await running.ended, 3)
  t.regex(running.stdout, /got it/)
})

test('variables that would have the same name are refused, both are named', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('app/db/host', '1')
  fake.write('app/db.host', '2')
  for (const args of [
    ['env', 'app/'],
    ['env', 'app/', '--', 'true'],
  ]) {
    const { code, stdout, stderr } = await fake.ran(t, args)
    t.is(code, 65)
    t.is(stdout, '')
    t.is(
      stderr,
      'lamportctl: app/db.host and app/db/host would both be db_host ' +
        '(rename one of them, or choose a longer PREFIX)\n',
    )
  }
  t.is((await fake.ran(t, ['env', 'app/db/'])).stdout, 'host="1"\n')
})

test('a value that no environment can hold is left out with a warning', async t => {
  const fake = await FakeVariables.start(t)
  fake.write('raw', { base64: '/w==' })
  fake.write('nul', 'a\0b')
  fake.write('text', 'é')
  const { code, stdout, stderr } = await fake.ran(t, ['env'])
  t.is(code, 0)
  t.is(stdout, 'text="é"\n')
  t.regex(stderr, /^lamportctl: nul is left out: .* \(.*\)\nlamportctl: raw is left out/)
  const json: unknown = JSON.parse((await fake.ran(t, ['env', '--json'])).stdout)
  t.deepEqual(json, { text: 'é' })
})
