import { LamportClock, tokenOf, type HostId } from '../../core/clock.ts'
import { Lease } from '../../core/lease.ts'
import type { LockRequest, MutexMessage } from '../../core/message.ts'
import { Mutex } from '../../core/mutex.ts'
import { RULES } from '../../core/rules.ts'
import { nextView, Votes } from '../../core/view.ts'
import { milliseconds, toInstant } from '../../lib/time.ts'
import type { Algorithm, Contender, Output } from './contender.ts'

/** Nobody dies in this world: leases do not end, and views do not change. */
const NOW = toInstant(0)
const LEASE = milliseconds(1)

/** Lamport (1978), rules 1-5: the very class that lamportd runs, in the first view of a cluster. */
export const lamport: Algorithm<MutexMessage> = {
  create: (self, hosts, output) => new CoreContender(self, hosts, output),
}

class CoreContender implements Contender<MutexMessage> {
  readonly #hosts: readonly HostId[]
  readonly #others: readonly HostId[]
  readonly #clock = new LamportClock(0)
  readonly #mutex: Mutex
  #own: LockRequest | undefined
  /** It was asked for before the others had told what they hold. */
  #isEarly = false

  constructor(self: HostId, hosts: readonly HostId[], output: Output<MutexMessage>) {
    this.#hosts = hosts
    this.#others = hosts.filter(host => host !== self)
    // A host with all the votes echoes itself.
    const lease = new Lease(self, new Votes([{ id: self, votes: 1 }]), LEASE)
    this.#mutex = new Mutex({ id: self, incarnation: 1 }, this.#clock, lease, LEASE, RULES, 1, {
      send: (to, message) => {
        for (const other of to) output.send(other, message)
      },
      requested: request => (this.#own = request),
      granted: () => output.enter(),
      left: () => undefined,
      changed: () => undefined,
      lost: () => undefined,
      unstamped: () => undefined,
    })
  }

  start(): void {
    for (const other of this.#others) this.#mutex.open(NOW, other, 1)
    const incarnations = new Map(this.#hosts.map(host => [host, 1]))
    this.#mutex.install(NOW, nextView(undefined, incarnations, true))
  }

  request(): void {
    this.#isEarly = !this.#mutex.mayStamp
    if (!this.#isEarly) this.#mutex.request(NOW, { names: ['door'], limit: 1, info: '' })
  }

  release(): void {
    if (this.#own !== undefined) this.#mutex.release(NOW, tokenOf(this.#own))
  }

  receive(from: HostId, message: MutexMessage): void {
    this.#clock.witness(message.time)
    this.#mutex.receive(NOW, from, message)
    if (this.#isEarly) this.request()
  }
}
