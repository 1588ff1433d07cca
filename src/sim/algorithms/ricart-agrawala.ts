import { compare, type HostId, type Timestamp } from '../../core/clock.ts'
import { unreachable } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

type RicartAgrawalaMessage =
  { readonly type: 'request'; readonly number: number } | { readonly type: 'reply' }

/**
 * Ricart and Agrawala, "An Optimal Algorithm for Mutual Exclusion in Computer Networks",
 * Communications of the ACM 24(1), 1981, pages 9-17: a REPLY that is put off until the exit is a RELEASE as well.
 */
export const ricartAgrawala: Algorithm<RicartAgrawalaMessage> = {
  create: (self, hosts, output) => new RicartAgrawalaContender(self, hosts, output),
}

class RicartAgrawalaContender implements Contender<RicartAgrawalaMessage> {
  readonly #self: HostId
  readonly #others: readonly HostId[]
  readonly #output: Output<RicartAgrawalaMessage>
  #highestNumber = 0
  /** What we have asked for, until we have left. */
  #own: Timestamp | undefined
  #awaited = new Set<HostId>()
  /** Those whose REPLY waits until we leave. */
  #deferred: HostId[] = []

  constructor(self: HostId, hosts: readonly HostId[], output: Output<RicartAgrawalaMessage>) {
    this.#self = self
    this.#others = hosts.filter(host => host !== self)
    this.#output = output
  }

  request(): void {
    const number = this.#highestNumber + 1
    this.#own = { time: number, host: this.#self }
    this.#awaited = new Set(this.#others)
    for (const other of this.#others) this.#output.send(other, { type: 'request', number })
  }

  release(): void {
    this.#own = undefined
    const deferred = this.#deferred
    this.#deferred = []
    for (const host of deferred) this.#output.send(host, { type: 'reply' })
  }

  receive(from: HostId, message: RicartAgrawalaMessage): void {
    switch (message.type) {
      case 'request': {
        this.#highestNumber = Math.max(this.#highestNumber, message.number)
        const theirs = { time: message.number, host: from }
        // Whoever is inside has a request that precedes all those which are still to be let in.
        if (this.#own !== undefined && compare(this.#own, theirs) < 0) this.#deferred.push(from)
        else this.#output.send(from, { type: 'reply' })
        return
      }
      case 'reply':
        this.#awaited.delete(from)
        if (this.#awaited.size === 0) this.#output.enter()
        return
      default:
        unreachable(message)
    }
  }
}
