import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import { program } from '../helpers/processes.ts'

test.serial(
  'a variable that is set on one host is read, watched and shared on the others',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
    await cluster.ready()
    const [one, two, three] = [cluster.host(1), cluster.host(2), cluster.host(3)]
    // With what there is: whether it or the first set begins sooner is left open.
    const watch = two.ctl('watch', '--initial', 'site/')
    const file = join(cluster.folder, 'rendered')
    const hook = three.ctl('watch', 'site/motd', '--initial', '--', 'tee', file)
    t.deepEqual(await one.outcome('set', 'site/motd', 'hello'), [0, '', ''])
    t.deepEqual(await two.outcome('get', 'site/motd'), [0, 'hello', ''])
    await watch.said(/^site\/motd=hello\n/)
    await hook.said(/hello/)
    t.is(readFileSync(file, 'utf8'), 'hello')
    const [code, , stderr] = await three.outcome('set', 'site/motd', 'late', '--if', '0')
    t.is(code, 1)
    t.regex(stderr, /it is version 1, "hello"/)

    const sharers = [one, two, three].map(host => host.ctl('share', 'site/motd'))
    for (const sharer of sharers) await sharer.said(/^hello\n/)
    for (let round = 0; round < 20; round++) {
      sharers.forEach((sharer, at) => sharer.child.stdin.write('abc'[at]!))
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    for (const sharer of sharers) {
      sharer.child.stdin.end()
      t.is(await sharer.exited, 0)
    }
    const [, text] = await one.outcome('get', 'site/motd')
    t.is(
      Array.from(text.slice('hello'.length)).sort().join(''),
      'a'.repeat(20) + 'b'.repeat(20) + 'c'.repeat(20),
    )

    await two.kill()
    await one.outcome('set', 'site/other', 'while two was down')
    await one.outcome('unset', 'site/motd')
    await two.start()
    await watch.said(/site\/other=while two was down\n/)
    await watch.said(/^site\/motd\n/m)
  },
)

test.serial('in a terminal keys go into the value, and the terminal is given back', async t => {
  t.timeout(120_000)
  if (spawnSync('script', ['--version']).status !== 0) {
    t.pass('no script(1) to have a terminal with')
    return
  }
  const cluster = await Cluster.start(t, { ids: [1] })
  await cluster.ready()
  const host = cluster.host(1)
  const line = `'${process.execPath}' '${program('lamportctl')}' share x; echo "code $?"; stty -a`
  const shell = cluster.run(['-e', SPAWN, line], { LAMPORT_SOCKET: host.socket, TERM: 'vt100' })
  await shell.said(/x 0 \(not set\)|x \(not set\)|not set/)
  shell.child.stdin.write('ab\u007f\u001b[Dc\r')
  await shell.said(/x \d+ host-1: ac\\n/)
  t.deepEqual(await host.outcome('set', 'x', 'new\u001b[2J'), [0, '', ''])
  await shell.said(/host-1: new\\x1b\[2J/)
  shell.child.stdin.write('!\u0003')
  await shell.said(/code 0/)
  await shell.said(/ icanon /)
  t.regex(shell.stdout, / echo /)
  t.deepEqual(await host.outcome('get', 'x'), [0, 'new\u001b[2J!', ''])
})

/** Node has no terminals of its own to give: script(1) runs the line in one. */
const SPAWN = `
  const { spawn } = require('node:child_process')
  const child = spawn('script', ['-qec', process.argv[1], '/dev/null'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  process.stdin.pipe(child.stdin)
  child.on('exit', code => process.exit(code))`
