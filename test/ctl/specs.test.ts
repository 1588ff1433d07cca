import { spawnSync } from 'node:child_process'
import test from 'ava'
import { optionsOf, parseArguments } from '../../src/ctl/arguments.ts'
import { COMMANDS } from '../../src/ctl/commands.ts'
import { exitsOf, HELP_COLUMNS, helpText } from '../../src/ctl/help.ts'
import { lamportctl, LAMPORTCTL } from '../helpers/lamportctl.ts'

const commands = await Promise.all(
  COMMANDS.map(async each => ({ ...each, spec: (await each.load()).spec })),
)

test('every command says what it does, gives an example, and its exit codes', t => {
  for (const { name, summary, spec } of commands) {
    t.is(spec.name, name)
    t.regex(summary, /^[a-z].*[^.]$/, name)
    t.regex(spec.summary, /^[A-Z][^]*\.$/, name)
    t.true(spec.examples.length > 0, name)
    for (const [example] of spec.examples) t.true(example.includes('lamportctl '), example)
    t.true(
      spec.examples.some(([example]) =>
        new RegExp(`lamportctl (--json )?${name}\\b`).test(example),
      ),
      name,
    )
    const codes = exitsOf(spec).map(([code]) => code)
    t.true(codes.includes('64'), name)
    t.is(new Set(codes).size, codes.length, name)
    t.false(/exit codes?:? \d/i.test(spec.notes ?? ''), `${name} lists exit codes in its notes`)
  }
})

test('no line of a help is longer than 90 columns, and each usage begins with its command', t => {
  for (const { name, spec } of commands) {
    const help = helpText(spec, optionsOf(spec), HELP_COLUMNS)
    for (const line of help.split('\n')) {
      t.true(line.length <= 90, line)
      t.is(line, line.trimEnd(), name)
    }
    for (const usage of spec.usage) t.true(usage === name || usage.startsWith(`${name} `), usage)
  }
  const { stdout } = spawnSync(process.execPath, [LAMPORTCTL, '--help'], { encoding: 'utf8' })
  for (const line of stdout.split('\n')) t.true(line.length <= 90, line)
})

test('options are known by one name each, described, and parsed with it', t => {
  for (const { name, spec } of commands) {
    const options = Object.entries(optionsOf(spec))
    const names = options.flatMap(([option, { alias = [] }]) => [option, ...alias])
    t.is(new Set(names).size, names.length, name)
    for (const [option, { type, alias = [], value, describe, choices = [] }] of options) {
      if (option === 'help' || option === 'version') continue
      t.is(type === 'flag', value === undefined, `${name} --${option}`)
      t.regex(describe, /^\S.*[^.]$/, `${name} --${option}`)
      for (const letters of [option, ...alias]) {
        const given = choices[0] ?? '5'
        const flag = letters.length === 1 ? `-${letters}` : `--${letters}`
        const parsed = parseArguments(spec, type === 'flag' ? [flag] : [flag, given])
        if (parsed.type !== 'given') {
          t.fail(`${name} ${flag}: ${JSON.stringify(parsed)}`)
          continue
        }
        if (type === 'flag') t.true(parsed.options.flag(option), `${name} ${flag}`)
        else t.deepEqual(parsed.options.list(option), [given], `${name} ${flag}`)
      }
    }
  }
})

test('an option that is mistyped is answered with the one that was meant', t => {
  for (const { name, spec } of commands) {
    for (const option of Object.keys(optionsOf(spec))) {
      if (option.length < 4) continue
      const typo = `${option.slice(0, -2)}${option.at(-1)}${option.at(-2)}`
      const parsed = parseArguments(spec, [`--${typo}`, 'x'])
      if (typo === option) continue
      t.is(parsed.type, 'usage', `${name} --${typo}`)
      const problem = parsed.type === 'usage' ? parsed.problem : ''
      t.true(problem.endsWith(`(did you mean --${option}?)`), `${name}: ${problem}`)
    }
  }
})

test('whatever is wrong with a line, it says so in one, and what to do', async t => {
  const lines: readonly (readonly string[])[] = [
    [],
    ['lokc'],
    ['help', 'lokc'],
    ['--sokcet', 'x', 'locks'],
    ['-n', 'lock', 'x'],
    ['--socket'],
    ['lock'],
    ['lock', '-z', 'x', 'true'],
    ['lock', '-w'],
    ['lock', '-w', 'abc', 'x', 'true'],
    ['lock', '-u', '9'],
    ['lock', '-F', 'x', 'true'],
    ['lock', '-c', 'true', 'x'],
    ['lock', 'x', '-c'],
    ['lock', 'x', '--'],
    ['lock', '', 'true'],
    ['lock', '-s', '-x', 'a', 'true'],
    ['lock', '-n', '-w', '1', 'a', 'true'],
    ['lock', '--count', '0', 'x', 'true'],
    ['lock', '--kill-signal', 'FOO', 'x', 'true'],
    ['lock', '--on-lost', 'stp', 'x', 'true'],
    ['lock', '-E', '300', 'x', 'true'],
    ['lock', '--grace', '-1', 'x', 'true'],
    ['locks', '--jsno'],
    ['get'],
    ['get', 'a', 'b'],
    ['get', '--local=maybe', 'x'],
    ['get', 'a\nb'],
    ['set', 'a'],
    ['set', 'a', '-y'],
    ['set', 'a', 'b', '--if', 'x'],
    ['set', 'a', 'b', '--wait='],
    ['set', 'a', 'b', '--create', '--if', '3'],
    ['unset'],
    ['vars', 'a', 'b'],
    ['watch', 'a', '--'],
    ['env', 'a', 'b'],
    ['render'],
    ['status', '--wait', 'x'],
    ['keygen', 'x'],
    ['metrics', 'x'],
    ['compare', '5'],
    ['compare', '--hosts', '5,x'],
    ['compare', '--hosts', '1'],
    ['compare', '--load', 'hard'],
    ['compare', '--seed', '-1'],
  ]
  for (const args of lines) {
    const running = lamportctl(args, { socket: '/nonexistent/control.sock' })
    t.is(await running.ended, 64, args.join(' '))
    t.regex(running.stderr, /^lamportctl: [^\n]+ \([^\n]+\)\n$/, args.join(' '))
    t.notRegex(running.stderr, /undefined|\[object|(\b\w+): \1 /, args.join(' '))
    t.is(running.stdout, '')
  }
  const away = lamportctl(['locks'], { socket: '/nonexistent/control.sock' })
  t.is(await away.ended, 69)
  t.regex(away.stderr, /no lamportd at \/nonexistent\/control\.sock \(is it running\?/)
})
