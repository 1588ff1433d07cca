import type { HostId } from '../core/clock.ts'
import type { Random } from '../lib/random.ts'
import type { IdealWorld } from './ideal.ts'

/** How often each kind of fault struck. */
export type FaultCounts = {
  readonly crashes: number
  readonly diskLosses: number
  readonly partitions: number
  readonly pauses: number
  readonly leaves: number
  readonly rebirths: number
  /** Crashes of hosts whose clients hold something, started again at once. */
  readonly restarts: number
}

/** What goes wrong, one thing after another, until it is quiet. */
export class BreadthFaults {
  readonly counts: { -readonly [kind in keyof FaultCounts]: number } = {
    crashes: 0,
    diskLosses: 0,
    partitions: 0,
    pauses: 0,
    leaves: 0,
    rebirths: 0,
    restarts: 0,
  }
  readonly #world: IdealWorld
  readonly #random: Random
  readonly #endMs: number
  readonly #neverStarted = new Set<HostId>()
  #areDisksKept = false

  constructor(world: IdealWorld, random: Random, endMs: number) {
    this.#world = world
    this.#random = random
    this.#endMs = endMs
  }

  start(): void {
    this.#world.after(this.#random.between(100, 1600), () => {
      if (this.#world.now > this.#endMs) return
      this.#strike()
      this.start()
    })
  }

  /** No disk is lost in this run. */
  keepDisks(): void {
    this.#areDisksKept = true
  }

  /**
   * Daemons that are started again at once while their clients hold something. Only the first time
   * in a minute is a host let in at once, so it is early, before other faults have excluded it.
   */
  restartHolders(random: Random): void {
    for (const id of this.#world.ids) {
      if (random.chance(0.8)) this.#restartLater(id, random, random.between(500, 4000))
    }
  }

  /** This host comes up long after the others, and an operator founds the cluster without it. */
  startLate(id: HostId, ms: number): void {
    this.#neverStarted.add(id)
    this.#world.after(ms, () => {
      this.#neverStarted.delete(id)
      this.#world.boot(id)
    })
    this.#foundLater()
  }

  /** Again and again: the host at which it was asked may have crashed before it was durable. */
  #foundLater(): void {
    this.#world.after(this.#random.between(100, 700), () => {
      const running = this.#world.ids.filter(id => this.#world.isRunning(id))
      if (this.#neverStarted.size === 0) return
      if (running.length > 0 && running.every(id => this.#world.machine(id).host.isBlank)) {
        this.#world.found(this.#random.pick(running))
      }
      this.#foundLater()
    })
  }

  #restartLater(id: HostId, random: Random, ms: number): void {
    this.#world.after(ms, () => {
      if (this.#world.now > this.#endMs) return
      if (this.#world.isRunning(id) && this.#world.beliefs().some(({ host }) => host === id)) {
        this.counts.restarts += 1
        this.#world.crash(id)
        this.#bootLater(id, random.pick([10, 60, 150]))
      } else this.#restartLater(id, random, random.between(1, 20))
    })
  }

  #strike(): void {
    const random = this.#random
    const { ids } = this.#world
    const id = random.pick(ids)
    const draw = random.fraction()
    if (draw < 0.06) this.#loseDisk(id)
    else if (draw < 0.33) this.#crash(id, random.chance(0.5) ? 60 : 2000)
    else if (draw < 0.43) this.#crashMany(ids)
    else if (draw < 0.63) this.#split(ids)
    else if (draw < 0.77) this.#cutOne(id, random.pick(ids))
    else if (draw < 0.84) this.#leave(id)
    else if (draw < 0.9) this.#rebirth(id)
    else this.#pause(id)
  }

  /** One disk at a time, while all others are whole: two lost at once are not promised to be safe. */
  #loseDisk(id: HostId): void {
    const others = this.#world.ids.filter(other => other !== id)
    if (!this.#world.isRunning(id) || this.#neverStarted.size > 0 || this.#areDisksKept) return
    if (others.some(other => !this.#world.hasVoteOnDisk(other))) return
    if (!this.#canRecover(others)) return
    this.counts.diskLosses += 1
    this.#world.crash(id)
    this.#world.loseDisk(id)
    this.#bootLater(id, 300)
  }

  /** The others must outvote what a majority can leave out; else an operator is needed. */
  #canRecover(others: readonly HostId[]): boolean {
    const { votes } = this.#world
    return votes.of(others) > votes.total - (Math.floor(votes.total / 2) + 1)
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
    this.#endLater(id, this.#world.machine(id).life)
  }

  /** A second SIGTERM ends it at once; if it has gone by itself, it only comes back. */
  #endLater(id: HostId, life: number): void {
    this.#world.after(this.#random.between(0, 1500), () => {
      const machine = this.#world.machine(id)
      if (machine.life === life) {
        if (machine.isPaused) {
          this.#endLater(id, life)
          return
        }
        this.#world.crash(id)
      }
      this.#bootLater(id, 200)
    })
  }

  #bootLater(id: HostId, msMax: number): void {
    const { life } = this.#world.machine(id)
    this.#world.after(this.#random.between(0, msMax), () => {
      const machine = this.#world.machine(id)
      if (machine.isUp) return
      if (machine.life === life) this.#world.boot(id)
      else this.#bootLater(id, msMax)
    })
  }

  #split(ids: readonly HostId[]): void {
    const side = new Set(ids.filter(() => this.#random.chance(0.5)))
    const pairs = ids.flatMap(a =>
      ids.filter(b => side.has(a) && !side.has(b)).map(b => [a, b] as const),
    )
    this.#sever(pairs, 1500)
  }

  /** One link, at times in one direction only. */
  #cutOne(id: HostId, other: HostId): void {
    if (other === id) return
    if (this.#random.chance(0.3)) {
      this.counts.partitions += 1
      this.#world.wires.cut(id, other)
      this.#world.after(this.#random.between(0, 1200), () => this.#world.wires.heal(id, other))
    } else this.#sever([[id, other]], 1200)
  }

  #sever(pairs: readonly (readonly [HostId, HostId])[], msMax: number): void {
    this.counts.partitions += 1
    for (const [a, b] of pairs) this.#world.cut(a, b)
    this.#world.after(this.#random.between(0, msMax), () => {
      for (const [a, b] of pairs) this.#world.heal(a, b)
    })
  }

  #rebirth(id: HostId): void {
    if (!this.#world.isRunning(id)) return
    this.counts.rebirths += 1
    this.#world.rebirth(id)
  }

  #pause(id: HostId): void {
    if (!this.#world.isRunning(id)) return
    this.counts.pauses += 1
    this.#world.pause(id)
    this.#world.after(this.#random.between(0, 1200), () => this.#world.resume(id))
  }
}
