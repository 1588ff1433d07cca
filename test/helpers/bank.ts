import type { ExecutionContext } from 'ava'
import type { Client } from '../../src/client/client.ts'
import { audit } from '../../src/examples/bank/audit.ts'
import { Bank } from '../../src/examples/bank/bank.ts'
import { sumOf, type Block, type Entry } from '../../src/examples/bank/block.ts'
import { describeTimes, difference } from './cluster.ts'
import { isLamport } from './contention.ts'
import type { Cluster, Host } from './cluster.ts'
import { eventually, program, type Ending, type Program } from './processes.ts'

/** `lamport-bank` on a host. */
export function startBank(cluster: Cluster, host: Host, ...args: readonly string[]): Program {
  return cluster.run([program('lamport-bank'), ...args], { LAMPORT_SOCKET: host.socket })
}

/** Runs it to its end: `[how it ended, stdout, stderr]`. */
export function runBank(
  cluster: Cluster,
  host: Host,
  ...args: readonly string[]
): Promise<readonly [Ending, string, string]> {
  return startBank(cluster, host, ...args).outcome()
}

/** What each of three clients pays, all at once: `[from, to, cents]`. */
const PAYMENTS = [
  ['1', '2', 400],
  ['2', '3', 500],
  ['3', '1', 100],
] as const

/** Enough for all of that, so that none of it is refused. */
const CENTS = 100_000

/** Opens the accounts that `payAtOnce` wants. */
export async function openThree(
  client: Client,
  name?: string,
  cents: number = CENTS,
): Promise<void> {
  await new Bank(client, name).append({ type: 'open', accounts: ['1', '2', '3'], cents })
}

/** Three clients pay at the same time, so often; gives how long each took, in milliseconds. */
export async function payAtOnce(
  clients: readonly Client[],
  rounds: number,
  pay: (client: Client, entry: Entry) => Promise<unknown>,
): Promise<readonly number[]> {
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      PAYMENTS.map(async ([from, to, cents], at) => {
        const client = clients[at]
        if (client === undefined) throw new Error('there are three')
        const begin = performance.now()
        await pay(client, { type: 'transfer', from, to, cents })
        times.push(performance.now() - begin)
      }),
    )
  }
  return times
}

/**
 * Three hosts pay at the same time, again and again: the chain is the same on all of them, with all
 * of it, and no transfer took more than Lamport's three messages to each other host.
 */
export async function isOneChain(
  t: ExecutionContext,
  cluster: Cluster,
  rounds: number,
): Promise<readonly Block[]> {
  const clients = await Promise.all(cluster.hosts.map(host => host.client()))
  const [client] = clients
  if (client === undefined) throw new Error('there are three')
  await openThree(client)
  await cluster.idle()
  const before = await cluster.messages()
  const times = await payAtOnce(clients, rounds, (each, entry) => new Bank(each).append(entry))
  t.log(`one of three at once: ${describeTimes(times)}`)
  await cluster.idle()
  const each = rounds * PAYMENTS.length * (cluster.hosts.length - 1)
  isLamport(t, difference(await cluster.messages(), before), each)
  const chain = await sameChain(t, cluster.hosts)
  t.is(chain.length, 1 + rounds * PAYMENTS.length)
  t.deepEqual(
    [...(chain.at(-1)?.balances.values() ?? [])],
    [CENTS - 300 * rounds, CENTS - 100 * rounds, CENTS + 400 * rounds],
  )
  return chain
}

/** The blocks of a chain without a fault. */
export async function goodChain(t: ExecutionContext, bank: Bank): Promise<readonly Block[]> {
  const found = await bank.chain()
  t.is(audit(found), undefined)
  return found.flatMap(({ block }) => ('problem' in block ? [] : [block]))
}

/**
 * Every host has come to hold the same chain, by its own copies and byte for byte; it is without a
 * fault, and there is as much money as there was in the beginning.
 */
export async function sameChain(
  t: ExecutionContext,
  hosts: readonly Host[],
  name: string = 'bank',
): Promise<readonly Block[]> {
  const chains = await Promise.all(
    hosts.map(host => host.ask(client => goodChain(t, new Bank(client, name)))),
  )
  const [first = []] = chains
  const texts = first.map(({ text }) => text)
  for (const chain of chains) {
    t.deepEqual(
      chain.map(({ text }) => text),
      texts,
    )
  }
  await Promise.all(
    hosts.map(host =>
      host.ask(client =>
        eventually(`${host.name} has every block itself`, async () => {
          const own = await copiesOf(client, name, texts.length)
          return JSON.stringify(own) === JSON.stringify(texts)
        }),
      ),
    ),
  )
  const sums = new Set(first.map(({ balances }) => sumOf(balances)))
  if (first.every(({ number, entry }) => number === 0 || entry.type === 'transfer')) {
    t.is(sums.size, 1, 'the sum of money is constant')
  }
  return first
}

/**
 * The texts of so many blocks as one host knows them, without a question to another. The newest may
 * have been copied to its place already.
 */
async function copiesOf(
  client: Pick<Client, 'get'>,
  name: string,
  count: number,
): Promise<readonly string[]> {
  const copies: string[] = []
  for (let number = 0; number < count; number += 1) {
    const place = number === count - 1 ? 'head' : `block/${number}`
    copies.push(String((await client.get(`${name}/${place}`, { local: true })).value))
  }
  return copies
}
