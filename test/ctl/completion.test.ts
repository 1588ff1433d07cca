import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { GLOBAL, type CommandSpec } from '../../src/ctl/arguments.ts'
import { COMMANDS } from '../../src/ctl/commands.ts'
import { lookAt } from '../../src/ctl/completion/line.ts'
import { completionScript } from '../../src/ctl/completion/scripts.ts'
import { unquoted } from '../../src/ctl/completion/unquoted.ts'
import { folderOf } from '../helpers/daemon-folder.ts'
import { FakeDaemon, type FakeOptions } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL, Running } from '../helpers/lamportctl.ts'

const holder = { host: 'attic', hostId: 3, mode: 'exclusive', limit: 1, sinceMs: 1000 }
const LOCKS = [
  { name: "it's a:b", holders: [{ ...holder, token: 3 }], waiters: [] },
  { name: 'nightly', holders: [{ ...holder, token: 7, ttlMs: 5000 }], waiters: [] },
]
const NAMES = ['fan/speed', 'fan/mode', 'my var', 'once/backup', 'mäx$1', '-odd']

/** A daemon that knows these locks and variables. */
async function daemonWithNames(t: ExecutionContext): Promise<FakeDaemon> {
  const serve: FakeOptions['serve'] = heard => {
    if (heard.method === 'locks') daemon.answer(heard, LOCKS)
    else if (heard.method === 'vars') {
      const { prefix = '' } = heard.params as { prefix?: string }
      const names = NAMES.filter(name => name.startsWith(prefix))
      const about = { version: 2, writer: { host: 'attic', time: 7 }, size: 4 }
      const variables = names.map(name => ({ name, ...about }))
      daemon.answer(heard, { variables, next: null })
    } else return false
    return true
  }
  const daemon: FakeDaemon = await FakeDaemon.start({ serve })
  t.teardown(() => daemon.stop())
  return daemon
}

/** A machine that is busy may be slower than whoever presses a key waits for: then it is asked again. */
const TRIES = 8

async function answers<T>(
  t: ExecutionContext,
  ask: () => Promise<readonly T[]>,
  expected: readonly T[],
  what?: string,
): Promise<void> {
  for (let tries = 1; tries < TRIES; tries++) {
    if (isDeepStrictEqual(await ask(), expected)) break
  }
  t.deepEqual(await ask(), expected, what)
}

/** What `complete` answers: the first line, and the words. */
async function completed(
  words: readonly string[],
  socket: string,
  shell = 'zsh',
): Promise<readonly [kind: string, ...words: string[]]> {
  const running = lamportctl(['complete', shell, ...words], { socket })
  if ((await running.ended) !== 0 || running.stderr !== '') throw new Error(running.stderr)
  const [kind = '', ...lines] = running.stdout.trimEnd().split('\n')
  return [kind, ...lines.map(line => line.split('\t')[0] ?? '')]
}

test('what a word may be follows from the table of commands', async t => {
  const specs = new Map<string, CommandSpec>()
  for (const entry of COMMANDS) specs.set(entry.name, (await entry.load()).spec)
  const load = (name: string) => Promise.resolve(specs.get(name))
  for (const [name, spec] of specs) {
    const { wanted } = await lookAt([name, '-'], load)
    if (wanted.type !== 'option') {
      t.fail(`${name} -: ${wanted.type}`)
      continue
    }
    t.deepEqual(Object.keys(wanted.specs), Object.keys({ ...spec.options, ...GLOBAL }))
    for (const [option, { type, alias = [] }] of Object.entries(spec.options)) {
      for (const letters of [option, ...alias]) {
        const word = letters.length === 1 ? `-${letters}` : `--${letters}`
        const behind = (await lookAt([name, word, '-'], load)).wanted
        // What stands behind it is its value, or the next option.
        t.is(behind.type === 'option', type === 'flag', `${name} ${word} -`)
      }
    }
  }
  const wants = async (line: string): Promise<unknown> => {
    const { wanted } = await lookAt(line.split(' '), load)
    return wanted.type === 'operand' ? wanted.operand : wanted.type
  }
  const lines: readonly (readonly [line: string, wanted: unknown])[] = [
    ['', 'command'],
    ['--json lo', 'command'],
    ['--so', 'option'],
    ['--socket x', 'file'],
    ['--socket=x', 'file'],
    ['help ', 'command'],
    ['help lock ', 'nothing'],
    ['nonsense ', 'nothing'],
    ['lock ', 'lock'],
    ['lock -nw 5 ', 'lock'],
    ['lock -w ', 'nothing'],
    ['lock -w5 ', 'lock'],
    ['lock --and ', 'lock'],
    ['lock --and=', 'lock'],
    ['lock --nope=', 'nothing'],
    ['lock x ', 'other'],
    ['lock x rsync --', 'other'],
    ['lock x -c ', 'nothing'],
    ['lock -- ', 'lock'],
    ['get ', 'variable'],
    ['get x ', 'nothing'],
    ['get x --', 'option'],
    ['get -- --', 'variable'],
    ['watch x -- ./fan', 'other'],
    ['vars ', 'prefix'],
    ['export ', 'file'],
    ['render a b ', 'nothing'],
    ['status x', 'nothing'],
  ]
  for (const [line, wanted] of lines) t.is(await wants(line), wanted, line)
  t.deepEqual(await wants('lock --on-lost '), ['stop', 'warn'])
  const { wanted } = await lookAt(['--json', 'lock', '-n', 'x', '--', 'tar', ''], load)
  t.deepEqual(wanted, { type: 'other', at: 5 })
})

test('a word is read as bash would read it, as far as it goes', t => {
  const words: readonly (readonly [typed: string, plain: string])[] = [
    ['plain', 'plain'],
    ['my\\ var', 'my var'],
    ["'my var", 'my var'],
    ['"my \\"var\\" \\x', 'my "var" \\x'],
    ["it\\'s' a'\"b\"", "it's ab"],
    ['~/x', '/home/pi/x'],
    ['end\\', 'end\\'],
  ]
  for (const [typed, plain] of words) t.is(unquoted(typed, '/home/pi'), plain, typed)
})

test('names come from lamportd, those that are meant', async t => {
  const { path } = await daemonWithNames(t)
  const names = (words: readonly string[], expected: readonly string[], socket = path) =>
    answers(t, () => completed(words, socket), ['words', ...expected], words.join(' '))
  await names(['lock', ''], ["it's a:b", 'nightly'])
  await names(['why', 'it'], ["it's a:b"])
  await names(['lock', '--and=n'], ['--and=nightly'])
  await names(['release', ''], ['nightly'])
  await names(['release', '--force', ''], ["it's a:b", 'nightly'])
  await names(['once', '--every', '1d', ''], ['backup'])
  await names(['get', 'fan'], ['fan/speed', 'fan/mode'])
  await names(['watch', 'fan'], ['fan/', 'fan/speed', 'fan/mode'])
  await names(['get', '--', '-'], [])
  await answers(t, () => completed(['get', 'my\\ '], path, 'bash'), ['words', 'my var'])
  // The socket of the line counts.
  await names(['--socket', path, 'get', 'my'], ['my var'], '/nowhere')
})

test('where lamportd is away, silent or no lamportd there are no names, soon and in silence', async t => {
  const silent = await FakeDaemon.start({ hello: null })
  const other = await FakeDaemon.start({ hello: { jsonrpc: '2.0', id: 1, result: 3 } })
  const mute = await FakeDaemon.start({ serve: () => true })
  const daemons = [silent, other, mute]
  t.teardown(() => Promise.all(daemons.map(daemon => daemon.stop())))
  for (const path of ['/nowhere', '/' + 'x'.repeat(120), ...daemons.map(daemon => daemon.path)]) {
    t.deepEqual(await completed(['get', 'x'], path), ['words'], path)
    t.is((await completed(['lo'], path)).length, 3, 'commands need nobody')
  }
  t.deepEqual(await completed([], '/nowhere'), await completed([''], '/nowhere'))
})

/** A folder where `lamportctl` is found, and the script of a shell lies. */
function shellFolder(t: ExecutionContext, shell: 'bash' | 'zsh' | 'fish'): string {
  const folder = folderOf(t)
  const program = `#!/bin/sh\nexec '${process.execPath}' '${LAMPORTCTL}' "$@"\n`
  writeFileSync(join(folder, 'lamportctl'), program, { mode: 0o755 })
  writeFileSync(join(folder, 'script'), completionScript(shell))
  return folder
}

function environment(folder: string): Record<string, string> {
  const [PATH, LANG, HOME] = [`${folder}:${process.env.PATH ?? ''}`, 'C.UTF-8', folder]
  return { PATH, LANG, HOME, TERM: 'dumb' }
}

/** Whether there is such a shell; where not, its test has nothing to look at. */
function isHere(t: ExecutionContext, shell: string): boolean {
  if (spawnSync(shell, ['-c', 'exit 0']).status === 0) return true
  t.pass(`no ${shell} here: apt-get install ${shell}`)
  return false
}

test('bash gets what it needs to go on, however its words were taken apart and quoted', async t => {
  const { path } = await daemonWithNames(t)
  const folder = shellFolder(t, 'bash')
  const ask = async (words: readonly string[], line: string): Promise<string[]> => {
    const script =
      '. "$1"; compopt() { echo "compopt $*"; }; shift; COMP_LINE=$1 COMP_POINT=${#1}; shift; ' +
      'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); COMPREPLY=(left over); _lamportctl lamportctl; ' +
      '[ ${#COMPREPLY[@]} = 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
    const args = ['--norc', '-c', script, 'bash', join(folder, 'script'), line, ...words]
    const shell = lamportctl([], { env: environment(folder), socket: path, via: ['bash', ...args] })
    await shell.ended
    t.is(shell.stderr, '', line)
    return shell.stdout.split('\n').slice(0, -1)
  }
  const gets = (words: readonly string[], expected: readonly string[], line = words.join(' ')) =>
    answers(t, () => ask(words, line), expected, line)
  await gets(['lamportctl', 'lo'], ['lock', 'locks'])
  await gets(['lamportctl', 'lock', '--ki'], ['--kill-signal'])
  await gets(['lamportctl', 'get', 'my'], ['my\\ var'])
  await gets(['lamportctl', 'get', 'my\\ v'], ['my\\ var'])
  await gets(['lamportctl', 'get', '"my v'], ['my var'])
  await gets(['lamportctl', 'get', '"m'], ['my var', 'mäx\\$1'])
  await gets(['lamportctl', 'why', "'it"], [])
  await gets(['lamportctl', 'why', 'it'], ["it\\'s\\ a:b"])
  const broken = ['lamportctl', 'why', "it\\'s\\ a", ':', '']
  await gets(broken, ['b'], "lamportctl why it\\'s\\ a:")
  const split = ['lamportctl', 'lock', '--and', '=']
  await gets([...split, 'n'], ['nightly'], 'lamportctl lock --and=n')
  await gets(split, ["it\\'s\\ a:b", 'nightly'], 'lamportctl lock --and=')
  await gets(['lamportctl', 'watch', 'fan/s'], ['fan/speed'])
  await gets(['lamportctl', 'watch', 'o'], ['once/', 'once/backup'])
  await gets(['lamportctl', 'export', 'x'], ['compopt -o default'])
  t.true(
    (await ask(['lamportctl', 'lock', 'x', 'pri'], 'lamportctl lock x pri')).includes('printf'),
  )
  await gets(['lamportctl', 'lock', 'x', 'tar', 'x'], ['compopt -o default'])
  await gets(['lamportctl', 'get', 'nothing'], [])
})

/** A shell on a terminal of its own, to be typed into. */
function onTerminal(shell: string, folder: string, socket: string): Running {
  const line = shell === 'bash' ? 'bash --norc --noprofile -i' : 'zsh -f -i'
  const env = { ...environment(folder), PS1: '> ', PROMPT: '> ' }
  return lamportctl([], { env, socket, via: ['script', '-qec', line, '/dev/null'] })
}

test('a key that is pressed in bash and in zsh completes the line', async t => {
  const { path } = await daemonWithNames(t)
  for (const shell of ['bash', 'zsh'] as const) {
    if (!isHere(t, shell)) continue
    const folder = shellFolder(t, shell)
    const terminal = onTerminal(shell, folder, path)
    const { stdin } = terminal.process
    const begin = shell === 'zsh' ? 'autoload -U compinit; compinit -u -D; ' : ''
    stdin?.write(`${begin}. '${folder}/script'; echo be''gun\n`)
    await terminal.says(/begun/)
    stdin?.write('lamportctl get my\t')
    await terminal.says(/my\\ var/)
    stdin?.write('\u0015lamportctl release n\t')
    await terminal.says(/release nightly/)
    stdin?.write('\u0015lamportctl lock --kill\t')
    await terminal.says(/lock --kill-signal/)
    stdin?.write('\u0015exit\n')
    await terminal.ended
    t.pass(shell)
  }
})

test('fish is told words and what they are about', async t => {
  if (!isHere(t, 'fish')) return
  const { path } = await daemonWithNames(t)
  const folder = shellFolder(t, 'fish')
  const ask = async (line: string): Promise<string[]> => {
    const script = `source ${folder}/script; complete -C '${line}'`
    const via = ['fish', '--no-config', '-c', script]
    const shell = lamportctl([], { env: environment(folder), socket: path, via })
    await shell.ended
    t.is(shell.stderr, '', line)
    return shell.stdout.split('\n').slice(0, -1)
  }
  const gets = (line: string, ...expected: readonly string[]) =>
    answers(t, () => ask(line), expected, line)
  await gets('lamportctl get my', 'my var\tversion 2, 4 B')
  await gets('lamportctl get "my v', 'my var\tversion 2, 4 B')
  await gets('lamportctl lock --ki', '--kill-signal\tthat signal (else TERM)')
  await gets('lamportctl lock --and=n', '--and=nightly\theld by attic')
  t.true((await ask('lamportctl lock x prin')).some(line => line.startsWith('printf')))
  t.true((await ask(`lamportctl export ${folder}/lamp`)).includes(`${folder}/lamportctl`))
})
