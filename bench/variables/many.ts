// How lamportd fares with many variables; also the program that opens a store, and says how long
// that took.
import { fileURLToPath } from 'node:url'
import { connect } from '../../src/client/client.ts'
import { Store } from '../../src/daemon/store.ts'
import { LamportSite } from './lamport.ts'
import { ended } from './place.ts'

import type { Client } from '../../src/client/client.ts'
import type { Place } from './place.ts'

export type Many = {
  readonly count: number
  readonly bytes: number
  /** From its start until it votes and knows all: a host with an empty state. */
  readonly joinMs: readonly number[]
  /** What the daemon that set them has more of than before. */
  readonly residentGrowthBytes: number
  /** Of the daemon that was told of them. */
  readonly otherGrowthBytes: number
  /** To read the state of a host when it starts. */
  readonly openMs: readonly number[]
}

export const VARIABLES = 10_000
const VALUE_BYTES = 1024

const FEW = 64

/** Sets under way at a time. */
const AT_A_TIME = 64

/** Until what is due later has been done, and garbage is gone as far as it goes by itself. */
const CALM_MS = 5000

const CHILD = 'open-store'

export async function measureMany(place: Place, repeats: number): Promise<Many> {
  const site = new LamportSite(place, 'many', '127.0.83')
  await site.start()
  const client = await connect({ socket: site.socket(1) })
  await site.stop(3)
  // The same work, with few variables: what a daemon takes for the work itself is not counted.
  await fill(client, FEW)
  await calm()
  const before = [site.resident(1), site.resident(2)] as const
  await fill(client, VARIABLES)
  await calm()
  const after = [site.resident(1), site.resident(2)] as const
  const joinMs: number[] = []
  for (let i = 0; i < repeats; i++) {
    site.wipe(3)
    const start = performance.now()
    site.launch(3)
    await site.complete(3, VARIABLES)
    joinMs.push(performance.now() - start)
    await site.stop(3)
  }
  await client.close()
  await Promise.all([site.stop(1), site.stop(2)])
  const openMs: number[] = []
  for (let i = 0; i < repeats; i++) openMs.push(await opened(place, site))
  return {
    count: VARIABLES,
    bytes: VARIABLES * VALUE_BYTES,
    joinMs,
    residentGrowthBytes: after[0] - before[0],
    otherGrowthBytes: after[1] - before[1],
    openMs,
  }
}

function calm(): Promise<void> {
  return new Promise(done => setTimeout(done, CALM_MS))
}

/** As many sets, of so many variables. */
async function fill(client: Client, variables: number): Promise<void> {
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < VARIABLES; i = next++) {
      await client.set(`bench/many/${i % variables}`, String(i).padStart(VALUE_BYTES, 'v'))
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
}

/** In a process of its own, as at a start. */
async function opened(place: Place, site: LamportSite): Promise<number> {
  const { cluster, host, name } = site.owner(1)
  const args = [fileURLToPath(import.meta.url), CHILD, site.state(1), cluster, String(host), name]
  const child = place.spawn(process.execPath, args, ['ignore', 'pipe', 'inherit'])
  let text = ''
  child.stdout?.on('data', part => (text += String(part)))
  await ended(child)
  if (child.exitCode !== 0) throw new Error('the state could not be read')
  return Number(text)
}

const [, , argument, folder, cluster, host, name] = process.argv
if (argument === CHILD && folder !== undefined && cluster !== undefined && name !== undefined) {
  const start = performance.now()
  await Store.open(folder, { cluster, host: Number(host), name }, () => undefined)
  console.log(performance.now() - start)
  process.exit()
}
