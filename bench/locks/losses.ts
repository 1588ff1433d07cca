// W7: a lock that nobody else wants on a network that loses packets, of lamportd alone (root).
import { Lan } from '../../test/helpers/netns.ts'
import { quantile } from '../measures.ts'
import { ms, table } from '../report.ts'
import { LamportSite } from '../variables/lamport.ts'
import { lockClient } from './lamportd.ts'
import { alone } from './works.ts'

import type { Place } from '../variables/place.ts'

/** Of every hundred packets, in the middle of the network. */
const LOSSES = [0, 5, 20]
const WARM_UP = 500
const CYCLES = 1000

/** Milliseconds. */
export type Loss = {
  readonly lossPercent: number
  readonly acquire: readonly number[]
  readonly cycle: readonly number[]
}

/** Why it cannot be measured here. */
export function lossProblem(): string | undefined {
  return Lan.problem(['ip', 'nft'])
}

/** Three hosts in namespaces of their own, on a bridge in one more. */
export async function measureLosses(place: Place): Promise<readonly Loss[]> {
  const ends: (() => unknown)[] = []
  const address = (id: number): string => `10.79.8.${id}`
  const addresses = new Map([1, 2, 3].map(id => [id, address(id)]))
  const lan = new Lan({ teardown: end => ends.push(end) }, addresses)
  const site = new LamportSite(place, 'losses', { address, via: id => lan.via(id) })
  try {
    await site.start()
    const [client] = await site.clients()
    if (client === undefined) throw new Error('there is a host')
    await alone(lockClient(client), WARM_UP)
    const losses: Loss[] = []
    for (const lossPercent of LOSSES) {
      if (lossPercent > 0) lan.lose(lossPercent)
      const [acquire, cycle] = await alone(lockClient(client), CYCLES)
      losses.push({ lossPercent, acquire, cycle })
    }
    lan.heal()
    await site.stopAll()
    return losses
  } finally {
    for (const end of ends) end()
  }
}

export function formatLosses(losses: readonly Loss[]): string {
  const head = ['loss', 'acquire p50', 'p99', 'longest', 'with release p50', 'p99']
  const cells = losses.map(({ lossPercent, acquire, cycle }) => [
    `${lossPercent} %`,
    ...[quantile(acquire, 0.5), quantile(acquire, 0.99), Math.max(...acquire)].map(ms),
    ...[0.5, 0.99].map(share => ms(quantile(cycle, share))),
  ])
  return table([head, ...cells])
}
