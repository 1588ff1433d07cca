import type { HostId } from '../core/clock.ts'
import type { Random } from '../lib/random.ts'
import { milliseconds, type Duration } from '../lib/time.ts'
import type { ClientId, Clients, Wish } from './clients.ts'
import type { World } from './world.ts'

/** How the clients of a random load behave. Chances are 0..1. */
export type Habits = {
  readonly names: readonly string[]
  readonly clientsPerHost: number
  readonly thinkMsMax: number
  readonly holdMsMax: number
  /** The rest are exclusive. */
  readonly shared: number
  readonly counted: number
  /** Several names at once. */
  readonly several: number
  /** Only if nothing precedes; or only for so long; the rest wait for ever. */
  readonly tries: number
  readonly impatient: number
  readonly waitMsMax: number
  /** Withdraws what it asked for, granted or not. */
  readonly cancels: number
  /** Dies, waiting or inside. */
  readonly crashes: number
}

/** Clients that ask for whatever comes to their mind, until `untilMs` or so many times. */
export class RandomLoad {
  readonly #world: World
  readonly #clients: Clients
  readonly #habits: Habits
  readonly #random: Random
  readonly #untilMs: number
  readonly #asksMax: number

  constructor(
    world: World,
    clients: Clients,
    habits: Habits,
    options: { readonly random: Random; readonly untilMs: number; readonly asksMax: number },
  ) {
    this.#world = world
    this.#clients = clients
    this.#habits = habits
    this.#random = options.random
    this.#untilMs = options.untilMs
    this.#asksMax = options.asksMax
    for (const host of world.hosts)
      for (let i = 0; i < habits.clientsPerHost; i++) this.#think(host, clients.connect())
  }

  #think(host: HostId, client: ClientId): void {
    this.#later(this.#habits.thinkMsMax, () => {
      if (this.#world.now < this.#untilMs && this.#clients.asked < this.#asksMax)
        this.#ask(host, client)
    })
  }

  #ask(host: HostId, client: ClientId): void {
    const { holdMsMax, waitMsMax, cancels, crashes } = this.#habits
    const random = this.#random
    let isOver = false
    const end = (next: ClientId): void => {
      if (isOver) return
      isOver = true
      this.#think(host, next)
    }
    const id = this.#clients.acquire(host, client, this.#wish(), outcome => {
      if (outcome !== 'granted') {
        end(client)
        return
      }
      this.#later(holdMsMax, () => {
        this.#clients.release(id)
        end(client)
      })
    })
    if (random.chance(crashes))
      this.#later(waitMsMax + holdMsMax, () => {
        if (isOver) return
        this.#clients.crash(client)
        end(this.#clients.connect())
      })
    else if (random.chance(cancels))
      this.#later(waitMsMax + holdMsMax, () => {
        if (isOver) return
        this.#clients.cancel(id)
        end(client)
      })
  }

  #wish(): Wish {
    const { names, several } = this.#habits
    const random = this.#random
    const first = random.pick(names)
    const others = random.chance(several) ? names.filter(() => random.chance(0.5)) : []
    return { names: [...new Set([first, ...others])], limit: this.#limit(), wait: this.#wait() }
  }

  #limit(): number {
    const { shared, counted } = this.#habits
    const draw = this.#random.fraction()
    if (draw < shared) return Infinity
    return draw < shared + counted ? 2 + this.#random.below(3) : 1
  }

  #wait(): Duration | undefined {
    const { tries, impatient, waitMsMax } = this.#habits
    const draw = this.#random.fraction()
    if (draw < tries) return milliseconds(0)
    return draw < tries + impatient ? milliseconds(this.#random.between(0.1, waitMsMax)) : undefined
  }

  #later(msMax: number, run: () => void): void {
    this.#world.after(this.#random.between(0, msMax), run)
  }
}

/** A burst has so many entries at most; it is held, and left, for less than that. */
const BURST_MAX = 30
const BURST_MS_MAX = 3

/** A client a host that enters one lock again and again, with hardly a pause: so requests stand. */
export class EagerLoad {
  readonly #world: World
  readonly #clients: Clients
  readonly #options: {
    readonly random: Random
    readonly untilMs: number
    readonly names: readonly string[]
  }

  constructor(
    world: World,
    clients: Clients,
    options: {
      readonly random: Random
      readonly untilMs: number
      readonly names: readonly string[]
    },
  ) {
    this.#world = world
    this.#clients = clients
    this.#options = options
    for (const host of world.hosts) this.#later(host, clients.connect())
  }

  #later(host: HostId, client: ClientId): void {
    const { random, untilMs, names } = this.#options
    this.#world.after(random.between(0, 500), () => {
      if (this.#world.now < untilMs)
        this.#enter(host, client, random.pick(names), 1 + random.below(BURST_MAX))
    })
  }

  #enter(host: HostId, client: ClientId, name: string, left: number): void {
    const { random, untilMs } = this.#options
    if (left === 0 || this.#world.now >= untilMs) {
      this.#later(host, client)
      return
    }
    const wish = { names: [name], limit: 1, wait: undefined }
    let isOver = false
    const end = (): void => {
      if (!isOver) this.#later(host, this.#clients.connect())
      isOver = true
    }
    const id = this.#clients.acquire(host, client, wish, outcome => {
      if (outcome !== 'granted') {
        end()
        return
      }
      this.#world.after(random.fraction() ** 2 * BURST_MS_MAX, () => {
        if (isOver) return
        isOver = true
        this.#clients.release(id)
        const pause = random.fraction() ** 2 * BURST_MS_MAX
        this.#world.after(pause, () => this.#enter(host, client, name, left - 1))
      })
    })
  }
}

/** Whoever finds no lamportd tries again after this. */
const RETRY_MS = 100

/** Each host enters one lock so many times, one after the other, and holds it so long each time. */
export class EntriesLoad {
  readonly #world: World
  readonly #clients: Clients
  readonly #options: EntriesOptions
  readonly #left = new Map<HostId, number>()
  readonly #dropped = new Set<HostId>()

  constructor(world: World, clients: Clients, options: EntriesOptions) {
    this.#world = world
    this.#clients = clients
    this.#options = options
    for (const host of options.hosts) {
      this.#left.set(host, options.entries)
      this.#enter(host, clients.connect())
    }
  }

  /** Entries that are still to come or under way, of all hosts that were not dropped. */
  get left(): number {
    let sum = 0
    for (const [host, left] of this.#left) if (!this.#dropped.has(host)) sum += left
    return sum
  }

  /** This host asks for nothing more: it does not come again. */
  drop(host: HostId): void {
    this.#dropped.add(host)
  }

  #enter(host: HostId, client: ClientId): void {
    const { name, holdMs, entered, leaving } = this.#options
    const wish = { names: [name], limit: 1, wait: undefined }
    let isOver = this.#dropped.has(host)
    if (isOver) return
    const id = this.#clients.acquire(host, client, wish, outcome => {
      if (outcome === 'granted') {
        entered?.(host)
        this.#world.after(holdMs, () => {
          if (isOver) return
          leaving?.(host)
          this.#clients.release(id)
          this.#leave(host, client)
        })
      } else {
        isOver = true
        this.#world.after(RETRY_MS, () => this.#enter(host, this.#clients.connect()))
      }
    })
  }

  #leave(host: HostId, client: ClientId): void {
    const left = (this.#left.get(host) ?? 0) - 1
    this.#left.set(host, left)
    if (left > 0) this.#enter(host, client)
  }
}

export type EntriesOptions = {
  readonly hosts: readonly HostId[]
  readonly entries: number
  readonly name: string
  readonly holdMs: number
  /** Told when a host's client is inside, and before it lets go by itself. */
  readonly entered?: (host: HostId) => void
  readonly leaving?: (host: HostId) => void
}
