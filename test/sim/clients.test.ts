import test, { type ExecutionContext } from 'ava'
import type { Outcome } from '../../src/sim/clients.ts'
import type { Observation } from '../../src/sim/observation.ts'
import { CALM, Simulation, SIMULATION_RULES } from '../../src/sim/simulation.ts'

type Scene = {
  readonly simulation: Simulation
  readonly seen: Observation['type'][]
  /** Asks on a host; what it is told is added to `told`. */
  readonly ask: (host: number, told: Outcome[]) => { readonly id: number; readonly client: number }
}

type Options = { readonly releaseOnClientDeath?: boolean; readonly stopMsMax?: number }

function scene({ releaseOnClientDeath = true, stopMsMax = 0 }: Options = {}): Scene {
  const rules = { ...SIMULATION_RULES, releaseOnClientDeath }
  const simulation = new Simulation({ ...CALM, seed: 1, hosts: [1, 2, 3], rules, stopMsMax })
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
  ask(2, early!)
  simulation.world.run(10)
  t.deepEqual(early, ['refused'])
  t.false(seen.includes('lets-go'), 'the holder believes until its time is up')
  simulation.world.run(2000)
  t.true(seen.includes('lets-go'))
  simulation.world.boot(2)
  const late: Outcome[] = []
  ask(2, late)
  simulation.world.run(5000)
  t.deepEqual(late, ['granted'])
})

/** When a host's client, granted a lock at 100 ms, let go, if this happened to the host then. */
function heldFor(
  t: ExecutionContext,
  happen: (simulation: Simulation) => void,
  options: Options = {},
): { readonly ms: number; readonly told: readonly Outcome[] } {
  const { simulation, ask } = scene(options)
  const { world } = simulation
  const told: Outcome[] = []
  let end: number | undefined
  simulation.watch(({ type, at }) => {
    if (type === 'lets-go') end ??= at
  })
  ask(2, told)
  world.run(100)
  t.is(told.length, 1)
  const start = world.now
  happen(simulation)
  world.run(5000)
  return { ms: (end ?? Infinity) - start, told }
}

const UNTIL_MS_MAX = 2000 * 0.95

test('a holder goes on while its lease is renewed', t => {
  t.is(heldFor(t, () => undefined).ms, Infinity)
})

test('a holder whose host is cut off, frozen or dead stops at its deadline', t => {
  const cutOff = heldFor(t, ({ world }) => {
    for (const other of [1, 3]) {
      world.network.cut(2, other)
      world.network.cut(other, 2)
    }
  })
  const frozen = heldFor(t, ({ world }) => world.pause(2, 4000))
  const dead = heldFor(t, ({ world }) => world.crash(2))
  for (const { ms } of [cutOff, frozen, dead]) {
    t.true(ms <= UNTIL_MS_MAX && ms > UNTIL_MS_MAX - 500, `${ms} ms`)
  }
  t.deepEqual(cutOff.told, ['granted', 'lost'])
  t.deepEqual(frozen.told, ['granted', 'lost'])
  t.deepEqual(dead.told, ['granted', 'died'])
})

test('a holder that is told that its lock is lost stops at once, or as soon as it can', t => {
  const suspend = ({ world }: Simulation): void => world.input(2, { type: 'suspended' })
  t.is(heldFor(t, suspend).ms, 0)
  const slow = heldFor(t, suspend, { stopMsMax: 1e9 })
  t.true(slow.ms > 1000 && slow.ms <= UNTIL_MS_MAX, `${slow.ms} ms`)
})

test('a host that leaves tells its holders, and is gone when they have let go', t => {
  const { simulation, ask } = scene({ stopMsMax: 1e9 })
  const { world } = simulation
  const told: Outcome[] = []
  const next: Outcome[] = []
  ask(2, told)
  world.run(100)
  const waiter = ask(1, next)
  world.run(100)
  world.leave(2)
  world.run(100)
  t.true(world.isUp(2))
  t.deepEqual(next, [], 'the holder takes its time')
  t.true(world.runUntil(() => !world.isUp(2), 2500))
  t.deepEqual(told, ['granted', 'lost'])
  world.run(50)
  t.deepEqual(next, ['granted'])
  simulation.clients.release(waiter.id)
  simulation.finish()
  t.deepEqual(simulation.violations, [])
})
