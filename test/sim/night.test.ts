// Nights in which nothing happens: heartbeats are rarer, and nobody is the worse for it.
import test, { type ExecutionContext } from 'ava'
import type { HostId } from '../../src/core/clock.ts'
import { FAULTLESS } from '../../src/sim/network.ts'
import { CALM, Simulation, TIMING } from '../../src/sim/simulation.ts'

const HOSTS: readonly HostId[] = [1, 2, 3]

/** What three hosts send in so many milliseconds where each heartbeat goes to the other two. */
function heartbeats(ms: number, interval: number): number {
  return (ms / interval) * HOSTS.length * (HOSTS.length - 1)
}

function night(t: ExecutionContext, seed = 1): Simulation {
  const simulation = new Simulation({ ...CALM, seed, hosts: HOSTS })
  t.true(simulation.connect(20_000), 'the hosts connect')
  simulation.world.run(10_000)
  return simulation
}

function sentIn(simulation: Simulation, ms: number): number {
  const { network } = simulation.world
  const before = network.counters.sent
  simulation.world.run(ms)
  return network.counters.sent - before
}

/** Asks for the door on a host; `at` is when it was granted. */
function ask({ world, clients }: Simulation, host: HostId): { at: number } {
  const asked = { at: Infinity }
  const wish = { names: ['door'], limit: 1, wait: undefined }
  clients.acquire(host, clients.connect(), wish, outcome => {
    if (outcome === 'granted') asked.at = world.now
  })
  return asked
}

function viewOf(simulation: Simulation): number | undefined {
  return simulation.status(1).view?.number
}

test('three idle hosts send two heartbeats each in 300 ms, and nothing else', t => {
  const sent = sentIn(night(t), 30_000)
  const expected = heartbeats(30_000, 2 * TIMING.heartbeat)
  t.true(Math.abs(sent - expected) <= 12, `${sent} of ${expected}`)
})

test('while a lock is held they send as many as ever', t => {
  const simulation = night(t)
  ask(simulation, 2)
  simulation.world.run(1000)
  const sent = sentIn(simulation, 30_000)
  const expected = heartbeats(30_000, TIMING.heartbeat)
  t.true(Math.abs(sent - expected) <= 12, `${sent} of ${expected}`)
})

test('where heartbeats are lost, too', t => {
  const simulation = night(t)
  simulation.world.network.reset({ ...FAULTLESS, loss: 0.05 })
  simulation.world.run(2000)
  const sent = sentIn(simulation, 30_000)
  t.true(sent >= heartbeats(30_000, TIMING.heartbeat) * 0.95, `${sent}`)
})

test('a host that dies in the calm is missed as soon as any', t => {
  for (let seed = 1; seed <= 20; seed++) {
    const simulation = night(t, seed)
    const { world } = simulation
    world.run(seed * 17)
    world.crash(3)
    const crashed = world.now
    const asked = ask(simulation, 1)
    t.true(world.runUntil(() => asked.at < Infinity, 10_000))
    t.true(asked.at - crashed <= TIMING.suspect + 200, `seed ${seed}: ${asked.at - crashed} ms`)
    t.deepEqual(simulation.violations, [])
  }
})

test('a network that turns bad out of the calm makes nobody suspect anybody', t => {
  for (let seed = 1; seed <= 60; seed++) {
    const simulation = night(t, seed)
    const { world } = simulation
    const view = viewOf(simulation)
    world.network.reset({ ...FAULTLESS, loss: 0.15 })
    world.run(10_000)
    t.is(viewOf(simulation), view, `seed ${seed}`)
  }
})
