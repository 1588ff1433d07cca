import type { HostId } from '../core/clock.ts'
import { assert } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import { Agenda } from './agenda.ts'
import { SERVER, type Algorithm, type Contender, type Message } from './algorithms/contender.ts'

/** How long messages take. */
export type DelayOptions = {
  readonly random: Random
  /** A delay is between 1 − jitter and 1 + jitter, evenly; 0: each is 1. */
  readonly jitter: number
  /** Messages from one host to another arrive in the order in which they were sent. */
  readonly isFifo: boolean
}

/**
 * Hosts that run one algorithm, and messages between them that arrive after about one unit of time each:
 * the message delay that textbooks count in. Nothing else takes time.
 */
export class DelayWorld {
  readonly hosts: readonly HostId[]
  onEnter: (host: HostId) => void = () => undefined
  onSend: (from: HostId, to: HostId, message: Message) => void = () => undefined
  readonly #options: DelayOptions
  readonly #agenda = new Agenda()
  readonly #contenders: ReadonlyMap<HostId, Contender<Message>>
  readonly #parties: ReadonlyMap<HostId, Pick<Contender<Message>, 'receive'>>
  /** When the last message from one host to another arrives. */
  readonly #arrivals = new Map<string, number>()
  #now = 0

  constructor(algorithm: Algorithm, hosts: readonly HostId[], options: DelayOptions) {
    this.hosts = hosts
    this.#options = options
    const outputOf = (host: HostId) => ({
      send: (to: HostId, message: Message) => this.#send(host, to, message),
      enter: () => this.onEnter(host),
    })
    this.#contenders = new Map(
      hosts.map(host => [host, algorithm.create(host, hosts, outputOf(host))]),
    )
    const server = algorithm.serve?.(outputOf(SERVER))
    this.#parties =
      server === undefined ? this.#contenders : new Map([...this.#contenders, [SERVER, server]])
    for (const contender of this.#contenders.values()) contender.start?.()
  }

  get now(): number {
    return this.#now
  }

  request(host: HostId): void {
    this.#contender(host).request()
  }

  release(host: HostId): void {
    this.#contender(host).release()
  }

  after(delays: number, run: () => void): void {
    this.#agenda.add(this.#now + delays, run)
  }

  /** Lets the next thing happen; false where nothing is under way. */
  step(): boolean {
    const entry = this.#agenda.take()
    if (entry === undefined) return false
    this.#now = entry.at
    entry.run()
    return true
  }

  #send(from: HostId, to: HostId, message: Message): void {
    const deliver = (): void => {
      const party = this.#parties.get(to)
      assert(party !== undefined, `host ${to} is of this world`)
      party.receive(from, message)
    }
    if (from === to) {
      this.after(0, deliver)
      return
    }
    this.onSend(from, to, message)
    const { random, jitter, isFifo } = this.#options
    const channel = `${from}>${to}`
    const earliest = isFifo ? (this.#arrivals.get(channel) ?? 0) : 0
    const delay = jitter === 0 ? 1 : random.between(1 - jitter, 1 + jitter)
    const arrival = Math.max(this.#now + delay, earliest)
    this.#arrivals.set(channel, arrival)
    this.#agenda.add(arrival, deliver)
  }

  #contender(host: HostId): Contender<Message> {
    const contender = this.#contenders.get(host)
    assert(contender !== undefined, `host ${host} is of this world`)
    return contender
  }
}
