import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { folderOf } from '../helpers/daemon-folder.ts'
import { FakeDaemon, type Heard } from '../helpers/fake-daemon.ts'
import { lamportctl, LAMPORTCTL, type Running } from '../helpers/lamportctl.ts'

const LOCK = `'${process.execPath}' '${LAMPORTCTL}' lock door`

type Shell = { readonly daemon: FakeDaemon; readonly shell: Running }

/** An interactive bash on a terminal of its own: it has jobs, and Ctrl-C is a key. */
async function shellOn(t: ExecutionContext): Promise<Shell> {
  const serve = (heard: Heard): boolean => {
    if (heard.method === 'acquire') daemon.grant(heard)
    return heard.method === 'acquire'
  }
  const daemon: FakeDaemon = await FakeDaemon.start({ serve })
  t.teardown(() => daemon.stop())
  const shell = lamportctl([], {
    socket: daemon.path,
    env: { PS1: '', TERM: 'xterm', LESS: '', HOME: folderOf(t), INPUTRC: '/dev/null' },
    via: ['script', '-qec', 'bash --norc --noprofile -i', '/dev/null'],
  })
  t.teardown(() => shell.process.kill('SIGKILL'))
  return { daemon, shell }
}

function type(shell: Running, keys: string): void {
  shell.process.stdin?.write(keys)
}

/** Runs a line to its end, and says with which code. */
async function codeOf(shell: Running, keys: string): Promise<number> {
  const before = shell.stdout.length
  type(shell, keys)
  const [, code] = await shell.says(new RegExp(`^[^]{${before}}[^]*code=(\\d+)\\r`))
  return Number(code)
}

function isThere(t: ExecutionContext, program: string): boolean {
  if (spawnSync(program, ['--version']).error === undefined) return true
  t.pass(`no ${program} here: apt-get install ${program}`)
  return false
}

test('Ctrl-Z stops lamportctl with its command, fg goes on, and the lock is kept', async t => {
  const { daemon, shell } = await shellOn(t)
  type(shell, `${LOCK} sh -c 'echo be""gun; sed -u s/^/got-/'\n`)
  await shell.says(/begun/)
  type(shell, 'one\n')
  await shell.says(/got-one/)
  type(shell, '\u001a')
  await shell.says(/Stopped/)
  t.deepEqual(
    daemon.heard.map(({ method }) => method),
    ['acquire', 'anchor'],
  )
  t.false(daemon.connections[0]?.isClosed)
  type(shell, 'fg\n')
  type(shell, 'two\n')
  await shell.says(/got-two/)
  type(shell, '\u0004')
  await daemon.next('release')
  type(shell, 'exit\n')
  await shell.ended
})

test('Ctrl-C ends the command, and the shell says 130', async t => {
  const { daemon, shell } = await shellOn(t)
  type(shell, `${LOCK} sh -c 'echo be""gun; exec cat'; echo "code=$?"\n`)
  await shell.says(/begun/)
  t.is(await codeOf(shell, '\u0003'), 130)
  await daemon.next('release')
  type(shell, 'exit\n')
  await shell.ended
})

test('a pager has the terminal', async t => {
  if (!isThere(t, 'less')) return
  const { daemon, shell } = await shellOn(t)
  const file = join(folderOf(t), 'text')
  writeFileSync(file, Array.from({ length: 300 }, (_, at) => `line ${at}\n`).join(''))
  type(shell, `${LOCK} less '${file}'; echo "code=$?"\n`)
  await shell.says(/line 0\r\n/)
  type(shell, 'G')
  await shell.says(/line 299/)
  t.is(await codeOf(shell, 'q'), 0)
  await daemon.next('release')
  type(shell, 'exit\n')
  await shell.ended
})

test('an editor has the terminal, also after Ctrl-Z and fg', async t => {
  const editor = ['vim', 'vim.tiny', 'vi'].find(name => spawnSync(name, ['--version']).status === 0)
  if (editor === undefined) {
    t.pass('no vim here: apt-get install vim-tiny')
    return
  }
  const { daemon, shell } = await shellOn(t)
  const file = join(folderOf(t), 'text')
  writeFileSync(file, 'begin\n')
  type(shell, `${LOCK} ${editor} -u NONE -N '${file}'; echo "code=$?"\n`)
  await shell.says(/begin/)
  type(shell, 'Gofirst\u001b\u001a')
  await shell.says(/Stopped/)
  type(shell, 'fg\n')
  type(shell, 'Gosecond\u001b:wq\n')
  await daemon.next('release')
  t.is(readFileSync(file, 'utf8'), 'begin\nfirst\nsecond\n')
  type(shell, 'exit\n')
  await shell.ended
})
