import type { HostId } from '../../core/clock.ts'
import { unreachable } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

/** The one permission there is, and what it knows. */
type Token = {
  /** LN: the number of each host's request that was served last. */
  readonly served: Map<HostId, number>
  /** Q: hosts that are to have it next. */
  readonly queue: HostId[]
}

type SuzukiKasamiMessage =
  | { readonly type: 'request'; readonly number: number }
  | { readonly type: 'token'; readonly token: Token }

/**
 * Suzuki and Kasami, "A Distributed Mutual Exclusion Algorithm", ACM Transactions on Computer Systems
 * 3(4), 1985, pages 344-349: who wants the token asks everybody, and nobody answers but by passing it on.
 */
export const suzukiKasami: Algorithm<SuzukiKasamiMessage> = {
  create: (self, hosts, output) => new SuzukiKasamiContender(self, hosts, output),
}

class SuzukiKasamiContender implements Contender<SuzukiKasamiMessage> {
  readonly #self: HostId
  readonly #hosts: readonly HostId[]
  readonly #output: Output<SuzukiKasamiMessage>
  /** RN: the highest number that each host has asked with. */
  readonly #numbers = new Map<HostId, number>()
  #token: Token | undefined
  #isInside = false

  constructor(self: HostId, hosts: readonly HostId[], output: Output<SuzukiKasamiMessage>) {
    this.#self = self
    this.#hosts = hosts
    this.#output = output
    // Somebody has it in the beginning.
    if (self === hosts[0]) this.#token = { served: new Map(), queue: [] }
  }

  request(): void {
    const number = (this.#numbers.get(this.#self) ?? 0) + 1
    this.#numbers.set(this.#self, number)
    if (this.#token !== undefined) {
      this.#enter()
      return
    }
    for (const host of this.#hosts)
      if (host !== this.#self) this.#output.send(host, { type: 'request', number })
  }

  release(): void {
    this.#isInside = false
    const token = this.#token
    if (token === undefined) return
    token.served.set(this.#self, this.#numbers.get(this.#self) ?? 0)
    for (const host of this.#hosts)
      if (!token.queue.includes(host) && this.#isUnserved(host, token)) token.queue.push(host)
    const next = token.queue.shift()
    if (next !== undefined) this.#pass(next, token)
  }

  receive(from: HostId, message: SuzukiKasamiMessage): void {
    switch (message.type) {
      case 'request': {
        this.#numbers.set(from, Math.max(this.#numbers.get(from) ?? 0, message.number))
        const token = this.#token
        if (token !== undefined && !this.#isInside && this.#isUnserved(from, token))
          this.#pass(from, token)
        return
      }
      case 'token':
        this.#token = message.token
        this.#enter()
        return
      default:
        unreachable(message)
    }
  }

  /** Its latest request is the one after the last that was served. */
  #isUnserved(host: HostId, token: Token): boolean {
    return this.#numbers.get(host) === (token.served.get(host) ?? 0) + 1
  }

  #enter(): void {
    this.#isInside = true
    this.#output.enter()
  }

  #pass(to: HostId, token: Token): void {
    this.#token = undefined
    this.#output.send(to, { type: 'token', token })
  }
}
