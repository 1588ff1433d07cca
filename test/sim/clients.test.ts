import test from 'ava'
import type { Outcome } from '../../src/sim/clients.ts'
import type { Observation } from '../../src/sim/observation.ts'
import { CALM, Simulation, SIMULATION_RULES } from '../../src/sim/simulation.ts'

type Scene = {
  readonly simulation: Simulation
  readonly seen: Observation['type'][]
  /** Asks on a host; what it is told is added to `told`. */
  readonly ask: (host: number, told: Outcome[]) => { readonly id: number; readonly client: number }
}

function scene(options: { readonly releaseOnClientDeath?: boolean } = {}): Scene {
  const rules = { ...SIMULATION_RULES, ...options }
  const simulation = new Simulation({ ...CALM, seed: 1, hosts: [1, 2, 3], rules })
  const { clients } = simulation
  simulation.connect(10_000)
  const seen: Observation['type'][] = []
  simulation.watch(observation => {
    if (observation.type !== 'trace') seen.push(observation.type)
  })
  return {
    simulation,
    seen,
    ask: (host, told) => {
      const client = clients.connect()
      const wish = { names: ['door'], limit: 1, wait: undefined }
      return { id: clients.acquire(host, client, wish, outcome => told.push(outcome)), client }
    },
  }
}

test('a client holds from its grant until it lets go', t => {
  const { simulation, seen, ask } = scene()
  const told: Outcome[] = []
  const { id } = ask(1, told)
  t.is(simulation.clients.outstanding, 1)
  simulation.world.run(100)
  t.deepEqual(told, ['granted'])
  t.deepEqual(seen, ['asked', 'settled', 'holds'])
  simulation.clients.release(id)
  t.is(seen.at(-1), 'lets-go')
  simulation.world.run(100)
  t.is(simulation.clients.outstanding, 0)
  t.is(simulation.clients.granted, 1)
})

test('a cancel withdraws a request that waits, and releases one that holds', t => {
  const { simulation, ask } = scene()
  const [first, second, third]: Outcome[][] = [[], [], []]
  const holder = ask(1, first!)
  simulation.world.run(100)
  const waiter = ask(2, second!)
  simulation.world.run(100)
  simulation.clients.cancel(waiter.id)
  simulation.world.run(100)
  t.deepEqual(second, ['cancelled'])
  simulation.clients.cancel(holder.id)
  ask(3, third!)
  simulation.world.run(100)
  t.deepEqual(third, ['granted'])
})

test('a client that dies, waiting or inside, delays nobody', t => {
  const { simulation, ask } = scene()
  const told: Outcome[] = []
  const holder = ask(1, told)
  simulation.world.run(100)
  const waiter = ask(2, told)
  const last: Outcome[] = []
  ask(3, last)
  simulation.world.run(100)
  simulation.clients.crash(waiter.client)
  simulation.clients.crash(holder.client)
  simulation.world.run(100)
  t.deepEqual(told, ['granted'])
  t.deepEqual(last, ['granted'])
})

test('without that rule the next one waits for ever', t => {
  const { simulation, ask } = scene({ releaseOnClientDeath: false })
  const holder = ask(1, [])
  simulation.world.run(100)
  simulation.clients.crash(holder.client)
  const last: Outcome[] = []
  ask(3, last)
  simulation.world.run(5000)
  t.deepEqual(last, [])
})

test('the clients of a host that goes down are told, and find nobody until it is up again', t => {
  const { simulation, seen, ask } = scene()
  const [held, waiting, early]: Outcome[][] = [[], [], []]
  ask(2, held!)
  simulation.world.run(100)
  ask(2, waiting!)
  simulation.world.run(100)
  simulation.world.crash(2)
  simulation.world.run(10)
  t.deepEqual(held, ['granted', 'died'])
  t.deepEqual(waiting, ['died'])
  t.true(seen.includes('lets-go'))
  ask(2, early!)
  simulation.world.run(10)
  t.deepEqual(early, ['refused'])
  simulation.world.boot(2)
  const late: Outcome[] = []
  ask(2, late)
  simulation.world.run(5000)
  t.deepEqual(late, ['granted'])
})
