import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

const ROUNDS = 20

async function site(t: ExecutionContext): Promise<{ cluster: Cluster; file: string }> {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const file = join(cluster.folder, 'ran')
  appendFileSync(file, '')
  return { cluster, file }
}

/** What has run, a line each. */
function ran(file: string): readonly string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

const NOTE = 'echo "$1 $LAMPORT_HOST" >> "$0"'

test.serial('three hosts at the same instant, 20 rounds: exactly one of them runs it', async t => {
  const { cluster, file } = await site(t)
  for (let round = 0; round < ROUNDS; round++) {
    const isKey = round % 2 === 1
    // Of a key the name stays the same.
    const which = isKey ? ['--key', String(round), 'keys'] : ['--every', '1h', `every ${round}`]
    const run = (host: Host): Promise<unknown> =>
      host.outcome('once', ...which, '/bin/sh', '-c', NOTE, file, String(round))
    const outcomes = await Promise.all(cluster.hosts.map(run))
    t.deepEqual(outcomes, Array<unknown>(3).fill([0, '', '']))
    t.is(ran(file).length, round + 1, `round ${round}`)
  }
  t.deepEqual(
    ran(file).map(line => Number(line.split(' ')[0])),
    Array.from({ length: ROUNDS }, (_, round) => round),
  )
  await cluster.idle()
})

test.serial(
  'a period is over by the clock of whoever asks, whatever clock the last start had',
  async t => {
    const { cluster, file } = await site(t)
    const [one, two] = [cluster.host(1), cluster.host(2)]
    const every = ['once', '--every', '1h', 'backup', '/bin/sh', '-c', NOTE, file, 'x']
    const stamp = (agoMs: number): string => {
      const started = new Date(Date.now() - agoMs).toISOString()
      return JSON.stringify({ every: { started, host: 'host-3', token: 7 } })
    }
    // As another host's clock would have it: minutes ago, minutes ahead, an hour ago, far ahead.
    for (const [agoMs, count] of [
      [300_000, 0],
      [-300_000, 0],
      [3_300_000, 1],
      [-600_000, 2],
    ] as const) {
      await one.outcome('set', 'once/backup', stamp(agoMs))
      await Promise.all([one.outcome(...every), two.outcome(...every)])
      t.is(ran(file).length, count, `${agoMs} ms ago`)
    }
  },
)

test.serial('one that fails leaves the period to another with --retry-failed', async t => {
  const { cluster } = await site(t)
  const [one, two, three] = [cluster.host(1), cluster.host(2), cluster.host(3)]
  const once = ['once', '--every', '1h', '--retry-failed', 'backup', '/bin/sh', '-c']
  t.deepEqual(await one.outcome(...once, 'exit 7'), [7, '', ''])
  t.deepEqual(await two.outcome(...once, 'echo ran'), [0, 'ran\n', ''])
  t.deepEqual(await three.outcome(...once, 'echo ran'), [0, '', ''])
})

test.serial(
  'it excludes lock of the same name, and whoever waits goes when it is used',
  async t => {
    const { cluster } = await site(t)
    const [one, two, three] = [cluster.host(1), cluster.host(2), cluster.host(3)]
    const holder = one.ctl('lock', 'backup')
    await holder.said(/^held /m)
    const once = ['once', '--every', '1h', 'backup', '/bin/sh', '-c', 'echo in; read line']
    const waiting = [two.ctl(...once), three.ctl(...once)]
    await one.ask(client =>
      eventually('two wait', async () => (await client.locks('backup'))[0]?.waiters.length === 2),
    )
    holder.child.stdin.end()
    const first = await Promise.any(waiting.map(ctl => ctl.said(/in\n/).then(() => ctl)))
    const other = waiting.find(ctl => ctl !== first)
    t.is(await other?.closed, 0, 'while the command still runs')
    t.is(other?.stdout, '')
    t.deepEqual(await one.outcome('lock', '-n', 'backup', 'true'), [1, '', ''])
    first.child.stdin.end('\n')
    t.is(await first.closed, 0)
  },
)

test.serial('a host that dies while it runs has used the period, and no other runs it', async t => {
  const { cluster } = await site(t)
  const [one, two] = [cluster.host(1), cluster.host(2)]
  const once = ['once', '--every', '1h', 'backup', '/bin/sh', '-c']
  const running = one.ctl(...once, 'echo in; exec sleep 60')
  await running.said(/in\n/)
  await one.kill()
  t.is(await running.closed, 75)
  t.deepEqual(await two.outcome(...once, 'echo ran'), [0, '', ''])
  await one.start()
  t.deepEqual(await one.outcome(...once, 'echo ran'), [0, '', ''])
})
