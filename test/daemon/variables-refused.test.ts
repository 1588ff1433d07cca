import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { LamportError } from '../../src/client/client.ts'
import type { Client } from '../../src/client/client.ts'
import { ErrorCode } from '../../src/control/protocol.ts'
import type { VersionDiffersData } from '../../src/control/protocol.ts'
import { RawClient } from '../helpers/daemon-client.ts'
import { hearsNobody, Site } from '../helpers/site.ts'

const VALUE_BYTES_MAX = 65_536

/** How an operation was refused. */
async function failure(operation: Promise<unknown>): Promise<LamportError | undefined> {
  try {
    await operation
    return undefined
  } catch (error) {
    if (error instanceof LamportError) return error
    throw error
  }
}

test.serial('what is beyond the limits is refused, and changes nothing', async t => {
  const { one, two } = await Site.start(t, { ids: [1, 2, 3] })
  const raw = await RawClient.greeted(one.socket)
  const { invalidParams } = ErrorCode
  const wrong: readonly (readonly [unknown, unknown])[] = [
    ['', 'v'],
    ['n'.repeat(256), 'v'],
    ['é'.repeat(128), 'v'],
    ['a\nb', 'v'],
    ['a\u0085b', 'v'],
    ['\ud800', 'v'],
    [7, 'v'],
    ['name', 'v'.repeat(VALUE_BYTES_MAX + 1)],
    ['name', 'é'.repeat(VALUE_BYTES_MAX / 2) + 'v'],
    ['name', { base64: Buffer.alloc(VALUE_BYTES_MAX + 1).toString('base64') }],
    ['name', { base64: '!' }],
    ['name', '\ud800'],
    ['name', 12],
  ]
  for (const [name, value] of wrong) {
    const { error } = await raw.call(1, 'set', { name, value })
    t.is(error?.code, invalidParams, JSON.stringify([name, value]).slice(0, 60))
    t.regex(error?.message ?? '', /\(.*\)$/, 'it says what to do')
    if (typeof name !== 'string' || name === 'name') continue
    for (const method of ['get', 'unset', 'history', 'watch']) {
      t.is((await raw.call(1, method, { name })).error?.code, invalidParams, `${method} ${name}`)
    }
  }
  for (const ifVersion of [-1, 0.5, '1', null, 2 ** 53]) {
    const { error } = await raw.call(1, 'set', { name: 'name', value: 'v', ifVersion })
    t.is(error?.code, invalidParams, String(ifVersion))
  }
  const both = { name: 'name', value: 'v', ifVersion: 0, create: true }
  t.is((await raw.call(1, 'set', both)).error?.code, invalidParams)
  const line = Buffer.from(
    '{"jsonrpc":"2.0","id":1,"method":"set","params":{"name":"~","value":""}}\n',
  )
  line[line.indexOf('~')] = 0xff
  raw.socket.write(line)
  const { error } = await raw.next()
  t.is(error?.code, ErrorCode.parse)
  t.regex(error?.message ?? '', /UTF-8/)
  t.is((await one.status()).variables.count, 0)
  const longest = 'é'.repeat(127) + 'n'
  const value = 'é'.repeat(VALUE_BYTES_MAX / 2)
  const set = await raw.call(2, 'set', { name: longest, value })
  t.is((set.result as { version: number }).version, 1)
  t.is((await two.ask(client => client.get(longest))).value, value)
  raw.close()
})

test.serial('a version that is not the one is refused, and the current one is told', async t => {
  const { one, two } = await Site.start(t, { ids: [1, 2, 3] })
  const [a, b] = [await one.client(), await two.client()]
  await a.set('speed', 'first')
  const second = await b.set('speed', 'second', { ifVersion: 1 })
  const differs = await failure(a.set('speed', 'third', { ifVersion: 1 }))
  t.is(differs?.code, 'versionDiffers')
  t.deepEqual(differs?.current, second)
  const raw = await RawClient.greeted(one.socket)
  const refused = await raw.call(1, 'unset', { name: 'speed', ifVersion: 7 })
  t.is(refused.error?.code, ErrorCode.versionDiffers)
  t.is((refused.error?.data as VersionDiffersData).current.value, 'second')
  raw.close()
  t.is((await failure(b.set('speed', 'new', { create: true })))?.current?.version, 2)
  await b.unset('speed', { ifVersion: 2 })
  const gone = await failure(a.set('speed', 'third', { ifVersion: 2 }))
  t.is(gone?.current?.version, 3)
  t.is(gone?.current?.value, undefined)
  t.is((await a.set('speed', 'again', { create: true })).version, 4)
})

test.serial(
  'without a majority nothing is changed or promised, and what is known is told',
  async t => {
    const { one, two, three, hosts } = await Site.start(t, { ids: [1, 2, 3] })
    const client = await one.client()
    await client.set('speed', 'before')
    await Promise.all([two.kill(), three.kill()])
    await hearsNobody(one)
    for (const waitMs of [0, 500]) {
      for (const [what, operation] of Object.entries({
        set: () => client.set('speed', 'after', { waitMs }),
        unset: () => client.unset('speed', { waitMs }),
        get: () => client.get('speed', { waitMs }),
        'set new': () => client.set('new', 'after', { waitMs }),
      })) {
        const begin = performance.now()
        const error = await failure(operation())
        const ms = performance.now() - begin
        t.is(error?.code, 'noMajority', what)
        if (what !== 'get') t.like(error?.data, { effect: 'none' })
        t.true(ms >= waitMs - 5 && ms < waitMs + 2000, `${what} with ${waitMs} ms took ${ms} ms`)
      }
    }
    t.log((await failure(client.set('speed', 'after', { waitMs: 0 })))?.message)
    const local = await client.get('speed', { local: true })
    t.is(local.value, 'before')
    t.false(local.majority)
    await Promise.all([two.start(), three.start()])
    await pause(1500)
    for (const host of hosts) {
      await host.ask(async each => {
        t.is((await each.get('speed')).value, 'before')
        t.is((await each.get('new')).version, 0)
      })
    }
  },
)

const ROUNDS = 5
const IN_FLIGHT = 20

type Series = { acknowledged: number; readonly uncertain: number[]; readonly none: number[] }

/** Sets as fast as it can until the majority is gone. */
async function series(t: ExecutionContext, client: Client, from: number): Promise<Series> {
  const all: Series = { acknowledged: 0, uncertain: [], none: [] }
  let next = from
  const work = async (): Promise<void> => {
    while (all.uncertain.length + all.none.length === 0) {
      const value = (next += 1)
      const error = await failure(client.set('speed', String(value), { waitMs: 1000 }))
      if (error === undefined) all.acknowledged = Math.max(all.acknowledged, value)
      else if (error.code === 'uncertain') all.uncertain.push(value)
      else {
        t.is(error.code, 'noMajority')
        all.none.push(value)
      }
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, work))
  return all
}

test.serial(
  'a set that the loss of the majority cuts short is uncertain: it is done or not',
  async t => {
    t.timeout(180_000)
    const { cluster, one, two, three, hosts } = await Site.start(t, { ids: [1, 2, 3] })
    const client = await one.client()
    let [value, uncertain, done] = [0, 0, 0]
    for (let round = 0; round < ROUNDS; round += 1) {
      await client.set('speed', String(value))
      const writing = series(t, client, value)
      await pause(50 + 10 * round)
      await Promise.all([two.kill(), three.kill()])
      const all = await writing
      await Promise.all([two.start(), three.start()])
      await cluster.ready()
      const possible = [Math.max(all.acknowledged, value), ...all.uncertain]
      for (const host of hosts) {
        const seen = Number((await host.ask(each => each.get('speed'))).value)
        t.true(possible.includes(seen), `${seen} is one of ${possible.join(', ')}`)
        if (all.uncertain.includes(seen)) possible.splice(0, possible.length, seen)
      }
      uncertain += all.uncertain.length
      done += all.uncertain.includes(possible[0] ?? 0) ? 1 : 0
      value = Math.max(...possible, ...all.none)
    }
    t.log(`${ROUNDS} rounds: ${uncertain} uncertain, ${done} of them done in the end`)
    t.true(uncertain > 0)
  },
)
