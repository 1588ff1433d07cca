import type { HostId } from '../core/clock.ts'
import type { Random } from '../lib/random.ts'

/** How one way from one host to another treats datagrams. Chances are 0..1, waits milliseconds. */
export type LinkOptions = {
  readonly delayMs: number
  /** Up to this much more, evenly: neighbours overtake each other where it exceeds their gap. */
  readonly jitterMs: number
  /** Some are held back for up to `lateMs`, so that whole conversations overtake them. */
  readonly late: number
  readonly lateMs: number
  readonly loss: number
  readonly duplicate: number
  /** Copies beyond the first where a datagram is doubled: 1 to this many. */
  readonly duplicatesMax: number
  /** One bit of it is flipped. */
  readonly corrupt: number
}

/** A LAN on a good day. */
export const FAULTLESS: LinkOptions = {
  delayMs: 0.2,
  jitterMs: 0,
  late: 0,
  lateMs: 0,
  loss: 0,
  duplicate: 0,
  duplicatesMax: 1,
  corrupt: 0,
}

/** One copy of a datagram that will come through, unless its way is cut by then. */
export type Delivery = { readonly delayMs: number; readonly bytes: Uint8Array }

export type NetworkCounters = {
  sent: number
  lost: number
  duplicated: number
  corrupted: number
  /** Lost because the way was cut. */
  severed: number
}

/** The ways between all ordered pairs of hosts: each loses, doubles, delays and reorders by itself. */
export class Network {
  readonly counters: NetworkCounters = {
    sent: 0,
    lost: 0,
    duplicated: 0,
    corrupted: 0,
    severed: 0,
  }
  #common: LinkOptions
  readonly #links = new Map<string, LinkOptions>()
  readonly #cuts = new Set<string>()
  readonly #random: Random

  constructor(common: LinkOptions, random: Random) {
    this.#common = common
    this.#random = random
  }

  /** What becomes of a datagram: nothing, one delivery, or several. Each has bytes of its own. */
  route(from: HostId, to: HostId, bytes: Uint8Array): readonly Delivery[] {
    this.counters.sent += 1
    if (this.isCut(from, to)) {
      this.counters.severed += 1
      return []
    }
    const link = this.#links.get(key(from, to)) ?? this.#common
    const random = this.#random
    let copies = 1
    if (random.chance(link.duplicate)) copies += 1 + random.below(link.duplicatesMax)
    this.counters.duplicated += copies - 1
    const deliveries: Delivery[] = []
    for (let copy = 0; copy < copies; copy++) {
      if (random.chance(link.loss)) this.counters.lost += 1
      else deliveries.push({ delayMs: this.#delay(link), bytes: this.#copy(link, bytes) })
    }
    return deliveries
  }

  isCut(from: HostId, to: HostId): boolean {
    return this.#cuts.has(key(from, to))
  }

  /** Nothing passes this one way any more, not even what is on it already. */
  cut(from: HostId, to: HostId): void {
    this.#cuts.add(key(from, to))
  }

  heal(from: HostId, to: HostId): void {
    this.#cuts.delete(key(from, to))
  }

  /** Gives one way a character of its own. */
  set(from: HostId, to: HostId, options: LinkOptions): void {
    this.#links.set(key(from, to), options)
  }

  /** From now on all ways are whole and like this. */
  reset(common: LinkOptions): void {
    this.#common = common
    this.#links.clear()
    this.#cuts.clear()
  }

  #delay(link: LinkOptions): number {
    const late = this.#random.chance(link.late) ? this.#random.between(0, link.lateMs) : 0
    return link.delayMs + this.#random.between(0, link.jitterMs) + late
  }

  /** A copy, so that memory that both ends share never hides a mistake. */
  #copy(link: LinkOptions, bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice()
    if (copy.length > 0 && this.#random.chance(link.corrupt)) {
      const index = this.#random.below(copy.length)
      copy[index] = (copy[index] as number) ^ (1 << this.#random.below(8))
      this.counters.corrupted += 1
    }
    return copy
  }
}

function key(from: HostId, to: HostId): string {
  return `${from}>${to}`
}
