import { unreachable } from '../lib/assert.ts'
import {
  after,
  elapsed,
  milliseconds,
  NEVER,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { BlankMessage } from './message.ts'
import { isLoyal, type Memory } from './memory.ts'
import { Recovery, type Answer, type Copies, type Recovered } from './recovery.ts'
import type { AcceptorRecord } from './register.ts'
import { graceOf, isSameTable, type SafetyTable } from './table.ts'
import { Votes, type View } from './view.ts'

/** What a host that is no longer blank has written last of all. */
export type ReadyRecord = {
  /** The lives of the blank hosts with which it founded; empty after a recovery. */
  readonly founders: ReadonlyMap<HostId, number>
  /** The lives of the hosts that had no vote yet when it brought the table into use. */
  readonly newcomers: ReadonlyMap<HostId, number>
  /** By which it may vote; with another hosts.yml it has no vote. */
  readonly table: SafetyTable
}

export type FoundingOutput = {
  send(to: readonly HostId[], message: BlankMessage): void
  /** The host stops being blank as soon as this is durable, and the acceptor's record with it. */
  ready(record: ReadyRecord, recovered: Recovered | undefined): void
  /**
   * Ballots below this must be refused before anything sent after it leaves. How many records of
   * variables the host that asks for it may fetch.
   */
  raiseFloor(counter: number, host: HostId, life: number): number
  /** What this host's acceptor holds, for a host that has lost its own. */
  acceptorRecord(): AcceptorRecord<View>
  /** The highest incarnation of a host that this one has met. */
  knownIncarnation(host: HostId): number
  /** Must be durable before anything sent after it leaves: this host votes by no other table. */
  pledge(table: SafetyTable): void
}

export type FoundingTiming = { readonly heartbeat: Duration; readonly suspect: Duration }

/**
 * How a host comes to have a vote. A blank host, at its first start or with a new disk, promises and
 * answers nothing that others could rest on: it may have promised something else before. Either all
 * hosts are blank, or the operator says that they are, and they found the cluster; or the others are
 * not, and it recovers from all of them.
 *
 * A host whose hosts.yml has another table than the one by which it voted is as a blank host, but
 * that it remembers. All hosts of the new table recover from each other: first each pledges itself to
 * it, so that the old one has no majority left, then each takes the newest value of all.
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
  /** By which this host is to vote. */
  readonly #table: SafetyTable
  /** Of a host that has voted before. */
  #memory: Memory | undefined
  /** What was promised by another table has ended by then: until then this host keeps silent. */
  #silentUntil: Instant | undefined
  #record: ReadyRecord | undefined
  /** Set once `ready` was asked for, so that it is asked for once. */
  #isSettled: boolean
  /** Blank hosts, when they were heard last, and the names of their lives. */
  readonly #blank = new Map<HostId, { readonly life: number; readonly last: Instant }>()
  readonly #sessions = new Set<HostId>()
  readonly #readyHosts = new Set<HostId>()
  readonly #recovery: Recovery
  #next: Instant = toInstant(-Infinity)

  constructor(
    self: { readonly id: HostId; readonly life: number },
    table: SafetyTable,
    clock: LamportClock,
    timing: FoundingTiming,
    recovered: {
      readonly ready: ReadyRecord | undefined
      readonly pledged: SafetyTable | undefined
    },
    copies: Copies,
    output: FoundingOutput,
  ) {
    this.#self = self.id
    this.#life = self.life
    this.#others = table.hosts.map(({ id }) => id).filter(id => id !== self.id)
    this.#table = table
    this.#votes = new Votes(table.hosts)
    this.#clock = clock
    this.#timing = timing
    this.#output = output
    const { ready, pledged } = recovered
    this.#memory = ready && { voted: ready.table, pledged: pledged ?? ready.table }
    if (ready !== undefined && this.#isLoyal) this.#record = ready
    this.#isSettled = this.#record !== undefined
    this.#recovery = new Recovery(self, this.#others, table, clock, copies)
    if (this.#remembers) this.#recovery.begin()
  }

  get isBlank(): boolean {
    return this.#record === undefined
  }

  /** `ready` is durable. */
  becameReady(record: ReadyRecord): void {
    this.#record = record
    this.#memory = { voted: record.table, pledged: record.table }
  }

  /** What there is to tell people at the start, if this host has voted by another table. */
  get warning(): string | undefined {
    if (!this.#remembers) return undefined
    const what = 'hosts.yml has other ids, votes, lease or drift than this host has voted by'
    return `${what}: it has no vote until all hosts of hosts.yml are up with the same file`
  }

  open(host: HostId): void {
    this.#sessions.add(host)
  }

  close(host: HostId): void {
    this.#sessions.delete(host)
    this.#blank.delete(host)
    this.#readyHosts.delete(host)
    this.#recovery.forget(host)
  }

  get deadline(): Instant {
    return this.#isSettled ? NEVER : this.#next
  }

  tick(now: Instant): void {
    if (this.#isSettled || now < this.#next) return
    if (this.#isSilent(now)) {
      this.#next = this.#silentUntil ?? now
      return
    }
    this.#next = after(now, this.#timing.heartbeat)
    if (this.#others.length > 0) this.#announce()
    else if (this.#remembers) this.#advance()
    else this.#settle(new Map(), undefined)
  }

  /**
   * The operator says that the blank hosts may found the cluster. Undefined: done; else why not.
   * Never without a majority: a host that was never started may be a host with a lost disk.
   */
  found(now: Instant): string | undefined {
    if (this.#isSettled) return 'this host is not blank: the cluster has been founded'
    if (this.#recovery.force(this.#memory)) {
      this.#advance()
      return undefined
    }
    const ready = [...this.#readyHosts]
    if (ready.length > 0) return `host ${ready.join(', ')} is not blank: this one recovers from it`
    if (this.#recovery.phase > 0)
      return 'a host that is not blank was met: this one recovers from it'
    const unknown = [...this.#sessions].filter(host => !this.#blank.has(host))
    if (unknown.length > 0) {
      return `host ${unknown.join(', ')} has not said yet whether it is blank: try again in a second`
    }
    const lives = this.#livesHeard(now)
    if (!this.#votes.isMajority([this.#self, ...lives.keys()])) {
      return 'blank hosts with a majority of votes must be up and connected'
    }
    this.#settle(lives, undefined)
    return undefined
  }

  receive(now: Instant, from: HostId, message: BlankMessage): void {
    if (this.#isSilent(now)) return
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

  /** More of what others know has come: see `copying.ts`. */
  copied(): void {
    if (!this.#isSettled) this.#advance()
  }

  /** For people: whom a blank host waits for. */
  waitsFor(name: (host: HostId) => string): string | undefined {
    if (!this.isBlank) return undefined
    if (this.#isSettled) return 'the disk'
    if (this.#recovery.phase > 0) return this.#recovery.waitsFor(this.#memory, name)
    const silent = this.#others.filter(host => !this.#sessions.has(host)).map(name)
    if (silent.length === 0) return 'the other hosts to say what they know'
    return `the first start of ${silent.join(', ')} (or, if no host ever ran: lamportctl found)`
  }

  get #isLoyal(): boolean {
    return this.#memory !== undefined && isLoyal(this.#memory, this.#table)
  }

  /** This host has voted, but by another table. */
  get #remembers(): boolean {
    return this.#memory !== undefined && this.#record === undefined
  }

  /** From its first tick, as long as a lease may go on to which it contributed before. */
  #isSilent(now: Instant): boolean {
    if (this.#memory === undefined || this.#record !== undefined) return false
    const { voted, pledged } = this.#memory
    const grace = Math.max(...[voted, pledged].map(graceOf))
    this.#silentUntil ??= after(now, milliseconds(grace))
    return now < this.#silentUntil
  }

  #announce(): void {
    this.#output.send([...this.#sessions], {
      type: 'blank',
      time: this.#clock.tick(),
      life: this.#life,
      phase: this.#recovery.phase,
      floor: this.#recovery.floor,
      remembers: this.#remembers,
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
    if (!this.#isSettled && !message.remembers) {
      this.#blank.set(from, { life: message.life, last: now })
      const lives = this.#livesHeard(now)
      const isEveryone = lives.size === this.#others.length
      if (isEveryone && this.#recovery.phase === 0) this.#settle(lives, undefined)
    }
    let records = 0
    if (message.phase === 2) {
      records = this.#output.raiseFloor(message.floor, from, message.life)
      this.#pledge()
    }
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
      memory: this.#memory,
      life: this.#life,
      newcomer: this.#record?.newcomers.get(from) ?? 0,
      isNewcomer: this.#recovery.isNewcomer,
      records,
    })
  }

  #pledge(): void {
    if (this.#memory === undefined || isSameTable(this.#memory.pledged, this.#table)) return
    this.#memory = { ...this.#memory, pledged: this.#table }
    this.#output.pledge(this.#table)
  }

  #receiveAnswer(from: HostId, answer: Answer): void {
    if (this.#isSettled || answer.to !== this.#life) return
    if (answer.ready) this.#readyHosts.add(from)
    if (answer.ready && answer.foundedWith === this.#life && !this.#remembers) {
      // A faster one has founded with us: we follow.
      this.#settle(new Map(), undefined)
      return
    }
    if (this.#recovery.phase === 0 && answer.memory !== undefined) {
      this.#recovery.begin()
      this.#announce()
      return
    }
    this.#recovery.receive(from, answer)
    this.#advance()
  }

  #advance(): void {
    const own = { memory: this.#memory, record: this.#output.acceptorRecord() }
    const step = this.#recovery.advance(own)
    if (step === 'wait') return
    if (step !== 'next-phase') {
      this.#settle(new Map(), step)
      return
    }
    this.#pledge()
    this.#announce()
    // Alone, there is nobody to wait for.
    if (this.#others.length === 0) this.#advance()
  }

  #settle(founders: ReadonlyMap<HostId, number>, recovered: Recovered | undefined): void {
    this.#isSettled = true
    const newcomers = recovered?.newcomers ?? new Map<HostId, number>()
    this.#output.ready({ founders, newcomers, table: this.#table }, recovered)
  }
}
