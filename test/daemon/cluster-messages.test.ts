import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import type { Lock } from '../../src/client/client.ts'
import { timestampOf } from '../../src/core/clock.ts'
import { Cluster, describeTimes, difference } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'

/** Locks and unlocks of one host while nobody else asks. */
const CYCLES = 100

/** Longer than requests stand, or a host is likely to ask again. */
const PAUSE_MS = 25

const ROUNDS = 20

for (const size of [3, 8]) {
  const ids = Array.from({ length: size }, (_, index) => index + 1)

  test.serial(
    `${CYCLES} locks, each by itself, cost ${3 * (size - 1)} messages each on ${size} hosts`,
    async t => {
      t.timeout(120_000)
      const cluster = await Cluster.start(t, { ids })
      const client = await cluster.host(1).client()
      const before = await cluster.messages()
      const times: number[] = []
      for (let cycle = 0; cycle < CYCLES; cycle += 1) {
        const start = performance.now()
        const lock = await client.lock('door')
        await lock.release()
        times.push(performance.now() - start)
        await setTimeout(PAUSE_MS)
      }
      await cluster.idle()
      const each = CYCLES * (size - 1)
      t.deepEqual(difference(await cluster.messages(), before), {
        request: each,
        reply: each,
        release: each,
      })
      t.log(`a lock and its release, ${size} hosts: ${describeTimes(times)}`)
    },
  )

  test.serial(`locks one after the other cost ${size} hosts a few messages in all`, async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids })
    const client = await cluster.host(1).client()
    const before = await cluster.messages()
    for (let cycle = 0; cycle < CYCLES; cycle += 1) await (await client.lock('door')).release()
    await cluster.idle()
    const { request, reply, release } = difference(await cluster.messages(), before)
    // A pause of this machine's makes a host begin anew, which is dear: a tenth of all, at the most.
    t.true(request <= (CYCLES * (size - 1)) / 10, `${request} requests`)
    t.deepEqual([reply, release], [request, request])
    t.log(`${CYCLES} locks on ${size} hosts: ${request} requests`)
  })

  test.serial(
    `of ${size} hosts that try at the same instant exactly one gets the lock`,
    async t => {
      t.timeout(120_000)
      const cluster = await Cluster.start(t, { ids })
      const clients = await Promise.all(cluster.hosts.map(host => host.client()))
      const winners = new Set<number>()
      for (let round = 1; round <= ROUNDS; round += 1) {
        const answers = await Promise.all(clients.map(client => client.tryLock('door')))
        const held = answers.filter(lock => lock !== undefined)
        t.is(held.length, 1, `round ${round}`)
        winners.add(timestampOf(held[0]?.token ?? 0).host)
        await held[0]?.release()
        await cluster.idle()
      }
      t.log(`${ROUNDS} rounds, won by hosts ${[...winners].join(', ')}`)
    },
  )
}

test.serial(
  'of two requests with the same Lamport time that of host 2 precedes host 10',
  async t => {
    t.timeout(120_000)
    const cluster = await Cluster.start(t, { ids: [2, 10, 5] })
    const [two, ten, five] = await Promise.all(cluster.hosts.map(host => host.client()))
    let equal = 0
    for (let round = 0; round < 300 && equal < 5; round += 1) {
      // Both hear the last of a third host's messages: then their clocks agree, unless one of them
      // still had something to say to the other.
      await eventually('the queues are empty and the clocks agree', async () => {
        await (await five!.lock('door')).release()
        await cluster.idle()
        const clocks = await Promise.all(
          [two!, ten!].map(async client => {
            const isIdle = (await client.locks()).length === 0
            return isIdle ? (await client.status()).clock : NaN
          }),
        )
        return clocks[0] === clocks[1] && !Number.isNaN(clocks[0])
      })
      const entered: number[] = []
      const enter = async (asked: Promise<Lock>): Promise<void> => {
        const lock = await asked
        entered.push(lock.token)
        await lock.release()
      }
      const first = round % 2 === 0 ? [ten!, two!] : [two!, ten!]
      await Promise.all(first.map(client => enter(client.lock('door'))))
      const stamps = entered.map(token => timestampOf(token))
      t.deepEqual(
        entered,
        entered.toSorted((a, b) => a - b),
        'they enter in the order of tokens',
      )
      if (stamps[0]?.time !== stamps[1]?.time) continue
      equal += 1
      t.deepEqual(
        stamps.map(stamp => stamp.host),
        [2, 10],
      )
    }
    t.true(equal > 0, 'in one round at least the times were the same')
  },
)
