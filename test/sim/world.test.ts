import test from 'ava'
import { NEVER, toInstant, type Instant } from '../../src/lib/time.ts'
import type { Effect, Input, NodeConfig, Status, Variable } from '../../src/node.ts'
import { FAST_DISK } from '../../src/sim/disk.ts'
import type { Steppable } from '../../src/sim/machine.ts'
import { FAULTLESS, type LinkOptions } from '../../src/sim/network.ts'
import { TIMING } from '../../src/sim/simulation.ts'
import { World, type WorldOptions } from '../../src/sim/world.ts'

type Step = { readonly at: number; readonly now: Instant; readonly input: Input }

/** A node that does what a test says, and writes down what happens to it. */
class Puppet implements Steppable {
  readonly config: NodeConfig
  readonly steps: Step[] = []
  deadline: Instant = NEVER
  act: (now: Instant, input: Input) => readonly Effect[] = () => []
  trueTime = (): number => NaN
  #hasBegun = false

  constructor(config: NodeConfig) {
    this.config = config
  }

  step(now: Instant, input: Input): readonly Effect[] {
    // Every life begins with a tick.
    if (!this.#hasBegun && input.type === 'tick') {
      this.#hasBegun = true
      return []
    }
    this.steps.push({ at: this.trueTime(), now, input })
    return this.act(now, input)
  }

  locks(): [] {
    return []
  }

  status(): Status {
    throw new Error('nobody asks')
  }

  variable(): Variable {
    throw new Error('nobody asks')
  }

  datagramTo(host: number, bytes: Uint8Array = Uint8Array.of(host)): Effect {
    const to = this.config.hosts.find(other => other.id === host)?.address
    return { type: 'datagram', to: to!, bytes }
  }
}

function stage(options: Partial<WorldOptions> = {}): { world: World; puppets: Puppet[] } {
  const puppets: Puppet[] = []
  const world = new World(
    {
      seed: 1,
      hosts: [1, 2],
      votes: new Map(),
      disk: FAST_DISK,
      link: FAULTLESS,
      timing: TIMING,
      skewMaxMs: 0,
      drift: 0,
      turnMaxMs: 0,
      eventsMax: 10_000,
      createNode: config => {
        const puppet = new Puppet(config)
        puppets.push(puppet)
        return puppet
      },
      ...options,
    },
    { observe: () => undefined, response: () => undefined, event: () => undefined },
  )
  for (const puppet of puppets) puppet.trueTime = () => world.now
  return { world, puppets }
}

const poke: Input = { type: 'cancel', id: 1 }

test('a node that is due again at once after each tick is found out, and does not stop the time', t => {
  const { world, puppets } = stage({ eventsMax: 1_000_000 })
  const [one] = puppets
  one!.act = now => {
    one!.deadline = now
    return []
  }
  world.input(1, poke)
  t.throws(() => world.run(1), { message: /due again at once/ })
})

test('a datagram arrives after the delay of its way, from the address of its sender', t => {
  const { world, puppets } = stage({ link: { ...FAULTLESS, delayMs: 4 } })
  const [one, two] = puppets
  one!.act = (_now, input) => (input.type === 'cancel' ? [one!.datagramTo(2)] : [])
  world.after(1, () => world.input(1, poke))
  world.run(20)
  t.is(two!.steps.length, 1)
  t.is(two!.steps[0]!.at, 5)
  const { input } = two!.steps[0]!
  t.deepEqual(input.type === 'datagram' ? input.from : undefined, one!.config.hosts[0]!.address)
})

test('a datagram that is on its way when the way is cut does not arrive', t => {
  const { world, puppets } = stage({ link: { ...FAULTLESS, delayMs: 4 } })
  const [one, two] = puppets
  one!.act = () => [one!.datagramTo(2)]
  world.input(1, poke)
  world.after(2, () => world.network.cut(1, 2))
  world.run(20)
  t.is(two!.steps.length, 0)
  t.is(world.network.counters.severed, 1)
})

test('a deadline that is due asks for a tick after all that arrived at the same instant', t => {
  const { world, puppets } = stage()
  const [one] = puppets
  one!.act = (now, input) => {
    one!.deadline = input.type === 'tick' ? NEVER : now
    return []
  }
  world.after(5, () => {
    for (let i = 0; i < 3; i++) world.input(1, poke)
  })
  world.run(20)
  t.deepEqual(
    one!.steps.map(step => [step.at, step.input.type]),
    [
      [5, 'cancel'],
      [5, 'cancel'],
      [5, 'cancel'],
      [5, 'tick'],
    ],
  )
})

test('a deadline that has moved on is not ticked at its old instant', t => {
  const { world, puppets } = stage()
  const [one] = puppets
  one!.act = (_now, input) => {
    one!.deadline = input.type === 'tick' ? NEVER : toInstant(one!.steps.length * 10)
    return []
  }
  world.input(1, poke)
  world.after(5, () => world.input(1, poke))
  world.run(50)
  t.deepEqual(
    one!.steps.map(step => [step.at, step.input.type]),
    [
      [0, 'cancel'],
      [5, 'cancel'],
      [20, 'tick'],
    ],
  )
})

test('each host reads a clock of its own, which runs at its own rate and never backwards', t => {
  const { world, puppets } = stage({ skewMaxMs: 1e6, drift: 0.02, seed: 5 })
  const [one, two] = puppets
  for (const host of [1, 2])
    for (let i = 0; i < 100; i++) world.after(i * 10, () => world.input(host, poke))
  world.run(1000)
  for (const puppet of puppets) {
    const first = puppet.steps[0]!
    const last = puppet.steps.at(-1)!
    const rate = (last.now - first.now) / (last.at - first.at)
    t.true(rate > 0.98 && rate < 1.02 && rate !== 1)
    t.true(puppet.steps.every((step, i) => i === 0 || step.now > puppet.steps[i - 1]!.now))
  }
  t.true(Math.abs(one!.steps[0]!.now - two!.steps[0]!.now) > 1)
})

test('a drifting clock ticks when it reads the deadline, neither before nor for ever', t => {
  for (let seed = 1; seed < 200; seed++) {
    const { world, puppets } = stage({ skewMaxMs: 1e6, drift: 0.02, seed })
    const [one] = puppets
    one!.act = (now, input) => {
      if (input.type === 'tick') t.true(now >= one!.deadline)
      one!.deadline = one!.steps.length > 20 ? NEVER : toInstant(now + 1 / 3)
      return []
    }
    world.input(1, poke)
    world.run(100)
    t.is(one!.steps.length, 21)
    t.true(world.events < 60)
  }
})

test('a paused host hears of its pause when it wakes, then gets all that has arrived, in order', t => {
  const { world, puppets } = stage()
  const [one] = puppets
  world.pause(1, 50)
  for (let id = 1; id <= 3; id++) world.after(id, () => world.input(1, { type: 'cancel', id }))
  world.run(100)
  t.deepEqual(
    one!.steps.map(({ at, input }) => [at, input.type === 'cancel' ? input.id : input.type]),
    [
      [50, 'stalled'],
      [50, 1],
      [50, 2],
      [50, 3],
    ],
  )
})

test('a node that asks for ticks for ever uses up its events and no more', t => {
  const { world, puppets } = stage({ eventsMax: 500 })
  const [one] = puppets
  one!.act = now => {
    one!.deadline = now
    return []
  }
  world.input(1, poke)
  t.false(world.runUntil(() => false, 1000))
  t.true(world.isExhausted)
  t.is(world.events, 500)
})

test('the fingerprint depends on what is sent, and on nothing else', t => {
  const hashOf = (bytes: Uint8Array, link: Partial<LinkOptions> = {}): string => {
    const { world, puppets } = stage({ link: { ...FAULTLESS, ...link } })
    const [one] = puppets
    one!.act = () => [one!.datagramTo(2, bytes)]
    world.input(1, poke)
    world.run(10)
    return world.hash
  }
  t.is(hashOf(Uint8Array.of(1)), hashOf(Uint8Array.of(1)))
  t.not(hashOf(Uint8Array.of(1)), hashOf(Uint8Array.of(2)))
})

test('what is meant for one life of a host does not reach the next, but a datagram does', t => {
  const { world, puppets } = stage({ link: { ...FAULTLESS, delayMs: 4 } })
  const [one, two] = puppets
  one!.act = (_now, input) => (input.type === 'cancel' ? [one!.datagramTo(2)] : [])
  two!.deadline = toInstant(5)
  world.input(1, poke)
  world.after(1, () => world.input(2, poke))
  world.pause(2, 3)
  world.after(2, () => world.crash(2))
  world.after(3, () => world.boot(2))
  world.run(20)
  const [, , again] = puppets
  t.deepEqual(two!.steps, [])
  t.deepEqual(
    again!.steps.map(step => step.input.type),
    ['datagram'],
  )
})

test('a host that is down gets nothing', t => {
  const { world, puppets } = stage()
  const [one, two] = puppets
  one!.act = () => [one!.datagramTo(2)]
  two!.deadline = toInstant(5)
  world.crash(2)
  t.false(world.isUp(2))
  world.input(1, poke)
  world.run(20)
  t.deepEqual(two!.steps, [])
})
