import { timestampOf, tokenOf, type HostId, type Token } from '../core/clock.ts'
import type { TraceEvent } from '../node.ts'
import type { Observation } from './observation.ts'

/** One stay in the critical section. Times are milliseconds since the start of the trial. */
export type Use = {
  readonly host: HostId
  readonly token: Token
  readonly askedAt: number
  /** When every other host that was up had the request; `undefined` where nobody knows. */
  readonly everywhereAt: number | undefined
  readonly enteredAt: number
  /** The Lamport time of the host when it asked, and as it entered. */
  readonly askedClock: number
  readonly clock: number
  /** `undefined`: it was still inside in the end. */
  leftAt: number | undefined
  /** It let go by itself, and did not lose it. */
  isWhole: boolean
}

/** The messages that Lamport counts. */
const COUNTED = ['request', 'reply', 'release']

type Request = {
  readonly askedAt: number
  readonly clock: number
  readonly at: Set<HostId>
  everywhereAt?: number
}

/** Finds the uses of one lock, and the messages that they took, in what an onlooker sees. */
export class UseRecorder {
  readonly uses: Use[] = []
  /** REQUEST, REPLY and RELEASE that each host has sent to others. */
  readonly messages: Map<HostId, number> = new Map()
  /** Hosts that were taken for dead, and came again as another incarnation. */
  readonly excluded: Set<HostId> = new Set()
  readonly #start: number
  readonly #up: Set<HostId>
  readonly #asked = new Map<HostId, number>()
  readonly #requests = new Map<Token, Request>()
  /** The host has entered, and its client has not been told yet. */
  readonly #granted = new Map<Token, Use>()
  readonly #inside = new Map<Token, Use>()

  constructor(start: number, hosts: readonly HostId[]) {
    this.#start = start
    this.#up = new Set(hosts)
    for (const host of hosts) this.messages.set(host, 0)
  }

  observe(observation: Observation): void {
    const { host } = observation
    const at = observation.at - this.#start
    switch (observation.type) {
      case 'asked':
        this.#asked.set(host, at)
        return
      case 'holds':
        this.#begin(observation.token)
        return
      case 'lets-go': {
        const use = this.#inside.get(observation.token)
        if (use !== undefined) use.leftAt = at
        this.#inside.delete(observation.token)
        return
      }
      case 'died':
        this.#up.delete(host)
        return
      case 'trace':
        this.#trace(at, host, observation.time, observation.event)
        return
      default:
        return
    }
  }

  /** The host's client has done what it wanted to, and lets go. */
  complete(host: HostId): void {
    for (const use of this.#inside.values()) if (use.host === host) use.isWhole = true
  }

  #trace(at: number, host: HostId, time: number, event: TraceEvent): void {
    if (event.type === 'send') {
      if (event.to !== host && COUNTED.includes(event.message.type))
        this.messages.set(host, 1 + (this.messages.get(host) ?? 0))
    } else if (event.type === 'request') {
      const askedAt = this.#asked.get(host) ?? at
      this.#requests.set(event.token, { askedAt, clock: time, at: new Set([host]) })
    } else if (event.type === 'deliver' && event.message.type === 'request') {
      this.#spread(at, host, tokenOf({ time: event.message.time, host: event.from }))
    } else if (event.type === 'reincarnate') {
      this.excluded.add(host)
    } else if (event.type === 'enter') this.#enter(at, host, time, event.token)
  }

  #spread(at: number, host: HostId, token: Token): void {
    const request = this.#requests.get(token)
    if (request === undefined) return
    request.at.add(host)
    if ([...this.#up].every(other => request.at.has(other))) request.everywhereAt ??= at
  }

  #enter(at: number, host: HostId, clock: number, token: Token): void {
    const request = this.#requests.get(token)
    this.#requests.delete(token)
    const { askedAt = at, clock: askedClock = clock, everywhereAt } = request ?? {}
    const open = { leftAt: undefined, isWhole: false }
    const asked = { host, token, askedAt, askedClock }
    const use: Use = { ...asked, everywhereAt, enteredAt: at, clock, ...open }
    this.#granted.set(token, use)
  }

  /** A grant that comes when its lease is over is let go unused: that is no stay. */
  #begin(token: Token): void {
    const use = this.#granted.get(token)
    if (use === undefined) return
    this.#granted.delete(token)
    this.uses.push(use)
    this.#inside.set(token, use)
  }
}

/** The Lamport time of the request whose token this is. */
export function timeOf(token: Token): number {
  return timestampOf(token).time
}
