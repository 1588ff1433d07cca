import { assert, unreachable } from '../lib/assert.ts'
import type { Instant } from '../lib/time.ts'
import { timestampOf, tokenOf, type HostId, type LamportClock, type Token } from './clock.ts'
import type { LockRequest, MutexMessage } from './message.ts'
import { RequestQueue, type QueueEntry } from './queue.ts'
import type { Rules } from './rules.ts'

export type MutexOutput = {
  /** Reliable and FIFO to each of them; one event, so one time for all. */
  send(to: readonly HostId[], message: MutexMessage): void
  /** A request of ours has its timestamp. */
  requested(request: LockRequest): void
  /** The critical section is ours. Tokens of one name grow with every exclusive grant. */
  granted(request: LockRequest): void
  /** A request of ours that had entered has left. */
  left(request: LockRequest): void
}

/** A request of our own that has its timestamp. */
type OwnRequest = {
  readonly entry: QueueEntry
  /** Members that have not REPLIED to it. */
  readonly awaited: Set<HostId>
  held: boolean
}

/** Requests in one SYNC, so that none is longer than 64 KiB. */
const SYNC_PART_BYTES_MAX = 64 * 1024

/**
 * Mutual exclusion after Lamport (1978), rules 1-5, over channels that are reliable and FIFO, among
 * one fixed view of all hosts. What a REPLY proves is explicit: it is for one request. A member that
 * begins a new life has forgotten everything: each other tells it, in a SYNC, all requests of its
 * own, and it enters nothing before it has heard that from all.
 */
export class Mutex {
  readonly #self: HostId
  readonly #clock: LamportClock
  readonly #rules: Rules
  readonly #output: MutexOutput
  readonly #queue: RequestQueue
  readonly #own = new Map<Token, OwnRequest>()
  /** The other hosts of the view. */
  readonly #others: readonly HostId[]
  /** Those among them to whom channels are open. */
  readonly #joined = new Set<HostId>()
  /** Those whose requests we know, all of them. */
  readonly #synced = new Set<HostId>()
  readonly #view = 1

  constructor(
    self: HostId,
    others: readonly HostId[],
    clock: LamportClock,
    rules: Rules,
    output: MutexOutput,
  ) {
    this.#self = self
    this.#others = others
    this.#clock = clock
    this.#rules = rules
    this.#output = output
    this.#queue = new RequestQueue(rules)
  }

  get queue(): RequestQueue {
    return this.#queue
  }

  /** Whether every request of every host is known here: before, nothing is stamped or entered. */
  get isComplete(): boolean {
    return this.#synced.size === this.#others.length
  }

  /** Members whose SYNC has not come. */
  get unsynced(): readonly HostId[] {
    return this.#others.filter(other => !this.#synced.has(other))
  }

  isHeld(token: Token): boolean {
    return this.#own.get(token)?.held ?? false
  }

  /** Members whose REPLY to this request of ours is missing. */
  awaited(token: Token): readonly HostId[] {
    return [...(this.#own.get(token)?.awaited ?? [])]
  }

  /** Rule 1: stamp, REQUEST to every other host, and into our own queue. */
  request(now: Instant, wanted: Omit<LockRequest, 'time' | 'host'>): Token {
    assert(this.isComplete, 'a request is stamped by a clock that has heard from all')
    const time = this.#clock.tick()
    const { names, limit, info } = wanted
    const request: LockRequest = { time, host: this.#self, names, limit, info }
    const token = tokenOf(request)
    this.#queue.insert(now, request)
    const entry = this.#queue.find(token)
    assert(entry !== undefined, 'what was inserted is in the queue')
    this.#own.set(token, { entry, awaited: new Set(this.#others), held: false })
    this.#output.requested(request)
    const message: MutexMessage = { type: 'request', view: this.#view, time, names, limit, info }
    for (let copies = this.#rules.requestOnce ? 1 : 2; copies > 0; copies--) {
      this.#output.send(this.#others, message)
    }
    this.#advance(now, names)
    return token
  }

  /** Rule 3: out of our own queue, and RELEASE to every other host. Also withdraws a waiting one. */
  release(now: Instant, token: Token): void {
    const own = this.#own.get(token)
    assert(own !== undefined, 'only the owner removes a request')
    this.#own.delete(token)
    this.#queue.remove(token)
    const { time, names } = own.entry.request
    if (own.held) this.#output.left(own.entry.request)
    const message: MutexMessage = {
      type: 'release',
      view: this.#view,
      time: this.#clock.tick(),
      request: time,
    }
    // Those without a channel learn it from the absence in our SYNC.
    this.#output.send([...this.#joined], message)
    this.#advance(now, names)
  }

  /** Channels to a new life of a member are open: tell it everything that is ours. */
  join(now: Instant, member: HostId): void {
    this.#joined.add(member)
    for (const own of this.#own.values()) own.awaited.add(member)
    const requests = [...this.#own.values()].map(own => own.entry.request)
    for (const [part, isLast] of syncParts(requests)) {
      this.#output.send([member], {
        type: 'sync',
        view: this.#view,
        time: this.#clock.tick(),
        requests: part,
        last: isLast,
      })
    }
    this.#advance(now, this.#queue.names())
  }

  /** A life of a member has ended, and with it its requests and what it knew of ours. */
  part(now: Instant, member: HostId): void {
    this.#joined.delete(member)
    this.#synced.delete(member)
    this.#forget(member)
    this.#advance(now, [...this.#queue.names()])
  }

  /** Rules 2 and 4, and the REPLIES of rule 5. */
  receive(now: Instant, from: HostId, message: MutexMessage): void {
    switch (message.type) {
      case 'request': {
        const { time, names, limit, info } = message
        this.#insertAndReply(now, { time, host: from, names, limit, info })
        this.#advance(now, names)
        return
      }
      case 'reply': {
        const own = this.#own.get(tokenOf({ time: message.request, host: this.#self }))
        // Withdrawn in the meantime: nobody waits for it.
        if (own === undefined) return
        own.awaited.delete(from)
        this.#advance(now, own.entry.request.names)
        return
      }
      case 'release': {
        const request = this.#queue.remove(tokenOf({ time: message.request, host: from }))
        if (request !== undefined) this.#advance(now, request.names)
        return
      }
      case 'sync': {
        for (const request of message.requests) {
          this.#insertAndReply(now, { ...request, host: from })
        }
        if (message.last) this.#synced.add(from)
        this.#advance(now, [...this.#queue.names()])
        return
      }
      default:
        unreachable(message)
    }
  }

  #insertAndReply(now: Instant, request: LockRequest): void {
    this.#queue.insert(now, request)
    this.#output.send([request.host], {
      type: 'reply',
      view: this.#view,
      time: this.#clock.tick(),
      request: request.time,
    })
  }

  #forget(member: HostId): void {
    for (const entry of [...this.#queue.entries()]) {
      if (entry.request.host === member) this.#queue.remove(entry.token)
    }
  }

  /** Rule 5: lets in those of our requests that may enter, after these names have changed. */
  #advance(now: Instant, names: Iterable<string>): void {
    const entering: OwnRequest[] = []
    for (const name of names) {
      for (const entry of this.#queue.admittedBy(name)) {
        if (entry.request.names.length > 1 && !this.#queue.isAdmitted(entry)) continue
        entry.admitted ??= now
        const own = this.#own.get(entry.token)
        if (own !== undefined && this.#isAnswered(own)) {
          own.held = true
          entering.push(own)
        }
      }
    }
    for (const own of entering) this.#output.granted(own.entry.request)
  }

  #isAnswered(own: OwnRequest): boolean {
    if (own.held) return false
    if (!this.#rules.waitForReplies) return true
    return this.isComplete && own.awaited.size === 0
  }
}

/** Splits requests into parts of bounded size; the last one, which may be empty, is marked. */
function* syncParts(
  requests: readonly LockRequest[],
): Generator<[part: Omit<LockRequest, 'host'>[], isLast: boolean]> {
  let part: Omit<LockRequest, 'host'>[] = []
  let bytes = 0
  for (const { time, names, limit, info } of requests) {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    const size = names.reduce((sum, name) => sum + 3 * name.length + 3, 3 * info.length + 32)
    if (part.length > 0 && bytes + size > SYNC_PART_BYTES_MAX) {
      yield [part, false]
      part = []
      bytes = 0
    }
    part.push({ time, names, limit, info })
    bytes += size
  }
  yield [part, true]
}

/** For people: `3@17` is the request that host 3 made at its time 17. */
export function describeToken(token: Token): string {
  const { time, host } = timestampOf(token)
  return `${host}@${time}`
}
