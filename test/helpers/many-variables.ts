import type { ExecutionContext } from 'ava'
import type { Client } from '../../src/client/client.ts'
import type { Host } from './cluster.ts'

/** Changes that one client asks for at a time. */
const AT_ONCE = 100

export const VALUE_BYTES = 1024

/** A value of 1 KiB that no other variable has. */
export function valueOf(index: number): string {
  return `${index} `.repeat(VALUE_BYTES).slice(0, VALUE_BYTES)
}

export function nameOf(index: number): string {
  return `many/${index}`
}

/** Sets so many variables, from all of these clients. */
export async function setMany(clients: readonly Client[], count: number): Promise<void> {
  let next = 0
  const work = async (client: Client): Promise<void> => {
    while (next < count) {
      const index = (next += 1) - 1
      await client.set(nameOf(index), valueOf(index), { waitMs: 30_000 })
    }
  }
  const workers = clients.flatMap(client => Array.from({ length: AT_ONCE }, () => work(client)))
  await Promise.all(workers)
}

/** All of them are there, as this host alone knows it. */
export async function hasMany(t: ExecutionContext, host: Host, count: number): Promise<void> {
  const known = await host.ask(async client => {
    const values = new Map<string, unknown>()
    const all = client.vars('many/', { values: true })
    for await (const { name, value } of all) values.set(name, value)
    return values
  })
  t.is(known.size, count)
  let wrong = 0
  for (let index = 0; index < count; index += 1) {
    if (known.get(nameOf(index)) !== valueOf(index)) wrong += 1
  }
  t.is(wrong, 0, `${host.name} has the value of each variable`)
}
