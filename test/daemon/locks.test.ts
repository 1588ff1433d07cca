import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { readKeys } from '../../src/daemon/key.ts'
import { lockSocketPath, lockState } from '../../src/daemon/locks.ts'
import { createLog } from '../../src/daemon/log.ts'
import { Refusal } from '../../src/daemon/refusal.ts'
import { folderOf } from '../helpers/daemon-folder.ts'

/** A user who owns nothing here. */
const NOBODY = 65_534

const holder = fileURLToPath(new URL('../helpers/daemon-lock-holder.js', import.meta.url))

/** Another process that has taken this folder and this socket path. */
async function hold(t: ExecutionContext, state: string, socket: string): Promise<() => void> {
  const child = spawn(process.execPath, [holder, state, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  // The number of a folder that is removed goes to the next one: nobody may have it any more.
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const [said] = (await Promise.race([once(child.stdout, 'data'), exited])) as unknown[]
  if (!Buffer.isBuffer(said)) throw new Error(`the holder has ended: ${String(said)}`)
  return () => child.kill('SIGSTOP')
}

/** What a process that was killed leaves behind. */
async function leaveStale(socket: string): Promise<void> {
  const die = "process.kill(process.pid, 'SIGKILL')"
  const script = `require('net').createServer().listen(${JSON.stringify(socket)}, () => ${die})`
  await once(spawn(process.execPath, ['-e', script]), 'exit')
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    const server = (await promise) as { close(): void }
    server.close()
    return 'not refused'
  } catch (error) {
    if (error instanceof Refusal && error.exitCode === 73) return error.message
    throw error
  }
}

test('a second daemon on one state folder is refused, by whatever path, and told by whom', async t => {
  const folder = folderOf(t)
  const state = join(folder, 'state')
  await hold(t, state, join(folder, 'a.sock'))
  t.is(statSync(state).mode & 0o777, 0o700)
  symlinkSync(state, join(folder, 'link'))
  t.is(
    await refusal(lockState(join(folder, 'link'), 'me')),
    `the state folder ${folder}/link is in use by the holder (stop it, or give this one a folder of its own with --state)`,
  )
})

test('a second daemon on one socket path is refused, and told by whom', async t => {
  const folder = folderOf(t)
  const socket = join(folder, 'run', 'a.sock')
  await hold(t, join(folder, 'state'), socket)
  t.is(
    await refusal(lockSocketPath(socket, 'me')),
    `the control socket ${socket} is in use by the holder (stop it, or choose another path with --socket)`,
  )
  t.is(await refusal(lockSocketPath(join(folder, 'run', 'b.sock'), 'me')), 'not refused')
})

test('a daemon that is stopped, and cannot say who it is, holds its folder all the same', async t => {
  const folder = folderOf(t)
  const stop = await hold(t, join(folder, 'state'), join(folder, 'a.sock'))
  stop()
  t.regex(await refusal(lockState(join(folder, 'state'), 'me')), /is in use by another lamportd/)
})

test('a socket that nobody answers on is replaced', async t => {
  const folder = folderOf(t)
  const socket = join(folder, 'stale.sock')
  await leaveStale(socket)
  t.true(existsSync(socket))
  const server = await lockSocketPath(socket, 'me')
  t.false(existsSync(socket))
  server.close()
})

test('a socket that somebody answers on stays, and so does a file that is none', async t => {
  const folder = folderOf(t)
  const socket = join(folder, 'live.sock')
  const server = createServer().listen(socket)
  t.teardown(() => server.close())
  t.is(
    await refusal(lockSocketPath(socket, 'me')),
    `the control socket ${socket} is in use by a program that answers there (stop it, or choose another path with --socket)`,
  )
  const plain = join(folder, 'plain')
  writeFileSync(plain, 'precious')
  t.is(
    await refusal(lockSocketPath(plain, 'me')),
    `${plain} exists and is not a socket (remove it, or choose another path with --socket)`,
  )
  t.true(existsSync(plain) && existsSync(socket))
})

test('a link in the place of the socket is not followed, wherever it leads', async t => {
  const folder = folderOf(t)
  const live = createServer().listen(join(folder, 'live.sock'))
  t.teardown(() => live.close())
  for (const target of ['live.sock', 'nowhere']) {
    const link = join(folder, `to ${target}`)
    symlinkSync(join(folder, target), link)
    t.is(
      await refusal(lockSocketPath(link, 'me')),
      `${link} exists and is not a socket (remove it, or choose another path with --socket)`,
    )
    t.true(lstatSync(link).isSymbolicLink())
  }
  t.true(existsSync(join(folder, 'live.sock')))
})

test('a stale socket that is another user’s, and may not be removed, is refused', async t => {
  if (process.getuid?.() !== 0) {
    t.pass('only root makes files of two users')
    return
  }
  const folder = folderOf(t)
  const shared = join(folder, 'shared')
  mkdirSync(shared)
  chmodSync(folder, 0o755)
  chmodSync(shared, 0o1777)
  const socket = join(shared, 'c.sock')
  const state = join(folder, 'state')
  await leaveStale(socket)
  chmodSync(socket, 0o666)
  mkdirSync(state)
  chownSync(state, NOBODY, NOBODY)
  const child = spawn(process.execPath, [holder, state, socket], {
    stdio: ['ignore', 'ignore', 'pipe'],
    uid: NOBODY,
    gid: NOBODY,
  })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', text => (said += String(text)))
  await once(child, 'close')
  const reason = `${socket} is left from before and cannot be removed: not permitted`
  t.true(
    said.includes(`${reason} (remove it as its owner, or choose another path with --socket)`),
    said,
  )
  t.true(existsSync(socket))
})

test('a folder where everybody may replace the socket is refused, a sticky one is not', async t => {
  const folder = join(folderOf(t), 'open')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  t.is(
    await refusal(lockSocketPath(join(folder, 'c.sock'), 'me')),
    `everybody may replace files in ${folder}, the control socket too (chmod o-w ${folder}, or choose another path with --socket)`,
  )
  chmodSync(folder, 0o1777)
  t.is(await refusal(lockSocketPath(join(folder, 'c.sock'), 'me')), 'not refused')
})

test('folders that cannot be made or written to are refused with the reason', async t => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'file'), '')
  t.is(
    await refusal(lockState(join(folder, 'file', 'state'), 'me')),
    `the state folder ${folder}/file/state cannot be used: a part of the path is not a folder (give lamportd a folder that it may write to with --state)`,
  )
  t.regex(
    await refusal(lockSocketPath(join(folder, 'file', 'c.sock'), 'me')),
    /cannot be used: it exists and is something else/,
  )
  t.regex(await refusal(lockSocketPath('/tmp/' + 'x'.repeat(110), 'me')), /at most 107/)
})

const key = Buffer.alloc(32, 7).toString('base64')

function keyFile(t: ExecutionContext, text: string, mode: number): string {
  const path = join(folderOf(t), 'cluster.key')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

test('a key file has a key a line, the first to seal with', t => {
  const second = Buffer.alloc(32, 8).toString('base64')
  const keys = readKeys(keyFile(t, `# ours\n${key}\n\n ${second}\n`, 0o640))
  t.deepEqual(
    keys.map(each => each[0]),
    [7, 8],
  )
})

test('a key file that is open to others, or holds something else, is refused', t => {
  const message = (path: string): string => {
    const error = t.throws(() => readKeys(path), { instanceOf: Refusal })
    t.is(error.exitCode, 78)
    return error.message.replaceAll(path, 'F')
  }
  t.is(message(keyFile(t, key, 0o604)), 'F is open to everybody (chmod 640 F)')
  t.is(
    message(keyFile(t, `${key}\nshort\n`, 0o600)),
    'F:2:1: this is not a key of 32 bytes in base64 (make one: lamportctl keygen > FILE)',
  )
  t.is(message(keyFile(t, '\n', 0o600)), 'F:1:1: no key in it (lamportctl keygen > F)')
  t.is(message('nowhere'), 'the key file F cannot be read: it does not exist (see key: or --key)')
})

test('a line of the log is one line, with a priority where the journal reads it', t => {
  const lines: string[] = []
  const plain = createLog(line => lines.push(line), false)
  plain.warning('two\nlines\n')
  const journal = createLog(line => lines.push(line), true)
  journal.info('a')
  journal.warning('b')
  journal.error('c')
  t.deepEqual(lines, ['lamportd: two | lines\n', '<6>a\n', '<4>b\n', '<3>c\n'])
})
