import test from 'ava'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { Random } from '../../src/lib/random.ts'
import { Mutexes } from '../helpers/mutexes.ts'

/** How many schedules there are, of each number of hosts. */
const SCHEDULES = 25_000

/** Each host enters so often in one schedule. */
const ENTRIES = 2

/** REPLY, RELEASE, and the REQUEST after it. */
const IN_FLIGHT_MAX = 3

/** What went wrong in one schedule, or `undefined`. */
type Outcome = { readonly wrong: string | undefined; readonly most: number }

/**
 * Any order of what may happen next: a host asks, whoever is inside leaves, the oldest message of
 * some channel arrives.
 *
 * @param clients of one host that may ask at the same time; Lamport's process is one
 */
function play(world: Mutexes, random: Random, clients = 1): Outcome {
  const ids = [...world.members.keys()]
  const channels = ids.flatMap(from => ids.filter(to => to !== from).map(to => [from, to] as const))
  const left = new Map(ids.map(id => [id, ENTRIES * clients]))
  const waiting = new Map(ids.map(id => [id, 0]))
  let most = 0
  world.log.length = 0
  for (;;) {
    const busy = channels.filter(([a, b]) => (world.channels.get(`${a}>${b}`)?.length ?? 0) > 0)
    const inside = ids.filter(id => world.of(id).held.size > 0)
    const idle = ids.filter(id => (left.get(id) ?? 0) > 0 && (waiting.get(id) ?? 0) < clients)
    if (inside.length > 1) return { wrong: `${inside.join(' and ')} are inside`, most }
    const choices = busy.length + inside.length + idle.length
    if (choices === 0) break
    const choice = random.below(choices)
    const link = busy[choice]
    const [leaves, asks] = [
      inside[choice - busy.length],
      idle[choice - busy.length - inside.length],
    ]
    if (link !== undefined) world.deliver(...link)
    else if (leaves !== undefined) {
      for (const token of world.of(leaves).held) world.release(leaves, token)
      waiting.set(leaves, (waiting.get(leaves) ?? 0) - 1)
    } else if (asks !== undefined) {
      waiting.set(asks, (waiting.get(asks) ?? 0) + 1)
      left.set(asks, (left.get(asks) ?? 0) - 1)
      world.request(asks, ['door'])
    }
    for (const channel of world.channels.values()) most = Math.max(most, channel.length)
  }
  const entered = world.log.filter(line => line.includes(' enters ')).length
  if (entered !== ids.length * ENTRIES * clients) return { wrong: `${entered} entries`, most }
  const full = ids.filter(id => world.of(id).mutex.queue.size > 0)
  return { wrong: full.length > 0 ? `the queue of ${full.join()} is not empty` : undefined, most }
}

function worldOf(count: number, rules: Rules = RULES): Mutexes {
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  return new Mutexes(ids, rules)
}

for (const count of [2, 3, 4, 5]) {
  test(`${SCHEDULES} schedules of ${count} hosts: one inside, at most 3 messages under way, queues empty`, t => {
    const random = new Random(count)
    let most = 0
    let world = worldOf(count)
    for (let schedule = 0; schedule < SCHEDULES; schedule += 1) {
      // It goes on from the one before, with whatever the clocks say then; and now and then anew.
      if (schedule % 100 === 0) world = worldOf(count)
      const outcome = play(world, random)
      if (outcome.wrong !== undefined) t.fail(`schedule ${schedule}: ${outcome.wrong}`)
      most = Math.max(most, outcome.most)
    }
    t.is(most, IN_FLIGHT_MAX)
  })
}

test('these schedules find a broken rule, and two clients of one host have more under way', t => {
  const random = new Random(1)
  const impatient = worldOf(3, { ...RULES, waitForReplies: false })
  t.regex(play(impatient, random).wrong ?? '', /are inside/)
  let most = 0
  for (let schedule = 0; schedule < 100; schedule += 1) {
    most = Math.max(most, play(worldOf(3), random, 2).most)
  }
  t.true(most > IN_FLIGHT_MAX, String(most))
})
