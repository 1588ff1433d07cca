import type { HostId, Token } from '../core/clock.ts'
import type { Rules } from '../core/rules.ts'
import { Random } from '../lib/random.ts'
import { milliseconds } from '../lib/time.ts'
import type { Violation } from './findings.ts'
import { IdealWorld } from './ideal.ts'

/** What one seed of the breadth simulation did and found. */
export type BreadthResult = {
  readonly grants: number
  readonly lost: number
  readonly views: number
  readonly crashes: number
  readonly diskLosses: number
  readonly partitions: number
  readonly pauses: number
  readonly leaves: number
  readonly violations: readonly Violation[]
  /** All faults were over, and fewer than a few grants came. */
  readonly isStuck: boolean
}

/** Faster than the defaults by four, so that a run of seconds holds many views. */
const TIMING = {
  heartbeat: milliseconds(50),
  suspect: milliseconds(250),
  lease: milliseconds(300),
  drift: 0.02,
}

const DURATION_MS = 20_000

/** One run: hosts under crashes, lost disks, partitions and pauses, and at the end a quiet phase. */
export function breadthRun(seed: number, hostCount: number, rules: Rules): BreadthResult {
  const random = new Random(seed)
  const swarm = random.fork()
  const slowDisk = swarm.chance(0.2) ? 120 : 8
  const world = new IdealWorld({
    hosts: Array.from({ length: hostCount }, (_, i) => ({
      id: i + 1,
      name: `h${i + 1}`,
      votes: 1,
    })),
    timing: TIMING,
    rules,
    random: random.fork(),
    delayMs: () =>
      0.2 + random.fraction() ** 2 * 8 + (random.chance(0.02) ? random.between(0, 150) : 0),
    syncMs: () => random.between(0.5, slowDisk),
    heartbeatLoss: swarm.chance(0.5) ? 0.1 : 0,
  })
  const demand = new Demand(world, random.fork())
  const chaos = new Chaos(world, random.fork())
  for (const id of world.ids) world.boot(id)
  demand.start()
  chaos.start()
  world.run(DURATION_MS * 0.85)
  const atQuiet = world.counts.grants
  world.run(DURATION_MS)
  const { violations } = world
  const isStuck = violations.length === 0 && world.counts.grants - atQuiet < 3
  return { ...world.counts, ...chaos.counts, violations, isStuck }
}

/** Clients of every host, always some, that hold for a while and ask again. */
class Demand {
  readonly #world: IdealWorld
  readonly #random: Random
  /** Commands under way and tokens held, by host. */
  readonly #open = new Map<HostId, Set<string>>()

  constructor(world: IdealWorld, random: Random) {
    this.#world = world
    this.#random = random
    world.onResponse = (host, id, response) => {
      if (response.type === 'granted') {
        this.#of(host).delete(`c${id}`)
        this.#hold(host, response.token)
      } else if (response.type === 'refused') this.#of(host).delete(`c${id}`)
    }
    world.onLost = (host, token) => {
      // Its client stops, and its connection closes.
      this.#world.release(host, token)
      this.#of(host).delete(`t${token}`)
    }
  }

  start(): void {
    for (const id of this.#world.ids) this.#ask(id, -1)
  }

  #of(host: HostId): Set<string> {
    const open = this.#open.get(host) ?? new Set<string>()
    this.#open.set(host, open)
    return open
  }

  #ask(host: HostId, life: number): void {
    this.#world.after(this.#random.between(20, 320), () => {
      const machine = this.#world.machine(host)
      const open = this.#of(host)
      // The clients of a life that has ended are gone.
      if (machine.life !== life) open.clear()
      if (machine.isUp && open.size < 3) {
        open.add(`c${this.#world.acquire(host, this.#names(), this.#limit())}`)
      }
      this.#ask(host, machine.life)
    })
  }

  #hold(host: HostId, token: Token): void {
    const { life } = this.#world.machine(host)
    this.#of(host).add(`t${token}`)
    this.#world.after(5 + this.#random.fraction() ** 2 * 400, () => {
      if (this.#world.machine(host).life !== life) return
      if (this.#of(host).delete(`t${token}`)) this.#world.release(host, token)
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
}

/** What goes wrong, one thing after another, until it is quiet. */
class Chaos {
  readonly counts = { crashes: 0, diskLosses: 0, partitions: 0, pauses: 0, leaves: 0 }
  readonly #world: IdealWorld
  readonly #random: Random

  constructor(world: IdealWorld, random: Random) {
    this.#world = world
    this.#random = random
  }

  start(): void {
    this.#world.after(this.#random.between(100, 1600), () => {
      if (this.#world.now > DURATION_MS * 0.8) return
      this.#strike()
      this.start()
    })
  }

  #strike(): void {
    const random = this.#random
    const ids = this.#world.ids
    const id = random.pick(ids)
    const draw = random.fraction()
    if (draw < 0.06) this.#loseDisk(id)
    else if (draw < 0.33) this.#crash(id, random.chance(0.5) ? 60 : 2000)
    else if (draw < 0.43) this.#crashMany(ids)
    else if (draw < 0.66) this.#split()
    else if (draw < 0.8) this.#cutOne(id)
    else if (draw < 0.88) this.#leave(id)
    else this.#pause(id)
  }

  /** One disk at a time, while all others are whole: two lost at once are not promised to be safe. */
  #loseDisk(id: HostId): void {
    const others = this.#world.ids.filter(other => other !== id)
    const areWhole = others.every(other => !this.#world.machine(other).host.isBlank)
    if (!this.#world.isRunning(id) || !areWhole) return
    this.counts.diskLosses += 1
    this.#world.crash(id)
    this.#world.loseDisk(id)
    this.#bootLater(id, 300)
  }

  #crash(id: HostId, downMs: number): void {
    if (!this.#world.isRunning(id)) return
    this.counts.crashes += 1
    this.#world.crash(id)
    this.#bootLater(id, downMs)
  }

  #crashMany(ids: readonly HostId[]): void {
    for (const id of ids) {
      if (this.#random.chance(0.7)) this.#crash(id, 300)
    }
  }

  #leave(id: HostId): void {
    if (!this.#world.isRunning(id)) return
    this.counts.leaves += 1
    this.#world.leave(id)
    const { life } = this.#world.machine(id)
    this.#world.after(this.#random.between(0, 1500), () => {
      const machine = this.#world.machine(id)
      if (machine.isUp && machine.life === life && machine.paused === undefined)
        this.#world.crash(id)
      this.#bootLater(id, 200)
    })
  }

  #bootLater(id: HostId, msMax: number): void {
    const { life } = this.#world.machine(id)
    this.#world.after(this.#random.between(0, msMax), () => {
      const machine = this.#world.machine(id)
      if (!machine.isUp && machine.life === life) this.#world.boot(id)
      else if (!machine.isUp) this.#bootLater(id, msMax)
    })
  }

  #split(): void {
    const ids = this.#world.ids
    const side = new Set(ids.filter(() => this.#random.chance(0.5)))
    const pairs = ids.flatMap(a =>
      ids.filter(b => side.has(a) && !side.has(b)).map(b => [a, b] as const),
    )
    this.#sever(pairs, 1500)
  }

  /** One link, at times in one direction only. */
  #cutOne(id: HostId): void {
    const other = this.#random.pick(this.#world.ids)
    if (other === id) return
    if (this.#random.chance(0.3)) {
      this.counts.partitions += 1
      this.#world.cut(id, other)
      this.#world.after(this.#random.between(0, 1200), () => this.#world.heal(id, other))
    } else this.#sever([[id, other]], 1200)
  }

  #sever(pairs: readonly (readonly [HostId, HostId])[], msMax: number): void {
    this.counts.partitions += 1
    for (const [a, b] of pairs) {
      this.#world.cut(a, b)
      this.#world.cut(b, a)
    }
    this.#world.after(this.#random.between(0, msMax), () => {
      for (const [a, b] of pairs) {
        this.#world.heal(a, b)
        this.#world.heal(b, a)
      }
    })
  }

  #pause(id: HostId): void {
    if (!this.#world.isRunning(id)) return
    this.counts.pauses += 1
    this.#world.pause(id)
    this.#world.after(this.#random.between(0, 1200), () => this.#world.resume(id))
  }
}
