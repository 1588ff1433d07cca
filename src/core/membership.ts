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
import { Contention } from './contention.ts'
import { ahead } from './fingerprint.ts'
import { Hearing, type Sign } from './hearing.ts'
import type { Lease } from './lease.ts'
import type { RegisterMessage } from './message.ts'
import { Acceptor, compareBallots, Round, type AcceptorRecord, type Ballot } from './register.ts'
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

/** How long a member that is back is given until all hear it, in heartbeats. */
const PATIENCE = 1.5

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
  readonly #output: MembershipOutput
  readonly #acceptor: Acceptor<View>
  readonly hearing: Hearing
  #incarnation: number
  #view: View | undefined
  /** Other hosts to whom there are channels, and to which incarnation. */
  readonly #sessions = new Map<HostId, number>()
  /** Whether channels are open to a majority, this host among them. */
  #hasMajority: boolean
  readonly #calm: Calm
  /** Nobody who is heard falls silent before. */
  #nextSilence: Instant = LONG_AGO
  #round: Round<View> | undefined
  /** The newest round of ours whose ACCEPT was sent: also when it was given up, it may be chosen. */
  #proposed: Round<View> | undefined
  readonly #contention: Contention
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
    this.#contention = new Contention(self.id, votes, timing, random)
    this.#output = output
    this.#acceptor = new Acceptor(recovered, record => output.save(record))
    this.hearing = new Hearing(self.id, timing.suspect)
    this.#calm = new Calm(self.id, { ...timing, lease: lease.duration })
    this.#hasMajority = this.#isMajorityOpen
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

  get #isMajorityOpen(): boolean {
    return this.#votes.isMajority([this.#self, ...this.#sessions.keys()])
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
    this.#contention.forget()
    this.#echoSelf(LONG_AGO)
    this.#abandon()
    this.#stale = true
  }

  open(now: Instant, host: HostId, incarnation: number): void {
    this.#sessions.set(host, incarnation)
    this.#hasMajority = this.#isMajorityOpen
    this.#contention.reopened(now)
    this.#expectReturn(now, host, incarnation)
    this.#stale = true
    this.#heartbeatTo(now, host)
  }

  close(host: HostId): void {
    this.#sessions.delete(host)
    this.#hasMajority = this.#isMajorityOpen
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

  /** This host did not listen for so long: nobody else is to blame. */
  excuse(now: Instant, lag: Duration): void {
    this.hearing.excuse(now, lag)
    this.#contention.forget()
  }

  /** This incarnation goes, and nobody waits for it any more. */
  leave(host: HostId, incarnation: number): void {
    this.hearing.leave(host, incarnation)
    this.#contention.hurry()
    this.#stale = true
  }

  receive(now: Instant, from: HostId, message: RegisterMessage): void {
    switch (message.type) {
      case 'prepare': {
        const { ballot } = message
        const isPromised = this.#acceptor.prepare(ballot)
        if (isPromised) this.#contention.yieldTo(now, from)
        const { promised, accepted, value } = this.#acceptor.record
        if (!isPromised) this.#send([from], { type: 'conflict', ballot, promised })
        else this.#send([from], { type: 'promise', ballot, accepted, value })
        return
      }
      case 'accept': {
        const { ballot, value } = message
        if (this.#acceptor.accept(ballot, value)) {
          this.#echoSelf(now)
          this.#contention.yieldTo(now, from)
          this.#send([from], { type: 'accepted', ballot })
        } else {
          const { promised } = this.#acceptor.record
          this.#send([from], { type: 'conflict', ballot, promised })
        }
        this.#stale = true
        return
      }
      case 'promise': {
        this.#contention.answered(now, message.ballot.counter, from)
        const round = this.#round
        if (round === undefined || !isOf(message.ballot, round)) return
        const step = round.promised(from, message, current => this.#change(now, current))
        if (step === 'none') this.#abandon()
        else if (step !== 'wait') {
          this.#proposed = round
          this.#contention.goOn(now)
          this.#send(this.#hosts, { type: 'accept', ballot: round.ballot, value: step.accept })
        }
        return
      }
      case 'accepted': {
        const round = this.#proposed
        if (round === undefined || !isOf(message.ballot, round)) return
        const view = round.accepted(from)
        if (view === undefined) return
        this.#proposed = undefined
        if (round === this.#round) this.#abandon()
        if (view.number <= (this.#view?.number ?? 0)) return
        this.#tell(this.#others(), view)
        this.#learn(now, view)
        return
      }
      case 'conflict':
        this.#clock.witness(message.promised.counter)
        this.#contention.answered(now, message.ballot.counter, from)
        if (this.#round !== undefined && isOf(message.ballot, this.#round)) this.#fail(now)
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
    if (this.#contention.isUnderWay) {
      if (now < this.#contention.roundEnd) return
      // Nobody waits for it any more; but who answers late still brings it to its end.
      this.#contention.fail(now)
    }
    if (!this.#hasMajority) {
      // A PREPARE that cannot reach a majority would only keep the next one waiting.
      this.#contention.rest()
      this.#returnBy = NEVER
      return
    }
    if (!this.#stale && now < earliest(this.#contention.due, this.#returnBy)) return
    const wanted = this.#wanted(now)
    this.#stale = false
    this.#returnBy = this.#returnAwaited(now, wanted)
    if (!this.#isUnlearned(now) && !this.#differs(wanted)) {
      this.#contention.settle()
      this.#round = undefined
      return
    }
    if (this.#returnBy !== NEVER) {
      this.#contention.rest()
      return
    }
    this.#contention.want(now, wanted === undefined ? this.#hosts : [...wanted.keys()])
    if (now >= this.#contention.due) this.#propose(now)
  }

  deadline(now: Instant): Instant {
    const deadline = earliest(this.#calm.due, this.hearing.deadline(now))
    const { roundEnd, due } = this.#contention
    if (this.#contention.isUnderWay) return earliest(deadline, roundEnd)
    return earliest(deadline, earliest(due, this.#returnBy))
  }

  fingerprint(now: Instant): unknown {
    return [
      [this.#incarnation, this.#view, this.#acceptor.record, this.#sessions, this.#stale],
      [
        this.#round?.fingerprint(),
        this.#proposed?.fingerprint(),
        [...this.#returns, ['by', this.#returnBy] as const].map(([host, at]) => [
          host,
          ahead(now, at),
        ]),
      ],
      this.#contention.fingerprint(now),
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

  #fail(now: Instant): void {
    const wasAwaited = this.#contention.isUnderWay
    this.#abandon()
    if (wasAwaited) this.#contention.fail(now)
  }

  #propose(now: Instant): void {
    const { promised } = this.#acceptor.record
    if (promised.counter > this.#clock.time) this.#clock.witness(promised.counter)
    const ballot = { counter: this.#clock.tick(), host: this.#self }
    this.#contention.begin(now, ballot.counter)
    this.#round = new Round<View>(ballot, this.#votes)
    this.#send(this.#hosts, { type: 'prepare', ballot })
  }

  /** A view that we have not installed is driven to its end as it stands: its proposer may be dead. */
  #change(now: Instant, current: View | undefined): View | undefined {
    if (current !== undefined && current.number > (this.#view?.number ?? 0)) return current
    const wanted = this.#wanted(now)
    if (wanted === undefined) return current
    if (!this.#isUnlearned(now) && !this.#differs(wanted)) return undefined
    if (this.#returnAwaited(now, wanted) !== NEVER) return undefined
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
    this.#contention.decided(now)
    for (const [host, { incarnation }] of view.members) {
      if (this.hearing.hasLeft(host, incarnation)) this.#contention.hurry()
    }
    // A round under way was begun for the view before.
    this.#abandon()
    this.#echoSelf(now)
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
    // An ACCEPT that comes late may bring an older view than the one that is known to be decided.
    const isOlder = this.#view !== undefined && this.#view.number >= accepted.number
    return !includes(isOlder ? this.#view : accepted, host, incarnation)
  }

  #abandon(): void {
    this.#round = undefined
    this.#contention.end()
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

function isOf(ballot: Ballot, round: Round<View>): boolean {
  return compareBallots(ballot, round.ballot) === 0
}

type WithoutTime<M> = M extends unknown ? Omit<M, 'time'> : never
