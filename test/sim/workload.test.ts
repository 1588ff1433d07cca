import test from 'ava'
import { Random } from '../../src/lib/random.ts'
import type { Observation } from '../../src/sim/observation.ts'
import { CALM, Simulation } from '../../src/sim/simulation.ts'
import { EntriesLoad, RandomLoad, type Habits } from '../../src/sim/workload.ts'

const PLAIN: Habits = {
  names: ['A', 'B', 'C'],
  clientsPerHost: 2,
  thinkMsMax: 10,
  holdMsMax: 5,
  shared: 0,
  counted: 0,
  several: 0,
  tries: 0,
  impatient: 0,
  waitMsMax: 20,
  cancels: 0,
  crashes: 0,
}

type Asked = Extract<Observation, { type: 'asked' }>

function run(habits: Partial<Habits>, asksMax = 200): { asked: Asked[]; granted: number } {
  const simulation = new Simulation({ ...CALM, seed: 4, hosts: [1, 2, 3] })
  const asked: Asked[] = []
  simulation.watch(observation => {
    if (observation.type === 'asked') asked.push(observation)
  })
  simulation.connect(5000)
  const { world, clients } = simulation
  const options = { random: new Random(4), untilMs: world.now + 2000, asksMax }
  new RandomLoad(world, clients, { ...PLAIN, ...habits }, options)
  world.run(3000)
  return { asked, granted: clients.granted }
}

test('a plain load is exclusive, one name at a time, and all of it is granted', t => {
  const { asked, granted } = run({})
  t.is(asked.length, 200)
  t.is(granted, 200)
  t.true(asked.every(({ names, limit }) => names.length === 1 && limit === 1))
  t.deepEqual([...new Set(asked.flatMap(({ names }) => names))].sort(), ['A', 'B', 'C'])
})

test('a load shares, counts and takes several names where it is told to', t => {
  const { asked } = run({ shared: 0.3, counted: 0.3, several: 0.5 })
  t.true(asked.some(({ limit }) => limit === Infinity))
  t.true(asked.some(({ limit }) => limit > 1 && limit < Infinity))
  t.true(asked.some(({ limit }) => limit === 1))
  t.true(asked.some(({ names }) => names.length === 3))
  for (const { names } of asked) t.is(new Set(names).size, names.length)
})

test('whoever tries, is impatient, cancels or dies is not always granted, and goes on', t => {
  for (const habits of [
    { tries: 1 },
    { impatient: 1, waitMsMax: 2 },
    { cancels: 1 },
    { crashes: 1 },
  ]) {
    const { asked, granted } = run({ names: ['A'], ...habits })
    t.is(asked.length, 200, JSON.stringify(habits))
    t.true(granted > 0 && granted < 200, `${JSON.stringify(habits)}: ${granted}`)
  }
})

test('entries are counted down, also over a reboot', t => {
  const simulation = new Simulation({ ...CALM, seed: 4, hosts: [1, 2] })
  const { world, clients } = simulation
  simulation.connect(5000)
  const load = new EntriesLoad(world, clients, { hosts: [1, 2], entries: 20, name: 'A', holdMs: 5 })
  t.is(load.left, 40)
  world.after(150, () => world.crash(2))
  world.after(400, () => world.boot(2))
  world.run(300)
  t.true(load.left > 0 && load.left < 40)
  t.true(world.runUntil(() => load.left === 0, 60_000))
  simulation.finish()
  t.deepEqual(simulation.violations, [])
})
