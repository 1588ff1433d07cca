import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Lock } from '../../src/client/client.ts'
import { Cluster, createKey, writeKeys } from '../helpers/cluster.ts'
import type { Host } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

/** The keys of a host's sessions, by its status. */
async function keysInUse(host: Host): Promise<readonly (string | null)[]> {
  const { hosts } = await host.status()
  return hosts.filter(({ self }) => !self).map(({ key }) => key)
}

/** How often a host has taken the key file again. */
function readings(host: Host): number {
  return host.log.split('the key file was read again').length - 1
}

/** SIGHUP, until the keys of the file are taken. */
async function reload(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    const before = readings(host)
    await eventually(`${host.name} takes the keys`, async () => {
      host.daemon.kill('SIGHUP')
      await new Promise(resolve => setTimeout(resolve, 50))
      return readings(host) > before
    })
  }
}

/** Takes and lets go of one lock, on every host at once, until told to stop. */
class Contention {
  readonly tokens: number[] = []
  readonly #done: Promise<unknown>
  #isOver = false
  #inside = 0
  #insideMost = 0

  constructor(hosts: readonly Host[]) {
    this.#done = Promise.all(
      hosts.map(async host => {
        const client = await host.client()
        while (!this.#isOver) {
          const lock = await client.lock('contended')
          this.#inside += 1
          this.#insideMost = Math.max(this.#insideMost, this.#inside)
          this.tokens.push(lock.token)
          await new Promise(resolve => setTimeout(resolve, 2))
          if (!lock.isHeld) throw new Error(`${host.name} has lost its lock`)
          this.#inside -= 1
          await lock.release()
        }
      }),
    )
    this.#done.catch(() => undefined)
  }

  /** How many were inside at once, at most. */
  async end(): Promise<number> {
    this.#isOver = true
    await this.#done
    return this.#insideMost
  }
}

test('a key is exchanged on live hosts in three steps, and no lock is lost', async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: [1, 2, 3] })
  const { hosts, keyFile } = cluster
  const [old, fresh] = [createKey(), createKey()]
  writeKeys(keyFile, [old])
  await Promise.all(hosts.map(host => host.kill()))
  await Promise.all(hosts.map(host => host.start()))
  await cluster.ready()
  const before = await Promise.all(hosts.map(host => host.status()))
  const [oldName] = before[0]!.keys
  const held: Lock[] = []
  for (const host of hosts) held.push(await (await host.client()).lock(`held by ${host.name}`))
  const contention = new Contention(hosts)

  // 1. The new key is accepted, on one host after the other.
  writeKeys(keyFile, [old, fresh])
  await reload(hosts)
  const [, freshName] = (await hosts[0]!.status()).keys
  t.not(freshName, oldName)
  for (const host of hosts) {
    t.deepEqual((await host.status()).keys, [oldName, freshName])
    t.deepEqual(await keysInUse(host), [oldName, oldName])
  }
  t.regex(hosts[0]!.log, new RegExp(`sealed with key ${oldName}, ${freshName} accepted as well`))

  // It is too early to drop the old one: that is refused, by name of who uses it.
  writeKeys(keyFile, [fresh])
  hosts[0]!.daemon.kill('SIGHUP')
  await hosts[0]!.daemon.said(
    new RegExp(
      `the key file is not taken, all keys stay: host-2 \\(2\\) uses key ${oldName}, host-3 \\(3\\) uses key ${oldName}, not in it \\(put it back, and drop it when lamportctl status shows it nowhere\\)`,
    ),
  )
  t.deepEqual((await hosts[0]!.status()).keys, [oldName, freshName])

  // 2. The new key comes first.
  writeKeys(keyFile, [fresh, old])
  await reload(hosts)
  await eventually('all sessions have the new key', async () => {
    const keys = await Promise.all(hosts.map(keysInUse))
    return keys.flat().every(key => key === freshName)
  })

  // 3. The old key goes.
  writeKeys(keyFile, [fresh])
  await reload(hosts)
  for (const host of hosts) {
    t.deepEqual((await host.status()).keys, [freshName])
    const [, text] = await host.outcome('status')
    t.regex(text, new RegExp(`^packets +sealed with key ${freshName}$`, 'm'))
    t.regex(text, new RegExp(` ${freshName}$`, 'm'))
  }

  t.is(await contention.end(), 1, 'never two at once')
  t.true(contention.tokens.length > 50, `${contention.tokens.length} entries`)
  t.deepEqual(
    contention.tokens,
    [...contention.tokens].sort((a, b) => a - b),
  )
  t.log(`${contention.tokens.length} entries meanwhile`)
  for (const lock of held) {
    t.true(lock.isHeld)
    await lock.release()
  }
  await cluster.idle()
  const after = await Promise.all(hosts.map(host => host.status()))
  for (const [at, { incarnation, view }] of after.entries()) {
    t.is(incarnation, before[at]!.incarnation)
    t.deepEqual(view, before[at]!.view)
  }
  for (const host of hosts) t.notRegex(host.log, /session .* has ended/)
})

test('a key file that cannot be taken leaves the keys as they are', async t => {
  t.timeout(60_000)
  const cluster = await Cluster.start(t, { ids: [1] })
  const [one] = cluster.hosts as [Host]
  const { keyFile } = cluster
  const { keys } = await one.status()
  const refused = async (pattern: RegExp): Promise<void> => {
    one.daemon.kill('SIGHUP')
    await one.daemon.said(pattern)
    t.deepEqual((await one.status()).keys, keys)
  }
  writeKeys(keyFile, ['not a key'])
  await refused(
    /lamportd: SIGHUP: all keys stay as they were: \S+cluster\.key:1:1: this is not a key of 32 bytes in base64 \(make one: .*\)/,
  )
  writeFileSync(keyFile, '# nothing\n')
  await refused(/all keys stay as they were: \S+cluster\.key:1:1: no key in it \(.*\)/)
  writeKeys(keyFile, [createKey()])
  chmodSync(keyFile, 0o644)
  await refused(/all keys stay as they were: \S+cluster\.key is open to everybody \(chmod .*\)/)
  rmSync(keyFile)
  await refused(
    /all keys stay as they were: the key file \S+ cannot be read: it does not exist \(.*\)/,
  )
  t.true(one.daemon.isRunning)
  const fresh = createKey()
  writeKeys(keyFile, [fresh])
  await reload([one])
  t.notDeepEqual((await one.status()).keys, keys)
})

test('hosts with different keys, or one without, say on both sides what is wrong', async t => {
  t.timeout(120_000)
  const cluster = new Cluster(t, { ids: [1, 2, 3] })
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  const other = join(cluster.folder, 'other.key')
  writeKeys(other, [createKey()])
  const launch = async (host: Host, key: string): Promise<void> => {
    const daemon = host.launch(host.state, host.socket, ['--key', key])
    await daemon.said(/ready: .* packets sealed with key [0-9a-f]{4}, control/)
  }
  await launch(one, cluster.keyFile)
  await launch(two, other)
  const noticeOf = async (host: Host, about: Host): Promise<string> =>
    (await host.status()).hosts.find(({ id }) => id === about.id)?.notice ?? ''
  for (const [host, about] of [
    [one, two],
    [two, one],
  ] as const) {
    await eventually(`${host.name} says why`, async () => (await noticeOf(host, about)) !== '')
    t.regex(
      await noticeOf(host, about),
      /^a HELLO with key [0-9a-f]{4}, which is not in the key file, came from the address of host \d \(.*\); it is ignored, .* \(copy the key file .*\)$/,
    )
    const [, text] = await host.outcome('status')
    t.regex(text, /which is not in the key file/)
  }
  // A hosts.yml without a key: packets of loopback only.
  const hostsFile = join(cluster.folder, 'unsealed.yml')
  const text = readFileSync(cluster.hostsFile, 'utf8').replace(/^key: .*\n/m, '')
  writeFileSync(hostsFile, text)
  const unsealed = three.launch(three.state, three.socket, ['--hosts', hostsFile])
  await unsealed.said(/ready: .* packets not sealed/)
  await eventually('both say why', async () => {
    const notices = [await noticeOf(three, one), await noticeOf(one, three)]
    return (
      /^packets sealed with key [0-9a-f]{4} come from .*\(give this host the same key file\)$/.test(
        notices[0] ?? '',
      ) &&
      /^packets that are not sealed come from .*\(give that host the same key file\)$/.test(
        notices[1] ?? '',
      )
    )
  })
  const [, status] = await three.outcome('status')
  t.regex(status, /^packets +not sealed$/m)
  unsealed.kill('SIGHUP')
  await unsealed.said(/SIGHUP: there is no key file, and nothing else is read again/)
})
