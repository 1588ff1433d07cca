import { unreachable } from '../lib/assert.ts'
import { after, elapsed, NEVER, toInstant, type Duration, type Instant } from '../lib/time.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { BlankMessage, RecoveryPhase } from './message.ts'
import { compareBallots, NO_BALLOT, type AcceptorRecord } from './register.ts'
import type { View, Votes } from './view.ts'

/** What a host that is no longer blank has written last of all. */
export type ReadyRecord = {
  /** The lives of the blank hosts with which it founded; empty after a recovery. */
  readonly founders: ReadonlyMap<HostId, number>
}

export type FoundingOutput = {
  send(to: readonly HostId[], message: BlankMessage): void
  /** The host stops being blank as soon as this is durable, and the acceptor's record with it. */
  ready(record: ReadyRecord, recovered: Recovery | undefined): void
  /** Ballots below this must be refused before anything sent after it leaves. */
  raiseFloor(counter: number): void
  /** What this host's acceptor holds, for a host that has lost its own. */
  acceptorRecord(): AcceptorRecord<View>
  /** The highest incarnation of a host that this one has met. */
  knownIncarnation(host: HostId): number
}

/** What a host that lost its disk has copied from all the others. */
export type Recovery = {
  readonly acceptor: AcceptorRecord<View>
  /** The incarnation of its new life is above this. */
  readonly knownIncarnation: number
}

export type FoundingTiming = { readonly heartbeat: Duration; readonly suspect: Duration }

type Answer = Extract<BlankMessage, { readonly type: 'answer' }>

/**
 * How a host comes to have a vote. A blank host, at its first start or with a new disk, promises and
 * answers nothing that others could rest on: it may have promised something else before. Either all
 * hosts are blank, or the operator says that they are, and they found the cluster; or the others are
 * not, and it recovers from all of them.
 */
export class Founding {
  readonly #self: HostId
  readonly #others: readonly HostId[]
  readonly #votes: Votes
  readonly #clock: LamportClock
  readonly #timing: FoundingTiming
  readonly #output: FoundingOutput
  /** Names this disk of a blank host. */
  readonly #life: number
  #record: ReadyRecord | undefined
  /** Set once `ready` was asked for, so that it is asked for once. */
  #isSettled: boolean
  /** Blank hosts, when they were heard last, and the names of their lives. */
  readonly #blank = new Map<HostId, { readonly life: number; readonly last: Instant }>()
  readonly #sessions = new Set<HostId>()
  readonly #readyHosts = new Set<HostId>()
  #phase: RecoveryPhase = 0
  #floor = 0
  readonly #answers = new Map<HostId, Answer>()
  #next: Instant = toInstant(-Infinity)

  constructor(
    self: { readonly id: HostId; readonly life: number },
    others: readonly HostId[],
    votes: Votes,
    clock: LamportClock,
    timing: FoundingTiming,
    recovered: ReadyRecord | undefined,
    output: FoundingOutput,
  ) {
    this.#self = self.id
    this.#life = self.life
    this.#others = others
    this.#votes = votes
    this.#clock = clock
    this.#timing = timing
    this.#output = output
    this.#record = recovered
    this.#isSettled = recovered !== undefined
  }

  get isBlank(): boolean {
    return this.#record === undefined
  }

  /** `ready` is durable. */
  becameReady(record: ReadyRecord): void {
    this.#record = record
  }

  open(host: HostId): void {
    this.#sessions.add(host)
  }

  close(host: HostId): void {
    this.#sessions.delete(host)
    this.#blank.delete(host)
    this.#readyHosts.delete(host)
    this.#answers.delete(host)
  }

  get deadline(): Instant {
    return this.#isSettled ? NEVER : this.#next
  }

  tick(now: Instant): void {
    if (this.#isSettled || now < this.#next) return
    this.#next = after(now, this.#timing.heartbeat)
    if (this.#others.length === 0) this.#settle({ founders: new Map() }, undefined)
    else this.#announce()
  }

  /**
   * The operator says that the blank hosts may found the cluster. Undefined: done; else why not.
   * Never without a majority: a host that was never started may be a host with a lost disk.
   */
  found(now: Instant): string | undefined {
    if (this.#isSettled) return 'this host is not blank: the cluster has been founded'
    const ready = [...this.#readyHosts]
    if (ready.length > 0) return `host ${ready.join(', ')} is not blank: this one recovers from it`
    if (this.#phase > 0) return 'a host that is not blank was met: this one recovers from it'
    const unknown = [...this.#sessions].filter(host => !this.#blank.has(host))
    if (unknown.length > 0) {
      return `host ${unknown.join(', ')} has not said yet whether it is blank: try again in a second`
    }
    const lives = this.#livesHeard(now)
    if (!this.#votes.isMajority([this.#self, ...lives.keys()])) {
      return 'blank hosts with a majority of votes must be up and connected'
    }
    this.#settle({ founders: lives }, undefined)
    return undefined
  }

  receive(now: Instant, from: HostId, message: BlankMessage): void {
    switch (message.type) {
      case 'blank':
        this.#receiveBlank(now, from, message)
        return
      case 'answer':
        this.#receiveAnswer(from, message)
        return
      default:
        unreachable(message)
    }
  }

  /** For people: whom a blank host waits for. */
  waitsFor(name: (host: HostId) => string): string | undefined {
    if (!this.isBlank) return undefined
    if (this.#isSettled) return 'the disk'
    const silent = this.#others.filter(host => !this.#sessions.has(host)).map(name)
    if (this.#phase > 0) {
      const missing = this.#others.filter(host => !this.#answers.has(host)).map(name)
      if (missing.length > 0) {
        return `recovery from all other hosts: ${missing.join(', ')} must answer`
      }
      const blank = this.#others.filter(host => this.#answers.get(host)?.ready === false).map(name)
      if (blank.length > 0) {
        return `recovery: too many other hosts are blank as well (${blank.join(', ')})`
      }
      return 'recovery: this host alone is a majority, and only its lost disk knew what it decided'
    }
    if (silent.length === 0) return 'the other hosts to say what they know'
    return `the first start of ${silent.join(', ')} (or, if no host ever ran: lamportctl found)`
  }

  #announce(): void {
    this.#output.send([...this.#sessions], {
      type: 'blank',
      time: this.#clock.tick(),
      life: this.#life,
      phase: this.#phase,
      floor: this.#floor,
    })
  }

  /** Lives of the blank hosts that are heard. */
  #livesHeard(now: Instant): Map<HostId, number> {
    const lives = new Map<HostId, number>()
    for (const [host, { life, last }] of this.#blank) {
      if (elapsed(last, now) < this.#timing.suspect) lives.set(host, life)
    }
    return lives
  }

  #receiveBlank(
    now: Instant,
    from: HostId,
    message: Extract<BlankMessage, { readonly type: 'blank' }>,
  ): void {
    if (!this.#isSettled) {
      this.#blank.set(from, { life: message.life, last: now })
      const lives = this.#livesHeard(now)
      const isEveryone = lives.size === this.#others.length
      if (isEveryone && this.#phase === 0) this.#settle({ founders: lives }, undefined)
    }
    if (message.phase === 2) this.#output.raiseFloor(message.floor)
    const { accepted, value } = this.#output.acceptorRecord()
    this.#output.send([from], {
      type: 'answer',
      time: this.#clock.tick(),
      to: message.life,
      phase: message.phase,
      ready: !this.isBlank,
      foundedWith: this.#record?.founders.get(from) ?? 0,
      accepted,
      value,
      known: this.#output.knownIncarnation(from),
    })
  }

  #receiveAnswer(from: HostId, answer: Answer): void {
    if (this.#isSettled || answer.to !== this.#life) return
    if (answer.ready) this.#readyHosts.add(from)
    if (answer.ready && answer.foundedWith === this.#life) {
      // A faster one has founded with us: we follow.
      this.#settle({ founders: new Map() }, undefined)
      return
    }
    if (this.#phase === 0 && answer.ready) {
      this.#phase = 1
      this.#answers.clear()
      this.#announce()
      return
    }
    if (this.#phase === 0 || answer.phase !== this.#phase) return
    this.#answers.set(from, answer)
    this.#advance()
  }

  /** With an answer of this phase from all others, on to the next. */
  #advance(): void {
    const answers = [...this.#answers.values()]
    if (answers.length < this.#others.length || !this.#readyOutvoteAbsent()) return
    if (this.#phase === 1) {
      this.#phase = 2
      this.#answers.clear()
      // Our clock has witnessed all of theirs.
      this.#floor = this.#clock.tick() + 1
      this.#announce()
      return
    }
    const newest = answers.reduce<Pick<Answer, 'accepted' | 'value'>>(
      (a, b) => (compareBallots(b.accepted, a.accepted) > 0 ? b : a),
      { accepted: NO_BALLOT, value: undefined },
    )
    const { accepted, value } = newest
    const acceptor = { promised: { counter: this.#floor, host: 0 }, accepted, value }
    const knownIncarnation = Math.max(...answers.map(answer => answer.known))
    this.#settle({ founders: new Map() }, { acceptor, knownIncarnation })
  }

  /** Those that are ready must outvote what a majority can leave out. */
  #readyOutvoteAbsent(): boolean {
    const ready = [...this.#answers].filter(([, answer]) => answer.ready).map(([host]) => host)
    const total = this.#votes.total
    const smallestMajority = Math.floor(total / 2) + 1
    return this.#votes.of(ready) > total - smallestMajority
  }

  #settle(record: ReadyRecord, recovery: Recovery | undefined): void {
    this.#isSettled = true
    this.#output.ready(record, recovery)
  }
}
