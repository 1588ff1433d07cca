import { compare, LamportClock, type HostId, type Timestamp } from '../../core/clock.ts'
import { unreachable } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

/** Messages of Lamport's algorithm in its plain form; `time` is the sender's, its id is known. */
export type PlainMessage =
  | { readonly type: 'request'; readonly time: number }
  | { readonly type: 'reply'; readonly time: number }
  | { readonly type: 'release'; readonly time: number }

/** Which REPLIES are left out. */
export type Suppression = {
  /** Our own request, sent already, is stamped later: it says as much as a REPLY. */
  readonly byRequest: boolean
  /** Our own request is stamped earlier: our RELEASE must be waited for, and will say as much. */
  readonly byRelease: boolean
}

/**
 * Lamport (1978) as it stands, any later message counting for a REPLY, so that some can be left out.
 * `byRequest` is the optimisation of Kshemkalyani and Singhal, "Distributed Computing" (2008), section
 * 9.3; `byRelease` follows by the same argument. With neither it is the plain form.
 */
export function plainLamport(suppression: Suppression): Algorithm<PlainMessage> {
  return { create: (self, hosts, output) => new PlainContender(self, hosts, output, suppression) }
}

class PlainContender implements Contender<PlainMessage> {
  readonly #self: HostId
  readonly #others: readonly HostId[]
  readonly #output: Output<PlainMessage>
  readonly #suppression: Suppression
  readonly #clock = new LamportClock(0)
  /** One request a host at most, our own among them. */
  readonly #queue = new Map<HostId, Timestamp>()
  /** The latest time that each other host has stamped a message with. */
  readonly #heard = new Map<HostId, number>()
  #isInside = false

  constructor(
    self: HostId,
    hosts: readonly HostId[],
    output: Output<PlainMessage>,
    suppression: Suppression,
  ) {
    this.#self = self
    this.#others = hosts.filter(host => host !== self)
    this.#output = output
    this.#suppression = suppression
  }

  /** Rule 1. */
  request(): void {
    const time = this.#clock.tick()
    this.#queue.set(this.#self, { time, host: this.#self })
    this.#broadcast({ type: 'request', time })
  }

  /** Rule 3. */
  release(): void {
    this.#isInside = false
    this.#queue.delete(this.#self)
    this.#broadcast({ type: 'release', time: this.#clock.tick() })
  }

  receive(from: HostId, message: PlainMessage): void {
    this.#clock.witness(message.time)
    this.#heard.set(from, message.time)
    switch (message.type) {
      case 'request':
        // Rule 2.
        this.#queue.set(from, { time: message.time, host: from })
        if (!this.#isSuppressed({ time: message.time, host: from }))
          this.#output.send(from, { type: 'reply', time: this.#clock.tick() })
        break
      case 'release':
        // Rule 4.
        this.#queue.delete(from)
        break
      case 'reply':
        break
      default:
        unreachable(message)
    }
    this.#enterIfFirst()
  }

  #isSuppressed(request: Timestamp): boolean {
    const own = this.#queue.get(this.#self)
    if (own === undefined) return false
    const { byRequest, byRelease } = this.#suppression
    return compare(own, request) > 0 ? byRequest : byRelease
  }

  /** Rule 5. */
  #enterIfFirst(): void {
    const own = this.#queue.get(this.#self)
    if (own === undefined || this.#isInside) return
    for (const request of this.#queue.values()) if (compare(request, own) < 0) return
    for (const host of this.#others) {
      const time = this.#heard.get(host)
      if (time === undefined || compare({ time, host }, own) < 0) return
    }
    this.#isInside = true
    this.#output.enter()
  }

  #broadcast(message: PlainMessage): void {
    for (const other of this.#others) this.#output.send(other, message)
  }
}
