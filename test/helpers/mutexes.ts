import { describeToken, LamportClock, type HostId, type Token } from '../../src/core/clock.ts'
import { Lease } from '../../src/core/lease.ts'
import { clockOf, tokenInUse } from '../../src/core/message.ts'
import type { LockRequest, MutexMessage } from '../../src/core/message.ts'
import { Mutex } from '../../src/core/mutex.ts'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { nextView, Votes, type View } from '../../src/core/view.ts'
import { milliseconds, toInstant, type Instant } from '../../src/lib/time.ts'

export const NOW: Instant = toInstant(0)

/** A lease of 2 s, as another host's clock may measure it. */
export const GRACE_MS = 2160

/** A lease that does not end: a host with all the votes echoes itself. */
export function endlessLease(self: HostId): Lease {
  return new Lease(self, new Votes([{ id: self, votes: 1 }]), milliseconds(2000))
}

/** The first view of a cluster, all in their first incarnation. */
export function firstView(ids: readonly HostId[]): View {
  return nextView(undefined, new Map(ids.map(id => [id, 1])), true)
}

type Member = { readonly mutex: Mutex; readonly clock: LamportClock; readonly held: Set<Token> }

/** Mutexes joined by FIFO channels that a test empties by hand, message by message. */
export class Mutexes {
  readonly members: Map<HostId, Member> = new Map()
  readonly channels: Map<string, MutexMessage[]> = new Map()
  /** What happened, in order, as `3 enters 3@1`. */
  readonly log: string[] = []
  readonly delivered: MutexMessage[] = []
  /** To whom, in the order sent. */
  readonly sent: string[] = []
  /** Those of them that may wait a moment. */
  readonly unhurried: string[] = []
  /** Of those, what waits only where something else does. */
  readonly alongside: string[] = []

  /** @param spanMax how many timestamps a request may have: 1, as in Lamport's paper */
  constructor(ids: readonly HostId[], rules: Rules = RULES, spanMax = 1) {
    for (const id of ids) this.members.set(id, this.#member(id, rules, spanMax))
    const view = firstView(ids)
    for (const id of ids) {
      const { mutex } = this.of(id)
      for (const other of ids) if (id !== other) mutex.open(NOW, other, 1)
      mutex.install(NOW, view)
    }
    this.settle()
    this.log.length = 0
    this.delivered.length = 0
  }

  of(id: HostId): Member {
    const member = this.members.get(id)
    if (member === undefined) throw new Error(`no member ${id}`)
    return member
  }

  request(id: HostId, names: readonly string[], limit = 1): Token {
    return this.of(id).mutex.request(NOW, { names, limit, info: '' })
  }

  release(id: HostId, token: Token): void {
    this.of(id).mutex.release(NOW, token)
  }

  /** Delivers the oldest message from one to another; false where there is none. */
  deliver(from: HostId, to: HostId): boolean {
    const message = this.channels.get(`${from}>${to}`)?.shift()
    if (message === undefined) return false
    this.delivered.push(message)
    const { clock, mutex } = this.of(to)
    clock.witness(clockOf(message))
    mutex.receive(NOW, from, message)
    return true
  }

  /** Delivers everything, from the channels with something in them in order of their names. */
  settle(): void {
    for (let moved = true; moved;) {
      moved = false
      for (const from of this.members.keys()) {
        for (const to of this.members.keys()) moved = this.deliver(from, to) || moved
      }
    }
  }

  #member(id: HostId, rules: Rules, spanMax: number): Member {
    const clock = new LamportClock(0)
    const held = new Set<Token>()
    const note = (verb: string, request: LockRequest): void => {
      this.log.push(`${id} ${verb} ${describeToken(tokenInUse(request))}`)
    }
    const self = { id, incarnation: 1 }
    const mutex = new Mutex(self, clock, endlessLease(id), milliseconds(GRACE_MS), rules, spanMax, {
      send: (to, message, urgency) => {
        for (const other of to) {
          const key = `${id}>${other}`
          this.sent.push(`${message.type} ${key}`)
          if (urgency === 'soon' || urgency === 'whenever')
            this.unhurried.push(`${message.type} ${key}`)
          if (urgency === 'along') this.alongside.push(`${message.type} ${key}`)
          const channel = this.channels.get(key) ?? []
          this.channels.set(key, channel)
          channel.push(message)
        }
      },
      requested: request => note('requests', request),
      granted: request => {
        held.add(tokenInUse(request))
        note('enters', request)
      },
      left: request => {
        held.delete(tokenInUse(request))
        note('leaves', request)
      },
      lost: token => this.log.push(`${id} loses ${token}`),
      changed: () => undefined,
      unstamped: token => this.log.push(`${id} asks again for ${token}`),
    })
    return { mutex, clock, held }
  }
}
