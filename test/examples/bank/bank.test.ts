import { readFileSync } from 'node:fs'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { audit } from '../../../src/examples/bank/audit.ts'
import { Bank, BankError } from '../../../src/examples/bank/bank.ts'
import { blockAfter, parseBlock, type Entry } from '../../../src/examples/bank/block.ts'
import type { Client } from '../../../src/client/client.ts'
import {
  goodChain,
  isOneChain,
  openThree,
  payAtOnce,
  runBank,
  sameChain,
  startBank,
} from '../../helpers/bank.ts'
import { Cluster, describeTimes } from '../../helpers/cluster.ts'
import type { Host } from '../../helpers/cluster.ts'
import { Machine } from '../../helpers/machine.ts'
import { eventually, type Program } from '../../helpers/processes.ts'
import { readShapes, misshapen } from '../../helpers/shapes.ts'

const IDS = [1, 2, 3]
const ROUNDS = 100

/** What a transfer takes on an idle machine, where nobody else wants to. */
const TRANSFER_MS_MAX = 50

const document = readFileSync(new URL('../../../../docs/bank.md', import.meta.url), 'utf8')

function pays(from: string, to: string, cents: number): Entry {
  return { type: 'transfer', from, to, cents }
}

test.serial('three clients with $10: what one pays another, all hosts say alike', async t => {
  t.timeout(120_000)
  const cluster = await Cluster.start(t, { ids: IDS })
  const [one, two] = cluster.hosts as [Host, Host, Host]
  t.like(await runBank(cluster, one, 'table'), { 0: 1, 1: '' })
  t.deepEqual(await runBank(cluster, one, 'verify'), [0, '0 blocks are good; $0 in all\n', ''])
  t.deepEqual(await runBank(cluster, one, 'open', '1', '2', '3', '--with', '10'), [
    0,
    'genesis\n',
    '',
  ])
  t.deepEqual(await runBank(cluster, one, 'transfer', '1', '2', '$4'), [0, '1 pays 2 $4\n', ''])
  const heads = new Set<string>()
  for (const host of cluster.hosts) {
    const [, chain] = await runBank(cluster, host, 'chain')
    const rows = chain
      .trim()
      .split('\n')
      .map(line => line.split(/ {2,}/))
    t.deepEqual(
      rows.map(row => row.slice(0, 2)),
      [
        ['0', 'genesis'],
        ['1', '1 pays 2 $4'],
      ],
    )
    heads.add(rows.at(-1)?.at(-1) ?? '')
    t.deepEqual(await runBank(cluster, host, 'table'), [0, '1  $6\n2  $14\n3  $10\n', ''])
    t.deepEqual(await runBank(cluster, host, 'balance', '2'), [0, '$14\n', ''])
  }
  t.is(heads.size, 1)

  const before = await sameChain(t, cluster.hosts)
  const [code, stdout, stderr] = await runBank(cluster, two, 'transfer', '2', '1', '100')
  t.deepEqual([code, stdout], [1, ''])
  t.regex(stderr, /^lamport-bank: insufficient funds: 2 has \$14 and cannot pay \$100 \(nothing /)
  t.deepEqual(await sameChain(t, cluster.hosts), before)
  t.deepEqual(await one.ask(client => client.locks()), [])

  await refusedAtOnce(t, cluster)
  await whileOneGoesOn(t, cluster)
  await asJson(t, cluster)
  await changedByHand(t, cluster)
})

/** Somebody holds the lock, and nobody waits for it. */
async function refusedAtOnce(t: ExecutionContext, cluster: Cluster): Promise<void> {
  const [one, two] = cluster.hosts as [Host, Host]
  const client = await one.client()
  const lock = await client.lock('bank')
  const before = await sameChain(t, cluster.hosts)
  const lines: [string, number][] = [
    ['transfer 1 1 4', 64],
    ['transfer 1 2 0', 64],
    ['transfer 1 2 -4', 64],
    ['transfer 1 2 abc', 64],
    ['transfer 1 2 NaN', 64],
    ['transfer 1 2 1e99', 64],
    ['transfer 1 2 0.001', 64],
    ['transfer 1 nobody 4', 1],
    ['transfer nobody 1 4', 1],
    ['open 3', 1],
    ['balance nobody', 1],
    ['transfer 1 2 4 --wait 0', 1],
  ]
  await Promise.all(
    lines.map(async ([line, code]) => {
      const [ended, stdout, stderr] = await runBank(cluster, two, ...line.split(' '))
      t.deepEqual([ended, stdout], [code, ''], `${line}: ${stderr}`)
      t.regex(stderr, /^lamport-bank: .* \(.*\)\n$/, line)
    }),
  )
  t.deepEqual(await sameChain(t, cluster.hosts), before)
  await lock.release()
}

/** Who only looks waits for nobody, and sees a whole chain; who pays is told what it waits for. */
async function whileOneGoesOn(t: ExecutionContext, cluster: Cluster): Promise<void> {
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  const slow = startBank(cluster, one, 'transfer', '1', '3', '0.50', '--delay', '1m')
  const client = await two.client()
  await eventually('it is at it', async () => (await client.locks('bank')).length > 0)
  const [lock] = await client.locks('bank')
  t.like(lock?.holders[0], { host: 'host-1', command: 'lamport-bank', why: '1 pays 3 $0.50' })
  t.deepEqual(await runBank(cluster, two, 'table'), [0, '1  $6\n2  $14\n3  $10\n', ''])
  t.regex(
    (await runBank(cluster, two, 'verify'))[1],
    /^2 blocks are good; \$30 in all; [0-9a-f]{64}\n$/,
  )
  t.deepEqual(await runBank(cluster, three, 'balance', '1'), [0, '$6\n', ''])
  const [code, chain, complaint] = await runBank(cluster, two, 'chain')
  t.deepEqual([code, complaint], [0, ''])
  t.regex(chain, /^0 {2}genesis .*\n1 {2}1 pays 2 \$4 .*\n$/)
  t.true(slow.isRunning)
  const waiting = startBank(cluster, three, 'transfer', '2', '3', '1')
  await waiting.said(/waits for the lock bank, 1 before it \(lamportctl why bank\)/)
  // Whoever is stopped before it was done has done nothing, and lets go.
  slow.kill('SIGINT')
  t.is(await slow.exited, 'SIGINT')
  t.is((await waiting.outcome())[0], 0)
  t.is((await goodChain(t, new Bank(client))).length, 3)
}

async function asJson(t: ExecutionContext, cluster: Cluster): Promise<void> {
  const [one] = cluster.hosts as [Host]
  const shapes = readShapes(document)
  const seen: [string, ...string[]][] = [
    ['open', '5', '--with', '1'],
    ['transfer', '2', '3', '1'],
    ['balance', '2'],
    ['table'],
    ['chain'],
    ['verify'],
  ]
  for (const line of seen) {
    const [code, stdout, stderr] = await runBank(cluster, one, '--json', ...line)
    t.is(code, 0, stderr)
    t.is(misshapen(shapes, line[0], JSON.parse(stdout)), undefined, stdout)
  }
}

/** One with a right to the control socket sets a variable as he likes. */
async function changedByHand(t: ExecutionContext, cluster: Cluster): Promise<void> {
  const [one, two, three] = cluster.hosts as [Host, Host, Host]
  const [, value] = await one.outcome('get', 'bank/block/1')
  const bad = value.replace('"cents":400', '"cents":401')
  t.not(bad, value)
  t.is((await one.outcome('set', 'bank/block/1', bad))[0], 0)
  for (const host of [two, three]) {
    const [code, , stderr] = await runBank(cluster, host, 'verify')
    t.deepEqual(
      [code, stderr],
      [65, 'lamport-bank: block 1 is bad: its hash is not that of its content\n'],
    )
    t.is((await runBank(cluster, host, 'chain'))[0], 65)
  }
  const [, found] = await runBank(cluster, two, 'verify', '--json')
  t.is(misshapen(readShapes(document), 'verify', JSON.parse(found)), undefined, found)
  t.is((await one.outcome('set', 'bank/block/1', value))[0], 0)
  t.is((await runBank(cluster, one, 'verify'))[0], 0)
  const [, head] = await one.outcome('get', 'bank/head')
  await one.outcome('set', 'bank/head', head.replace('"host":"host-1"', '"host":"host-9"'))
  for (const line of ['transfer 1 2 1', 'table', 'balance 1', 'open 9']) {
    const [code, , stderr] = await runBank(cluster, two, ...line.split(' '))
    t.is(code, 65)
    t.regex(stderr, /the block in bank\/head is bad: its hash .* \(lamportctl history bank\/head\)/)
  }
  t.regex((await runBank(cluster, two, 'verify'))[2], /block 4 is bad: its hash is not that/)
  await one.outcome('unset', 'bank/head')
  t.regex((await runBank(cluster, two, 'open', '9'))[2], /bank\/head is gone, and blocks are there/)
  await one.outcome('set', 'bank/head', head)
  t.is((await runBank(cluster, one, 'verify'))[0], 0)
}

test.serial(
  'any number of clients and hosts, in any order: accounts are opened, and one begins the bank',
  async t => {
    t.timeout(180_000)
    const cluster = new Cluster(t, { ids: [1, 2, 10] })
    const [one, two, last] = cluster.hosts as [Host, Host, Host]
    await Promise.all([one.start(), two.start()])
    // A new cluster waits for all its hosts: these two come to one that is not there yet.
    const thirdComes = async (): Promise<string> => {
      await comesTooEarly(t, cluster, last)
      await last.start()
      // It does not wait for the cluster to be ready: its lamportd answers.
      return comesToOpen(t, cluster, last, 'B')
    }
    const first = [comesToOpen(t, cluster, one, '10'), comesToOpen(t, cluster, two, '2')]
    const texts = await Promise.all([...first, thirdComes()])
    texts.push(...(await startsMeanwhile(t, cluster)))
    t.is(texts.filter(text => text === 'genesis\n').length, 1)
    const chain = await sameChain(t, cluster.hosts)
    t.is(chain.length, texts.length)
    const [, table] = await runBank(cluster, last, 'table')
    const sorted = ['1  ', '2  ', '10 ', 'B  ', 'a  ', 'c.d']
    t.is(table, sorted.map(name => `${name}  $10\n`).join(''))
    t.is((await runBank(cluster, two, 'transfer', 'c.d', '10', '10'))[0], 0)
  },
)

/** Opens an account, again as long as there is no majority: nothing was changed then. */
async function comesToOpen(
  t: ExecutionContext,
  cluster: Cluster,
  host: Host,
  account: string,
): Promise<string> {
  for (;;) {
    const [code, stdout, stderr] = await runBank(cluster, host, 'open', account, '--with', '10')
    if (code !== 69) {
      t.is(code, 0, stderr)
      return stdout
    }
    t.regex(stderr, /^lamport-bank: .*majority/m)
  }
}

/** Its lamportd does not run. */
async function comesTooEarly(t: ExecutionContext, cluster: Cluster, host: Host): Promise<void> {
  const [code, stdout, stderr] = await runBank(cluster, host, 'open', 'B', '--with', '10')
  t.deepEqual([code, stdout], [69, ''])
  t.regex(stderr, /^lamport-bank: no lamportd at .*\/10\.sock \(is it running\? .*\)\n$/)
}

/** The clients of two hosts have begun, and none of them is done, when the third host starts. */
async function startsMeanwhile(t: ExecutionContext, cluster: Cluster): Promise<readonly string[]> {
  const [one, two, last] = cluster.hosts as [Host, Host, Host]
  await last.kill('SIGTERM')
  const client = await one.client()
  const lock = await client.lock('bank')
  const open = (host: Host, name: string): Program =>
    startBank(cluster, host, 'open', name, '--with', '10')
  const waits = (count: number): Promise<void> =>
    eventually(`${count} wait for the lock`, async () => {
      const [bank] = await client.locks('bank')
      return bank?.waiters.length === count
    })
  const early = [open(one, '1'), open(two, 'a')]
  await waits(2)
  await comesTooEarly(t, cluster, last)
  await last.start()
  const late = comesToOpen(t, cluster, last, 'c.d')
  await Promise.race([late, waits(3)])
  t.true(early.every(({ isRunning }) => isRunning))
  await lock.release()
  const outcomes = await Promise.all(early.map(each => each.outcome()))
  t.deepEqual(
    outcomes.map(([code]) => code),
    [0, 0],
  )
  return [...outcomes.map(([, stdout]) => stdout), await late]
}

test.serial(`${ROUNDS} times three pay at once: one chain, and the sum of money stays`, async t => {
  t.timeout(180_000)
  const cluster = await Cluster.start(t, { ids: IDS })
  const chain = await isOneChain(t, cluster, ROUNDS)
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const [client] = clients as [Client]
  const machine = new Machine(cluster.folder)
  machine.allowance()
  const alone: number[] = []
  for (let time = 0; time < 20; time += 1) {
    const begin = performance.now()
    await new Bank(client).append(pays('1', '2', 1))
    alone.push(performance.now() - begin)
  }
  const { ms: more, text } = machine.allowance()
  t.is((await sameChain(t, cluster.hosts)).length, chain.length + 20)
  t.log(`20 in a row from one client: ${describeTimes(alone)} (${text})`)
  const median = alone.sort((a, b) => a - b)[alone.length / 2] ?? NaN
  t.true(
    median <= TRANSFER_MS_MAX + more,
    `${median} ms, the bound is ${TRANSFER_MS_MAX} + ${more} ms`,
  )
  await withoutLock(t, clients)
})

/** The same check finds a bank that reads, and writes what it makes of that, without a lock. */
async function withoutLock(t: ExecutionContext, clients: readonly Client[]): Promise<void> {
  const [client] = clients as [Client]
  const bank = new Bank(client, 'naive')
  await openThree(client, bank.name)
  let [rounds, token] = [0, 2 ** 50]
  for (; rounds < 50; rounds += 1) {
    await payAtOnce(clients, 1, async (each, entry) => {
      const newest = parseBlock((await each.get('naive/head')).value)
      if ('problem' in newest) throw new Error(newest.problem)
      const block = blockAfter(newest, entry, { token: (token += 1), host: each.host.name })
      if ('problem' in block) throw new Error(block.problem)
      await each.set(`naive/block/${newest.number}`, newest.text)
      await each.set('naive/head', block.text)
    })
    const found = await bank.chain()
    if (audit(found) !== undefined || found.length < 4 + 3 * rounds) break
  }
  t.true(rounds < 50, 'without a lock something is lost')
  t.log(`without lock and comparison: lost in round ${rounds + 1}`)
}

test.serial('a lock that is not had in time is no transfer', async t => {
  t.timeout(60_000)
  const cluster = await Cluster.start(t, { ids: [1] })
  const client = await cluster.host(1).client()
  const bank = new Bank(client)
  await bank.append({ type: 'open', accounts: ['1', '2'], cents: 1000 })
  const lock = await client.lock('bank')
  await t.throwsAsync(bank.append(pays('1', '2', 1), { waitMs: 20 }), {
    message: /was not to be had in time/,
  })
  const reason = new Error('enough')
  const waiting = bank.append(pays('1', '2', 1), { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(waiting), reason)
  await lock.release()
  const { message } = await t.throwsAsync(bank.append(pays('1', '2', 1001)), {
    instanceOf: BankError,
  })
  t.regex(message, /insufficient funds/)
  t.is((await goodChain(t, bank)).length, 1)
})
