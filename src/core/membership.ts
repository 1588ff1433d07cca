import { unreachable } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import {
  after,
  earliest,
  NEVER,
  scaled,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import { Calm } from './calm.ts'
import type { HostId, LamportClock } from './clock.ts'
import { ahead } from './fingerprint.ts'
import { Hearing, type Sign } from './hearing.ts'
import type { Lease } from './lease.ts'
import type { RegisterMessage } from './message.ts'
import { Acceptor, Round, type AcceptorRecord } from './register.ts'
import type { Rules } from './rules.ts'
import { includes, nextView, type View, type Votes } from './view.ts'
import { wantedMembers } from './wanted.ts'

export type MembershipOutput = {
  /** Reliable; to ourselves as well, like to any other acceptor. */
  send(to: readonly HostId[], message: RegisterMessage): void
  /** Once, and perhaps never: newest only. */
  sendHeartbeat(to: HostId, heartbeat: Sign): void
  /** A newer view than the last was decided. */
  decided(view: View): void
  /** Must be durable before any message that is sent after it, by `send`, leaves this host. */
  save(record: AcceptorRecord<View>): void
}

const LONG_AGO = toInstant(-Infinity)

export type MembershipTiming = { readonly heartbeat: Duration; readonly suspect: Duration }

/** Hosts of a higher rank hesitate no longer than this one. */
const RANK_MAX = 2

/** How long a member that is back is given until all hear it, in heartbeats. */
const PATIENCE = 1.5

/** Rounds that fail make the next wait up to this power of two longer. */
const FAILURES_MAX = 4

/**
 * Which hosts make up the view: heartbeats tell who hears whom, and the register of views, changed
 * by CASPaxos only, turns what one host wants into what all have agreed on.
 */
export class Membership {
  readonly #self: HostId
  readonly #hosts: readonly HostId[]
  readonly #timing: MembershipTiming
  readonly #votes: Votes
  readonly #clock: LamportClock
  readonly #lease: Lease
  readonly #rules: Rules
  readonly #random: Random
  readonly #output: MembershipOutput
  readonly #acceptor: Acceptor<View>
  readonly hearing: Hearing
  #incarnation: number
  #view: View | undefined
  /** Other hosts to whom there are channels, and to which incarnation. */
  readonly #sessions = new Map<HostId, number>()
  readonly #calm: Calm
  /** Nobody who is heard falls silent before. */
  #nextSilence: Instant = LONG_AGO
  #round: Round<View> | undefined
  #roundEnd: Instant = NEVER
  /** When to propose; `undefined` while the view is as wanted. */
  #nextProposal: Instant | undefined
  /** Until when the round of another host, in which we have a part, is left alone. */
  #yieldUntil: Instant = LONG_AGO
  /** Rounds of ours in a row that came to nothing: where a disk is slow, a round needs longer. */
  #failures = 0
  /** Members that have begun a new life, and until when it is waited for that all hear it. */
  readonly #returns = new Map<HostId, Instant>()
  /** When the first of them is waited for no more; NEVER where none is. */
  #returnBy: Instant = NEVER
  /** Whether anything that the wanted view rests on may have changed. */
  #stale = true

  constructor(
    self: { readonly id: HostId; readonly incarnation: number },
    hosts: readonly HostId[],
    timing: MembershipTiming,
    votes: Votes,
    clock: LamportClock,
    lease: Lease,
    rules: Rules,
    random: Random,
    recovered: AcceptorRecord<View> | undefined,
    output: MembershipOutput,
  ) {
    this.#self = self.id
    this.#incarnation = self.incarnation
    this.#hosts = hosts
    this.#timing = timing
    this.#votes = votes
    this.#clock = clock
    this.#lease = lease
    this.#rules = rules
    this.#random = random
    this.#output = output
    this.#acceptor = new Acceptor(recovered, record => output.save(record))
    this.hearing = new Hearing(self.id, timing.suspect)
    this.#calm = new Calm(self.id, { ...timing, lease: lease.duration })
    this.#echoSelf(LONG_AGO)
  }

  get view(): View | undefined {
    return this.#view
  }

  get acceptor(): Acceptor<View> {
    return this.#acceptor
  }

  /** What a host with a lost disk copied from the others. */
  recover(record: AcceptorRecord<View>): void {
    this.#acceptor.recover(record)
    this.#echoSelf(LONG_AGO)
  }

  /** Whether our disk has accepted the view as it was decided, and nothing newer. */
  get isWhole(): boolean {
    return this.#acceptor.record.value?.number === this.#view?.number
  }

  /** Whether a majority of votes is heard, this host included: then there can be a view. */
  hearsMajority(now: Instant): boolean {
    return this.#votes.isMajority([this.#self, ...this.hearing.heard(now).keys()])
  }

  /** A new life of this host: it was promised nothing, and is no member of anything. */
  reincarnate(now: Instant, incarnation: number): void {
    this.#incarnation = incarnation
    this.hearing.forgetPaces()
    this.#calm.disturb(now)
    this.#lease.forget()
    this.#echoSelf(LONG_AGO)
    this.#abandon()
    this.#stale = true
  }

  open(now: Instant, host: HostId, incarnation: number): void {
    this.#sessions.set(host, incarnation)
    this.#expectReturn(now, host, incarnation)
    this.#stale = true
    this.#heartbeatTo(now, host)
  }

  close(host: HostId): void {
    this.#sessions.delete(host)
    this.#calm.forget(host)
  }

  /** A heartbeat of the incarnation to which channels are open. */
  hear(now: Instant, from: HostId, heartbeat: Sign): void {
    const wasHeard = this.hearing.heard(now).get(from) === heartbeat.incarnation
    this.#calm.hear(now, from, heartbeat)
    if (this.hearing.hear(now, from, heartbeat)) this.#stale = true
    if (heartbeat.echo !== undefined) this.#lease.echo(now, from, toInstant(heartbeat.echo))
    if (this.#view !== undefined && heartbeat.view < this.#view.number)
      this.#tell([from], this.#view)
    if (wasHeard) return
    // It has waited long enough for a sign of life; and the others for our word that we hear it.
    this.#heartbeatTo(now, from)
    this.#calm.hasten(now)
  }

  /** This incarnation goes, and nobody waits for it any more. */
  leave(host: HostId, incarnation: number): void {
    this.hearing.leave(host, incarnation)
    this.#stale = true
  }

  receive(now: Instant, from: HostId, message: RegisterMessage): void {
    switch (message.type) {
      case 'prepare': {
        const { ballot } = message
        const isPromised = this.#acceptor.prepare(ballot)
        if (isPromised) this.#yieldTo(now, from)
        const { promised, accepted, value } = this.#acceptor.record
        if (!isPromised) this.#send([from], { type: 'conflict', ballot, promised })
        else this.#send([from], { type: 'promise', ballot, accepted, value })
        return
      }
      case 'accept': {
        const { ballot, value } = message
        if (this.#acceptor.accept(ballot, value)) {
          this.#echoSelf(now)
          this.#yieldTo(now, from)
          this.#send([from], { type: 'accepted', ballot })
        } else {
          const { promised } = this.#acceptor.record
          this.#send([from], { type: 'conflict', ballot, promised })
        }
        this.#stale = true
        return
      }
      case 'promise': {
        const round = this.#roundOf(message.ballot)
        const step = round?.promised(from, message) ?? 'wait'
        if (step === 'none') this.#abandon()
        else if (round !== undefined && step !== 'wait') {
          this.#send(this.#hosts, { type: 'accept', ballot: round.ballot, value: step.accept })
        }
        return
      }
      case 'accepted': {
        const view = this.#roundOf(message.ballot)?.accepted(from)
        if (view === undefined) return
        this.#abandon()
        this.#tell(this.#others(), view)
        this.#learn(now, view)
        return
      }
      case 'conflict':
        this.#clock.witness(message.promised.counter)
        if (this.#roundOf(message.ballot) !== undefined) this.#fail(now)
        return
      case 'learn':
        this.#learn(now, message.value)
        return
      default:
        unreachable(message)
    }
  }

  tick(now: Instant): void {
    if (now >= this.#calm.due) {
      this.#calm.beat(now, [...this.hearing.heard(now).keys()])
      for (const host of this.#sessions.keys()) this.#heartbeatTo(now, host)
      this.#stale = true
    }
    // Silence shows itself only as time passes.
    if (now >= this.#nextSilence) this.#stale = true
    this.#nextSilence = this.hearing.deadline(now)
    this.consider(now)
  }

  /** A lock is held or waited for. */
  disturb(now: Instant): void {
    this.#calm.disturb(now)
  }

  /** Proposes another view, if there is reason to and the time has come. */
  consider(now: Instant): void {
    if (this.#round !== undefined) {
      if (now < this.#roundEnd) return
      this.#fail(now)
    }
    if (!this.#votes.isMajority([this.#self, ...this.#sessions.keys()])) {
      // A PREPARE that cannot reach a majority would only keep the next one waiting.
      this.#nextProposal = undefined
      return
    }
    if (!this.#stale && now < earliest(this.#due(), this.#returnBy)) return
    const wanted = this.#wanted(now)
    this.#stale = false
    this.#returnBy = this.#returnAwaited(now, wanted)
    if (!this.#isUnlearned(now) && !this.#differs(wanted)) {
      this.#nextProposal = undefined
      this.#failures = 0
      return
    }
    if (this.#returnBy !== NEVER) {
      this.#nextProposal = undefined
      return
    }
    this.#nextProposal ??= after(now, this.#hesitation(wanted))
    if (now < this.#due()) return
    this.#nextProposal = after(now, this.#backoff())
    this.#propose(now, wanted)
  }

  deadline(now: Instant): Instant {
    let deadline = earliest(this.#calm.due, this.hearing.deadline(now))
    if (this.#round !== undefined) deadline = earliest(deadline, this.#roundEnd)
    else deadline = earliest(deadline, earliest(this.#due(), this.#returnBy))
    return deadline
  }

  fingerprint(now: Instant): unknown {
    return [
      [this.#incarnation, this.#view, this.#acceptor.record, this.#sessions, this.#stale],
      [
        this.#failures,
        this.#round?.fingerprint(),
        [...this.#returns, ['by', this.#returnBy] as const].map(([host, at]) => [
          host,
          ahead(now, at),
        ]),
      ],
      [this.#roundEnd, this.#nextProposal ?? NEVER, this.#yieldUntil].map(instant =>
        ahead(now, instant),
      ),
      [this.hearing.fingerprint(now), this.#lease.fingerprint(now), this.#calm.fingerprint(now)],
    ]
  }

  /**
   * A member has begun a new life: when all hear it, its new incarnation takes the place of the old
   * one in one view. Nobody waits longer for that than for its silence.
   */
  #expectReturn(now: Instant, host: HostId, incarnation: number): void {
    const member = this.#view?.members.get(host)
    const last = this.hearing.lastHeard(host)
    if (member === undefined || last === undefined || member.incarnation >= incarnation) return
    // Once: a host that goes on beginning new lives is not waited for again.
    if (this.#returns.has(host) || this.hearing.isOnProbation(now, host)) return
    const patience = after(now, scaled(this.#timing.heartbeat, PATIENCE))
    this.#returns.set(host, earliest(patience, after(last, this.#timing.suspect)))
  }

  /** Until when nothing is proposed that leaves out one who is about to return; or NEVER. */
  #returnAwaited(now: Instant, wanted: ReadonlyMap<HostId, number> | undefined): Instant {
    let by = NEVER
    for (const [host, until] of this.#returns) {
      if (now < until && wanted?.has(host) === false) by = earliest(by, until)
    }
    return by
  }

  #due(): Instant {
    if (this.#nextProposal === undefined) return NEVER
    return toInstant(Math.max(this.#nextProposal, this.#yieldUntil))
  }

  /** Another host is at work on the same: to outbid it at once would only throw its work away. */
  #yieldTo(now: Instant, host: HostId): void {
    if (host !== this.#self) this.#yieldUntil = after(now, this.#backoff())
  }

  #fail(now: Instant): void {
    this.#failures = Math.min(this.#failures + 1, FAILURES_MAX)
    this.#abandon()
    this.#nextProposal = after(now, this.#backoff())
  }

  /**
   * Those who notice together do not duel (Paxos promises no progress then): the one with the lowest
   * id of the view that is wanted goes first, the others as soon as it might have failed.
   */
  #hesitation(wanted: ReadonlyMap<HostId, number> | undefined): Duration {
    const candidates = wanted === undefined ? this.#hosts : [...wanted.keys()]
    const rank = Math.min(candidates.filter(host => host < this.#self).length, RANK_MAX)
    return scaled(this.#timing.heartbeat, (rank + this.#random.fraction() / 2) / 6)
  }

  /** At random, and longer with each failure. */
  #backoff(): Duration {
    const factor = (1 + 3 * this.#random.fraction()) * 2 ** this.#failures
    return scaled(this.#timing.heartbeat, factor)
  }

  #propose(now: Instant, wanted: ReadonlyMap<HostId, number> | undefined): void {
    const { promised } = this.#acceptor.record
    if (promised.counter > this.#clock.time) this.#clock.witness(promised.counter)
    const ballot = { counter: this.#clock.tick(), host: this.#self }
    this.#roundEnd = after(now, scaled(this.#timing.suspect, 2 ** this.#failures))
    this.#round = new Round<View>(ballot, this.#votes, current => this.#change(current, wanted))
    this.#send(this.#hosts, { type: 'prepare', ballot })
  }

  /** A view that we have not installed is driven to its end as it stands: its proposer may be dead. */
  #change(
    current: View | undefined,
    wanted: ReadonlyMap<HostId, number> | undefined,
  ): View | undefined {
    if (current !== undefined && current.number > (this.#view?.number ?? 0)) return current
    if (wanted === undefined) return current
    const view = nextView(current, wanted, this.#rules.retirement)
    const isWhole = view.members.size === wanted.size
    return isWhole && this.#votes.isMajority(view.members.keys()) ? view : undefined
  }

  #learn(now: Instant, view: View): void {
    const before = this.#view
    if (view.number <= (before?.number ?? 0)) return
    for (const [host, { incarnation }] of before?.members ?? []) {
      if (includes(view, host, incarnation) || this.hearing.hasLeft(host, incarnation)) continue
      this.hearing.excluded(now, host, incarnation)
    }
    this.#view = view
    this.#returns.clear()
    this.#returnBy = NEVER
    this.#failures = 0
    // What a round under way wants was made for the view before: it would exclude who has just come in.
    this.#abandon()
    this.#output.decided(view)
    // Whoever came in waits for our echo.
    for (const host of this.#sessions.keys()) this.#heartbeatTo(now, host)
  }

  #wanted(now: Instant): Map<HostId, number> | undefined {
    // Somebody knows more: we are told, or drive to its end what we have accepted.
    if (this.hearing.newestView(now) > (this.#view?.number ?? 0)) return undefined
    const alive = this.hearing.heard(now)
    alive.set(this.#self, this.#incarnation)
    for (const [host, incarnation] of alive) {
      const isRetired = incarnation <= (this.#view?.retired.get(host) ?? 0)
      // Heard, but its channels are not open yet: it comes in when it can be talked to.
      const isJoined = host === this.#self || this.#sessions.get(host) === incarnation
      if ((isRetired && this.#rules.retirement) || !isJoined) alive.delete(host)
    }
    const own = this.hearing.heardBy(now, this.#self)
    return wantedMembers({
      self: this.#self,
      votes: this.#votes,
      view: this.#view,
      alive,
      heardBy: host => (host === this.#self ? own : this.hearing.heardBy(now, host)),
      isAdmissible: host => host === this.#self || now >= this.hearing.admissible(now, host),
    })
  }

  #differs(wanted: ReadonlyMap<HostId, number> | undefined): boolean {
    if (wanted === undefined) return false
    if (wanted.size !== this.#view?.members.size) return true
    return [...wanted].some(([host, incarnation]) => !includes(this.#view, host, incarnation))
  }

  /**
   * A view accepted here may be decided, and its proposer dead before it told anyone. Whoever has
   * just started is in that state as well, and is told as soon as it is heard.
   */
  #isUnlearned(now: Instant): boolean {
    const accepted = this.#acceptor.record.value?.number ?? 0
    if (accepted <= (this.#view?.number ?? 0)) return false
    return this.hearing.newestView(now) < accepted && this.hearsMajority(now)
  }

  #heartbeatTo(now: Instant, host: HostId): void {
    const incarnation = this.#sessions.get(host)
    if (incarnation === undefined) return
    this.#output.sendHeartbeat(host, {
      incarnation: this.#incarnation,
      stamp: now,
      echo: this.#echoFor(host, incarnation),
      view: this.#view?.number ?? 0,
      heard: [...this.hearing.heard(now).keys()],
      isCalm: this.#calm.isCalm,
      isRare: this.#calm.isRare,
    })
  }

  /** The same rule for our own heartbeats, which need no network to be echoed. */
  #echoSelf(now: Instant): void {
    if (this.#refuses(this.#self, this.#incarnation)) this.#lease.refuseSelf(now)
    else this.#lease.allowSelf()
  }

  /**
   * An incarnation that the newest view we accepted leaves out gets no lease from us: any majority
   * that decided that view contains one who refuses.
   */
  #echoFor(host: HostId, incarnation: number): number | undefined {
    if (this.#refuses(host, incarnation)) return undefined
    return this.hearing.stampOf(host, incarnation)
  }

  #refuses(host: HostId, incarnation: number): boolean {
    const accepted = this.#acceptor.record.value
    if (accepted === undefined || !this.#rules.echoMembersOnly) return false
    return !includes(accepted, host, incarnation)
  }

  #roundOf(ballot: { readonly counter: number; readonly host: HostId }): Round<View> | undefined {
    const round = this.#round
    if (round?.ballot.counter !== ballot.counter || round.ballot.host !== ballot.host)
      return undefined
    return round
  }

  #abandon(): void {
    this.#round = undefined
    this.#roundEnd = NEVER
    this.#stale = true
  }

  #tell(to: readonly HostId[], view: View): void {
    this.#send(to, { type: 'learn', value: view })
  }

  #others(): readonly HostId[] {
    return this.#hosts.filter(host => host !== this.#self)
  }

  #send(to: readonly HostId[], message: WithoutTime<RegisterMessage>): void {
    this.#output.send(to, { ...message, time: this.#clock.tick() })
  }
}

type WithoutTime<M> = M extends unknown ? Omit<M, 'time'> : never
