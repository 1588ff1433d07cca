import type { HostId } from '../../core/clock.ts'
import { assert, unreachable } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

type RaymondMessage = { readonly type: 'request' } | { readonly type: 'privilege' }

/**
 * Raymond, "A Tree-Based Algorithm for Distributed Mutual Exclusion", ACM Transactions on Computer
 * Systems 7(1), 1989, pages 61-77: each host of a tree knows in which direction the privilege is.
 */
export const raymond: Algorithm<RaymondMessage> = {
  create: (self, hosts, output) => new RaymondContender(self, parentOf(self, hosts), output),
}

/** The host above in a balanced binary tree, as in a heap; the first one has none. */
export function parentOf(host: HostId, hosts: readonly HostId[]): HostId | undefined {
  const at = hosts.indexOf(host)
  return at <= 0 ? undefined : hosts[Math.floor((at - 1) / 2)]
}

/** Edges between two hosts, over all pairs; a host is also paired with itself. */
export function meanDistance(hosts: readonly HostId[]): number {
  const pathUp = (host: HostId): HostId[] => {
    const parent = parentOf(host, hosts)
    return parent === undefined ? [host] : [host, ...pathUp(parent)]
  }
  let sum = 0
  for (const [from, to] of hosts.flatMap(a => hosts.map(b => [pathUp(a), pathUp(b)] as const))) {
    const shared = from.filter(host => to.includes(host)).length
    sum += from.length + to.length - 2 * shared
  }
  return sum / hosts.length ** 2
}

class RaymondContender implements Contender<RaymondMessage> {
  readonly #self: HostId
  readonly #output: Output<RaymondMessage>
  /** HOLDER: the neighbour towards the privilege, or this host itself. */
  #holder: HostId
  /** REQUEST_Q: neighbours that want it, and this host itself. */
  readonly #queue: HostId[] = []
  #isUsing = false
  #hasAsked = false

  constructor(self: HostId, parent: HostId | undefined, output: Output<RaymondMessage>) {
    this.#self = self
    this.#output = output
    // The privilege is at the root in the beginning.
    this.#holder = parent ?? self
  }

  request(): void {
    this.#queue.push(this.#self)
    this.#settle()
  }

  release(): void {
    this.#isUsing = false
    this.#settle()
  }

  receive(from: HostId, message: RaymondMessage): void {
    switch (message.type) {
      case 'request':
        this.#queue.push(from)
        break
      case 'privilege':
        this.#holder = this.#self
        break
      default:
        unreachable(message)
    }
    this.#settle()
  }

  /** ASSIGN_PRIVILEGE, then MAKE_REQUEST. */
  #settle(): void {
    if (this.#holder === this.#self && !this.#isUsing && this.#queue.length > 0) {
      const next = this.#queue.shift()
      assert(next !== undefined, 'a queue that is not empty has a head')
      this.#holder = next
      this.#hasAsked = false
      this.#isUsing = next === this.#self
      if (this.#isUsing) this.#output.enter()
      else this.#output.send(next, { type: 'privilege' })
    }
    if (this.#holder !== this.#self && this.#queue.length > 0 && !this.#hasAsked) {
      this.#hasAsked = true
      this.#output.send(this.#holder, { type: 'request' })
    }
  }
}
