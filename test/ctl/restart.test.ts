import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { FakeDaemon } from '../helpers/fake-daemon.ts'
import { lamportctl } from '../helpers/lamportctl.ts'

async function waiting(t: ExecutionContext, ...args: readonly string[]) {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start()
  t.teardown(() => daemon.stop())
  const running = lamportctl(['lock', ...args], { socket: daemon.path })
  t.teardown(() => running.process.kill('SIGKILL'))
  const heard = await daemon.next('acquire')
  return { daemon, running, heard }
}

test('a lock that waits is asked for again, for ever, and -v says so once', async t => {
  const { daemon, running, heard } = await waiting(t, '-v', 'door', 'echo', 'ran')
  for (let restarts = 0; restarts < 2; restarts += 1) {
    await daemon.kill()
    await delay(200)
    await daemon.listen()
    t.deepEqual((await daemon.next('acquire')).params, heard.params)
  }
  await daemon.kill()
  await daemon.listen()
  daemon.grant(await daemon.next('acquire'))
  t.is(await running.ended, 0)
  t.is(running.stdout, 'ran\n')
  t.is(running.stderr.match(/ended \(.*; asking again for door$/gm)?.length, 1, running.stderr)
})

test('-w counts what was waited before, and ends with 69 while lamportd is away', async t => {
  const started = monotonicNow()
  const { daemon, running } = await waiting(t, '-w', '3', 'door', 'echo', 'ran')
  await daemon.kill()
  await daemon.listen()
  const again = await daemon.next('acquire')
  t.true(Number(again.params.waitMs) < 3000)
  await daemon.kill()
  t.is(await running.ended, 69)
  t.true(monotonicNow() - started >= 2900)
  t.is(running.stdout, '')
  t.regex(running.stderr, /^lamportctl: no lamportd at .* \(is it running\?.*\)\n$/)
})

test('-n is not asked again', async t => {
  const { daemon, running } = await waiting(t, '-n', 'door', 'echo', 'ran')
  await daemon.kill()
  await daemon.listen()
  t.is(await running.ended, 69)
  t.is(running.stdout, '')
})

test('while lamportd is away a signal ends the wait', async t => {
  const { daemon, running } = await waiting(t, '-v', 'door', 'true')
  await daemon.kill()
  await running.says(/asking again/, 'stderr')
  running.kill('SIGTERM')
  t.is(await running.ended, 143)
})

test('a lock that is lost before its command has begun is asked for anew', async t => {
  const { daemon, running, heard } = await waiting(t, '-v', '-w', '30', 'door', 'echo', 'ran')
  const { token } = daemon.grant(heard)
  heard.connection.notify('lost', { token, reason: 'this host is leaving' })
  const again = await daemon.next('acquire')
  t.true(Number(again.params.waitMs) < 30_000)
  // Of the first one nothing is left by which it would be held.
  await daemon.connections[1]?.closed
  daemon.grant(again, { token: 4098 })
  t.is(await running.ended, 0)
  t.is(running.stdout, 'ran\n')
  t.regex(running.stderr, /lost: this host is leaving; asking again for door\n/)
  t.is(running.stderr.match(/got door/g)?.length, 1, running.stderr)
})

test('with -n it is not, and a lock that never lasts is given up in the end', async t => {
  const once = await waiting(t, '-n', 'door', 'echo', 'ran')
  const { token } = once.daemon.grant(once.heard)
  once.heard.connection.notify('lost', { token, reason: 'so it is' })
  t.is(await once.running.ended, 69)
  const { daemon, running, heard } = await waiting(t, 'door', 'echo', 'ran')
  let grants = 0
  for (let next = heard; ; next = await daemon.next('acquire')) {
    grants += 1
    const granted = daemon.grant(next, { token: 2050 + grants })
    next.connection.notify('lost', { token: granted.token, reason: 'so it is' })
    if (grants === 5) break
  }
  t.is(await running.ended, 69)
  t.is(running.stdout + once.running.stdout, '')
  t.regex(running.stderr, /^lamportctl: the lock door was lost: so it is\n$/)
})

test('--connect-wait goes on where lamportd closes the connection before it has said a word', async t => {
  t.timeout(20_000)
  const daemon = await FakeDaemon.start({ hello: null })
  t.teardown(() => daemon.stop())
  const args = ['lock', '--connect-wait', '10', 'door', 'echo', 'ran']
  const running = lamportctl(args, { socket: daemon.path })
  t.teardown(() => running.process.kill('SIGKILL'))
  const first = await daemon.connected()
  first.socket.destroySoon()
  await daemon.kill()
  const better = await FakeDaemon.start({ path: daemon.path })
  t.teardown(() => better.stop())
  better.grant(await better.next('acquire'))
  t.is(await running.ended, 0)
  t.is(running.stdout, 'ran\n')
})

test('a lamportd that hangs when a lock has been granted is told, and not asked again', async t => {
  t.timeout(30_000)
  const daemon = await FakeDaemon.start({ greeted: 1 })
  t.teardown(() => daemon.stop())
  const running = lamportctl(['lock', 'door', 'echo', 'ran'], { socket: daemon.path })
  t.teardown(() => running.process.kill('SIGKILL'))
  daemon.grant(await daemon.next('acquire'))
  t.is(await running.ended, 69)
  t.is(running.stdout, '')
  t.regex(
    running.stderr,
    /^lamportctl: the lock cannot be tied to the command: .*\(-o does without\)\n$/,
  )
  const asked = daemon.heard.map(({ method }) => method)
  t.deepEqual(asked, ['acquire', 'release'])
})
