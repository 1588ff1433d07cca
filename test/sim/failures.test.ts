import test, { type ExecutionContext } from 'ava'
import type { HostId } from '../../src/core/clock.ts'
import { Random } from '../../src/lib/random.ts'
import type { Outcome } from '../../src/sim/clients.ts'
import { FAULTLESS } from '../../src/sim/network.ts'
import {
  CALM,
  Simulation,
  SIMULATION_RULES,
  TIMING,
  type SimulationOptions,
} from '../../src/sim/simulation.ts'
import { EntriesLoad } from '../../src/sim/workload.ts'

/** As long as a host that may be inside is waited for, whoever measures. */
const GRACE_MS = TIMING.lease * (1 + 4 * TIMING.drift)

function idsTo(count: number): HostId[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

function connected(
  t: ExecutionContext,
  count: number,
  options: Partial<SimulationOptions> = {},
): Simulation {
  const simulation = new Simulation({ ...CALM, seed: 1, hosts: idsTo(count), ...options })
  t.true(simulation.connect(20_000), 'the hosts connect')
  return simulation
}

function finish(t: ExecutionContext, simulation: Simulation, label = ''): void {
  simulation.finish()
  t.deepEqual(simulation.violations, [], label)
  t.false(simulation.isStuck, label)
}

/** A client of a host that enters again and again, as often as it is let. */
class Greedy {
  /** True times of its grants. */
  readonly grants: number[] = []
  isOn = true
  readonly #simulation: Simulation
  readonly #host: HostId
  readonly #holdMs: number

  constructor(simulation: Simulation, host: HostId, options: { readonly holdMs: number }) {
    this.#simulation = simulation
    this.#host = host
    this.#holdMs = options.holdMs
    this.#ask()
  }

  /** The longest time without a grant. */
  gap(start: number, end: number): number {
    const times = [start, ...this.grants.filter(at => at > start && at < end), end]
    return Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at)))
  }

  #ask(): void {
    if (!this.isOn) return
    const { world, clients } = this.#simulation
    const wish = { names: ['door'], limit: 1, wait: undefined }
    const id = clients.acquire(this.#host, clients.connect(), wish, outcome => {
      if (outcome === 'granted') this.grants.push(world.now)
      world.after(outcome === 'granted' ? this.#holdMs : 20, () => {
        clients.release(id)
        if (outcome !== 'died' && outcome !== 'lost') this.#ask()
        else world.after(20, () => this.#ask())
      })
    })
  }
}

/** Asks for the door on a host; what it is told, and when it was granted. */
function ask(
  { world, clients }: Simulation,
  host: HostId,
): { readonly id: number; readonly told: Outcome[]; at: number } {
  const told: Outcome[] = []
  const wish = { names: ['door'], limit: 1, wait: undefined }
  const id = clients.acquire(host, clients.connect(), wish, outcome => {
    told.push(outcome)
    if (outcome === 'granted') asked.at = world.now
  })
  const asked = { id, told, at: Infinity }
  return asked
}

function viewOf(simulation: Simulation, host: HostId): number {
  return simulation.status(host).view?.number ?? 0
}

for (const count of [3, 5])
  test(`one of ${count} hosts dead for good: the others go on`, t => {
    const simulation = connected(t, count)
    const { world, clients } = simulation
    const others = idsTo(count).slice(1)
    world.crash(1)
    const load = new EntriesLoad(world, clients, {
      hosts: others,
      entries: 50,
      name: 'door',
      holdMs: 2,
    })
    const start = world.now
    t.true(world.runUntil(() => load.left === 0, 20_000))
    t.true(world.now - start < 5000, `${world.now - start} ms`)
    t.true(simulation.areUnited(others))
    finish(t, simulation)
  })

test('five hosts enter ten times each; one is killed at 2 s, and the others finish all theirs', t => {
  const simulation = connected(t, 5)
  const { world, clients } = simulation
  const options = { entries: 10, name: 'door', holdMs: 60 }
  const loads = idsTo(5).map(host => new EntriesLoad(world, clients, { ...options, hosts: [host] }))
  world.after(2000, () => world.crash(3))
  t.true(world.runUntil(() => loads.every((load, i) => i === 2 || load.left === 0), 20_000))
  t.true((loads[2]?.left ?? 0) > 0, 'the dead one has not')
  t.deepEqual(simulation.violations, [])
})

/** How long after the death of a host, whose clients hold, the next one enters. */
function failover(t: ExecutionContext, seed: number): number {
  const random = new Random(seed)
  const count = random.pick([3, 5])
  const simulation = connected(t, count, { seed, turnMaxMs: 0.02 })
  const { world } = simulation
  ask(simulation, 1)
  world.run(random.between(0, 1000))
  const next = ask(simulation, 2)
  world.run(random.between(10, 3000))
  world.crash(1)
  const crashed = world.now
  world.runUntil(() => next.at < Infinity, 20_000)
  t.deepEqual(simulation.violations, [], `seed ${seed}`)
  return next.at - crashed
}

test('when the host of the holder dies, the next enters within silence, lease and 0.2 s', t => {
  const waits = Array.from({ length: 100 }, (_, i) => failover(t, i + 1))
  const bound = TIMING.suspect + GRACE_MS + 200
  t.log(`at most ${Math.max(...waits).toFixed(0)} ms of ${bound} ms`)
  for (const [i, wait] of waits.entries()) t.true(wait <= bound, `seed ${i + 1}: ${wait} ms`)
})

test('a host that dies idle or waiting delays the others by no more', t => {
  for (const isWaiting of [false, true]) {
    const simulation = connected(t, 3)
    const { world } = simulation
    const holder = ask(simulation, 1)
    world.run(100)
    if (isWaiting) ask(simulation, 3)
    world.run(100)
    const next = ask(simulation, 2)
    world.run(100)
    world.crash(3)
    simulation.clients.release(holder.id)
    const start = world.now
    t.true(world.runUntil(() => next.at < Infinity, 10_000))
    t.true(next.at - start <= TIMING.suspect + GRACE_MS + 200, `${next.at - start} ms`)
    if (!isWaiting) t.true(next.at - start < 100, 'its REPLY had come')
  }
})

test('a host is frozen for ten seconds while its client holds: the others go on, and it learns', t => {
  const simulation = connected(t, 3)
  const { world, clients } = simulation
  const holder = ask(simulation, 1)
  world.run(100)
  const next = ask(simulation, 2)
  world.run(100)
  let rebirths = 0
  simulation.watch(observation => {
    if (observation.type === 'trace' && observation.event.type === 'reincarnate') rebirths += 1
  })
  world.pause(1, 10_000)
  world.run(TIMING.suspect + GRACE_MS + 200)
  t.deepEqual(next.told, ['granted'])
  clients.release(next.id)
  const again = ask(simulation, 3)
  world.run(100)
  t.deepEqual(again.told, ['granted'])
  t.deepEqual(holder.told, ['granted', 'lost'])
  clients.release(again.id)
  t.is(rebirths, 0)
  t.true(world.runUntil(() => simulation.isConnected, 15_000))
  t.is(rebirths, 1, 'the resumed one has learned that it was out')
  finish(t, simulation)
})

test('after a power cut of all hosts, the first grant is a lease away, and tokens rise', t => {
  let longest = 0
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed)
    const count = random.pick([3, 5])
    const simulation = connected(t, count, { seed })
    const { world, clients } = simulation
    const holder = ask(simulation, 1)
    world.run(random.between(10, 500))
    ask(simulation, 2)
    world.run(random.between(0, 500))
    for (const host of idsTo(count)) world.crash(host)
    // One after the other they come back, all but one.
    const majority = random.chance(0.5) ? idsTo(count).slice(1) : idsTo(count - 1).reverse()
    for (const host of majority) {
      world.run(random.between(0, 300))
      world.boot(host)
    }
    const start = world.now
    const next = majority.map(host => ask(simulation, host))
    t.true(
      world.runUntil(() => next.some(({ at }) => at < Infinity), 20_000),
      `seed ${seed}`,
    )
    longest = Math.max(longest, world.now - start)
    t.true(world.now - start <= GRACE_MS + 1000, `seed ${seed}: ${world.now - start} ms`)
    for (const { id } of [holder, ...next]) {
      world.run(50)
      clients.release(id)
    }
    for (let i = 0; i < 50 && next.some(({ told }) => told.length === 0); i++) {
      world.run(100)
      for (const { id } of next) clients.release(id)
    }
    for (const { id } of next) clients.release(id)
    finish(t, simulation, `seed ${seed}`)
  }
  t.log(`at most ${longest.toFixed(0)} ms of ${GRACE_MS + 1000} ms`)
})

for (const count of [3, 5])
  test(`one of ${count} hosts crashes again and again: the others make steady progress`, t => {
    const simulation = connected(t, count)
    const { world } = simulation
    const others = idsTo(count).slice(1)
    const loads = others.map(host => new Greedy(simulation, host, { holdMs: 5 }))
    const visitor = new Greedy(simulation, 1, { holdMs: 5 })
    const start = world.now
    const end = start + 60_000
    const loop = (): void => {
      if (world.now > end) return
      if (world.isUp(1)) world.crash(1)
      else world.boot(1)
      world.after(world.isUp(1) ? 900 : 100, loop)
    }
    loop()
    world.run(end - start)
    for (const load of [...loads, visitor]) load.isOn = false
    const gaps = loads.map(load => load.gap(start, end))
    const grants = loads.map(load => load.grants.length)
    t.log(`grants ${grants.join(' ')}, longest gaps ${gaps.map(Math.round).join(' ')} ms`)
    for (const gap of gaps) t.true(gap < 8000, `${gap} ms`)
    for (const some of grants) t.true(some > 1000, `${some} grants`)
    finish(t, simulation)
  })

const LASTING: readonly (readonly [string, number, readonly (readonly [HostId, HostId])[]])[] = [
  ['three hosts, the link of two of them cut', 3, [[1, 2]]],
  [
    'five hosts, the links 1-2 and 3-4 cut',
    5,
    [
      [1, 2],
      [3, 4],
    ],
  ],
]

for (const [name, count, cuts] of LASTING)
  test(`a lasting partial partition: ${name}: one stable view, whose members go on`, t => {
    for (let seed = 1; seed <= 10; seed++) {
      const simulation = connected(t, count, { seed })
      const { world } = simulation
      for (const [a, b] of cuts) {
        world.network.cut(a, b)
        world.network.cut(b, a)
      }
      const loads = idsTo(count).map(host => new Greedy(simulation, host, { holdMs: 5 }))
      const before = Math.max(...idsTo(count).map(host => viewOf(simulation, host)))
      const start = world.now
      world.run(30_000)
      const now = Math.max(...idsTo(count).map(host => viewOf(simulation, host)))
      t.true(now - before <= 3, `seed ${seed}: ${now - before} views`)
      const best = idsTo(count).find(host => viewOf(simulation, host) === now)
      const members = simulation.status(best ?? 1).view?.members ?? []
      t.is(members.length, count - cuts.length, `seed ${seed}: ${members.join(' ')}`)
      for (const host of members) {
        const gap = loads[host - 1]?.gap(start + 6000, world.now) ?? Infinity
        t.true(gap < 1000, `seed ${seed}: host ${host} had to wait for ${gap} ms`)
      }
      for (const load of loads) load.isOn = false
      finish(t, simulation, `seed ${seed}`)
    }
  })

for (const loss of [0.1, 0.2])
  test(`with ${loss * 100} % of datagrams lost for a minute nobody is excluded`, t => {
    for (const [seed, count] of [
      [1, 3],
      [2, 3],
      [3, 3],
      [4, 5],
    ] as const) {
      const simulation = connected(t, count, { seed })
      const { world } = simulation
      world.network.reset({ ...FAULTLESS, jitterMs: 0.3, loss })
      const before = viewOf(simulation, 1)
      const loads = idsTo(count).map(host => new Greedy(simulation, host, { holdMs: 20 }))
      const start = world.now
      world.run(60_000)
      for (const host of idsTo(count)) t.is(viewOf(simulation, host), before, `seed ${seed}`)
      t.is(simulation.clients.lost, 0, `seed ${seed}`)
      for (const load of loads) t.true(load.gap(start, world.now) < 2000)
      for (const load of loads) load.isOn = false
      finish(t, simulation, `seed ${seed}`)
    }
  })

test('hosts that meet for the first time exclude nobody', t => {
  for (let seed = 1; seed <= 40; seed++) {
    const simulation = new Simulation({
      ...CALM,
      seed,
      hosts: idsTo(seed % 2 === 0 ? 5 : 7),
      link: { ...FAULTLESS, jitterMs: 5, loss: 0.05 },
    })
    const reborn: HostId[] = []
    simulation.watch(observation => {
      if (observation.type === 'trace' && observation.event.type === 'reincarnate')
        reborn.push(observation.host)
    })
    t.true(simulation.connect(10_000), `seed ${seed}`)
    t.deepEqual(reborn, [], `seed ${seed}`)
  }
})

test('with a disk that takes seconds, and without which nothing is decided, they come together too', t => {
  const votes = new Map([1, 2, 3].map(id => [id, id === 2 ? 3 : 1]))
  for (let seed = 1; seed <= 12; seed++) {
    const simulation = new Simulation({ ...CALM, seed, hosts: [1, 2, 3], votes })
    simulation.world.disk(2).options = { syncMsMin: 1, syncMsMax: 4000 }
    // To found and to decide a view takes several syncs, one after the other.
    t.true(simulation.connect(25_000), `seed ${seed}`)
  }
})

test('where one host is missing, the others found a cluster when they are told to', t => {
  const simulation = new Simulation({ ...CALM, seed: 1, hosts: [1, 2, 3] })
  const { world } = simulation
  world.crash(3)
  const found = (): void =>
    world.input(1, { type: 'command', id: world.nextCommand(), command: { type: 'found' } })
  world.run(5000)
  t.false(simulation.areUnited([1, 2]))
  found()
  world.run(1000)
  t.true(simulation.areUnited([1, 2]))
  world.boot(3)
  t.true(simulation.connect(10_000), 'the late one recovers from both')
  finish(t, simulation)
})

test('a host whose disk was replaced recovers from all others, and takes part again', t => {
  const simulation = connected(t, 3)
  const { world } = simulation
  const load = new EntriesLoad(world, simulation.clients, {
    hosts: [1, 2, 3],
    entries: 200,
    name: 'door',
    holdMs: 20,
  })
  world.run(1000)
  world.crash(2)
  world.disk(2).replace()
  world.run(500)
  world.boot(2)
  world.run(50)
  t.truthy(simulation.status(2).blank ?? 'recovered')
  t.true(simulation.connect(20_000))
  t.is(simulation.status(2).blank, undefined)
  t.true(world.runUntil(() => load.left === 0, 120_000))
  finish(t, simulation)
})

/** Hosts go down while a client of the first one holds, and come up again at once. */
function rebootWhileHolding(
  t: ExecutionContext,
  hosts: readonly HostId[],
  rule: 'ghosts' | 'quarantine',
): readonly string[][] {
  return [true, false].map(isKept => {
    const simulation = connected(t, 3, { rules: { ...SIMULATION_RULES, [rule]: isKept } })
    const { world } = simulation
    ask(simulation, 1)
    world.run(100)
    for (const host of hosts) world.crash(host)
    world.run(50)
    for (const host of hosts) world.boot(host)
    ask(simulation, 2)
    world.run(5000)
    return simulation.violations.map(({ text }) => text)
  })
}

test('without ghosts, a lock is given on while the client of a dead host goes on', t => {
  const [kept, broken] = rebootWhileHolding(t, [1], 'ghosts')
  t.deepEqual(kept, [])
  t.regex(broken?.join() ?? '', /2 are inside door/)
})

test('without the wait after a power cut, a lock is given on while its old holder goes on', t => {
  const [kept, broken] = rebootWhileHolding(t, [1, 2, 3], 'quarantine')
  t.deepEqual(kept, [])
  t.regex(broken?.join() ?? '', /2 are inside door/)
})

test('hosts that do not come together when all is well again are seen', t => {
  const simulation = connected(t, 3)
  simulation.world.disk(1).replace()
  simulation.world.disk(2).replace()
  for (const host of [1, 2]) simulation.world.crash(host)
  simulation.finish()
  t.true(simulation.isStuck)
  t.regex(simulation.violations[0]?.text ?? '', /do not come together: 1 is blank/)
})
