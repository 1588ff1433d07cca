import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { bytesOf, readPages } from '../../../src/daemon/pages.ts'
import { Database, MAP_BYTES } from '../../../src/daemon/store-database.ts'
import { Bank } from '../../../src/examples/bank/bank.ts'
import {
  goodChain,
  isOneChain,
  openThree,
  runBank,
  sameChain,
  startBank,
} from '../../helpers/bank.ts'
import { Cluster } from '../../helpers/cluster.ts'
import type { Host } from '../../helpers/cluster.ts'
import { flip } from '../../helpers/damage.ts'
import { eventually } from '../../helpers/processes.ts'
import type { Program } from '../../helpers/processes.ts'
import { Relay } from '../../helpers/relay.ts'

const document = readFileSync(new URL('../../../../docs/bank.md', import.meta.url), 'utf8')

const IDS = [1, 2, 3]
const TIMING = '{ heartbeat: 100ms, suspect: 1500ms, lease: 1500ms }'

/** How often three pay at once while packets are lost. */
const ROUNDS = 100

/**
 * `lamport-bank`, again as long as the lock was lost, on a machine that is too busy for such a short
 * lease: nothing was changed then.
 */
async function insist(
  cluster: Cluster,
  host: Host,
  ...args: readonly string[]
): ReturnType<typeof runBank> {
  for (;;) {
    const outcome = await runBank(cluster, host, ...args)
    if (outcome[0] !== 75) return outcome
  }
}

/** A transfer that has the lock, has read, and writes in a minute. */
async function startSlow(cluster: Cluster, host: Host): Promise<Program> {
  const slow = startBank(cluster, host, 'transfer', '1', '2', '4', '--delay', '1m')
  await host.ask(client =>
    eventually('it holds the lock', async () => {
      const [lock] = await client.locks('bank')
      return lock?.holders.some(({ host: its }) => its === host.name) === true
    }),
  )
  return slow
}

test.serial(
  'a host is killed during a transfer: others go on, and it comes back to the same chain',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: IDS, timing: TIMING })
    await cluster.host(1).ask(client => openThree(client, 'bank', 1000))
    const [one, two] = cluster.hosts as [Host, Host]
    const slow = await startSlow(cluster, two)
    await two.kill()
    const [code, stdout, stderr] = await slow.outcome()
    t.deepEqual([code, stdout], [75, ''])
    t.regex(
      stderr,
      /^lamport-bank: the lock bank was lost: .*\(nothing was changed by "1 pays 2 \$4"/,
    )
    t.is((await insist(cluster, one, 'transfer', '1', '3', '1'))[0], 0)
    await two.start()
    await cluster.ready()
    const chain = await sameChain(t, cluster.hosts)
    t.is(chain.length, 2)
    t.is((await insist(cluster, two, 'transfer', '1', '2', '4'))[0], 0)
    t.is((await runBank(cluster, two, 'table'))[1], '1  $5\n2  $14\n3  $11\n')
    await sleepsThroughIt(t, cluster)
  },
)

/** Both the client and its lamportd stand still, as on a laptop that sleeps, and wake up too late. */
async function sleepsThroughIt(t: ExecutionContext, cluster: Cluster): Promise<void> {
  const [one, two] = cluster.hosts as [Host, Host]
  const before = await sameChain(t, cluster.hosts)
  const slow = await startSlow(cluster, two)
  two.daemon.kill('SIGSTOP')
  slow.kill('SIGSTOP')
  t.is((await insist(cluster, one, 'transfer', '3', '1', '1'))[0], 0)
  slow.kill('SIGCONT')
  two.daemon.kill('SIGCONT')
  const [code, , stderr] = await slow.outcome()
  t.is(code, 75, stderr)
  await cluster.ready()
  const after = await sameChain(t, cluster.hosts)
  t.is(after.length, before.length + 1)
  t.true((after.at(-1)?.token ?? 0) > (before.at(-1)?.token ?? Infinity))
}

test.serial('who cannot reach lamportd, or a majority, is told what was not done', async t => {
  t.timeout(60_000)
  const cluster = await Cluster.start(t, { ids: IDS, timing: TIMING })
  await cluster.host(1).ask(client => openThree(client, 'bank', 1000))
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  await Promise.all([two.kill(), three.kill()])
  const alone = await runBank(cluster, one, 'transfer', '1', '2', '4', '--wait', '1')
  t.is(alone[0], 69, alone[2])
  const away = await runBank(cluster, two, 'transfer', '1', '2', '4')
  t.deepEqual(away.slice(0, 2), [69, ''])
  t.regex(away[2], /^lamport-bank: no lamportd at .*\(is it running\?/)
})

test.serial(
  'a byte of one store is another one: the host does not start, or the block is named',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: IDS, timing: TIMING })
    await cluster.host(1).ask(client => openThree(client, 'bank', 1000))
    const [one, , three] = cluster.hosts as [Host, Host, Host]
    for (const amount of ['0.04', '0.05', '0.06']) {
      t.is((await insist(cluster, one, 'transfer', '1', '2', amount))[0], 0)
    }
    await sameChain(t, cluster.hosts)
    // A clean end carries what the log holds over into the database.
    await three.kill('SIGTERM')
    const data = join(three.state, 'data.mdb')
    const good = readFileSync(data)
    t.true(flip(data, '"cents":4') > 0)
    const [code, , stderr] = await three.launch().outcome()
    t.is(code, 78)
    t.regex(stderr, /is damaged: the record "[a-z]+:bank\/block\/1" is not as it was written/)
    const told = stderr.replace(three.state, '/var/lib/lamportd')
    t.true(document.includes(`\n${told}`), `the document shows: ${told}`)
    t.is((await runBank(cluster, three, 'verify'))[0], 69)
    t.regex((await runBank(cluster, one, 'verify'))[1], /^4 blocks are good; \$30 in all; /)
    t.is((await insist(cluster, one, 'transfer', '1', '2', '0.07'))[0], 0)

    // By one who also writes the checksum that goes with it.
    writeFileSync(data, good)
    await changeRecords(three, 'bank/block/1', '"cents":4', '"cents":5')
    await three.start()
    await cluster.ready()
    const [verified, , said] = await runBank(cluster, three, 'verify')
    t.log(said.trim())
    t.is(verified, 65)
    t.regex(said, /^lamport-bank: block 1 is bad: /)
    // The others have what they had.
    t.is((await runBank(cluster, one, 'verify'))[0], 0)
    const chain = await one.ask(client => goodChain(t, new Bank(client)))

    await three.kill('SIGTERM')
    rmSync(three.state, { recursive: true })
    await three.start()
    await eventually('it has recovered', async () => (await three.status()).blank === null)
    await cluster.ready()
    t.is(chain.length, 5)
    t.deepEqual(await sameChain(t, cluster.hosts), chain)
  },
)

/** Changes a text in all records of a variable, each with the checksum that belongs to it. */
async function changeRecords(host: Host, name: string, from: string, to: string): Promise<void> {
  const changed: { key: string; value: Uint8Array }[] = []
  readPages(join(host.state, 'data.mdb'), MAP_BYTES, (keyPart, valuePart) => {
    const [key, value] = [bytesOf(keyPart), bytesOf(valuePart)]
    if (!key.toString().endsWith(`:${name}`)) return
    const bytes = Buffer.from(value.subarray(4))
    const at = bytes.indexOf(from)
    if (at < 0) return
    bytes.write(to, at)
    changed.push({ key: key.toString(), value: bytes })
  })
  if (changed.length === 0) throw new Error(`there is no ${from} in ${name}`)
  const database = new Database(host.state)
  await database.write(changed)
  await database.close()
}

test.serial(
  `with 20 % loss ${ROUNDS} times three pay at once: the same, with no more messages`,
  async t => {
    t.timeout(300_000)
    const cluster = new Cluster(t, { ids: IDS, isRelayed: true })
    const faults = { loss: 0.2, duplicate: 0.1, reorder: 0.1, holdMs: 8 }
    const relay = new Relay(t, cluster.hosts, { seed: 5, faults })
    await Promise.all(cluster.hosts.map(host => host.start()))
    await cluster.ready()
    await isOneChain(t, cluster, ROUNDS)
    const { passed, lost, duplicated, held } = relay.counts
    t.true(lost / (passed + lost) > 0.15 && duplicated > 100 && held > 100)
    t.log(`${passed} datagrams passed, ${lost} lost, ${duplicated} doubled, ${held} held back`)
  },
)
