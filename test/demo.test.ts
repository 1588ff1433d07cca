import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { folderOf, until } from './helpers/daemon-folder.ts'

const demo = fileURLToPath(new URL('../src/examples/demo.js', import.meta.url))

/** Three hosts on loopback addresses of this file's own; what the demo writes is in the folder. */
function startDemo(t: ExecutionContext, port: number, ...args: readonly string[]): Demo {
  const folder = folderOf(t)
  const hosts = join(folder, 'hosts.yml')
  writeFileSync(
    hosts,
    `cluster: demo\nport: ${port}\nhosts:\n` +
      [
        '  - { id: 2, name: one, address: 127.0.81.1 }',
        '  - { id: 3, name: two, address: 127.0.81.2 }',
      ]
        .concat('  - { id: 10, name: three, address: 127.0.81.3 }\n')
        .join('\n'),
  )
  return new Demo(t, args, { PATH: process.env.PATH, TMPDIR: folder, LAMPORT_HOSTS: hosts })
}

class Demo {
  readonly child: ChildProcess
  readonly folder: string
  readonly exited: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.folder = env.TMPDIR ?? ''
    const child = spawn(process.execPath, [demo, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.on('data', text => (this.stdout += String(text)))
    child.stderr.on('data', text => (this.stderr += String(text)))
    this.child = child
    this.exited = once(child, 'close').then(([code]) => code as number | null)
    t.teardown(() => child.kill('SIGKILL'))
  }

  /** Processes that work for it. */
  processes(): readonly string[] {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(commandLine)
      .filter(line => line.includes(`${this.folder}/lamportd-demo-`))
  }

  /** Whether it has left a process or a folder. */
  hasLeft(): boolean {
    return this.processes().length > 0 || readdirSync(this.folder).join() !== 'hosts.yml'
  }
}

/** Empty where it has ended in the meantime. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

test.serial(
  'the demo shows locks between three hosts, ends by itself and leaves nothing',
  async t => {
    const run = startDemo(t, 7711, '--once')
    t.is(await run.exited, 0, run.stderr)
    t.is(run.stderr, '')
    for (const name of ['one', 'two', 'three']) {
      t.regex(run.stdout, new RegExp(` s  ${name} +is up on 127\\.0\\.81\\.\\d:7711`))
    }
    t.regex(run.stdout, / s  (one|two|three) +waits: [12] before it/)
    const entries = [...run.stdout.matchAll(/holds "door", token (\d+): counter (\d+) → (\d+)/g)]
    t.deepEqual(
      entries.map(([, , from, to]) => [Number(from), Number(to)]),
      Array.from({ length: 12 }, (_, n) => [n, n + 1]),
    )
    const tokens = entries.map(entry => Number(entry[1]))
    t.deepEqual(
      tokens,
      [...tokens].sort((a, b) => a - b),
    )
    t.is(new Set(tokens).size, 12)
    t.regex(run.stdout, /The counter is 12 after 12 increments: no update was lost/)
    t.regex(run.stdout, /door {2}unattended {2}one/)
    t.regex(run.stdout, /door {2}waits \(1\) {3}two/)
    t.regex(run.stdout, /two +got "door", after the command had ended/)
    t.regex(run.stdout, /three +its command was stopped; lamportctl exits 75/)
    t.regex(run.stdout, /one +got "door": the others have gone on without the dead host/)
    t.regex(run.stdout, /three +has started again, and locks like the others/)
    for (const name of ['one', 'two', 'three']) {
      t.regex(run.stdout, new RegExp(`${name} +has fan/speed 2`))
    }
    t.false(run.hasLeft())
  },
)

test.serial(
  'without --once it ends with commands that work, and Ctrl-C stops everything',
  async t => {
    const run = startDemo(t, 7712)
    await until(() => run.stdout.includes('Ctrl-C here') || run.child.exitCode !== null)
    const commands = [...run.stdout.matchAll(/^ {3}(node \S+ --socket .+)$/gm)].map(
      ([, c]) => c ?? '',
    )
    t.is(commands.length, 6, run.stderr)
    for (const command of commands) {
      const shell = spawn('/bin/sh', ['-c', command.replace('sleep 10', 'true')], {
        stdio: 'ignore',
      })
      t.deepEqual(await once(shell, 'exit'), [0, null], command)
    }
    t.true(run.processes().length >= 3)
    run.child.kill('SIGINT')
    // npm passes on what the terminal has sent already.
    run.child.kill('SIGINT')
    t.is(await run.exited, 0)
    t.regex(run.stdout, /Every process has ended/)
    t.false(run.hasLeft())
  },
)

test.serial('a demo that is killed leaves no process and no folder', async t => {
  const run = startDemo(t, 7713)
  await until(() => run.stdout.includes('holds "door"') || run.child.exitCode !== null)
  t.true(run.processes().length >= 3)
  run.child.kill('SIGKILL')
  await run.exited
  await until(() => !run.hasLeft())
  t.pass()
})

test.serial('a port that is in use is told, with what to do', async t => {
  const taken = createSocket('udp4').bind(7714, '127.0.81.2')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const run = startDemo(t, 7714, '--once')
  t.is(await run.exited, 1)
  t.regex(run.stderr, /lamportd of two did not start:\nlamportd: UDP 127\.0\.81\.2:7714 is in use/)
  t.regex(run.stderr, /LAMPORT_HOSTS=copy\.yml npm run demo/)
  t.false(run.hasLeft())
})

test.serial('mistakes of the hosts file and of the command line are told', async t => {
  const run = startDemo(t, 7715, '--once')
  writeFileSync(join(run.folder, 'hosts.yml'), 'cluster: Demo\n')
  t.is(await run.exited, 1)
  t.regex(run.stderr, /hosts\.yml:1:10: cluster "Demo" is not a cluster name/)
  t.false(run.hasLeft())
  const wrong = startDemo(t, 7715, '--twice')
  t.is(await wrong.exited, 64)
  t.regex(wrong.stderr, /usage: npm run demo/)
  t.true(existsSync(wrong.folder))
})
