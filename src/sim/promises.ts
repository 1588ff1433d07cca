import type { HostId } from '../core/clock.ts'

/** Delays a host that may pass without an entry: messages take about one, and so does an entry. */
const PATIENCE = 20

/** Entries of others a host that may come between a request and its entry: seen are 2.5. */
const OVERTAKEN_MAX = 5

/**
 * What any algorithm for mutual exclusion promises, checked at each step: one at a time, nobody who
 * has not asked, and everybody who has.
 */
export class Promises {
  readonly violations: string[] = []
  /** Entries that were checked. */
  entries = 0
  readonly #hosts: number
  /** Those who wait, and how many had entered when they asked. */
  readonly #waiting = new Map<HostId, number>()
  #inside: HostId | undefined
  #lastChange = 0

  constructor(hosts: number) {
    this.#hosts = hosts
  }

  get waiting(): readonly HostId[] {
    return [...this.#waiting.keys()]
  }

  asked(now: number, host: HostId): void {
    this.#waiting.set(host, this.entries)
    this.#lastChange = now
  }

  entered(now: number, host: HostId): void {
    if (this.#inside !== undefined)
      this.#broken(now, `exclusion: host ${host} enters while host ${this.#inside} is inside`)
    if (!this.#waiting.delete(host)) this.#broken(now, `host ${host} enters and has not asked`)
    this.entries += 1
    this.#inside = host
    this.#lastChange = now
  }

  left(now: number, host: HostId): void {
    if (this.#inside === host) this.#inside = undefined
    this.#lastChange = now
  }

  /** After each step; `isOver`: nothing is under way any more. */
  check(now: number, isOver: boolean): void {
    if (this.#waiting.size === 0) return
    const patience = PATIENCE * this.#hosts
    const overtaken = OVERTAKEN_MAX * this.#hosts
    if (isOver) {
      this.#broken(now, `liveness: no message is under way, and ${this.#names()} for ever`)
    } else if (now - this.#lastChange > patience) {
      this.#broken(now, `liveness: nobody enters for ${patience} delays, and ${this.#names()}`)
    } else {
      for (const [host, entries] of this.#waiting) {
        if (this.entries - entries <= overtaken) continue
        this.#broken(now, `liveness: host ${host} waits while others enter ${overtaken} times`)
        return
      }
    }
  }

  #names(): string {
    const [only, ...more] = this.waiting
    return more.length === 0 ? `host ${only ?? 0} waits` : `hosts ${this.waiting.join(', ')} wait`
  }

  #broken(now: number, what: string): void {
    this.violations.push(`at ${Number(now.toFixed(2))}: ${what}`)
  }
}
