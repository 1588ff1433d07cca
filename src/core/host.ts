import { assert, unreachable } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import {
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import { Ceiling } from './ceiling.ts'
import { Claims } from './claims.ts'
import { LamportClock, TIME_AHEAD_MAX, timestampOf } from './clock.ts'
import type { HostId, Token } from './clock.ts'
import type {
  Command,
  CommandId,
  HostStatus,
  LockStatus,
  LossCause,
  Lsn,
  NodeEvent,
  Response,
  StoreEntry,
  TraceEvent,
  WhyStatus,
} from './command.ts'
import { Departure, LEAVING } from './departure.ts'
import { EarlyMessages } from './early.ts'
import { canonical } from './fingerprint.ts'
import { Founding, type ReadyRecord } from './founding.ts'
import type { Recovered } from './recovery.ts'
import type { Heartbeat, Sign } from './hearing.ts'
import { Lease } from './lease.ts'
import { Journal } from './journal.ts'
import { Membership } from './membership.ts'
import {
  clockOf,
  isCopyMessage,
  isVariableMessage,
  SPAN_MAX,
  tokenInUse,
  type CatchUpMessage,
  type LockRequest,
  type Message,
  type MutexMessage,
  type Urgency,
  type VariableMessage,
} from './message.ts'
import { Mutex } from './mutex.ts'
import {
  clockDrifts,
  explainLock,
  explainNoMajority,
  explainStall,
  lockStatuses,
  memberStates,
  type Picture,
} from './picture.ts'
import { Post } from './post.ts'
import { Renewal } from './renewal.ts'
import { entryEvent, queueEvent, requestEvent } from './request-events.ts'
import type { Rules } from './rules.ts'
import {
  acceptorEntry,
  ceilingEntry,
  incarnationEntry,
  lifeEntry,
  pledgeEntry,
  readyEntry,
  type Durable,
} from './store.ts'
import { graceOf, tableOf } from './table.ts'
import { Tally } from './tally.ts'
import type { PastVersion, Variable } from './variable.ts'
import { VARIABLE_LIMITS, Variables, type VariableLimits } from './variables.ts'
import { describeView, includes, Votes, type View } from './view.ts'
import { Waiting } from './waiting.ts'

export type HostConfig = {
  readonly self: HostId
  /** All hosts of hosts.yml, this one among them. */
  readonly hosts: readonly { readonly id: HostId; readonly name: string; readonly votes: number }[]
  readonly timing: {
    readonly heartbeat: Duration
    readonly suspect: Duration
    readonly lease: Duration
    /** How far the rate of a clock may be from real time: 0.02 is 2 %. */
    readonly drift: number
  }
  /** Where they are not those of every host. */
  readonly limits?: VariableLimits | undefined
}

/** What a host asks of the channels, the store and the clients around it. */
export type HostOutput = {
  /** Reliable and FIFO to the incarnation that the channels are open to. */
  send(to: HostId, message: Message, urgency: Urgency): void
  sendHeartbeat(to: HostId, heartbeat: Heartbeat): void
  /** Channels of the present incarnation end; those of this one are to be opened. */
  reincarnate(incarnation: number): void
  append(lsn: Lsn, entries: readonly StoreEntry[]): void
  respond(id: CommandId, response: Response): void
  event(event: NodeEvent): void
  /** With the Lamport time and the incarnation in which it happened. */
  trace(event: TraceEvent, time: number, incarnation: number): void
  /** Whether every message that was sent has been acknowledged by those who are connected. */
  isDrained(): boolean
  /** Whether more waits for this host than should: it is dead, or does not keep up. */
  isCongested(to: HostId): boolean
}

/** The first batch that a host makes durable holds its incarnation. */
const FIRST_BATCH = 1

/**
 * The protocol of one host, whole, above channels that are reliable and FIFO: clock, mutex, views,
 * leases, founding, and what of them has to be durable before it is relied on.
 */
export class Host {
  readonly #config: HostConfig
  readonly #votes: Votes
  readonly #rules: Rules
  readonly #output: HostOutput
  readonly #clock: LamportClock
  readonly #ceiling: Ceiling
  readonly #lease: Lease
  readonly #renewal: Renewal
  readonly #mutex: Mutex
  readonly #membership: Membership
  readonly #founding: Founding
  readonly #waiting = new Waiting()
  readonly #claims: Claims
  readonly #variables: Variables
  readonly #journal: Journal
  readonly #post: Post
  readonly #tally = new Tally()
  readonly #early = new EarlyMessages()
  #incarnation: number
  /** The Lamport time at which it began. */
  #bornAt: number
  /** Set while a new incarnation is on its way to the disk. */
  #isReborn = false
  #departure: Departure | undefined
  #wasComplete = false
  #isTogether = false
  #isUnfinished = false
  #now: Instant = toInstant(-Infinity)

  constructor(
    config: HostConfig,
    durable: Durable,
    random: Random,
    rules: Rules,
    output: HostOutput,
  ) {
    this.#config = config
    this.#rules = rules
    this.#output = output
    const { self, hosts, timing } = config
    const ids = hosts.map(host => host.id)
    const others = ids.filter(id => id !== self)
    assert(others.length < ids.length, 'this host is one of the hosts')
    this.#votes = new Votes(hosts)
    this.#clock = new LamportClock(durable.clockCeiling)
    this.#ceiling = new Ceiling(this.#clock, durable.clockCeiling, rules.clockCeiling)
    this.#incarnation = durable.incarnation + 1
    this.#bornAt = this.#clock.time
    this.#journal = new Journal((lsn, batch) => output.append(lsn, batch))
    this.#post = new Post(self, this.#tally, {
      mayGo: (message, rests) =>
        this.#journal.isDurable(rests) && this.#ceiling.allows(clockOf(message)),
      send: (to, message, urgency) => output.send(to, message, urgency),
      deliverToSelf: message => this.#dispatch(self, message),
      trace: event => this.#trace(event),
    })
    const me = { id: self, incarnation: this.#incarnation }
    this.#lease = new Lease(self, this.#votes, timing.lease)
    this.#renewal = new Renewal(this.#lease)
    this.#mutex = new Mutex(me, this.#clock, this.#lease, graceOf(config), rules, SPAN_MAX, {
      send: (to, message, urgency) => this.#send(to, message, urgency),
      changed: (type, request) => this.#trace(queueEvent(type, request)),
      requested: request => this.#trace(requestEvent(request)),
      granted: request => this.#granted(request),
      left: request => this.#trace(entryEvent('leave', request)),
      lost: (token, cause, reason) => this.#lost(token, cause, reason),
      unstamped: token => this.#claims.unstamped(token),
    })
    this.#membership = this.#makeMembership(me, durable, random, rules)
    const life = durable.life === 0 ? 1 + random.below(2 ** 31) : durable.life
    this.#variables = this.#makeVariables(durable, new Random(life), rules)
    this.#founding = this.#makeFounding(durable, life, rules)
    const answerWait = milliseconds(timing.suspect + timing.lease)
    this.#claims = new Claims(this.#mutex, answerWait, {
      granted: (id, token) =>
        this.#respond(id, { type: 'granted', token, until: this.#renewal.until(this.#now) }),
      refused: (id, reason, detail) => this.#respond(id, { type: 'refused', reason, detail }),
      cancelled: (id, wasGranted) => this.#respond(id, { type: 'cancelled', wasGranted }),
      queued: (id, position) => this.#output.event({ type: 'queued', id, position }),
      mayStamp: () => this.#ceiling.allows(this.#clock.time + 1),
      explain: (now, token) => explainStall(this.#picture(now), token),
    })
    // None may be relied on before it is durable: until then this host is silent.
    const entries = [incarnationEntry(this.#incarnation)]
    if (durable.life === 0) entries.push(lifeEntry(life))
    this.#raiseCeiling(entries)
    const { warning } = this.#founding
    if (warning !== undefined) this.#log('warning', warning)
  }

  get incarnation(): number {
    return this.#incarnation
  }

  /** The Lamport time. */
  get time(): number {
    return this.#clock.time
  }

  /** Whether the incarnation is durable, and channels may be opened in its name. */
  get isAwake(): boolean {
    return this.#journal.isDurable(FIRST_BATCH) && !this.#isReborn
  }

  /** Whether this host has no vote yet: its first start, or a disk that was lost. */
  get isBlank(): boolean {
    return this.#founding.isBlank
  }

  tick(now: Instant): void {
    this.#begin(now)
    if (this.isAwake) {
      this.#founding.tick(now)
      this.#tellWaiting(now)
      if (this.#isActive) this.#membership.tick(now)
    }
    this.#variables.tick(now)
    this.#claims.tick(now)
    this.#departure?.tick(now)
    this.#finish()
  }

  execute(now: Instant, id: CommandId, command: Command): void {
    this.#begin(now)
    switch (command.type) {
      case 'acquire': {
        const { limit, wait, info } = command
        const names = [...new Set(command.names)].sort((a, b) => (a < b ? -1 : 1))
        this.#claims.acquire(now, id, { names, limit, wait, info })
        break
      }
      case 'release':
        if (this.#claims.release(now, command.token)) this.#respond(id, { type: 'released' })
        else {
          const detail = 'no client of this host holds a lock with that token'
          this.#respond(id, { type: 'refused', reason: 'not-held', detail })
        }
        break
      case 'adopt':
        this.#claims.adopt(now, id, command)
        break
      case 'found': {
        const detail = this.#founding.found(now)
        if (detail === undefined) this.#respond(id, { type: 'founding' })
        else this.#respond(id, { type: 'refused', reason: 'not-blank', detail })
        break
      }
      case 'get':
      case 'change':
        this.#variables.execute(now, id, command)
        break
      default:
        unreachable(command)
    }
    this.#finish()
  }

  cancel(now: Instant, id: CommandId): void {
    this.#begin(now)
    this.#claims.cancel(now, id)
    this.#finish()
  }

  /** Everything up to this batch is on the disk, and stays there through a power cut. */
  synced(now: Instant, lsn: Lsn): void {
    this.#begin(now)
    this.#journal.synced(lsn)
    this.#finish()
  }

  /** Channels between this incarnation and one of another host are open, and empty. */
  open(now: Instant, peer: HostId, incarnation: number): void {
    this.#begin(now)
    this.#post.open(peer, incarnation)
    this.#founding.open(peer)
    this.#membership.open(now, peer, incarnation)
    if (!this.isBlank) this.#variables.open(now, peer)
    this.#mutex.open(now, peer, incarnation)
    this.#finish()
  }

  /** Those channels have ended for ever. */
  close(now: Instant, peer: HostId): void {
    this.#begin(now)
    this.#post.close(peer)
    this.#founding.close(peer)
    this.#membership.close(peer)
    this.#variables.close(peer)
    this.#mutex.close(peer)
    this.#finish()
  }

  /** What comes at once, in one datagram: what it has made possible is looked at once, at the end. */
  together(run: () => void): void {
    this.#isTogether = true
    run()
    this.#isTogether = false
    if (this.#isUnfinished) this.#finish()
  }

  /** A message has come, in order, from the incarnation that channels are open to. */
  deliver(now: Instant, from: HostId, message: Message): void {
    this.#begin(now)
    if (clockOf(message) > this.#clock.time + TIME_AHEAD_MAX) {
      this.#log('error', `${this.#name(from)} sent a time too far ahead, ignored: ${message.time}`)
    } else this.#dispatch(from, message)
    this.#finish()
  }

  hear(now: Instant, from: HostId, heartbeat: Heartbeat): void {
    this.#begin(now)
    if (this.#isActive && heartbeat.incarnation === this.#post.sessions.get(from)) {
      this.#membership.hear(now, from, heartbeat)
      this.#variables.hear(now, from, heartbeat.digest, heartbeat.whole)
    }
    this.#finish()
  }

  /**
   * What this incarnation has been promised cannot be relied on any more (the machine was suspended,
   * or a channel of ours has broken): it ends, and a new one begins.
   */
  rebirth(now: Instant, reason: string): void {
    this.#begin(now)
    this.#beginLife(this.#incarnation + 1, reason)
    this.#finish()
  }

  /** This host has done nothing for so long. Its lease counts on, but it suspects nobody for that. */
  stalled(now: Instant, lag: Duration): void {
    this.#membership.excuse(now, lag)
    this.#begin(now)
    this.#finish()
  }

  /** SIGTERM: grants nothing more, tells the holders, and goes when they have gone. */
  leave(now: Instant): void {
    this.#begin(now)
    if (this.#departure === undefined) {
      this.#claims.leave(now)
      this.#mutex.leave(now)
      this.#variables.leave()
      this.#departure = this.#depart(now)
      for (const token of this.#mutex.held()) {
        this.#output.event({ type: 'lost', token, ...LEAVING })
      }
    }
    this.#finish()
  }

  get deadline(): Instant {
    const now = this.#now
    let deadline = earliest(this.#claims.deadline, this.#mutex.deadline)
    deadline = earliest(deadline, this.#mutex.sweepAt)
    deadline = earliest(deadline, this.#variables.deadline)
    deadline = earliest(deadline, this.#mutex.leaseDeadline(now))
    if (this.isAwake) deadline = earliest(deadline, this.#founding.deadline)
    if (this.isAwake && this.#isActive)
      deadline = earliest(deadline, this.#membership.deadline(now))
    return earliest(deadline, this.#departure?.deadline(now) ?? NEVER)
  }

  /** A variable as this host knows it, without asking anybody. */
  variable(name: string): Variable {
    return this.#variables.variable(name)
  }

  /** Every variable that is set, as this host knows them, by name. */
  variables(): readonly Variable[] {
    return this.#variables.variables()
  }

  /** Every name that was ever set. */
  variableNames(): readonly string[] {
    return this.#variables.names()
  }

  /** The versions of a variable, the newest first. */
  history(name: string): readonly PastVersion[] {
    return this.#variables.history(name)
  }

  locks(now: Instant): readonly LockStatus[] {
    return lockStatuses(this.#picture(now))
  }

  why(now: Instant, name: string): WhyStatus {
    return explainLock(this.#picture(now), name)
  }

  status(now: Instant): HostStatus {
    const { view } = this.#membership
    const lease = this.#mutex.isMember ? Math.max(0, elapsed(now, this.#lease.end(now))) : 0
    return {
      incarnation: this.#incarnation,
      clock: this.#clock.time,
      view: view && { number: view.number, members: [...view.members.keys()] },
      isMember: this.#mutex.isMember,
      complete: this.#mutex.isComplete,
      majority: this.#mutex.isMember && this.#lease.isValid(now),
      lease: milliseconds(lease),
      blank: this.#founding.waitsFor(host => this.#name(host)),
      states: memberStates(this.#picture(now)),
      drifts: clockDrifts(this.#picture(now)),
      whole: this.#isWhole,
      copies: this.#variables.copies,
      messages: this.#tally.messages,
      grants: this.#tally.grants,
      views: this.#tally.views,
      variables: this.#variables.status,
    }
  }

  /** The state of the protocol in one canonical form; instants are told as seen from `now`. */
  fingerprint(now: Instant): string {
    return canonical([
      { clock: this.#clock.time, incarnation: this.#incarnation, isReborn: this.#isReborn },
      [this.#journal.fingerprint(), this.#early.fingerprint(), this.#wasComplete],
      [this.#renewal.fingerprint(now), this.isBlank, this.#departure?.fingerprint()],
      [this.#post.fingerprint(this.#journal), this.#ceiling.fingerprint()],
      [this.#mutex.fingerprint(now), this.#membership.fingerprint(now)],
      this.#claims.fingerprint(now),
    ])
  }

  #makeMembership(
    me: { readonly id: HostId; readonly incarnation: number },
    durable: Durable,
    random: Random,
    rules: Rules,
  ): Membership {
    const { hosts, timing } = this.#config
    return new Membership(
      me,
      hosts.map(host => host.id),
      timing,
      this.#votes,
      this.#clock,
      this.#lease,
      rules,
      random,
      durable.acceptor,
      {
        send: (to, message) => this.#send(to, message),
        sendHeartbeat: (to, heartbeat) => this.#sendHeartbeat(to, heartbeat),
        decided: view => this.#decided(view),
        save: record => this.#journal.append([acceptorEntry(record)]),
      },
    )
  }

  #makeFounding(durable: Durable, life: number, rules: Rules): Founding {
    const table = tableOf(this.#config)
    const noLives = new Map<HostId, number>()
    const invented = { founders: noLives, newcomers: noLives, table }
    const ready = durable.ready ?? (rules.blankHosts ? undefined : invented)
    const recovered = rules.oneTable
      ? { ready, pledged: durable.pledged }
      : { ready: ready && { ...ready, table }, pledged: undefined }
    return new Founding(
      { id: this.#config.self, life },
      table,
      this.#clock,
      this.#config.timing,
      recovered,
      this.#variables.copying,
      {
        send: (to, message) => this.#send(to, message),
        ready: (record, recovery) => this.#becomeReady(record, recovery),
        raiseFloor: (counter, host, itsLife) => {
          this.#membership.acceptor.raiseFloor(counter)
          return this.#variables.raiseFloor(host, itsLife, counter)
        },
        acceptorRecord: () => this.#membership.acceptor.record,
        knownIncarnation: host => this.#knownIncarnation(host),
        pledge: to => this.#journal.append([pledgeEntry(to)]),
      },
    )
  }

  #makeVariables(durable: Durable, random: Random, rules: Rules): Variables {
    const { self } = this.#config
    const start = this.#now
    const others = this.#config.hosts.map(({ id }) => id).filter(id => id !== self)
    return new Variables(
      { self, others },
      this.#votes,
      this.#clock,
      random,
      rules,
      durable,
      start,
      this.#config.limits ?? VARIABLE_LIMITS,
      {
        send: (to, message, isResting) => {
          const rests = isResting ? this.#journal.appended : 0
          this.#post.send(to, message, 'now', rests, this.#incarnation)
        },
        append: entries => this.#journal.append(entries),
        respond: (id, response) => this.#respond(id, response),
        changed: variable => this.#output.event({ type: 'change', variable }),
        reachable: () => this.#voters(),
        explain: now => explainNoMajority(this.#picture(now)),
      },
    )
  }

  /**
   * Hosts that may be expected to vote on variables: they are heard, and keep up with what they are
   * sent. None where this host may not propose anything itself.
   */
  #voters(): HostId[] {
    if (!this.isAwake || !this.#isActive) return []
    const { sessions } = this.#post
    const heard = [...this.#membership.hearing.heard(this.#now).keys()]
    const voters = heard.filter(host => sessions.has(host) && !this.#output.isCongested(host))
    return [this.#config.self, ...voters]
  }

  #tellWaiting(now: Instant): void {
    const text = this.#founding.waitsFor(host => this.#name(host))
    const notice = this.#waiting.notice(now, text)
    if (notice !== undefined)
      this.#log('warning', `this host has no vote yet: it waits for ${notice}`)
  }

  /** Whether this disk has accepted all that it knows to have been decided, as it was. */
  get #isWhole(): boolean {
    return this.#variables.isWhole && this.#membership.isWhole
  }

  /** Not blank, and not between two lives. */
  get #isActive(): boolean {
    return !this.#founding.isBlank && !this.#isReborn && this.#departure?.isOver !== true
  }

  #begin(now: Instant): void {
    assert(now >= this.#now, 'time does not run backwards')
    this.#now = now
    // Whatever has just come in, a lease that has ended has ended before it.
    if (now >= this.#mutex.sweepAt) this.#mutex.sweep(now)
    if (now >= this.#mutex.deadline || now >= this.#mutex.leaseDeadline(now)) this.#mutex.tick(now)
  }

  /** After each input: what it has made possible. */
  #finish(): void {
    this.#isUnfinished = this.#isTogether
    if (this.#isUnfinished) return
    const now = this.#now
    this.#raiseCeiling([])
    if (this.isAwake && this.#isActive) this.#membership.consider(now)
    const isComplete = this.#mutex.mayEnter(now)
    if (isComplete && !this.#wasComplete) this.#mutex.advanceAll(now)
    this.#wasComplete = isComplete
    this.#claims.settle(now)
    if (this.#mutex.queue.size > 0) this.#membership.disturb(now)
    this.#renew(now)
    this.#post.flush(this.#incarnation)
  }

  #dispatch(from: HostId, message: Message): void {
    this.#tally.received(message)
    const reserved = this.#rules.standingAhead ? clockOf(message) : message.time
    if (from !== this.#config.self) this.#clock.witness(reserved)
    this.#trace({ type: 'deliver', from, message })
    if (isVariableMessage(message)) {
      this.#dispatchVariable(from, message)
      return
    }
    switch (message.type) {
      case 'request':
      case 'reply':
      case 'release':
      case 'adopt':
      case 'pass':
      case 'sync':
      case 'leave':
        this.#dispatchInView(from, this.#post.sessions.get(from) ?? 0, message)
        return
      case 'prepare':
      case 'promise':
      case 'conflict':
      case 'accept':
      case 'accepted':
      case 'learn':
        // A blank host promises and accepts nothing; a view it may not know either.
        if (!this.#founding.isBlank) this.#membership.receive(this.#now, from, message)
        return
      case 'blank':
      case 'answer':
        this.#founding.receive(this.#now, from, message)
        return
      default:
        unreachable(message)
    }
  }

  #dispatchVariable(from: HostId, message: VariableMessage | CatchUpMessage): void {
    if (isCopyMessage(message)) {
      // Also to and from a host that is about to recover.
      this.#variables.copy(from, message)
      this.#founding.copied()
    } else if (!this.#founding.isBlank) this.#variables.receive(this.#now, from, message)
  }

  /** A receiver in a later view ignores it; one in an earlier view keeps it until it is there. */
  #dispatchInView(from: HostId, incarnation: number, message: MutexMessage): void {
    if (message.type === 'leave') {
      this.#membership.leave(from, message.incarnation)
      this.#mutex.forgive(this.#now, from, message)
    }
    const { view } = this.#membership
    if (view === undefined || message.view > view.number) {
      const isKept = this.#early.keep({ from, incarnation, message })
      if (!isKept) this.#beginLife(this.#incarnation + 1, 'too far behind')
      return
    }
    const isCurrent = message.view === view.number && includes(view, from, incarnation)
    if (isCurrent && this.#mutex.isMember) this.#mutex.receive(this.#now, from, message)
  }

  #decided(view: View): void {
    this.#tally.views += 1
    this.#trace({ type: 'install', view })
    this.#log('info', describeView(view))
    if ((view.retired.get(this.#config.self) ?? 0) >= this.#incarnation) {
      const retired = view.retired.get(this.#config.self) ?? 0
      this.#mutex.follow(view)
      // That is what it asked for.
      if (this.#departure?.hasSpoken === true) return
      this.#beginLife(retired + 1, 'the others have gone on without this host')
      return
    }
    this.#mutex.install(this.#now, view)
    for (const { from, incarnation, message } of this.#early.take()) {
      this.#dispatchInView(from, incarnation, message)
    }
  }

  /** Everything of the old life is forgotten; the new one speaks when it is durable. */
  #beginLife(incarnation: number, reason: string): void {
    if (this.#isReborn) return
    this.#isReborn = true
    this.#log('warning', `a new incarnation begins (${incarnation}): ${reason}`)
    this.#trace({ type: 'reincarnate', incarnation, reason })
    this.#incarnation = incarnation
    this.#bornAt = this.#clock.time
    this.#early.take()
    this.#mutex.expel(incarnation, reason)
    this.#membership.reincarnate(this.#now, incarnation)
    this.#variables.reincarnate(this.#now)
    this.#journal.append([incarnationEntry(incarnation)], () => {
      this.#isReborn = false
      this.#output.reincarnate(incarnation)
    })
  }

  #becomeReady(record: ReadyRecord, recovery: Recovered | undefined): void {
    if (recovery !== undefined) {
      const { acceptor, knownIncarnation } = recovery
      this.#membership.recover(acceptor)
      this.#variables.recover(acceptor.promised.counter)
      if (knownIncarnation >= this.#incarnation) {
        this.#beginLife(knownIncarnation + 1, 'recovered from the other hosts')
      }
    }
    // One batch becomes durable as a whole and after all before it: `ready` is last.
    this.#journal.append([readyEntry(record), pledgeEntry(record.table)], () => {
      this.#founding.becameReady(record)
      for (const host of this.#post.sessions.keys()) this.#variables.open(this.#now, host)
      this.#log('info', 'this host is no longer blank: it may vote')
    })
  }

  #knownIncarnation(host: HostId): number {
    const view = this.#membership.acceptor.record.value
    return Math.max(
      this.#membership.hearing.incarnationOf(host),
      view?.members.get(host)?.incarnation ?? 0,
      view?.retired.get(host) ?? 0,
      this.#post.sessions.get(host) ?? 0,
    )
  }

  #granted(request: LockRequest): void {
    const token = tokenInUse(request)
    const { time } = timestampOf(token)
    assert(this.#ceiling.allows(time), 'no token is given above the durable ceiling')
    this.#tally.grants += 1
    // The grant tells its own client; others that hold something must not miss a renewal.
    if (this.#mutex.heldCount === 1) this.#renewal.granted(this.#now)
    this.#trace(entryEvent('enter', request))
    this.#claims.entered(token)
  }

  #lost(token: Token, cause: LossCause, reason: string): void {
    this.#claims.lost(token)
    this.#output.event({ type: 'lost', token, cause, reason })
  }

  /** Holders are told when their time has grown by enough to be worth a line. */
  #renew(now: Instant): void {
    if (this.#mutex.heldCount === 0 || this.#departure !== undefined) return
    const until = this.#renewal.renewed(now)
    if (until !== undefined) this.#output.event({ type: 'lease', until })
  }

  #depart(now: Instant): Departure {
    const until = this.#mutex.heldCount > 0 ? this.#renewal.until(this.#now) : now
    return new Departure(until > now ? until : now, {
      isHolding: () => this.#mutex.heldCount > 0,
      sayLeave: () => {
        for (const token of this.#mutex.held()) this.#claims.release(this.#now, token)
        this.#sayLeave()
      },
      isHeard: () => this.#post.isEmpty && this.#variables.isSettled && this.#output.isDrained(),
      left: () => this.#output.event({ type: 'left' }),
    })
  }

  /** On the channel of the mutex, after every RELEASE. */
  #sayLeave(): void {
    const { view } = this.#membership
    if (view === undefined || !this.#mutex.isMember) return
    const members = [...view.members.keys()].filter(host => host !== this.#config.self)
    const incarnation = this.#incarnation
    const time = this.#clock.tick()
    const since = this.#bornAt
    this.#send(members, { type: 'leave', view: view.number, time, incarnation, since })
  }

  #sendHeartbeat(to: HostId, sign: Sign): void {
    if (!this.#isActive) return
    const { digest } = this.#variables
    this.#output.sendHeartbeat(to, { ...sign, digest, whole: this.#isWhole })
  }

  /** The one place where a message between hosts begins its way. */
  #send(to: readonly HostId[], message: Message, urgency: Urgency = 'now'): void {
    const rests = RESTING.has(message.type) ? this.#journal.appended : 0
    this.#post.send(to, message, urgency, rests, this.#incarnation)
  }

  /** In one batch with what else there is, if the ceiling or anything else has to be written. */
  #raiseCeiling(entries: readonly StoreEntry[]): void {
    const ceiling = this.#ceiling.raise()
    if (ceiling !== undefined) {
      const raised = (): void => this.#ceiling.raised(ceiling)
      this.#journal.append([...entries, ceilingEntry(ceiling)], raised)
    } else if (entries.length > 0) this.#journal.append(entries)
  }

  #picture(now: Instant): Picture {
    return {
      now,
      config: this.#config,
      votes: this.#votes,
      mutex: this.#mutex,
      membership: this.#membership,
      lease: this.#lease,
      sessions: this.#post.sessions,
      blank: this.#founding.waitsFor(host => this.#name(host)),
    }
  }

  #trace(event: TraceEvent): void {
    this.#output.trace(event, this.#clock.time, this.#incarnation)
  }

  #respond(id: CommandId, response: Response): void {
    this.#output.respond(id, response)
  }

  #log(level: 'info' | 'warning' | 'error', text: string): void {
    this.#output.event({ type: 'log', level, text })
  }

  #name(id: HostId): string {
    const host = this.#config.hosts.find(each => each.id === id)
    return host === undefined ? `host ${id}` : `${host.name} (${id})`
  }
}

/** Messages that speak of what this host's disk must hold. */
const RESTING: ReadonlySet<string> = new Set(['promise', 'accepted', 'answer'])
