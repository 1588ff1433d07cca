// W6: how long a lock is nobody's when its holder has died; also the program of that holder.
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { connect } from '../../src/client/client.ts'
import { LamportSite } from '../variables/lamport.ts'
import { CONTENDERS } from './contenders.ts'
import { lockClient } from './lamportd.ts'

import type { ChildProcess } from 'node:child_process'
import type { Place } from '../variables/place.ts'
import type { LockClient, Peer } from './peer.ts'

const CHILD = 'holder'
const NAME = 'heir'

/** Until whoever is to inherit waits in the queue. */
const QUEUED_MS = 150

/** Milliseconds from the death of a holder to the next grant. */
export type Deaths = { readonly name: string; readonly took: readonly number[] }

/** The client's process dies; so often, but not for longer than that. */
export async function clientDeaths(
  place: Place,
  contender: string,
  peer: Peer,
  times: number,
  patienceMs: number,
): Promise<Deaths> {
  const took: number[] = []
  const heir = peer.clients[1]
  if (heir === undefined || peer.where === undefined) return { name: peer.name, took }
  const end = monotonicNow() + patienceMs
  while (took.length < times && (took.length === 0 || monotonicNow() < end)) {
    const holder = await hold(place, contender, peer.where)
    took.push(await inherited(heir, () => holder.kill('SIGKILL')))
  }
  return { name: peer.name, took }
}

/** The host dies, and the client with it: of lamportd alone, for the others it is as above. */
export async function hostDeaths(place: Place, times: number): Promise<Deaths> {
  const site = new LamportSite(place, 'deaths', '127.0.99')
  await site.start()
  const client = await connect({ socket: site.socket(2) })
  const heir = lockClient(client)
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const holder = await hold(place, 'lamportd', site.socket(1))
    const die = (): void => {
      site.kill(1)
      holder.kill('SIGKILL')
    }
    took.push(await inherited(heir, die))
    site.launch(1)
    await site.complete(1, 0)
    while ((await client.status()).view?.members.length !== site.ids.length) await delay(50)
  }
  await client.close()
  await site.stopAll()
  return { name: 'lamportd', took }
}

async function hold(place: Place, contender: string, where: string): Promise<ChildProcess> {
  const args = [fileURLToPath(import.meta.url), CHILD, contender, where]
  const child = place.spawn(process.execPath, args, ['ignore', 'inherit', 'inherit', 'ipc'])
  await once(child, 'message')
  return child
}

async function inherited(heir: LockClient, die: () => void): Promise<number> {
  const asked = heir.acquire(NAME)
  await delay(QUEUED_MS)
  const start = monotonicNow()
  die()
  const release = await asked
  const took = monotonicNow() - start
  await release()
  return took
}

const [, , argument, contender, where] = process.argv
if (argument === CHILD && where !== undefined) {
  const found = CONTENDERS.find(({ name }) => name === contender)
  if (found === undefined) throw new Error(`there is no ${contender}`)
  const client = await found.open(where)
  await client.acquire(NAME)
  process.send?.('held')
  setInterval(() => undefined, 1000)
}
