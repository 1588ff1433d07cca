import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { connect, LamportError } from '../../src/client/client.ts'
import { createKey, network, writeKeys } from '../helpers/cluster.ts'
import { Insider } from '../helpers/insider.ts'
import { eventually, program } from '../helpers/processes.ts'
import type { Program } from '../helpers/processes.ts'
import { Siege, Stranger } from '../helpers/siege.ts'

/** Of the second machine that believes it is host 3. */
const CLONE = `${network}.240`

/** How long both are looked at. */
const CLONED_MS = 10_000

/** A lamportd in the place of host 3, which is down, with another hosts file. */
async function impostor(
  siege: Siege,
  name: string,
  change: (hosts: string) => string,
  more: readonly string[] = [],
): Promise<Program> {
  const { cluster } = siege
  const hosts = join(cluster.folder, `${name}.yml`)
  writeFileSync(hosts, change(readFileSync(cluster.hostsFile, 'utf8')))
  const [state, socket] = [join(cluster.folder, name), join(cluster.folder, `${name}.sock`)]
  const args = ['--hosts', hosts, '--id', '3', '--state', state, '--socket', socket, ...more]
  const daemon = cluster.run([program('lamportd'), ...args])
  await daemon.said(/ready/)
  return daemon
}

test.serial('a host of another cluster, with another key or none, is not heard', async t => {
  const siege = await Siege.start(t)
  const { one, two, three, cluster } = siege
  await siege.kill(three)
  const alive = [one, two]
  const other = join(cluster.folder, 'other.key')
  writeKeys(other, [createKey()])
  for (const { name, change, more, here, there } of [
    {
      name: 'cluster',
      change: (hosts: string) => hosts.replace(/^cluster: .*$/m, 'cluster: elsewhere'),
      here: /is of another cluster/,
      there: /is of another cluster/,
    },
    {
      name: 'key',
      change: (hosts: string) => hosts,
      more: ['--key', other],
      here: /a HELLO with key .*, which is not in the key file/,
      there: /a HELLO with key .*, which is not in the key file/,
    },
    {
      name: 'unsealed',
      change: (hosts: string) => hosts.replace(/^key: .*\n/m, ''),
      here: /packets that are not sealed come/,
      there: /packets sealed with key .* come/,
    },
  ]) {
    const told = one.log.length
    const daemon = await impostor(siege, name, change, more)
    const dropped = await siege.dropped(6, () =>
      eventually(`both are told of ${name}`, () => {
        return here.test(one.log.slice(told)) && there.test(daemon.stderr)
      }),
    )
    t.true((dropped[name] ?? 0) > 0, JSON.stringify(dropped))
    t.log(name, dropped)
    t.notRegex(daemon.stderr, /connected|view/)
    daemon.kill('SIGKILL')
    await daemon.exited
    await siege.stands(alive)
  }
  await three.start()
  await siege.restarted(three)
  await siege.save()
  await siege.stands()
})

test.serial('who has the key and calls from another address is not answered', async t => {
  const siege = await Siege.start(t)
  const insider = new Insider(siege.cluster)
  const stranger = await Stranger.at(t)
  const hellos = Array.from({ length: 20 }, () => ({ to: 1, bytes: insider.hello(3, 1) }))
  const dropped = await siege.dropped(20, () => siege.throwFrom(stranger, hellos))
  t.deepEqual(dropped, { address: 20 })
  t.deepEqual(stranger.heard, [])
  t.regex(siege.one.log, /host 3 calls from .*, but its address is .*; it is ignored there/)
  await siege.stands()
})

test.serial('two machines with one id, one key and one address: people are told', async t => {
  const siege = await Siege.start(t)
  const { one, two, three, cluster, relay } = siege
  await siege.kill(three)
  // As from one card, which was copied.
  cpSync(three.state, join(cluster.folder, 'clone'), { recursive: true })
  relay.clone(3, CLONE)
  await three.start()
  const clone = await impostor(siege, 'clone', hosts => hosts.replace(three.address, CLONE))
  const clients = [siege.client(one), siege.client(two), await three.client()]
  clients.push(await connect({ socket: join(cluster.folder, 'clone.sock') }))
  let [inside, overlaps, entries] = [0, 0, 0]
  const tokens: number[] = []
  const begin = performance.now()
  const isOver = (): boolean => performance.now() - begin > CLONED_MS
  await Promise.all(
    clients.map(async client => {
      while (!isOver()) {
        try {
          const lock = await client.lock('cloned', { waitMs: 500 })
          inside += 1
          overlaps += inside > 1 ? 1 : 0
          tokens.push(lock.token)
          await pause(5)
          inside -= 1
          entries += 1
          await lock.release()
        } catch (error) {
          if (!(error instanceof LamportError)) throw error
          await pause(20)
        }
      }
    }),
  )
  t.log(`${entries} entries; ${JSON.stringify((await one.status()).datagrams.dropped)}`)
  t.is(overlaps, 0)
  t.deepEqual(
    tokens,
    [...new Set(tokens)].sort((a, b) => a - b),
  )
  t.true(entries > 10)
  await eventually('it is seen', () => /two processes call themselves/.test(one.log + two.log))
  await siege.isHeld()
  clone.kill('SIGKILL')
  await clone.exited
})
