import { timestampOf, type HostId } from '../../src/core/clock.ts'
import { channelOf, type Message } from '../../src/core/message.ts'
import type { Observation } from '../../src/sim/observation.ts'

/** An event of a host, its Lamport time, and what happened before it by vector clocks. */
export type Stamped = {
  readonly host: HostId
  /** How manieth of its host it is. */
  readonly count: number
  readonly time: number
  readonly vector: ReadonlyMap<HostId, number>
}

/** Finds every event of a run that has a timestamp: requests, messages sent, and their receipts. */
export class Stamps {
  readonly events: Stamped[] = []
  readonly #vectors = new Map<HostId, Map<HostId, number>>()
  readonly #channels = new Map<string, ReadonlyMap<HostId, number>[]>()
  /** What each host sent last, or the time of a request that it is about to send. */
  readonly #last = new Map<HostId, Message | number>()

  observe(observation: Observation): void {
    if (observation.type !== 'trace') return
    const { host, event, time } = observation
    // An entry on a request that stands has a time that was reserved before (docs/protocol.md).
    if (event.type === 'request' && event.standing !== undefined) return
    if (event.type === 'request') {
      const { time: requested } = timestampOf(event.token)
      this.#happens(host, requested)
      this.#last.set(host, requested)
    } else if (event.type === 'send') {
      const { to, message } = event
      // Copies of one message are one event, and so are a request and its REQUEST.
      const last = this.#last.get(host)
      const isRequested = message.type === 'request' && last === message.time
      if (last !== message && !isRequested) this.#happens(host, message.time)
      this.#last.set(host, message)
      if (to !== host) this.#channel(host, to, message).push(new Map(this.#vector(host)))
    } else if (event.type === 'deliver' && event.from !== host) {
      const sent = this.#channel(event.from, host, event.message).shift()
      const vector = this.#vector(host)
      for (const [other, count] of sent ?? [])
        vector.set(other, Math.max(count, vector.get(other) ?? 0))
      this.#happens(host, time)
      this.#last.delete(host)
    }
  }

  #happens(host: HostId, time: number): void {
    const vector = this.#vector(host)
    const count = (vector.get(host) ?? 0) + 1
    vector.set(host, count)
    this.events.push({ host, count, time, vector: new Map(vector) })
  }

  #vector(host: HostId): Map<HostId, number> {
    const vector = this.#vectors.get(host) ?? new Map<HostId, number>()
    this.#vectors.set(host, vector)
    return vector
  }

  #channel(from: HostId, to: HostId, message: Message): ReadonlyMap<HostId, number>[] {
    const key = `${from}>${to} ${channelOf(message)}`
    const channel = this.#channels.get(key) ?? []
    this.#channels.set(key, channel)
    return channel
  }
}

/** How many pairs of events one of which happened before the other, and those with no lower time. */
export function clockCondition(events: readonly Stamped[]): {
  readonly ordered: number
  readonly broken: readonly string[]
} {
  let ordered = 0
  const broken: string[] = []
  for (const a of events)
    for (const b of events) {
      if (a === b || (b.vector.get(a.host) ?? 0) < a.count) continue
      ordered += 1
      if (a.time >= b.time) broken.push(`${a.host}@${a.time} happened before ${b.host}@${b.time}`)
    }
  return { ordered, broken }
}
