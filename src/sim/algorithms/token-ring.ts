import type { HostId } from '../../core/clock.ts'
import { assert } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

type RingMessage = { readonly type: 'token' }

/**
 * A token that goes round for ever; whoever wants to enter keeps it meanwhile. After Le Lann,
 * "Distributed Systems: Towards a Formal Approach", IFIP Congress 1977, pages 155-160.
 */
export const tokenRing: Algorithm<RingMessage> = {
  create: (self, hosts, output) => new RingContender(self, hosts, output),
}

class RingContender implements Contender<RingMessage> {
  readonly #isFirst: boolean
  readonly #next: HostId
  readonly #output: Output<RingMessage>
  #isWaiting = false

  constructor(self: HostId, hosts: readonly HostId[], output: Output<RingMessage>) {
    const at = hosts.indexOf(self)
    const next = hosts[(at + 1) % hosts.length]
    assert(next !== undefined, 'a host of the ring has another after it')
    this.#isFirst = at === 0
    this.#next = next
    this.#output = output
  }

  start(): void {
    if (this.#isFirst) this.#pass()
  }

  request(): void {
    this.#isWaiting = true
  }

  release(): void {
    this.#pass()
  }

  receive(): void {
    if (!this.#isWaiting) {
      this.#pass()
      return
    }
    this.#isWaiting = false
    this.#output.enter()
  }

  #pass(): void {
    this.#output.send(this.#next, { type: 'token' })
  }
}
