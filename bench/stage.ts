import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Lan } from '../test/helpers/netns.ts'
import { HostPair } from './pair.ts'
import { loadUdx } from './transports/udx.ts'

import type { TransportName } from './tasks.ts'

/** A line of the tables; each transport has addresses of its own, by which its packets are counted. */
export type Entrant = {
  readonly name: string
  readonly transport: TransportName
  readonly addresses: readonly [string, string]
  /** Options of ip-route(8), at both ends. */
  readonly route: readonly string[]
}

/** What a Linux administrator can do about TCP: a retransmission timeout for a LAN, ACKs at once. */
const TUNED = ['rto_min', '5ms', 'quickack', '1']

export const LAMPORTD: Entrant = entrant('lamportd', 'lamportd', 11)
const UDX = entrant('udx', 'udx', 14)
const ENTRANTS = [LAMPORTD, entrant('tcp', 'tcp', 12), entrant('tcp tuned', 'tcp', 13, TUNED), UDX]

const PORT = 7600

/** What has to be installed, by Debian's names. */
export const PACKAGES = 'apt install iproute2 nftables ethtool'

/** Two hosts, and a third namespace between them that loses packets. */
export class Stage {
  readonly lan: Lan
  readonly entrants: readonly Entrant[]
  readonly #ends: (() => void)[] = []

  static problem(): string | undefined {
    return Lan.problem(['ip', 'nft', 'ethtool'])
  }

  constructor(entrants: readonly Entrant[]) {
    this.entrants = entrants
    const addresses = new Map([
      [1, '10.79.9.1'],
      [2, '10.79.9.2'],
    ])
    this.lan = new Lan({ teardown: end => this.#ends.push(() => void end()) }, addresses)
    this.lan.withoutOffloads()
    for (const { addresses, route } of entrants) {
      const [a, b] = addresses
      this.lan.addAddress(1, a)
      this.lan.addAddress(2, b)
      if (route.length === 0) continue
      this.lan.route(1, b, a, route)
      this.lan.route(2, a, b, route)
    }
    this.lan.watch(entrants.map(each => each.addresses))
  }

  async open(
    { transport, addresses }: Entrant,
    pairs: number,
    port: number = PORT,
  ): Promise<HostPair> {
    const pair = await HostPair.start(transport, { addresses, port, pairs }, side =>
      this.lan.via(side === 'a' ? 1 : 2),
    )
    this.#ends.unshift(() => pair.end())
    return pair
  }

  /** How many datagrams or segments of this one came to the middle, whether they were lost or not. */
  passed({ addresses }: Entrant): number {
    return this.lan.passed(...addresses)
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end()
  }
}

/** Who is measured here; udx-native is fetched for that, and left out where it cannot be had. */
export function entrants(): readonly Entrant[] {
  const problem = udxProblem()
  if (problem === undefined) return ENTRANTS
  console.log(`udx-native is left out: ${problem}`)
  return ENTRANTS.filter(each => each !== UDX)
}

function udxProblem(): string | undefined {
  try {
    loadUdx()
    return undefined
  } catch {
    // From dist/bench. Its binaries are in the package: no script need run.
    const folder = join(dirname(fileURLToPath(import.meta.url)), '../../bench')
    const options = ['--ignore-scripts', '--no-audit', '--no-fund']
    spawnSync('npm', ['ci', ...options], { cwd: folder, stdio: 'ignore' })
  }
  try {
    loadUdx()
    return undefined
  } catch (error) {
    return `${error instanceof Error ? error.message.split('\n')[0] : String(error)} (npm ci in bench/ says more)`
  }
}

function entrant(
  name: string,
  transport: TransportName,
  host: number,
  route: readonly string[] = [],
): Entrant {
  return { name, transport, addresses: [`10.79.9.${host}`, `10.79.9.${host + 10}`], route }
}
