import type { HostId, Timestamp } from '../../core/clock.ts'
import { unreachable } from '../../lib/assert.ts'
import type { Algorithm, Contender, Output } from './contender.ts'
import { Arbiter, type MaekawaMessage } from './maekawa-arbiter.ts'
import type { Quorums } from './quorums.ts'

/**
 * Maekawa, "A √N Algorithm for Mutual Exclusion in Decentralized Systems", ACM Transactions on
 * Computer Systems 3(2), 1985, pages 145-159: each host asks a quorum, and an arbiter grants to one at a time. Which
 * is why hosts can wait for each other in a circle, and INQUIRE, FAILED and YIELD undo that.
 *
 * In 1985 a waiting request that is overtaken by an earlier one is not told, and hosts can wait for
 * ever; Sanders, "The Information Structure of Distributed Mutual Exclusion Algorithms", ACM TOCS
 * 5(3), 1987, pages 284-299, adds that FAILED. `tellsOvertaken` is her correction.
 */
export function maekawa(
  quorumsOf: (hosts: readonly HostId[]) => Quorums,
  tellsOvertaken = true,
): Algorithm<MaekawaMessage> {
  return {
    create: (self, hosts, output) =>
      new MaekawaContender(
        self,
        quorumsOf(hosts).get(self) ?? [],
        output,
        new Arbiter(output, tellsOvertaken),
      ),
  }
}

/** A host that asks, and the arbiter that it is for others and for itself. */
class MaekawaContender implements Contender<MaekawaMessage> {
  readonly #self: HostId
  readonly #quorum: readonly HostId[]
  readonly #output: Output<MaekawaMessage>
  readonly #arbiter: Arbiter
  /** The highest time heard of. */
  #time = 0
  #own: Timestamp | undefined
  #isInside = false
  readonly #granted = new Set<HostId>()
  /** Arbiters that have granted to another, or to whom we have yielded. */
  readonly #failed = new Set<HostId>()
  /** Those who ask for their grant back while we may still succeed. */
  readonly #inquiring = new Set<HostId>()

  constructor(
    self: HostId,
    quorum: readonly HostId[],
    output: Output<MaekawaMessage>,
    arbiter: Arbiter,
  ) {
    this.#self = self
    this.#quorum = quorum
    this.#output = output
    this.#arbiter = arbiter
  }

  request(): void {
    this.#time += 1
    this.#own = { time: this.#time, host: this.#self }
    this.#broadcast({ type: 'request', time: this.#time })
  }

  release(): void {
    this.#own = undefined
    this.#isInside = false
    this.#granted.clear()
    this.#failed.clear()
    this.#inquiring.clear()
    this.#broadcast({ type: 'release' })
  }

  receive(from: HostId, message: MaekawaMessage): void {
    switch (message.type) {
      case 'request':
        this.#time = Math.max(this.#time, message.time)
        this.#arbiter.request({ time: message.time, host: from })
        return
      case 'yield':
        this.#arbiter.yield()
        return
      case 'release':
        this.#arbiter.release()
        return
      case 'grant':
      case 'failed':
      case 'inquire':
        // What is said of an earlier request of ours no longer matters.
        if (message.time === this.#own?.time && !this.#isInside) this.#answered(from, message.type)
        return
      default:
        unreachable(message)
    }
  }

  #answered(arbiter: HostId, answer: 'grant' | 'failed' | 'inquire'): void {
    switch (answer) {
      case 'grant':
        this.#granted.add(arbiter)
        this.#failed.delete(arbiter)
        this.#isInside = this.#granted.size === this.#quorum.length
        if (this.#isInside) this.#output.enter()
        return
      case 'failed':
        this.#failed.add(arbiter)
        break
      case 'inquire':
        this.#inquiring.add(arbiter)
        break
      default:
        unreachable(answer)
    }
    if (this.#failed.size > 0) this.#yield()
  }

  /** We wait for another anyway: nobody shall wait for us meanwhile. */
  #yield(): void {
    for (const arbiter of this.#inquiring) {
      this.#granted.delete(arbiter)
      this.#failed.add(arbiter)
      this.#output.send(arbiter, { type: 'yield' })
    }
    this.#inquiring.clear()
  }

  #broadcast(message: MaekawaMessage): void {
    for (const arbiter of this.#quorum) this.#output.send(arbiter, message)
  }
}
