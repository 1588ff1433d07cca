import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Cluster } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import { passes, Site } from '../helpers/site.ts'

const isRoot = process.getuid?.() === 0

/** Of a host that is alone: it has a state, and is gone. */
async function used(t: ExecutionContext, name = 'workshop'): Promise<Host> {
  t.timeout(60_000)
  const cluster = new Cluster(t, { ids: [1], name })
  const host = cluster.host(1)
  await host.start()
  await cluster.ready()
  host.daemon.kill('SIGTERM')
  t.is(await host.daemon.exited, 0)
  return host
}

/** Ends by itself with this code, and says this, a line, without a trace of its stack. */
async function refuses(
  t: ExecutionContext,
  host: Host,
  code: number,
  pattern: RegExp,
  state = host.state,
): Promise<void> {
  const [ending, , said] = await host.launch(state).outcome()
  t.log(said.trim())
  t.is(ending, code, said)
  t.regex(said, pattern)
  t.notRegex(said, /^ +at /m)
}

/** A small file system of its own, gone with the test; skips where that may not be. */
function smallDisk(t: ExecutionContext, host: Host, options: string): string | undefined {
  const folder = `${host.state}-small`
  mkdirSync(folder)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], {
    encoding: 'utf8',
  })
  if (status !== 0) {
    if (process.env.CI !== undefined) t.fail(`a small disk cannot be mounted: ${stderr}`)
    t.log(`not looked at: a small disk cannot be mounted (${stderr.trim()})`)
    t.pass()
    return undefined
  }
  t.teardown(() => spawnSync('umount', ['-l', folder]))
  return folder
}

function fill(folder: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'ballast')}`, 'bs=4k'])
}

test.serial('the state of another host, or of another cluster, is refused', async t => {
  const host = await used(t)
  const cluster = new Cluster(t, { ids: [2] })
  await refuses(
    t,
    cluster.host(2),
    78,
    /belongs to host 1 of cluster workshop, and this is host 2 \(host-2\) of workshop .*--state/,
    host.state,
  )
  const elsewhere = new Cluster(t, { ids: [1], name: 'elsewhere' })
  await refuses(t, elsewhere.host(1), 78, /this is host 1 \(host-1\) of elsewhere/, host.state)
  await host.start()
  await passes(host)
})

test.serial('a state folder that cannot be made or written is refused', async t => {
  const host = await used(t)
  const file = join(host.state, '..', 'plain')
  writeFileSync(file, 'a file')
  await refuses(t, host, 73, /state folder .*plain cannot be used: it exists.*--state/, file)
  await refuses(t, host, 73, /not a folder/, join(file, 'below'))
  if (!isRoot) return
  const folder = smallDisk(t, host, 'size=4m')
  if (folder === undefined) return
  copyFileSync(join(host.state, 'data.mdb'), join(folder, 'data.mdb'))
  spawnSync('mount', ['-o', 'remount,ro', folder])
  await refuses(t, host, 73, /state folder .* cannot be used: the file system is read-only/, folder)
})

test.serial('a disk that is full at the start is refused', async t => {
  const host = await used(t)
  const folder = smallDisk(t, host, 'size=4m')
  if (folder === undefined) return
  fill(folder)
  await refuses(t, host, 73, /cannot be used: no space left \(free some space/, folder)
  rmSync(join(folder, 'ballast'))
  rmSync(join(folder, 'data.mdb'), { force: true })
  rmSync(join(folder, 'lock.mdb'), { force: true })
  copyFileSync(join(host.state, 'data.mdb'), join(folder, 'data.mdb'))
  fill(folder)
  await refuses(t, host, 73, /cannot be used: no space left/, folder)
})

test.serial('a disk that fills up while running: the log has its room, and goes on', async t => {
  const site = new Site(t, { ids: [1, 2, 3] })
  const { one, two, three, cluster } = site
  const folder = smallDisk(t, three, 'size=4m')
  if (folder === undefined) return
  const small = three.launch(folder)
  await Promise.all([one.start(), two.start(), small.said(/ready/)])
  await cluster.ready()
  fill(folder)
  // A view is written: nothing else ever is, at rest.
  await two.kill()
  await eventually('a view without the second host', async () => {
    return (await one.status()).view?.members.length === 2
  })
  small.kill('SIGKILL')
  await small.exited
  await refuses(t, three, 73, /cannot be used: no space left/, folder)
  rmSync(join(folder, 'ballast'))
  const again = three.launch(folder)
  await Promise.all([two.start(), again.said(/ready/)])
  await cluster.ready()
})

test.serial('a state that was cut short or has changed is refused, never a crash', async t => {
  const host = await used(t)
  const path = join(host.state, 'data.mdb')
  const whole = readFileSync(path)
  const page = 4096
  for (const length of [1, page, 2 * page - 1, 3 * page]) {
    writeFileSync(path, whole.subarray(0, length))
    await refuses(t, host, 78, /is damaged: .*cut short.*it recovers from the other hosts/)
  }
  // Bytes turned over in every page: some of them hold nothing any more.
  let refused = 0
  for (let at = 0; at < whole.length; at += page) {
    const bad = Buffer.from(whole)
    for (let i = at; i < at + page; i += 1) bad[i]! ^= 0xff
    writeFileSync(path, bad)
    const daemon = host.launch()
    const isReady = await daemon.said(/ready/).then(
      () => true,
      () => false,
    )
    if (isReady) daemon.kill('SIGKILL')
    else refused += 1
    t.is(await daemon.exited, isReady ? 'SIGKILL' : 78, `page ${at / page}: ${daemon.stderr}`)
  }
  t.log(`${refused} of ${whole.length / page} pages matter`)
  t.true(refused >= 3)
  // A single byte of a record's value.
  const bad = Buffer.from(whole)
  for (let at = bad.indexOf('workshop'); at >= 0; at = bad.indexOf('workshop', at + 1))
    bad[at]! ^= 1
  writeFileSync(path, bad)
  await refuses(t, host, 78, /is damaged: the record "owner" is not as it was written/)
  writeFileSync(path, whole)
  await host.start()
  await passes(host)
})

test.serial('a first start that was cut off before its first record is begun again', async t => {
  const host = await used(t)
  host.daemon.kill('SIGKILL')
  writeFileSync(join(host.state, 'data.mdb'), '')
  await host.start()
  await passes(host)
  t.is((await host.status()).blank, null)
})

test.serial('a lock writes nothing, and neither does rest', async t => {
  const { hosts, one, cluster } = await Site.start(t, { ids: [1, 2, 3] })
  // The last group gets one after it.
  await pause(2500)
  const written = (): number[] =>
    hosts.map(({ daemon }) => {
      const io = readFileSync(`/proc/${daemon.pid}/io`, 'utf8')
      return Number(/^write_bytes: (\d+)$/m.exec(io)?.[1])
    })
  const before = written()
  t.true(
    before.every(bytes => bytes > 0),
    'the founding was written',
  )
  for (let i = 0; i < 50; i += 1) await passes(one)
  t.deepEqual(written(), before, 'a lock')
  await pause(10_000)
  t.deepEqual(written(), before, 'rest')
  await cluster.idle()
  await eventually('all answer', async () => (await one.status()).majority)
})
