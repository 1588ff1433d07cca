import type { HostId, Token } from '../core/clock.ts'
import type { CommandId } from '../core/command.ts'
import type { Random } from '../lib/random.ts'
import { milliseconds } from '../lib/time.ts'
import type { IdealWorld } from './ideal.ts'

/** A burst has so many entries at most, and the next one begins so much later. */
const BURST_MAX = 60
const PAUSE_MS_MAX = 600

/** Locks that others want as well, and one for which these ask alone. */
const NAMES = ['A', 'B', 'D', 'D'] as const

type Burst = { readonly life: number; readonly name: string; left: number }

/**
 * A client a host that enters one lock again and again, with hardly a pause: so requests come to
 * stand, and others, and faults of all kinds, come in between.
 */
export class EagerClients {
  readonly #world: IdealWorld
  readonly #random: Random
  readonly #asked = new Map<CommandId, { readonly host: HostId; readonly burst: Burst }>()
  #isStopped = false

  constructor(world: IdealWorld, random: Random) {
    this.#world = world
    this.#random = random
    const { onResponse } = world
    world.onResponse = (host, id, response) => {
      onResponse(host, id, response)
      const asked = this.#asked.get(id)
      this.#asked.delete(id)
      if (asked === undefined) return
      if (response.type === 'granted') this.#hold(host, asked.burst, response.token)
      else this.#later(host)
    }
  }

  start(): void {
    for (const host of this.#world.ids) this.#later(host)
  }

  /** Nobody asks any more. */
  stop(): void {
    this.#isStopped = true
    for (const [id, { host, burst }] of this.#asked) {
      if (this.#world.machine(host).life === burst.life) this.#world.cancel(host, id)
    }
  }

  /** The next burst; whoever's host goes down meanwhile comes back as well. */
  #later(host: HostId): void {
    this.#world.after(this.#random.between(1, PAUSE_MS_MAX), () => {
      if (this.#isStopped) return
      if (!this.#world.isRunning(host)) {
        this.#later(host)
        return
      }
      const { life } = this.#world.machine(host)
      const [name, left] = [this.#random.pick(NAMES), 1 + this.#random.below(BURST_MAX)]
      this.#enter(host, { life, name, left })
    })
  }

  #enter(host: HostId, burst: Burst): void {
    if (this.#isStopped) return
    if (burst.left === 0 || this.#hasEnded(host, burst) || !this.#world.isRunning(host)) {
      this.#later(host)
      return
    }
    burst.left -= 1
    const wait = this.#random.chance(0.1) ? milliseconds(0) : undefined
    const id = this.#world.acquire(host, { names: [burst.name], limit: 1, wait })
    this.#asked.set(id, { host, burst })
    // Whose host goes down hears nothing more: it begins anew.
    this.#watch(host, id, burst)
  }

  #watch(host: HostId, id: CommandId, burst: Burst): void {
    this.#world.after(PAUSE_MS_MAX, () => {
      if (!this.#asked.has(id)) return
      if (!this.#hasEnded(host, burst)) this.#watch(host, id, burst)
      else {
        this.#asked.delete(id)
        this.#later(host)
      }
    })
  }

  #hold(host: HostId, burst: Burst, token: Token): void {
    const ms = this.#random.chance(0.05)
      ? this.#random.between(10, 80)
      : this.#random.fraction() ** 2 * 3
    this.#world.after(ms, () => {
      // A daemon that has ended hears no release; its client stops by itself.
      if (!this.#hasEnded(host, burst)) this.#world.release(host, token)
      const pause = this.#random.chance(0.05)
        ? this.#random.between(5, 25)
        : this.#random.fraction() ** 2 * 2
      this.#world.after(pause, () => this.#enter(host, burst))
    })
  }

  #hasEnded(host: HostId, { life }: Burst): boolean {
    return this.#world.machine(host).life !== life
  }
}
