import type { HostId } from '../core/clock.ts'
import type { Random } from '../lib/random.ts'
import { recover } from '../node.ts'
import type { World } from './world.ts'

/** What was done to the hosts of a run, and how often. */
export type TroubleCounts = {
  crashes: number
  powerCuts: number
  diskLosses: number
  partitions: number
  pauses: number
  leaves: number
  /** A host is told that its clock has jumped. */
  suspensions: number
}

type Kind = keyof TroubleCounts

export const NO_TROUBLE: TroubleCounts = {
  crashes: 0,
  powerCuts: 0,
  diskLosses: 0,
  partitions: 0,
  pauses: 0,
  leaves: 0,
  suspensions: 0,
}

export type TroubleOptions = {
  readonly random: Random
  /** Nothing goes wrong after this. */
  readonly untilMs: number
  /** What is long for a host: its neighbours go on without it. */
  readonly longMs: number
}

/** What goes wrong with hosts, one thing after another; which kinds of it is drawn for each run. */
export class Trouble {
  readonly counts: TroubleCounts = { ...NO_TROUBLE }
  readonly #world: World
  readonly #options: TroubleOptions
  readonly #random: Random
  /** As often as it is in here. */
  readonly #kinds: readonly Kind[]
  readonly #spaceMs: number

  constructor(world: World, options: TroubleOptions) {
    this.#world = world
    this.#options = options
    const { random, longMs } = options
    this.#random = random
    const weights: Record<Kind, number> = {
      crashes: random.pick([0, 3, 3]),
      powerCuts: random.pick([0, 0, 1]),
      diskLosses: random.pick([0, 0, 1]),
      partitions: random.pick([0, 3, 3]),
      pauses: random.pick([0, 2]),
      leaves: random.pick([0, 0, 1]),
      suspensions: random.pick([0, 0, 1]),
    }
    const kinds = Object.keys(weights) as Kind[]
    this.#kinds = kinds.flatMap(kind => Array.from({ length: weights[kind] }, () => kind))
    this.#spaceMs = longMs * random.pick([0.3, 1, 3])
    if (this.#kinds.length > 0) this.#later()
  }

  #later(): void {
    this.#world.after(this.#random.between(0, this.#spaceMs), () => {
      if (this.#world.now > this.#options.untilMs) return
      const kind = this.#random.pick(this.#kinds)
      if (this.#strike(kind)) this.counts[kind] += 1
      this.#later()
    })
  }

  /** False where that is not to be done now. */
  #strike(kind: Kind): boolean {
    const world = this.#world
    const host = this.#random.pick(world.hosts)
    switch (kind) {
      case 'powerCuts':
        for (const other of world.hosts) if (this.#random.chance(0.8)) this.#crash(other)
        return true
      case 'partitions':
        this.#sever()
        return true
      case 'crashes':
        return this.#crash(host)
      case 'diskLosses':
        return this.#loseDisk(host)
      case 'pauses':
        if (!this.#isRunning(host)) return false
        world.pause(host, this.#span())
        return true
      case 'leaves':
        return this.#leave(host)
      case 'suspensions':
        world.input(host, { type: 'suspended' })
        return true
    }
  }

  #crash(host: HostId): boolean {
    if (!this.#world.isUp(host)) return false
    this.#world.crash(host)
    this.#bootLater(host)
    return true
  }

  /**
   * One at a time: with two disks gone, nobody is promised anything; nor with that of a host that
   * the others cannot outvote, for it may have decided alone what nobody else knows.
   */
  #loseDisk(host: HostId): boolean {
    const world = this.#world
    const others = world.hosts.filter(other => other !== host)
    if (!others.every(other => this.#isReady(other)) || !this.#canSpare(host)) return false
    if (world.isUp(host)) world.crash(host)
    world.disk(host).replace()
    this.#bootLater(host)
    return true
  }

  /** It goes when it has done, and is killed if that takes too long; later it comes again. */
  #leave(host: HostId): boolean {
    const world = this.#world
    if (!this.#isRunning(host) || world.isLeaving(host)) return false
    world.leave(host)
    world.after(this.#options.longMs * 2, () => {
      if (world.isLeaving(host)) world.crash(host)
      this.#bootLater(host)
    })
    return true
  }

  #bootLater(host: HostId): void {
    const world = this.#world
    world.after(this.#span(), () => {
      if (!world.isUp(host)) world.boot(host)
    })
  }

  /** Some hosts do not reach others: all of one side, one host or one way; both ways, or one. */
  #sever(): void {
    const { network, hosts } = this.#world
    const random = this.#random
    const shape = random.pick(['sides', 'host', 'link'] as const)
    const first = random.pick(hosts)
    const second = random.pick(hosts)
    const side = new Set(hosts.filter(() => random.chance(0.5)))
    const isCut = (from: HostId, to: HostId): boolean => {
      if (shape === 'sides') return side.has(from) && !side.has(to)
      return from === first && (shape === 'host' || to === second)
    }
    const isOneWay = random.chance(0.3)
    const ways = hosts.flatMap(from => hosts.map(to => [from, to] as const))
    const cut = ways.filter(
      ([from, to]) => from !== to && (isCut(from, to) || (!isOneWay && isCut(to, from))),
    )
    for (const [from, to] of cut) network.cut(from, to)
    this.#world.after(this.#span(), () => {
      for (const [from, to] of cut) network.heal(from, to)
    })
  }

  /** Mostly shorter than what the others notice; now and then much longer. */
  #span(): number {
    const { longMs } = this.#options
    return this.#random.between(0, longMs * this.#random.pick([0.05, 0.5, 2]))
  }

  #isRunning(host: HostId): boolean {
    return this.#world.isUp(host) && !this.#world.isPaused(host)
  }

  /** Whether the others have as many votes as this one, so that it decides nothing alone. */
  #canSpare(host: HostId): boolean {
    const { hosts, votes } = this.#world
    const of = (id: HostId): number => votes.get(id) ?? 1
    return 2 * of(host) <= hosts.reduce((sum, id) => sum + of(id), 0)
  }

  #isReady(host: HostId): boolean {
    const durable = recover(this.#world.disk(host).records)
    return !('damaged' in durable) && durable.ready !== undefined
  }
}
