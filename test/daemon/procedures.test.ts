import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Cluster, type Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

// The procedures of docs/operations.md that no other test goes through.

/** A lease that is short enough to be waited for, and long enough for a machine that is busy. */
const timing = '{ heartbeat: 150ms, suspect: 3s, lease: 4s }'

/** Writes hosts.yml anew: its lines of hosts as they are to be. */
function rewrite(cluster: Cluster, change: (line: string) => string | undefined): void {
  const lines = readFileSync(cluster.hostsFile, 'utf8').split('\n')
  const changed = lines.flatMap(line => (line.startsWith('  - ') ? (change(line) ?? []) : [line]))
  writeFileSync(cluster.hostsFile, changed.join('\n'))
}

async function done(host: Host, ...args: readonly string[]): Promise<string> {
  const [code, stdout, stderr] = await host.outcome(...args)
  if (code !== 0)
    throw new Error(`${host.name}: ${args.join(' ')}: ${String(code)} ${stdout}${stderr}`)
  return stdout
}

async function together(
  hosts: readonly Host[],
  what: (host: Host) => Promise<void>,
): Promise<void> {
  await Promise.all(hosts.map(what))
}

test.serial('a host is added and another removed, and every variable is kept', async t => {
  t.timeout(180_000)
  const cluster = new Cluster(t, { ids: [1, 2, 3, 4], timing })
  const [one, two, three, four] = cluster.hosts as [Host, Host, Host, Host]
  const whole = readFileSync(cluster.hostsFile, 'utf8')
  rewrite(cluster, line => (line.includes('id: 4') ? undefined : line))
  await together([one, two, three], host => host.start())
  await cluster.ready([one, two, three])
  for (const name of ['a', 'b', 'c']) await done(one, 'set', name, `is ${name}`)
  await done(three, 'unset', 'c')

  t.regex(await done(two, 'doctor', '--before-change'), /^ok +change /m)
  await together([one, two, three], host => host.kill('SIGTERM'))
  writeFileSync(cluster.hostsFile, whole)
  rewrite(cluster, line => (line.includes('id: 3') ? undefined : line))
  await together([one, two, four], host => host.start())
  await cluster.ready([one, two, four])
  t.deepEqual([await done(four, 'get', 'a'), await done(four, 'get', 'b')], ['is a', 'is b'])
  t.is((await four.outcome('get', 'c'))[0], 1)
  const { variables, view } = await four.status()
  t.deepEqual([variables.count, view?.members], [2, ['host-1', 'host-2', 'host-4']])
  await done(four, 'set', 'a', 'new')
  t.is(await done(one, 'get', 'a'), 'new')
  t.regex(await done(one, 'doctor', '--before-change'), /^ok +change /m)

  // Whoever was taken out, and was not told so, is named where it calls.
  writeFileSync(cluster.hostsFile, whole)
  await three.start()
  await eventually('it is told as a stranger', async () => {
    const [, shown] = await one.outcome('status')
    return /calls itself host 3, which hosts.yml does not name/.test(shown)
  })
  t.is((await three.outcome('lock', '-n', 'door', 'true'))[0], 69)
})

test.serial('an address moves, one host after the other', async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing })
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  await done(one, 'set', 'x', 'kept')
  const moved = three.address.replace(/\.(\d+)$/, (_, last) => `.${Number(last) + 50}`)
  rewrite(cluster, line => line.replace(`"${three.address}"`, `"${moved}"`))
  await three.kill('SIGTERM')
  await three.start()
  await eventually('the others name where it calls from', async () => {
    const [, shown] = await one.outcome('status')
    return shown.includes(
      `host 3 calls from ${moved}:7411, but its address is ${three.address}:7411`,
    )
  })
  // They go on meanwhile.
  await done(two, 'lock', '-w', '30', 'door', 'true')
  for (const host of [one, two]) {
    await host.kill('SIGTERM')
    await host.start()
    await cluster.ready([host])
  }
  await cluster.ready()
  t.is(await done(three, 'get', 'x'), 'kept')
  t.is((await one.status()).hosts[2]?.address, `${moved}:7411`)
  t.deepEqual((await one.status()).hosts[2]?.differences, [])
})

test.serial(
  'two of three are gone for good: the third starts a new cluster with what it knows',
  async t => {
    t.timeout(180_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3], timing })
    const [one, two, three] = cluster.hosts as [Host, Host, Host]
    await done(two, 'set', 'x', 'kept')
    await eventually('it is known on host 1', async () => {
      return (await one.outcome('get', '--local', 'x'))[1] === 'kept'
    })
    await two.kill()
    await three.kill()
    t.is((await one.outcome('doctor', '--before-change'))[0], 1)
    const backup = join(cluster.folder, 'backup.jsonl')
    await done(one, 'export', backup)
    await one.kill('SIGTERM')
    rewrite(cluster, line => (line.includes('id: 1') ? line : undefined))
    const text = readFileSync(cluster.hostsFile, 'utf8')
    writeFileSync(cluster.hostsFile, text.replace('cluster: workshop', 'cluster: workshop-2'))
    renameSync(one.state, `${one.state}.old`)
    await one.start()
    await cluster.ready([one])
    await done(one, 'import', backup)
    t.is(await done(one, 'get', 'x'), 'kept')
  },
)
