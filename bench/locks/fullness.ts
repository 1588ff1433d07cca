// What a lamportd needs whose clients hold very many locks.
import { setTimeout as delay } from 'node:timers/promises'
import { memoryOfBareNode } from '../bare.ts'
import { LamportSite } from '../variables/lamport.ts'

import type { Goal } from '../measures.ts'
import type { Place } from '../variables/place.ts'

export const LOCKS = 10_000
export const VARIABLES = 1000
const AT_A_TIME = 100
const VALUE = 'v'.repeat(100)
const SETTLE_MS = 5000

/** Resident, in bytes: of the host whose client holds them, of another one, of a bare Node. */
export type Fullness = { readonly holder: number; readonly other: number; readonly bare: number }

export async function measureFullness(place: Place): Promise<Fullness> {
  const site = new LamportSite(place, 'full', '127.0.98')
  await site.start()
  const [client, ...others] = await site.clients()
  if (client === undefined) throw new Error('there is a host')
  const each = async (count: number, once: (i: number) => Promise<unknown>): Promise<void> => {
    let next = 0
    const work = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) await once(i)
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, work))
  }
  await each(VARIABLES, i => client.set(`full/${i}`, VALUE))
  await each(LOCKS, i => client.lock(`full/${i}`))
  await delay(SETTLE_MS)
  const [holder, other] = [site.resident(1), site.resident(2)]
  await Promise.all([client, ...others].map(open => open.close()))
  await site.stopAll()
  return { holder, other, bare: await memoryOfBareNode(SETTLE_MS) }
}

export function formatFullness({ holder, other, bare }: Fullness): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`
  return `${megabytes(holder)}, another host ${megabytes(other)}, a bare Node ${megabytes(bare)}`
}

export function fullnessGoals({ holder, bare }: Fullness): Goal[] {
  const name = `memory with ${LOCKS} locks and ${VARIABLES} variables, times that of a bare Node`
  return [{ name, value: holder / bare, bound: 2.5, wanted: 'at most' }]
}
