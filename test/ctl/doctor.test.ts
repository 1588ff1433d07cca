import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import type { DoctorFinding, DoctorResult } from '../../src/control/protocol.ts'
import { Cluster, createKey, writeKeys, type Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

type Findings = { readonly code: unknown; readonly of: (check: string) => DoctorFinding }

async function doctor(host: Host, ...args: readonly string[]): Promise<Findings> {
  const [code, stdout, stderr] = await host.outcome('--json', 'doctor', ...args)
  if (stdout === '') throw new Error(stderr)
  const { findings } = JSON.parse(stdout) as DoctorResult
  return {
    code,
    of: check => {
      const all = findings.filter(finding => finding.check === check)
      const finding = all.find(({ state }) => state !== 'ok') ?? all[0]
      if (finding === undefined) throw new Error(`nothing is said of ${check}: ${stdout}`)
      return finding
    },
  }
}

test.serial(
  'a line a check, with what to do, and the exit code says whether any failed',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
    const [one, two, three] = cluster.hosts as [Host, Host, Host]
    const right = readFileSync(cluster.hostsFile, 'utf8')
    const keys = readFileSync(cluster.keyFile, 'utf8')

    let found = await doctor(one)
    t.is(found.code, 0)
    for (const check of ['daemon', 'config', 'key', 'port', 'wifi', 'disk', 'majority', 'hosts']) {
      t.is(found.of(check).state, 'ok', check)
    }
    for (const check of ['same-file', 'versions', 'clocks', 'keys', 'variables', 'limits']) {
      t.is(found.of(check).state, 'ok', check)
    }
    const [, shown] = await one.outcome('doctor')
    t.log(`\n${shown}`)
    t.regex(shown, /^ok +majority +view \d+: host-1 host-2 host-3$/m)

    // Another key in the file, before SIGHUP and after it.
    writeKeys(cluster.keyFile, [...keys.trim().split('\n'), createKey()])
    t.is((await doctor(one)).of('key').state, 'warning')
    t.regex((await doctor(one)).of('key').advice ?? '', /SIGHUP/)
    one.daemon.kill('SIGHUP')
    await eventually('it uses both', async () => (await doctor(one)).of('key').state === 'ok')
    chmodSync(cluster.keyFile, 0o644)
    found = await doctor(one)
    t.deepEqual([found.code, found.of('key').state], [1, 'failure'])
    chmodSync(cluster.keyFile, 0o600)

    // One host whose hosts.yml has another name for host 1: named on both sides, with the line.
    await three.kill('SIGTERM')
    writeFileSync(cluster.hostsFile, right.replace('name: host-1,', 'name: first,'))
    await three.start()
    await cluster.ready()
    const said = /name first for host 1 \(here host-1, line 6\)/
    await eventually('doctor says so', async () =>
      said.test((await doctor(one)).of('same-file').text),
    )
    t.regex((await one.outcome('status'))[1], said)
    t.is((await doctor(one)).of('config').state, 'warning')
    t.regex((await three.outcome('status'))[1], /name host-1 for host 1 \(here first, line 6\)/)
    writeFileSync(cluster.hostsFile, right)

    // Silence of one, and then of the majority.
    await three.kill('SIGTERM')
    await eventually('it is missed', async () =>
      /host-3/.test((await doctor(one)).of('hosts').text),
    )
    t.is((await doctor(one)).code, 0)
    await two.kill('SIGTERM')
    await eventually('no majority is a failure', async () => {
      const { code, of } = await doctor(one)
      return code === 1 && /bring back host-2.*host-3/.test(of('majority').advice ?? '')
    })
  },
)

test.serial('before a change every host is there, and each disk has all values', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  t.is((await one.outcome('set', 'x', 'old'))[0], 0)
  let found = await doctor(one, '--before-change')
  t.deepEqual([found.code, found.of('change').state], [0, 'ok'])
  await three.kill()
  await eventually('the others go on', async () => (await two.outcome('set', 'x', 'new'))[0] === 0)
  // Without a lease it would name itself as well.
  t.is((await one.outcome('status', '--wait', '30'))[0], 0)
  t.is((await two.outcome('set', 'gone', 'y'))[0], 0)
  t.is((await two.outcome('unset', 'gone'))[0], 0)
  found = await doctor(one, '--before-change')
  t.is(found.code, 1)
  t.regex(found.of('change').text, /not in the view: host-3/)
  await three.start()
  await cluster.ready()
  // It has learned what was set without it, and its disk has not accepted it: that is seen to.
  found = await doctor(one, '--before-change')
  t.deepEqual([found.code, found.of('change').state], [0, 'ok'], found.of('change').text)
  t.is((await three.outcome('get', '--local', 'x'))[1], 'new')
})

test.serial('where no lamportd runs, it looks at what files and this machine tell', async t => {
  const cluster = new Cluster(t, { ids: [1, 2, 3] })
  const one = cluster.host(1)
  const args = ['--hosts', cluster.hostsFile, '--id', '1']
  let found = await doctor(one, ...args)
  t.is(found.code, 1)
  t.regex(found.of('daemon').text, /no answer|not reach|does not run|no lamportd/i)
  t.deepEqual([found.of('config').state, found.of('port').state], ['ok', 'ok'])
  t.is(found.of('key').state, 'ok')
  const right = readFileSync(cluster.hostsFile, 'utf8')
  writeFileSync(cluster.hostsFile, right.replace('votes: 1', 'vote: 1'))
  found = await doctor(one, ...args)
  t.true(found.of('config').text.startsWith(`${cluster.hostsFile}:6:`), found.of('config').text)
  t.regex(found.of('config').advice ?? '', /votes/)
  writeFileSync(cluster.hostsFile, right)
  writeFileSync(cluster.keyFile, 'short\n')
  t.is((await doctor(one, ...args)).of('key').state, 'failure')
  const [code, , stderr] = await one.outcome('doctor', 'x')
  t.deepEqual([code, stderr.includes('doctor takes no operand')], [64, true])
})
