import type { HostId } from '../core/clock.ts'
import type { Observation } from './observation.ts'

/**
 * Which incarnations of two hosts a message is between. Channels belong to one such pair: what was
 * sent to an incarnation that is over is lost with it, and rightly so.
 */
export class Links {
  readonly #incarnations = new Map<HostId, number>()
  /** Each incarnation that a host had on the disk that it has; those of a lost one may come again. */
  readonly #used = new Map<HostId, Set<number>>()
  /** Hosts of which two lives have had one incarnation. */
  readonly #repeated = new Set<string>()
  /** The pair that a host's session with a peer is between. */
  readonly #pairs = new Map<string, { readonly own: number; readonly peer: number }>()

  /** True: this link begins afresh, though it has the name of one that is over. */
  observe(observation: Observation): string | undefined {
    const { host } = observation
    if (observation.type === 'incarnated') {
      const { incarnation } = observation
      const used = this.#used.get(host) ?? new Set()
      this.#used.set(host, used)
      if (used.has(incarnation)) this.#repeated.add(`${host}#${incarnation}`)
      used.add(incarnation)
      this.#incarnations.set(host, incarnation)
    } else if (observation.type === 'trace' && observation.event.type === 'session-up') {
      const { peer, incarnation } = observation.event
      const own = this.#incarnation(host)
      this.#pairs.set(`${host} ${peer}`, { own, peer: incarnation })
      const isRepeated = [`${host}#${own}`, `${peer}#${incarnation}`].some(end =>
        this.#repeated.has(end),
      )
      if (isRepeated) return this.sent(host, peer)
    }
    return undefined
  }

  /** As the sender has it. */
  sent(from: HostId, to: HostId): string {
    const pair = this.#pairs.get(`${from} ${to}`)
    return linkOf(from, pair?.own ?? 0, to, pair?.peer ?? 0)
  }

  /** As the receiver has it. */
  delivered(from: HostId, to: HostId): string {
    const pair = this.#pairs.get(`${to} ${from}`)
    return linkOf(from, pair?.peer ?? 0, to, pair?.own ?? 0)
  }

  /** Whether both incarnations go on, of hosts that are there. */
  isOpen(link: string, present: { has(host: HostId): boolean }): boolean {
    return link.split(' > ').every(end => {
      const [host = 0, incarnation] = end.split('#').map(Number)
      return incarnation === this.#incarnation(host) && present.has(host)
    })
  }

  #incarnation(host: HostId): number {
    return this.#incarnations.get(host) ?? 0
  }
}

function linkOf(from: HostId, own: number, to: HostId, peer: number): string {
  return `${from}#${own} > ${to}#${peer}`
}
