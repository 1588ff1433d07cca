import type { HostId } from '../core/clock.ts'
import type { Observation } from './observation.ts'

/**
 * Which lives of two hosts a message is between. A channel is one pair of incarnations: what was
 * sent to a life that is over is lost with it, and rightly so.
 */
export class Links {
  readonly #lives = new Map<HostId, number>()
  readonly #known = new Map<string, number>()

  observe(observation: Observation): void {
    if (observation.type === 'booted') {
      this.#lives.set(observation.host, observation.incarnation)
    } else if (observation.type === 'trace' && observation.event.type === 'session-up') {
      const { peer, incarnation } = observation.event
      this.#known.set(`${observation.host} ${peer}`, incarnation)
    }
  }

  /** As the sender has it. */
  sent(from: HostId, to: HostId): string {
    return linkOf({ host: from, life: this.#life(from) }, { host: to, life: this.#of(from, to) })
  }

  /** As the receiver has it. */
  delivered(from: HostId, to: HostId): string {
    return linkOf({ host: from, life: this.#of(to, from) }, { host: to, life: this.#life(to) })
  }

  /** Whether both lives go on. */
  isOpen(link: string): boolean {
    return link.split(' > ').every(end => {
      const [host, life] = end.split('#').map(Number)
      return life === this.#life(host ?? 0)
    })
  }

  #life(host: HostId): number {
    return this.#lives.get(host) ?? 0
  }

  #of(host: HostId, peer: HostId): number {
    return this.#known.get(`${host} ${peer}`) ?? 0
  }
}

type End = { readonly host: HostId; readonly life: number }

function linkOf(from: End, to: End): string {
  return `${from.host}#${from.life} > ${to.host}#${to.life}`
}
