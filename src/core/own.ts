import type { Duration, Instant } from '../lib/time.ts'
import type { HostId, Token } from './clock.ts'
import { passed, tokenInUse } from './message.ts'
import type { QueueEntry } from './queue.ts'

/** A request of our own that has its timestamp. */
export type OwnRequest = {
  readonly entry: QueueEntry
  /** Of its timestamps the one that is in use: what its client knows it by. */
  token: Token
  /** Members that have not REPLIED to it. */
  awaited: Set<HostId>
  /** How long it took until all had, the first time. */
  took: Duration | undefined
  held: boolean
  /** Its client has let go, and it stands for the next one. */
  isIdle: boolean
  /** When it last changed hands. */
  since: Instant
  /** How often its names have been entered here by now, one time after the other. */
  entries: number
  /**
   * It was adopted, and may have had later clients in its last life than the one who asked for it:
   * whoever lets go of it, it stays until then, when all of them have stopped.
   */
  keptUntil: Instant | undefined
  /** It stays for that reason alone. */
  isKept: boolean
}

/** The requests of one host that it has made itself, by the token in use. */
export class OwnRequests {
  readonly #self: HostId
  readonly #requests = new Map<Token, OwnRequest>()
  #heldCount = 0

  constructor(self: HostId) {
    this.#self = self
  }

  /** How many are held. */
  get heldCount(): number {
    return this.#heldCount
  }

  /** As they are now: they may be removed meanwhile. */
  all(): readonly OwnRequest[] {
    return [...this.#requests.values()]
  }

  get(token: Token): OwnRequest | undefined {
    return this.#requests.get(token)
  }

  /** That of this entry, and not of one that only says that it is ours. */
  of(entry: QueueEntry): OwnRequest | undefined {
    if (entry.request.host !== this.#self) return undefined
    const own = this.#requests.get(tokenInUse(entry.request))
    return own?.entry === entry ? own : undefined
  }

  /** @param awaited members that have to REPLY */
  add(now: Instant, entry: QueueEntry, awaited: Set<HostId>, entries: number): OwnRequest {
    const token = tokenInUse(entry.request)
    const use = { held: false, isIdle: false, since: now, entries, took: undefined }
    const own = { entry, token, awaited, ...use, keptUntil: undefined, isKept: false }
    this.#requests.set(token, own)
    return own
  }

  delete(own: OwnRequest): void {
    this.#requests.delete(own.token)
  }

  /** It has another client than before: another of its timestamps is in use. */
  pass(own: OwnRequest, used: number, info: string): void {
    const { entry } = own
    this.#requests.delete(own.token)
    entry.request = passed(entry.request, used, info)
    own.token = tokenInUse(entry.request)
    this.#requests.set(own.token, own)
  }

  enter(own: OwnRequest): void {
    own.held = true
    this.#heldCount += 1
  }

  leave(own: OwnRequest): void {
    own.held = false
    this.#heldCount -= 1
  }
}
