import { spawn } from 'node:child_process'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { GRACE_MS } from '../helpers/machine.ts'
import { eventually } from '../helpers/processes.ts'
import { Site } from '../helpers/site.ts'
import type { Host } from '../helpers/cluster.ts'

async function tokenOf(t: ExecutionContext, host: Host, ...args: string[]): Promise<string> {
  const [code, stdout, stderr] = await host.outcome('acquire', 'door', '--ttl', '1h', ...args)
  t.deepEqual([code, stderr], [0, ''])
  return stdout.trim()
}

function free(host: Host): Promise<void> {
  return host.ask(client =>
    eventually('it is free', async () => (await client.locks('door')).length === 0),
  )
}

test.serial('acquire keeps every other host out, until release', async t => {
  const { one, two } = await Site.start(t, { ids: [1, 2, 3] })
  const token = await tokenOf(t, one, '--why', 'by hand')
  const [, shown] = await one.outcome('locks')
  t.regex(
    shown,
    new RegExp(`^door +held \\(ttl 60 min\\) +host-1 +exclusive +${token} .*by hand`, 'm'),
  )
  t.deepEqual(await two.outcome('lock', '-n', 'door', 'true'), [1, '', ''])
  t.deepEqual(await one.outcome('acquire', 'door', '--ttl', '1h', '-n'), [1, '', ''])
  const [elsewhere, , why] = await two.outcome('release', 'door')
  t.is(elsewhere, 1, 'it belongs to its host')
  t.regex(why, /no lock door was taken here/)
  const waiting = two.ctl('lock', 'door', 'echo', 'in')
  t.deepEqual(await one.outcome('release', '--token', token), [0, '', ''])
  t.is(await waiting.closed, 0)
  t.is((await one.outcome('release', 'door'))[0], 1)
  const next = await tokenOf(t, two)
  t.true(Number(next) > Number(token))
  t.deepEqual(await two.outcome('release', 'door'), [0, '', ''])
})

test.serial('it ends with its ttl, and with the process that it was taken for', async t => {
  const { one, two } = await Site.start(t, { ids: [1, 2, 3] })
  const start = performance.now()
  t.is((await one.outcome('acquire', 'door', '--ttl', '1500ms'))[0], 0)
  t.is((await two.outcome('lock', 'door', 'true'))[0], 0)
  t.true(performance.now() - start >= 1500)
  const child = spawn('sleep', ['60'])
  t.teardown(() => child.kill('SIGKILL'))
  await tokenOf(t, one, '--pid', String(child.pid))
  const waiting = two.ctl('lock', 'door', 'echo', 'in')
  await new Promise(resolve => setTimeout(resolve, 1500))
  t.is(waiting.stdout, '')
  child.kill('SIGKILL')
  t.is(await waiting.closed, 0)
  const [code, , stderr] = await one.outcome(
    'acquire',
    'door',
    '--ttl',
    '1h',
    '--pid',
    '2147483647',
  )
  t.is(code, 64)
  t.regex(stderr, /no process 2147483647 that lamportd could see/)
})

test.serial('a daemon that stops ends it within a lease, and one that is killed too', async t => {
  const { one, two, machine } = await Site.start(t, { ids: [1, 2, 3] })
  await tokenOf(t, one)
  await machine.within(t, GRACE_MS, 'from SIGTERM to the next', async () => {
    one.daemon.kill('SIGTERM')
    t.is((await two.outcome('lock', 'door', 'true'))[0], 0)
  })
  t.is(await one.daemon.exited, 0)
  t.regex(one.daemon.stderr, /door, held without a connection, is lost \(this host is leaving\)/)
  await one.start()
  await tokenOf(t, one)
  await one.kill()
  t.is((await two.outcome('lock', 'door', 'true'))[0], 0)
  await one.start()
  t.is((await one.outcome('release', 'door'))[0], 1)
})

test.serial('a lock that was lost meanwhile is told to whoever releases it, with 75', async t => {
  const { one, two, three } = await Site.start(t, { ids: [1, 2, 3] })
  await tokenOf(t, one)
  for (const host of [two, three]) host.daemon.kill('SIGSTOP')
  await one.daemon.said(/door, held without a connection, is lost/)
  for (const host of [two, three]) host.daemon.kill('SIGCONT')
  const [code, , stderr] = await one.outcome('release', 'door')
  t.is(code, 75)
  t.regex(stderr, /the lock door had been lost before/)
})

test.serial('release --force ends a lock that hangs, and its command is stopped', async t => {
  const { one, two } = await Site.start(t, { ids: [1, 2, 3] })
  const holder = one.ctl('lock', 'door', '/bin/sh', '-c', 'echo in; exec sleep 60')
  await holder.said(/in\n/)
  const [elsewhere, , none] = await two.outcome('release', '--force', 'door')
  t.is(elsewhere, 1)
  t.regex(none, /no client of this host holds door \(lamportctl locks/)
  const [code, stdout, stderr] = await one.outcome('release', '--force', 'door')
  t.deepEqual([code, stdout], [0, ''])
  t.regex(
    stderr,
    /door was taken from process \d+ of \S+ \(\/bin\/sh .*\), which may still be at work while/,
  )
  t.is(await holder.closed, 75)
  t.regex(holder.stderr, /an administrator has ended it; stopping the command/)
  t.regex(one.daemon.stderr, /the lock door with the token \d+ is taken from its holder/)
  await free(two)
})
