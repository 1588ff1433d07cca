import type { HostId } from '../core/clock.ts'
import type { Random } from '../lib/random.ts'
import { milliseconds } from '../lib/time.ts'
import type { IdealWorld } from './ideal.ts'
import type { WorldTable } from './ideal-machine.ts'

/** Leases that are written into hosts.yml, in milliseconds. */
const LEASES = [150, 300, 1500]

/** By then a file that is being edited has been read. */
const EDIT_MS = 2000

/**
 * Somebody edits hosts.yml while the cluster runs, and restarts its hosts one after another: adds
 * and removes hosts, changes votes and the lease, forgets a host, goes back to what it was. At the
 * end all machines have one file that names them all.
 */
export class BreadthTables {
  readonly #world: IdealWorld
  readonly #random: Random
  readonly #endMs: number
  readonly #whole: WorldTable
  #previous: WorldTable
  #present: WorldTable

  constructor(world: IdealWorld, random: Random, endMs: number) {
    this.#world = world
    this.#random = random
    this.#endMs = endMs
    const { table } = world.machine(world.ids[0] as HostId)
    this.#whole = { ...table, hosts: table.hosts.map(host => ({ ...host, votes: 1 })) }
    this.#previous = table
    this.#present = table
  }

  /** The last host may be one that is bought later. */
  start(): void {
    const last = this.#world.ids.at(-1) as HostId
    if (this.#random.chance(0.4)) {
      this.#present = without(this.#present, last)
      for (const id of this.#world.ids) this.#world.edit(id, this.#present)
    }
    this.#changeLater()
  }

  #changeLater(): void {
    this.#world.after(this.#random.between(600, 2500), () => {
      if (this.#world.now > this.#endMs) {
        // Whoever was still editing has done so by then.
        this.#world.after(EDIT_MS, () => {
          this.#change(this.#whole, 1)
          this.#vouchLater()
        })
        return
      }
      this.#change(this.#nextTable(), 0.8)
      this.#changeLater()
    })
  }

  /**
   * A host that was named and never started may be one that has lost its disk. The operator knows
   * better: every host is here, and no disk was lost.
   */
  #vouchLater(): void {
    this.#world.after(2 * EDIT_MS, () => {
      for (const { id, isUp, host } of this.#world.machines.values()) {
        if (isUp && host.isBlank) this.#world.found(id)
      }
      this.#vouchLater()
    })
  }

  /** `share` of the hosts are restarted with this table, in any order. */
  #change(table: WorldTable, share: number): void {
    this.#previous = this.#present
    this.#present = table
    for (const id of this.#world.ids) {
      if (this.#random.chance(share)) this.#restartLater(id, table)
    }
  }

  #nextTable(): WorldTable {
    const random = this.#random
    const { hosts, timing } = this.#present
    const draw = random.fraction()
    if (draw < 0.25) return this.#previous
    if (draw < 0.45 && hosts.length > 2) return without(this.#present, random.pick(hosts).id)
    if (draw < 0.6)
      return { hosts, timing: { ...timing, lease: milliseconds(random.pick(LEASES)) } }
    if (draw < 0.75) {
      const id = random.pick(hosts).id
      return { timing, hosts: hosts.map(host => (host.id === id ? { ...host, votes: 2 } : host)) }
    }
    return { timing, hosts: this.#whole.hosts }
  }

  #restartLater(id: HostId, table: WorldTable): void {
    this.#world.after(this.#random.between(0, EDIT_MS), () => {
      this.#world.edit(id, table)
      if (this.#world.machine(id).isUp) this.#world.crash(id)
      this.#world.after(this.#random.between(0, 400), () => {
        if (!this.#world.machine(id).isUp) this.#world.boot(id)
      })
    })
  }
}

function without({ hosts, timing }: WorldTable, id: HostId): WorldTable {
  return { timing, hosts: hosts.filter(host => host.id !== id) }
}
