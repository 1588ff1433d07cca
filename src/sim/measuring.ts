import type { HostId } from '../core/clock.ts'
import { Random } from '../lib/random.ts'
import type { Algorithm } from './algorithms/contender.ts'
import { DelayWorld } from './delays.ts'
import { Promises } from './promises.ts'

/** One request at a time; or every host asks again as soon as it has left. */
export type Load = 'light' | 'saturated'

export const LOADS: readonly Load[] = ['light', 'saturated']

/** How long a host stays inside, in message delays. */
export const HOLD = 1

/** Each host enters so often before it counts, and so often while it does. */
const ROUNDS_BEFORE = 4
const ROUNDS = 12

/** Of a delay, in a run of `stress`: some messages take nearly no time, some nearly twice as long. */
const JITTER_MAX = 0.99

/** What came of one algorithm under one load. Times are in message delays. */
export type Measured = {
  readonly entries: number
  /** An entry. */
  readonly messages: number
  /** The same, by type. */
  readonly types: Readonly<Record<string, number>>
  /** From an exit to the next entry, where somebody waits. */
  readonly synchronisation: number | undefined
  /** From a request to its entry. */
  readonly response: number
  /** Entries whose exclusion was checked, those before and after the measurement among them. */
  readonly checked: number
  readonly violations: readonly string[]
}

/**
 * Runs an algorithm until it is measured and nobody waits, or a promise is broken. Each message takes
 * one delay.
 */
export function measure(
  algorithm: Algorithm,
  hosts: readonly HostId[],
  load: Load,
  seed: number,
): Measured {
  const random = new Random(seed)
  const options = { random: random.fork(), jitter: 0, isFifo: true }
  const stand = new Stand(new DelayWorld(algorithm, hosts, options))
  if (load === 'light') playLight(stand, random)
  else playSaturated(stand)
  return stand.result()
}

/**
 * The same at random times and with random delays, for the sake of what is promised; messages may
 * overtake each other where an algorithm is to be seen without what it rests on.
 */
export function stress(
  algorithm: Algorithm,
  hosts: readonly HostId[],
  seed: number,
  isFifo = true,
): Measured {
  const random = new Random(seed)
  const options = { random: random.fork(), jitter: random.between(0, JITTER_MAX), isFifo }
  const stand = new Stand(new DelayWorld(algorithm, hosts, options))
  playRandom(stand, random)
  return stand.result()
}

/** Every pair of hosts, one after the other, once: so that means are means and no samples. */
export function everyPair(hosts: readonly HostId[]): HostId[] {
  // A de Bruijn sequence of order 2: the Lyndon words of lengths 1 and 2, in order.
  return hosts.flatMap((first, at) => [
    first,
    ...hosts.slice(at + 1).flatMap(second => [first, second]),
  ])
}

function playLight(stand: Stand, random: Random): void {
  const { world } = stand
  const pairs = everyPair(world.hosts)
  // The last one goes before, uncounted, so that the first has one before it.
  const order = [...pairs.slice(-1), ...pairs]
  let asked = 0
  // Quiet in between, and at no particular phase of a token that goes round.
  const pause = (): number => world.hosts.length * (2 + random.fraction())
  const askNext = (): void => {
    const host = order[asked]
    stand.isCounting = asked > 0 && host !== undefined
    asked += 1
    if (host === undefined) stand.isDone = true
    else stand.ask(host)
  }
  stand.onLeft = () => world.after(pause(), askNext)
  world.after(pause(), askNext)
  stand.run()
}

function playSaturated(stand: Stand): void {
  const { hosts } = stand.world
  const first = ROUNDS_BEFORE * hosts.length
  const end = first + ROUNDS * hosts.length
  stand.onEntered = entries => {
    stand.isCounting = entries >= first && entries < end
    stand.isDone = entries >= end
  }
  stand.onLeft = host => {
    if (!stand.isDone) stand.ask(host)
  }
  for (const host of hosts) stand.ask(host)
  stand.run()
}

function playRandom(stand: Stand, random: Random): void {
  const { hosts } = stand.world
  // From hosts that never rest to hosts that hardly meet.
  const pauseMax = hosts.length * random.pick([0, 1, 5])
  stand.hold = () => random.between(0, 2 * HOLD)
  stand.isCounting = true
  stand.onEntered = entries => (stand.isDone = entries >= ROUNDS * hosts.length)
  const askLater = (host: HostId): void => {
    stand.world.after(random.between(0, pauseMax), () => {
      if (!stand.isDone) stand.ask(host)
    })
  }
  stand.onLeft = askLater
  for (const host of hosts) askLater(host)
  stand.run()
}

/** A world, its clients, and what is measured of them. */
class Stand {
  readonly world: DelayWorld
  isCounting = false
  /** No new requests: those that wait are still served. */
  isDone = false
  hold: () => number = () => HOLD
  onEntered: (entries: number) => void = () => undefined
  onLeft: (host: HostId) => void = () => undefined
  readonly #promises: Promises
  readonly #askedAt = new Map<HostId, number>()
  #leftAt = 0
  readonly #types = new Map<string, number>()
  #entries = 0
  #responses = 0
  /** Entries that somebody waited for when the one before left, and how long they took. */
  #handovers = 0
  #synchronisation = 0

  constructor(world: DelayWorld) {
    this.world = world
    this.#promises = new Promises(world.hosts.length)
    world.onEnter = host => this.#entered(host)
    world.onSend = (_from, _to, { type }) => {
      if (this.isCounting) this.#types.set(type, (this.#types.get(type) ?? 0) + 1)
    }
  }

  ask(host: HostId): void {
    this.#askedAt.set(host, this.world.now)
    this.#promises.asked(this.world.now, host)
    this.world.request(host)
  }

  run(): void {
    const promises = this.#promises
    while (promises.violations.length === 0) {
      if (this.isDone && promises.waiting.length === 0) return
      const isOver = !this.world.step()
      promises.check(this.world.now, isOver)
      if (isOver) return
    }
  }

  result(): Measured {
    const entries = this.#entries
    const types = Object.fromEntries([...this.#types].map(([type, sent]) => [type, sent / entries]))
    const messages = [...this.#types.values()].reduce((sum, sent) => sum + sent, 0) / entries
    return {
      entries,
      messages,
      types,
      synchronisation: this.#handovers === 0 ? undefined : this.#synchronisation / this.#handovers,
      response: this.#responses / entries,
      checked: this.#promises.entries,
      violations: this.#promises.violations,
    }
  }

  #entered(host: HostId): void {
    const { now } = this.world
    this.#promises.entered(now, host)
    if (this.isCounting) {
      const askedAt = this.#askedAt.get(host) ?? now
      this.#entries += 1
      this.#responses += now - askedAt
      if (askedAt <= this.#leftAt) {
        this.#handovers += 1
        this.#synchronisation += now - this.#leftAt
      }
    }
    this.onEntered(this.#promises.entries)
    this.world.after(this.hold(), () => this.#leave(host))
  }

  #leave(host: HostId): void {
    this.#leftAt = this.world.now
    this.#promises.left(this.world.now, host)
    this.world.release(host)
    this.onLeft(host)
  }
}
