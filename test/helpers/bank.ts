import type { ExecutionContext } from 'ava'
import type { Client } from '../../src/client/client.ts'
import { audit } from '../../src/examples/bank/audit.ts'
import { Bank } from '../../src/examples/bank/bank.ts'
import { sumOf, type Block } from '../../src/examples/bank/block.ts'
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
