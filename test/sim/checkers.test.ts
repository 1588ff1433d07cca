import test from 'ava'
import { tokenOf, type HostId } from '../../src/core/clock.ts'
import type { Message } from '../../src/core/message.ts'
import { milliseconds } from '../../src/lib/time.ts'
import type { LockStatus, TraceEvent } from '../../src/node.ts'
import { CausalityChecker, InFlightChecker } from '../../src/sim/causality.ts'
import { ClockChecker } from '../../src/sim/clock-checker.ts'
import {
  ExclusionChecker,
  LivenessChecker,
  OrderChecker,
  RestChecker,
  type Checker,
} from '../../src/sim/checkers.ts'
import type { Observation } from '../../src/sim/observation.ts'
import { FAULTLESS } from '../../src/sim/network.ts'
import {
  CALM,
  Simulation,
  SIMULATION_RULES,
  type SimulationRules,
} from '../../src/sim/simulation.ts'
import { runSeed } from '../../src/sim/swarm.ts'

const nothing: ReadonlyMap<HostId, readonly LockStatus[]> = new Map(
  [1, 2, 3].map(host => [host, []]),
)

function verdict(
  checker: Checker,
  observations: readonly Observation[],
  locks: ReadonlyMap<HostId, readonly LockStatus[]> = nothing,
): readonly string[] {
  for (const observation of observations) checker.observe?.(observation)
  checker.finish?.({ at: 99, locks })
  return checker.violations.map(violation => violation.text)
}

function token(host: HostId, time: number): number {
  return tokenOf({ time, host })
}

function trace(host: HostId, event: TraceEvent, time = 0): Observation {
  return { type: 'trace', at: 1, host, event, time, incarnation: 1 }
}

function mark(
  type: 'request' | 'enter' | 'leave',
  host: HostId,
  time: number,
  names = ['door'],
  limit = 1,
): Observation {
  const request = { token: token(host, time), names, limit }
  if (type === 'request') return trace(host, { type, ...request, standing: undefined })
  return trace(host, { type, ...request })
}

function send(from: HostId, to: HostId, message: Message): Observation {
  return trace(from, { type: 'send', to, message })
}

/** @param time of the receipt */
function deliver(
  from: HostId,
  to: HostId,
  message: Message,
  time: number = message.time + 1,
): Observation {
  return trace(to, { type: 'deliver', from, message }, time)
}

function request(time: number): Message {
  return { type: 'request', view: 1, time, names: ['door'], limit: 1, info: '', span: 1 }
}

function reply(time: number, to: number): Message {
  return { type: 'reply', view: 1, time, request: to }
}

function release(time: number, of: number): Message {
  return { type: 'release', view: 1, time, request: of }
}

function holds(host: HostId, time: number, limit: number, names = ['door']): Observation {
  return { type: 'holds', at: 1, host, token: token(host, time), names, limit }
}

function letsGo(host: HostId, time: number): Observation {
  return { type: 'lets-go', at: 1, host, token: token(host, time) }
}

test('exclusion: two inside a mutex are seen, one after the other are not', t => {
  t.deepEqual(verdict(new ExclusionChecker(), [holds(1, 5, 1), letsGo(1, 5), holds(2, 6, 1)]), [])
  t.deepEqual(verdict(new ExclusionChecker(), [holds(1, 5, 1), holds(2, 6, 1, ['window'])]), [])
  t.deepEqual(verdict(new ExclusionChecker(), [holds(1, 5, 1), holds(2, 6, 1)]), [
    '2 are inside door: 1@5 (limit 1), 2@6 (limit 1)',
  ])
})

test('exclusion: the smallest limit among those inside counts', t => {
  t.deepEqual(verdict(new ExclusionChecker(), [holds(1, 5, 2), holds(2, 6, Infinity)]), [])
  t.is(verdict(new ExclusionChecker(), [holds(1, 5, 2), holds(2, 6, 2), holds(3, 7, 3)]).length, 1)
  t.is(verdict(new ExclusionChecker(), [holds(1, 5, Infinity), holds(2, 6, 1)]).length, 1)
})

test('exclusion: names that are shared in part are seen', t => {
  t.deepEqual(
    verdict(new ExclusionChecker(), [holds(1, 5, 1, ['a', 'b']), holds(2, 6, 1, ['b', 'c'])]),
    ['2 are inside b: 1@5 (limit 1), 2@6 (limit 1)'],
  )
})

test('order: a later request that enters before an earlier one is seen, if one is exclusive', t => {
  t.deepEqual(verdict(new OrderChecker(), [mark('enter', 2, 5), mark('enter', 3, 5)]), [])
  t.deepEqual(verdict(new OrderChecker(), [mark('enter', 10, 5), mark('enter', 2, 5)]), [
    '2@5 enters door after 10@5, which it precedes',
  ])
  const reader = mark('enter', 1, 9, ['door'], Infinity)
  t.deepEqual(verdict(new OrderChecker(), [reader, mark('enter', 2, 5, ['door'], 3)]), [])
  t.is(verdict(new OrderChecker(), [reader, mark('enter', 2, 5)]).length, 1)
  t.is(verdict(new OrderChecker(), [mark('enter', 2, 12), reader]).length, 1)
  t.deepEqual(verdict(new OrderChecker(), [reader, mark('enter', 2, 5, ['window'])]), [])
})

test('causality: a request that happened before another enters before it', t => {
  const story = [
    mark('request', 1, 1),
    send(1, 2, request(1)),
    deliver(1, 2, request(1)),
    mark('request', 2, 3),
  ]
  t.deepEqual(
    verdict(new CausalityChecker(() => true), [...story, mark('enter', 1, 1), mark('enter', 2, 3)]),
    [],
  )
  t.deepEqual(verdict(new CausalityChecker(() => true), [...story, mark('enter', 2, 3)]), [
    '2@3 enters door before 1@1, which happened before it',
  ])
  const withdrawn = [send(1, 2, release(2, 1)), deliver(1, 2, release(2, 1))]
  t.deepEqual(
    verdict(new CausalityChecker(() => true), [...story, ...withdrawn, mark('enter', 2, 3)]),
    [],
  )
})

test('causality: requests of which neither happened before the other enter in any order', t => {
  const story = [mark('request', 1, 1), mark('request', 2, 3), mark('enter', 2, 3)]
  t.deepEqual(verdict(new CausalityChecker(() => true), story), [])
})

test('causality: nobody enters without a request', t => {
  t.is(verdict(new CausalityChecker(() => true), [mark('enter', 2, 3)]).length, 1)
})

test('causality: a message that is lost, doubled or overtaken on a channel is seen', t => {
  const sent = [send(1, 2, request(1)), send(1, 2, release(2, 1))]
  const first = deliver(1, 2, request(1))
  const second = deliver(1, 2, release(2, 1))
  t.deepEqual(verdict(new CausalityChecker(() => true), [...sent, first, second]), [])
  t.is(verdict(new CausalityChecker(() => true), [...sent, first]).length, 1)
  t.is(verdict(new CausalityChecker(() => true), [...sent, second, first]).length, 2)
  t.is(verdict(new CausalityChecker(() => true), [...sent, first, second, second]).length, 1)
})

function booted(host: HostId, incarnation: number): Observation {
  return { type: 'incarnated', at: 1, host, incarnation }
}

function met(host: HostId, peer: HostId, incarnation: number): Observation {
  return trace(host, { type: 'session-up', peer, incarnation })
}

test('causality: what was sent to a life that is over is lost, and what it sent is not expected', t => {
  const before = [booted(1, 5), booted(2, 8), met(1, 2, 8), met(2, 1, 5), send(1, 2, request(1))]
  t.is(verdict(new CausalityChecker(() => true), before).length, 1)
  const again = [...before, booted(2, 9), met(1, 2, 9), met(2, 1, 5)]
  t.deepEqual(verdict(new CausalityChecker(() => true), again), [])
  const next = [...again, send(1, 2, reply(3, 1))]
  t.deepEqual(verdict(new CausalityChecker(() => true), [...next, deliver(1, 2, reply(3, 1))]), [])
  t.is(verdict(new CausalityChecker(() => true), [...next, deliver(1, 2, request(1))]).length, 1)
})

test('in flight: what was sent to a life that is over is under way no more', t => {
  const lives = [booted(1, 5), booted(2, 8), met(1, 2, 8), send(1, 2, request(1))]
  t.is(verdict(new InFlightChecker(), [...lives, send(1, 2, request(1))]).length, 1)
  const again = [...lives, booted(2, 9), met(1, 2, 9), send(1, 2, request(1))]
  t.deepEqual(verdict(new InFlightChecker(), again), [])
})

test('causality: what a host had asked for goes down with it', t => {
  const story = [
    mark('request', 1, 1),
    send(1, 2, request(1)),
    deliver(1, 2, request(1)),
    mark('request', 2, 3),
  ]
  const died: Observation = { type: 'died', at: 1, host: 1 }
  t.deepEqual(verdict(new CausalityChecker(() => true), [...story, died, mark('enter', 2, 3)]), [])
})

test('clock: a stamp that is not after what its host did and was told is seen', t => {
  const told = deliver(2, 1, request(7))
  t.deepEqual(verdict(new ClockChecker(), [told, send(1, 2, reply(9, 7))]), [])
  t.deepEqual(verdict(new ClockChecker(), [told, send(1, 2, reply(8, 7))]), [
    'host 1 stamps a reply with 8, which is not after 8',
  ])
  t.is(verdict(new ClockChecker(), [mark('request', 1, 5), mark('request', 1, 4)]).length, 1)
  t.is(verdict(new ClockChecker(), [mark('request', 1, 5), mark('request', 1, 5)]).length, 1)
  t.is(verdict(new ClockChecker(), [send(1, 2, reply(5, 1)), send(1, 2, release(5, 1))]).length, 1)
})

test('clock: a receipt that is not after its message, and what its host did before, is seen', t => {
  const own = send(1, 2, reply(8, 1))
  t.deepEqual(verdict(new ClockChecker(), [own, deliver(2, 1, request(7), 9)]), [])
  t.deepEqual(verdict(new ClockChecker(), [own, deliver(2, 1, request(9), 9)]), [
    'host 1 stamps a receipt with 9, which is not after 9',
  ])
  t.is(verdict(new ClockChecker(), [own, deliver(2, 1, request(3), 8)]).length, 1)
  const twice = [deliver(2, 1, request(3), 8), deliver(3, 1, request(3), 8)]
  t.is(verdict(new ClockChecker(), twice).length, 1)
  // A message to oneself is no receipt.
  t.deepEqual(verdict(new ClockChecker(), [own, deliver(1, 1, reply(8, 1), 8)]), [])
})

test('clock: the copies of one message are one event, two messages with one time are not', t => {
  const message = request(5)
  const copies = [mark('request', 1, 5), send(1, 2, message), send(1, 3, message)]
  t.deepEqual(verdict(new ClockChecker(), copies), [])
  const answers = [send(1, 2, reply(6, 3)), send(1, 3, reply(6, 3))]
  t.deepEqual(verdict(new ClockChecker(), [...copies, ...answers]), [
    'host 1 stamps a reply with 6, which is not after 6',
  ])
  // Nor is it a copy when something has come in between.
  const between = [...copies.slice(0, 2), deliver(3, 1, request(1), 6), send(1, 3, message)]
  t.is(verdict(new ClockChecker(), between).length, 1)
})

test('clock: whoever hears of a request that stands is behind all that it reserved, and so is its host', t => {
  const message = { ...request(5), span: 4 } as Message
  t.deepEqual(verdict(new ClockChecker(), [deliver(2, 1, message, 9)]), [])
  t.is(verdict(new ClockChecker(), [deliver(2, 1, message, 8)]).length, 1)
  const sent = [mark('request', 1, 5), send(1, 2, message)]
  t.deepEqual(verdict(new ClockChecker(), [...sent, send(1, 2, release(9, 1))]), [])
  t.is(verdict(new ClockChecker(), [...sent, send(1, 2, release(8, 1))]).length, 1)
})

test('causality: a request that stands admits nobody when another has come', t => {
  const again = trace(1, {
    type: 'request',
    token: token(1, 6),
    names: ['door'],
    limit: 1,
    standing: token(1, 5),
  })
  const comes = (names: string[]): Observation =>
    trace(1, { type: 'insert', token: token(2, 9), names, limit: 1 })
  const goes = trace(1, { type: 'remove', token: token(2, 9), names: ['door'], limit: 1 })
  const checker = (): CausalityChecker => new CausalityChecker(() => true)
  const story = [mark('request', 1, 5), mark('enter', 1, 5), mark('leave', 1, 5)]
  t.deepEqual(verdict(checker(), [...story, comes(['roof']), again, mark('enter', 1, 6)]), [])
  t.deepEqual(verdict(checker(), [...story, comes(['door']), goes, again]), [])
  t.deepEqual(verdict(checker(), [...story, comes(['door']), again]), [
    '1@6 is admitted by one that stands, though 2@9 has come',
  ])
})

test('in flight: REQUEST, RELEASE and REPLY may be under way, but none of them twice', t => {
  const all = [send(1, 2, request(1)), send(1, 2, release(2, 1))]
  const checker = new InFlightChecker()
  t.deepEqual(verdict(checker, all), [])
  t.is(checker.most, 2)
  t.is(verdict(new InFlightChecker(), [...all, send(1, 2, request(1))]).length, 1)
  const answered = [send(1, 2, request(1)), deliver(1, 2, request(1)), send(2, 1, reply(2, 1))]
  t.deepEqual(verdict(new InFlightChecker(), [...answered, send(1, 2, release(3, 1))]), [])
  t.is(verdict(new InFlightChecker(), [...answered, send(2, 1, reply(3, 1))]).length, 1)
})

test('liveness: whoever still waits at the end is seen, whoever was answered is not', t => {
  const asked: Observation = {
    type: 'asked',
    at: 5,
    host: 1,
    id: 7,
    names: ['door'],
    limit: 1,
  }
  t.deepEqual(verdict(new LivenessChecker(), [asked]), [
    'a client of host 1 still waits for door, since 5.0 ms',
  ])
  const settled: Observation = { type: 'settled', at: 6, host: 1, id: 7 }
  t.deepEqual(verdict(new LivenessChecker(), [asked, settled]), [])
})

test('rest: a queue that is not empty at the end is seen', t => {
  const left = {
    host: 3,
    token: token(3, 4),
    limit: 1,
    info: '',
    since: milliseconds(0),
    position: 0,
    ghostFor: undefined,
  }
  const locks = new Map([
    [1, []],
    [2, [{ name: 'door', holders: [left], waiters: [] }]],
  ])
  t.deepEqual(verdict(new RestChecker(), [], locks), ['host 2 still has 3@4 queued for door'])
  t.deepEqual(verdict(new RestChecker(), [], new Map([[1, []]])), [])
})

/** Not every seed needs every rule. */
const SEEDS_MAX = 200

/** What the seeds say when one rule is switched off, up to the one by which all signs are there. */
function withoutRule(rule: keyof SimulationRules, signs: readonly RegExp[]): string {
  const rules = { ...SIMULATION_RULES, [rule]: false }
  let text = ''
  for (let seed = 1; seed <= SEEDS_MAX && !signs.every(sign => sign.test(text)); seed++) {
    const { violations } = runSeed({ seed, hosts: 3, rules })
    text += violations.map(violation => `${violation.text}\n`).join('')
  }
  return text
}

const broken: readonly [keyof SimulationRules, readonly RegExp[]][] = [
  ['waitForReplies', [/are inside/, /which it precedes/]],
  ['totalOrder', [/are inside/, /which it precedes/]],
  ['releaseAnywhere', [/still waits/, /still has .* queued/]],
  ['requestOnce', [/under way/]],
  ['releaseOnClientDeath', [/still waits/, /still has .* queued/]],
  ['registerQuorum', [/no order of/]],
  ['registerApplied', [/no order of/]],
]

for (const [rule, signs] of broken)
  test(`without the rule ${rule} the checkers find what it is there for`, t => {
    const texts = withoutRule(rule, signs)
    for (const sign of signs) t.regex(texts, sign)
  })

/**
 * Host 1 asks for the door, and what it sends to host 3 is slow; host 2 learns of it and tells
 * host 3 something else, after which host 3 asks as well and has its answers sooner.
 */
function overtake(rules: SimulationRules): readonly string[] {
  const simulation = new Simulation({ ...CALM, seed: 1, hosts: [1, 2, 3], rules })
  const { world, clients } = simulation
  simulation.connect(10_000)
  const ask = (host: HostId, name: string): void => {
    const wish = { names: [name], limit: 1, wait: undefined }
    const id = clients.acquire(host, clients.connect(), wish, () =>
      world.after(5, () => clients.release(id)),
    )
  }
  world.network.set(1, 3, { ...FAULTLESS, delayMs: 50 })
  ask(1, 'door')
  world.after(5, () => ask(2, 'window'))
  world.after(10, () => ask(3, 'door'))
  world.after(20, () => world.network.set(3, 1, { ...FAULTLESS, delayMs: 50 }))
  world.run(500)
  simulation.finish()
  return simulation.violations.map(violation => violation.text)
}

test('without the total order a request overtakes one that happened before it', t => {
  t.regex(overtake({ ...SIMULATION_RULES, totalOrder: false }).join('\n'), /happened before/)
  t.deepEqual(overtake(SIMULATION_RULES), [])
})

test('with all rules the same seeds are clean', t => {
  for (let seed = 1; seed <= 8; seed++) {
    const result = runSeed({ seed, hosts: 3, rules: SIMULATION_RULES })
    t.deepEqual(result.violations, [], `seed ${seed}`)
    t.false(result.isStuck, `seed ${seed}`)
  }
})
