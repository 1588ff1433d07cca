import { rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { Host } from '../helpers/cluster.ts'
import { flip } from '../helpers/damage.ts'
import { eventually } from '../helpers/processes.ts'
import { written } from '../helpers/procfs.ts'
import { Site } from '../helpers/site.ts'

const COUNT = 50

/** What a daemon still has to write is written in this time. */
const REST_MS = 4000
const IDLE_MS = 10_000

function valueOf(index: number): string {
  return `<value ${index}>`.repeat(20)
}

async function filled(t: ExecutionContext): Promise<Site> {
  const site = await Site.start(t, { ids: [1, 2, 3] })
  const client = await site.one.client()
  for (let index = 0; index < COUNT; index += 1) await client.set(`v${index}`, valueOf(index))
  await eventually('all know all', async () => {
    const all = await Promise.all(site.hosts.map(host => host.status()))
    return all.every(({ variables }) => variables.count === COUNT)
  })
  return site
}

/** It is refused, and comes back as its advice says. */
async function recovers(t: ExecutionContext, host: Host, why: RegExp): Promise<void> {
  const daemon = host.launch()
  const [code, , said] = await daemon.outcome()
  t.is(code, 78, said)
  t.regex(said, why)
  t.regex(said, /remove the folder and start again: it recovers from the other hosts/)
  t.log(said.trim())
  rmSync(host.state, { recursive: true })
  await host.start()
  await eventually('it may vote', async () => (await host.status()).blank === null)
  await host.ask(async client => {
    for (let index = 0; index < COUNT; index += 1) {
      t.is((await client.get(`v${index}`, { local: true })).value, valueOf(index))
    }
    await client.set('by whom it was', host.name)
  })
}

test.serial('a flipped bit in the log is found at the start, and made good by others', async t => {
  const { three } = await filled(t)
  await three.kill()
  t.true(flip(join(three.state, 'log'), valueOf(7)) > 0)
  await recovers(t, three, /is damaged: of its log, group \d+ is not as it was written/)
})

test.serial('a flipped bit in a value is found at the start, and made good by others', async t => {
  const { three } = await filled(t)
  // What the log holds is carried over at a start.
  await three.kill()
  await three.start()
  await three.kill()
  const path = join(three.state, 'data.mdb')
  t.true(flip(path, valueOf(7)) > 0)
  await recovers(t, three, /is damaged: the record "[vc]:v7" is not as it was written/)
})

test.serial('a file that was cut short is found at the start, and made good by others', async t => {
  const { two } = await filled(t)
  await two.kill()
  const path = join(two.state, 'data.mdb')
  truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096)
  await recovers(t, two, /is damaged: .*cut short/)
})

test.serial('hosts that have variables and nothing to do write nothing to disk', async t => {
  const { hosts, one } = await filled(t)
  const look = () => hosts.map(({ daemon }) => written(daemon.pid))
  const files = () => hosts.map(({ state }) => statSync(join(state, 'data.mdb')).mtimeMs)
  const first = look()
  await one.ask(client => client.set('last', 'of all'))
  await pause(REST_MS)
  const [before, filesBefore] = [look(), files()]
  t.true(
    before.every(({ bytes }, index) => bytes > (first[index]?.bytes ?? 0)),
    'what is written shows',
  )
  await pause(IDLE_MS)
  const after = look()
  t.deepEqual(files(), filesBefore)
  t.deepEqual(
    after.map(({ bytes }) => bytes),
    before.map(({ bytes }) => bytes),
  )
  // The rest wakes threads of the process itself, eight bytes at a time.
  const calls = after.map((now, index) => now.calls - (before[index]?.calls ?? 0))
  const callBytes = after.map((now, index) => now.callBytes - (before[index]?.callBytes ?? 0))
  t.log(`calls in ${IDLE_MS / 1000} s: ${calls.join(', ')}, with ${callBytes.join(', ')} bytes`)
  t.deepEqual(
    callBytes,
    calls.map(count => 8 * count),
  )
})
