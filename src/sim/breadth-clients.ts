import type { HostId, Token } from '../core/clock.ts'
import type { CommandId } from '../core/command.ts'
import type { Random } from '../lib/random.ts'
import { milliseconds, type Duration } from '../lib/time.ts'
import type { IdealWorld } from './ideal.ts'

/** Acquires under way and tokens held by clients of one host, at most. */
const OPEN_MAX = 3

type Open = {
  readonly life: number
  readonly commands: Set<CommandId>
  readonly tokens: Set<Token>
}

/** Clients of every host, always some, that hold for a while, or give up, and ask again. */
export class BreadthClients {
  readonly #world: IdealWorld
  readonly #random: Random
  /** Commands under way and tokens held, by host. */
  readonly #open = new Map<HostId, Open>()
  readonly #grants = new Map<HostId, number>()
  #isStopped = false

  constructor(world: IdealWorld, random: Random) {
    this.#world = world
    this.#random = random
    world.onBoot = host => this.#returnTo(host)
    world.onResponse = (host, id, response) => {
      if (!this.#of(host).commands.delete(id) || response.type !== 'granted') return
      this.#grants.set(host, (this.#grants.get(host) ?? 0) + 1)
      this.#of(host).tokens.add(response.token)
      this.#stopLater(host, response.token, 5 + this.#random.fraction() ** 2 * 400)
    }
    world.onLost = (host, token) => {
      // Stopping takes time; it has until its deadline.
      this.#stopLater(host, token, this.#random.between(0, 300))
    }
  }

  /** Grants by host, since they were forgotten. */
  get grants(): ReadonlyMap<HostId, number> {
    return this.#grants
  }

  forgetGrants(): void {
    this.#grants.clear()
  }

  start(): void {
    for (const id of this.#world.ids) this.#askLater(id)
  }

  /** Nobody asks any more. */
  stop(): void {
    this.#isStopped = true
    for (const [host, { commands }] of this.#open) {
      for (const id of commands) this.#world.cancel(host, id)
    }
  }

  /** The clients of a life that has ended ask nothing more. */
  #of(host: HostId): Open {
    const { life } = this.#world.machine(host)
    const open = this.#open.get(host)
    if (open?.life === life) return open
    const none = { life, commands: new Set<CommandId>(), tokens: new Set<Token>() }
    this.#open.set(host, none)
    return none
  }

  /** Who was granted something by an earlier life asks the present one for it, while it may. */
  #returnTo(host: HostId): void {
    const { life } = this.#world.machine(host)
    for (const { token } of this.#world.beliefs().filter(belief => belief.host === host)) {
      if (!this.#random.chance(0.8)) continue
      this.#world.after(this.#random.between(1, 60), () => {
        if (this.#isStopped || this.#world.machine(host).life !== life) return
        const id = this.#world.adopt(host, token)
        if (id === undefined) return
        const { commands } = this.#of(host)
        commands.add(id)
        if (this.#random.chance(0.2)) this.#cancelLater(host, id, 150)
      })
    }
  }

  #askLater(host: HostId): void {
    this.#world.after(this.#random.between(20, 320), () => {
      const { commands, tokens } = this.#of(host)
      if (this.#isStopped) return
      if (this.#world.isRunning(host) && commands.size + tokens.size < OPEN_MAX) this.#ask(host)
      this.#askLater(host)
    })
  }

  #ask(host: HostId): void {
    const id = this.#world.acquire(host, {
      names: this.#names(),
      limit: this.#limit(),
      wait: this.#wait(),
    })
    const { commands } = this.#of(host)
    commands.add(id)
    if (this.#random.chance(0.1)) this.#cancelLater(host, id, 500)
  }

  #cancelLater(host: HostId, id: CommandId, msMax: number): void {
    const { commands } = this.#of(host)
    this.#world.after(this.#random.between(0, msMax), () => {
      if (!this.#world.isRunning(host) || !commands.delete(id)) return
      this.#world.cancel(host, id)
    })
  }

  /** A client whose machine stands still stops nothing. */
  #stopLater(host: HostId, token: Token, ms: number): void {
    const { life } = this.#world.machine(host)
    const { tokens } = this.#of(host)
    this.#world.after(ms, () => {
      if (this.#world.machine(host).life !== life || !tokens.has(token)) return
      if (!this.#world.isRunning(host)) this.#stopLater(host, token, 50)
      else if (tokens.delete(token)) this.#world.release(host, token)
    })
  }

  #names(): string[] {
    const draw = this.#random.fraction()
    if (draw < 0.6) return ['A']
    if (draw < 0.8) return ['B']
    return draw < 0.9 ? ['A', 'B'] : ['A', 'B', 'C']
  }

  #limit(): number {
    const draw = this.#random.fraction()
    if (draw < 0.7) return 1
    if (draw < 0.8) return 2
    return draw < 0.9 ? 3 : Infinity
  }

  #wait(): Duration | undefined {
    const draw = this.#random.fraction()
    if (draw < 0.1) return milliseconds(0)
    return draw < 0.25 ? milliseconds(this.#random.between(1, 1500)) : undefined
  }
}
