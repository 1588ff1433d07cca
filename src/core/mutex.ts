import { assert, unreachable } from '../lib/assert.ts'
import { after, earliest, elapsed, NEVER, type Duration, type Instant } from '../lib/time.ts'
import { timestampOf, tokenOf, type HostId, type LamportClock, type Token } from './clock.ts'
import type { LossCause } from './command.ts'
import { ahead, canonical } from './fingerprint.ts'
import type { Lease } from './lease.ts'
import { Ghosts, type Span } from './ghosts.ts'
import { passed } from './message.ts'
import type { LockRequest, MutexMessage, Urgency } from './message.ts'
import { OwnRequests, type OwnRequest } from './own.ts'
import { RequestQueue, type QueueEntry } from './queue.ts'
import type { Rules } from './rules.ts'
import { NO_SERIES, Standing } from './standing.ts'
import { syncParts } from './sync.ts'
import type { View } from './view.ts'

export type MutexOutput = {
  /** Reliable and FIFO to each of them; one event, so one time for all. */
  send(to: readonly HostId[], message: MutexMessage, urgency?: Urgency): void
  /** A request has come into our queue, or has left it. */
  changed(type: 'insert' | 'remove', request: LockRequest): void
  /** A request of ours has its timestamp: of one that stands, the next of those that it has. */
  requested(request: LockRequest): void
  /** The critical section is ours. Tokens of one name grow with every exclusive grant. */
  granted(request: LockRequest): void
  /** A request of ours that had entered has left. */
  left(request: LockRequest): void
  /** A lock is ours no longer: its client must be told, and `left` follows. */
  lost(token: Token, cause: LossCause, reason: string): void
  /** This request has lost its timestamp with our incarnation and must be made again. */
  unstamped(token: Token): void
}

/** What a client of this host asks for. */
export type WantedRequest = Pick<LockRequest, 'names' | 'limit' | 'info'>

/**
 * Mutual exclusion after Lamport (1978), rules 1-5, run inside views, over channels that are
 * reliable and FIFO. What a REPLY proves is explicit: it is for one request.
 *
 * At the install of a view every member tells every other all its own requests, in a SYNC; a host is
 * complete, and may enter, once it has one from each. What excluded hosts may still hold lives on as
 * ghosts; where nobody knows what they hold, a lease is waited out.
 *
 * A request may stand for several entries, one after the other: see `Standing`.
 */
export class Mutex {
  readonly #self: HostId
  readonly #clock: LamportClock
  readonly #lease: Lease
  /** A lease, measured by the clock of another host. */
  readonly #grace: Duration
  readonly #rules: Rules
  readonly #output: MutexOutput
  #incarnation: number
  #queue: RequestQueue
  readonly #own: OwnRequests
  readonly #standing: Standing
  #isLeaving = false
  #view: View | undefined
  /** Incarnations to whom channels are open. */
  readonly #channels = new Map<HostId, number>()
  /** The other members of the view, where this host is one; and those to whom channels are open. */
  #others: readonly HostId[] = []
  #joined: readonly HostId[] = []
  /** Members whose SYNC for this view has come whole, and whether its basis was true. */
  readonly #synced = new Map<HostId, boolean>()
  /** Members of whose SYNC some but not the last part has come, and the requests it has named. */
  readonly #syncing = new Map<HostId, Set<Token>>()
  /** Incarnations that have sent a SYNC to this incarnation of ours. */
  readonly #everSynced = new Map<HostId, number>()
  readonly #ghosts = new Ghosts()
  /** Adoptions by other members that wait until we know every ghost. */
  readonly #adoptions = new Map<Token, HostId>()
  /** What our SYNC for this view says: we knew every request when it was installed. */
  #basis = false
  #isComplete = false
  #isCaughtUp = false
  /** Start of the wait where nobody has a basis. */
  #waitFrom: Instant | undefined

  constructor(
    self: { readonly id: HostId; readonly incarnation: number },
    clock: LamportClock,
    lease: Lease,
    grace: Duration,
    rules: Rules,
    spanMax: number,
    output: MutexOutput,
  ) {
    this.#self = self.id
    this.#incarnation = self.incarnation
    this.#clock = clock
    this.#lease = lease
    this.#grace = grace
    this.#rules = rules
    this.#own = new OwnRequests(self.id)
    this.#standing = new Standing(spanMax)
    this.#output = output
    this.#queue = this.#emptyQueue()
  }

  get queue(): RequestQueue {
    return this.#queue
  }

  get view(): View | undefined {
    return this.#view
  }

  get isMember(): boolean {
    return this.#view?.members.get(this.#self)?.incarnation === this.#incarnation
  }

  /** Whether this host knows every request that anyone may hold. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Whether the clock of this host may stamp requests. */
  get mayStamp(): boolean {
    return this.isMember && (this.#isCaughtUp || !this.#rules.stampWhenCaughtUp)
  }

  mayEnter(now: Instant): boolean {
    return this.isMember && this.#isComplete && this.#lease.isValid(now)
  }

  /** Members whose SYNC for this view has not come. */
  get unsynced(): readonly HostId[] {
    return this.#others.filter(other => !this.#synced.has(other))
  }

  /** Until when a lease is waited out because nobody knows what absent hosts hold. */
  get quarantineEnd(): Instant | undefined {
    if (this.#isComplete || !this.isMember || this.unsynced.length > 0) return undefined
    return this.#waitFrom === undefined ? undefined : after(this.#waitFrom, this.#grace)
  }

  get heldCount(): number {
    return this.#own.heldCount
  }

  /** Tokens of all locks held here. */
  held(): Token[] {
    const held = this.#own.all().filter(own => own.held)
    return held.map(({ token }) => token)
  }

  isHeld(token: Token): boolean {
    return this.#own.get(token)?.held ?? false
  }

  isOwn(token: Token): boolean {
    return this.#own.get(token) !== undefined
  }

  /** Whether nobody uses it: a request of ours that stands. */
  isIdle(token: Token): boolean {
    return this.#own.get(token)?.isIdle ?? false
  }

  /** Whether a request made now, after all that are known, would be let in. */
  wouldAdmit(names: readonly string[], limit: number): boolean {
    return this.#queue.wouldAdmit(names, limit, entry => this.#mayGiveWay(entry))
  }

  /**
   * Whether others certainly precede it. A host that has not REPLIED may have a request that stands,
   * and nobody uses: then it RELEASEs that before it REPLIES.
   */
  isKeptOut(token: Token): boolean {
    const own = this.#own.get(token)
    if (own === undefined || this.#queue.isAdmitted(own.entry)) return false
    const mayRest = ({ request, token: ahead }: QueueEntry): boolean =>
      ahead < own.entry.token && request.span > 1 && own.awaited.has(request.host)
    return !own.entry.request.names.some(name => this.#queue.line(name).some(mayRest))
  }

  /** Nobody of this life has it, but a client of the last one may be inside, until then at most. */
  keptUntil(token: Token): Instant | undefined {
    const own = this.#own.get(token)
    return own?.isKept === true ? own.keptUntil : undefined
  }

  /** Members whose REPLY to this request of ours is missing. */
  awaited(token: Token): readonly HostId[] {
    return [...(this.#own.get(token)?.awaited ?? [])]
  }

  /** Rule 1: stamp, REQUEST to every other member, and into our own queue. */
  request(now: Instant, { names, limit, info }: WantedRequest): Token {
    assert(this.mayStamp, 'a request is stamped by a clock that has heard from all')
    const again = this.#takeAgain(now, { names, limit, info })
    if (again !== undefined) return again
    // Those of ours that stand, of which it would have to wait for one.
    this.#giveWay(now, names)
    const view = this.#currentView()
    const others = this.#others
    const isAlone = limit === 1 && others.length > 0 && this.#queue.isFree(names)
    const { span, entries } = isAlone ? this.#standing.next(now, names) : NO_SERIES
    const time = this.#clock.reserve(span)
    const request: LockRequest = { time, host: this.#self, names, limit, info, span, used: 0 }
    const entry = this.#queue.insert(now, request)
    const token = entry.token
    this.#own.add(now, entry, new Set(others), entries + 1)
    this.#output.requested(request)
    const type = 'request'
    const message: MutexMessage = { type, view: view.number, time, names, limit, info, span }
    for (let copies = this.#rules.requestOnce ? 1 : 2; copies > 0; copies--) {
      this.#output.send(this.#joined, message)
    }
    this.#advance(now, names)
    return token
  }

  /** Rule 3: out of our own queue, and RELEASE to every other member. Withdraws a waiting one too. */
  release(now: Instant, token: Token): void {
    const own = this.#own.get(token)
    assert(own !== undefined, 'only the owner removes a request')
    const { request } = own.entry
    const { time, names } = request
    if (own.keptUntil !== undefined && now < own.keptUntil) {
      if (own.held) this.#leave(own)
      this.#standing.keep(own)
      return
    }
    const isWantedByNobody = own.held && request.limit === 1 && this.#isAlone(own.entry)
    if (isWantedByNobody && this.#mayRest(now, own)) {
      this.#leave(own)
      this.#standing.rest(now, own)
      return
    }
    this.#forgetOwn(own)
    if (isWantedByNobody) this.#standing.ended(now, own)
    if (this.isMember) {
      const view = this.#currentView().number
      // Those without a channel learn it from its absence in our SYNC.
      const message = { type: 'release', view, time: this.#clock.tick(), request: time } as const
      // Who is next waits for it. Others need it before their turn, or, if they ask later, before our
      // REPLY, with which it goes.
      const next = this.#queue.hostsAdmittedBy(names)
      const [first, rest]: [HostId[], HostId[]] = [[], []]
      for (const host of this.#joined) (next.has(host) ? first : rest).push(host)
      this.#output.send(first, message, 'now')
      this.#output.send(rest, message, next.size === 0 ? 'whenever' : 'soon')
    }
    this.#advance(now, names)
  }

  /**
   * A ghost of our predecessor becomes ours, when every other member has it still and says so; then
   * it is held as if we had been granted it. False: there is no such ghost, or no longer.
   */
  adopt(now: Instant, token: Token, wanted: readonly string[]): boolean {
    assert(this.mayEnter(now), 'whether a ghost stands is known to one who could enter')
    const entry = this.#queue.findBy(token, wanted)
    if (entry === undefined || entry.request.host !== this.#self) return false
    const { time, names, span } = entry.request
    const used = timestampOf(token).time - time
    if (!isSame(names, wanted) || used < entry.request.used) return false
    if (!isGhost(entry)) return this.#takeOver(now, entry, used)
    entry.isAdopted = true
    if (used > entry.request.used) entry.request = passed(entry.request, used, UNKNOWN)
    const own = this.#own.add(now, entry, new Set(this.#others), 1)
    if (used + 1 < span) own.keptUntil = after(now, this.#lease.duration)
    const view = this.#currentView().number
    const message = { type: 'adopt', view, time: this.#clock.tick(), request: time } as const
    this.#output.send(this.#joined, message)
    this.#advance(now, names)
    return true
  }

  /** An adoption that is not complete is given up, though its client may go on: a ghost again. */
  disown(token: Token): void {
    const own = this.#own.get(token)
    if (own?.entry.isAdopted !== true) return
    own.entry.isAdopted = false
    this.#standing.forget(own)
    this.#own.delete(own)
  }

  /** This host goes: no request stands any more. */
  leave(now: Instant): void {
    this.#isLeaving = true
    for (const own of this.#standing.idle) this.release(now, own.token)
  }

  /** Channels to an incarnation of another host are open, and empty. */
  open(now: Instant, host: HostId, incarnation: number): void {
    this.#channels.set(host, incarnation)
    this.#membersChanged()
    if (this.#joined.includes(host)) this.#sendSync(now, [host])
  }

  /** Those channels have ended for ever. */
  close(host: HostId): void {
    this.#channels.delete(host)
    this.#membersChanged()
  }

  /**
   * A newer view has been decided, with this incarnation in it or not; one in which this incarnation
   * is retired is for `expel`. A host may skip views.
   */
  install(now: Instant, view: View): void {
    assert(view.number > (this.#view?.number ?? 0), 'view numbers rise')
    const before = this.#view
    const wasMember = this.isMember
    const knewAll = wasMember && this.#isComplete
    if (before !== undefined && wasMember) this.#bury(now, before, view)
    this.#view = view
    this.#membersChanged()
    this.#synced.clear()
    this.#syncing.clear()
    this.#adoptions.clear()
    this.#isComplete = false
    // Our SYNC does not name them: that ends them with the others.
    for (const own of this.#standing.idle) this.#forgetOwn(own)
    if (!this.isMember) return
    this.#disownAll()
    this.#waitFrom ??= now
    this.#basis = knewAll || view.isFirst
    for (const own of this.#own.all()) own.awaited = new Set(this.#others)
    this.#sendSync(now, this.#joined)
    this.tick(now)
  }

  /** The others have gone on without this incarnation: everything of it is forgotten. */
  expel(incarnation: number, reason: string): void {
    for (const own of this.#own.all()) {
      if (own.held) this.#output.lost(own.token, 'incarnation', reason)
      else if (!own.isIdle && !own.isKept) this.#output.unstamped(own.token)
      this.#forgetOwn(own)
    }
    this.#incarnation = incarnation
    this.#membersChanged()
    this.#queue = this.#emptyQueue()
    this.#ghosts.clear()
    this.#synced.clear()
    this.#syncing.clear()
    this.#adoptions.clear()
    this.#everSynced.clear()
    this.#isComplete = false
    this.#isCaughtUp = false
    this.#waitFrom = undefined
  }

  /** A new view that this host is not in; used where `expel` has forgotten all else. */
  follow(view: View): void {
    this.#view = view
    this.#membersChanged()
  }

  /** Rules 2 and 4, and the REPLIES of rule 5. The sender is a member of the present view. */
  receive(now: Instant, from: HostId, message: MutexMessage): void {
    if (!this.#rules.explicitReply) this.#replyImplicitly(now, from, message.time)
    switch (message.type) {
      case 'request': {
        const { time, names, limit, info, span } = message
        this.#insertAndReply(now, { time, host: from, names, limit, info, span, used: 0 })
        this.#advance(now, names)
        return
      }
      case 'pass': {
        const entry = this.#queue.find(tokenOf({ time: message.request, host: from }))
        const { used, info } = message
        if (entry === undefined || isGhost(entry) || used >= entry.request.span) return
        entry.request = passed(entry.request, used, info)
        entry.admitted = now
        return
      }
      case 'reply': {
        const entry = this.#queue.find(tokenOf({ time: message.request, host: this.#self }))
        const own = entry && this.#own.of(entry)
        // Withdrawn in the meantime: nobody waits for it.
        if (own === undefined) return
        own.awaited.delete(from)
        if (own.awaited.size === 0) own.took ??= elapsed(own.entry.inserted, now)
        this.#advance(now, own.entry.request.names)
        return
      }
      case 'release': {
        const token = tokenOf({ time: message.request, host: from })
        this.#adoptions.delete(token)
        const entry = this.#queue.find(token)
        if (entry === undefined || isGhost(entry)) return
        if (this.#remove(entry)) this.#advance(now, entry.request.names)
        return
      }
      case 'adopt': {
        const token = tokenOf({ time: message.request, host: from })
        if (this.#isComplete) this.#letAdopt(from, token)
        else this.#adoptions.set(token, from)
        return
      }
      case 'sync':
        this.#receiveSync(now, from, message)
        return
      case 'leave':
        // Its requests were RELEASED before, on this channel; membership does the rest.
        return
      default:
        unreachable(message)
    }
  }

  /**
   * This incarnation has RELEASEd everything, and its clients have stopped: it leaves no ghost. Where
   * a view without it came before its LEAVE, here or to one whose SYNC names its ghosts, they end.
   */
  forgive(now: Instant, host: HostId, span: Span): void {
    this.#ghosts.forgive(this.#queue, host, span)
    this.advanceAll(now)
  }

  /** What time alone changes: ghosts end, a wait ends, a lease ends. */
  tick(now: Instant): void {
    this.#expireHeld(now)
    this.#ghosts.expire(now, this.#queue)
    this.#completeIfSynced(now)
    this.advanceAll(now)
  }

  /** Requests that stand: those that nobody has used for long end; who uses the others is told. */
  sweep(now: Instant): void {
    const { over, told } = this.#standing.sweep(now)
    for (const own of over) this.release(now, own.token)
    if (!this.isMember) return
    for (const { entry } of told) this.#sendPass(entry.request)
  }

  /** When requests that stand are to be swept. */
  get sweepAt(): Instant {
    return this.#standing.due
  }

  /** Lets in whoever may enter, after the lease or something else that concerns all has changed. */
  advanceAll(now: Instant): void {
    this.#advance(now, [...this.#queue.names()])
  }

  get deadline(): Instant {
    return earliest(this.quarantineEnd ?? NEVER, this.#ghosts.deadline)
  }

  /** When the held locks are lost unless the lease is renewed. */
  leaseDeadline(now: Instant): Instant {
    return this.#own.heldCount > 0 ? this.#lease.end(now) : NEVER
  }

  fingerprint(now: Instant): unknown {
    const entries = [...this.#queue.entries()].map(({ token, request, ghostUntil, isAdopted }) => ({
      token,
      span: request.span,
      used: request.used,
      isAdopted,
      ghost: ghostUntil === undefined ? -1 : ahead(now, ghostUntil),
    }))
    const own = this.#own.all().map(({ token, awaited, held, keptUntil }) => ({
      token,
      awaited,
      held,
      kept: keptUntil === undefined ? -1 : ahead(now, keptUntil),
    }))
    const { number } = this.#view ?? { number: 0 }
    return [
      [this.#incarnation, number, new Set(entries.map(entry => canonical(entry))), own],
      [this.#channels, this.#synced, this.#syncing, this.#everSynced, this.#adoptions],
      [this.#basis, this.#isComplete, this.#isCaughtUp, now - (this.#waitFrom ?? now)],
      [this.#standing.fingerprint(now), this.#isLeaving],
    ]
  }

  #receiveSync(
    now: Instant,
    from: HostId,
    message: Extract<MutexMessage, { readonly type: 'sync' }>,
  ): void {
    const named = this.#syncing.get(from) ?? new Set<Token>()
    this.#syncing.set(from, named)
    for (const request of message.requests) {
      named.add(tokenOf({ time: request.time, host: from }))
      this.#insertAndReply(now, { ...request, host: from })
    }
    for (const ghost of message.ghosts) this.#ghosts.receive(now, this.#queue, ghost)
    if (message.last) {
      // What it has named is all that it has: whatever else we knew of it is over. Not before the
      // last part: if it is excluded until then, what we knew must become ghosts.
      this.#forgetRequestsOf(from, named)
      this.#syncing.delete(from)
      this.#synced.set(from, message.basis)
      this.#everSynced.set(from, this.#currentView().members.get(from)?.incarnation ?? 0)
    }
    this.tick(now)
  }

  /** Before a new view: requests of those who are not in it become ghosts. */
  #bury(now: Instant, before: View, view: View): void {
    const ownSince = before.members.get(this.#self)?.since ?? 0
    for (const [host, member] of before.members) {
      if (host === this.#self) continue
      if (view.members.get(host)?.incarnation === member.incarnation) continue
      for (const entry of [...this.#queue.entries()]) {
        if (entry.request.host !== host || isGhost(entry)) continue
        const mayBeInside = this.#rules.ghosts && !this.#ghosts.hasDeparted(entry.request)
        if (mayBeInside) this.#ghosts.add(entry, after(now, this.#grace))
        else this.#remove(entry)
      }
      // Only one that joined before we did can hold what we never replied to.
      const isKnown = this.#everSynced.get(host) === member.incarnation
      if (this.#rules.restartWait && member.since < ownSince && !isKnown) this.#waitFrom = now
    }
  }

  #completeIfSynced(now: Instant): void {
    if (this.#isComplete || !this.isMember || this.unsynced.length > 0) return
    const someoneKnows = this.#basis || [...this.#synced.values()].includes(true)
    const end = this.quarantineEnd
    if (!someoneKnows && this.#rules.quarantine && (end === undefined || now < end)) return
    this.#isComplete = true
    this.#isCaughtUp = true
    for (const [token, host] of this.#adoptions) this.#letAdopt(host, token)
    this.#adoptions.clear()
  }

  #expireHeld(now: Instant): void {
    if (this.#own.heldCount === 0 || (this.isMember && this.#lease.isValid(now))) return
    for (const own of this.#own.all()) {
      if (!own.held) continue
      const { token } = own
      const reason = 'the lease has ended: hosts with a majority of votes did not answer'
      this.#output.lost(token, 'lease', reason)
      this.release(now, token)
    }
  }

  #sendSync(now: Instant, to: readonly HostId[]): void {
    if (to.length === 0) return
    const view = this.#currentView().number
    const requests = this.#own.all().map(own => own.entry.request)
    for (const part of syncParts(requests, this.#ghosts.list(now))) {
      const time = this.#clock.tick()
      this.#output.send(to, { type: 'sync', view, time, basis: this.#basis, ...part })
    }
  }

  /** For people on other hosts: who has it now. */
  #sendPass({ time: request, used, info }: LockRequest): void {
    const view = this.#currentView().number
    const time = this.#clock.tick()
    this.#output.send(this.#joined, { type: 'pass', view, time, request, used, info }, 'whenever')
  }

  #insertAndReply(now: Instant, request: LockRequest): void {
    const entry = this.#queue.insert(now, request)
    // It has changed hands since it came; what it is for has not.
    const { used, info } = request
    if (used > entry.request.used && used < entry.request.span)
      entry.request = passed(entry.request, used, info)
    // Its owner has adopted it, and in a view before this one it was let.
    if (entry.ghostUntil !== undefined) this.#ghosts.revive(entry)
    // While a request of ours keeps it out, it cannot use our REPLY before our RELEASE.
    this.#giveWay(now, request.names)
    const isForLater = this.#queue.isKeptOut(entry, ahead => this.#own.of(ahead) !== undefined)
    this.#reply(request, isForLater ? 'soon' : this.#isBehindOthers(entry) ? 'along' : 'now')
  }

  /** Whether it waits for a third host, which does not only have a request that stands. */
  #isBehindOthers(entry: QueueEntry): boolean {
    const { host } = entry.request
    const isOfThird = (ahead: QueueEntry): boolean =>
      ahead.request.host !== host && ahead.request.host !== this.#self && !this.#mayGiveWay(ahead)
    return this.#queue.isKeptOut(entry, isOfThird)
  }

  #reply({ host, time: request }: Pick<LockRequest, 'host' | 'time'>, urgency: Urgency): void {
    const view = this.#currentView().number
    this.#output.send([host], { type: 'reply', view, time: this.#clock.tick(), request }, urgency)
  }

  /** Where the ghost has ended, others may have been let in since: no REPLY, for ever. */
  #letAdopt(host: HostId, token: Token): void {
    const entry = this.#queue.find(token)
    if (entry?.ghostUntil !== undefined) entry.isAdopted = true
    else if (this.#rules.adoptionStands) return
    this.#reply({ host, time: timestampOf(token).time }, 'now')
  }

  /** What we have not adopted when a view ends is a ghost again: our SYNC does not name it. */
  #disownAll(): void {
    for (const { token, entry } of this.#own.all()) {
      if (!entry.isAdopted) continue
      this.disown(token)
      this.#output.unstamped(token)
    }
  }

  #forgetRequestsOf(member: HostId, except: ReadonlySet<Token>): void {
    for (const entry of [...this.#queue.entries()]) {
      if (entry.request.host !== member || isGhost(entry)) continue
      if (except.has(entry.token)) continue
      if (entry.isAdopted && this.#rules.adoptionReturns) entry.isAdopted = false
      else this.#remove(entry)
    }
  }

  /** Who was inside last asks for it only now: whoever has it instead had let go of it before. */
  #takeOver(now: Instant, entry: QueueEntry, used: number): boolean {
    const own = this.#own.of(entry)
    if (own?.keptUntil === undefined || now >= own.keptUntil) return false
    if (used === entry.request.used) return false
    const { token, held, isKept } = own
    if (held) {
      this.#output.lost(token, 'incarnation', 'a later client of the last lamportd has it')
      this.#leave(own)
    }
    this.#standing.forget(own)
    this.#own.pass(own, used, UNKNOWN)
    if (!held && !isKept) this.#output.unstamped(token)
    this.#advance(now, entry.request.names)
    return true
  }

  #forgetOwn(own: OwnRequest): void {
    if (own.held) this.#leave(own)
    this.#standing.forget(own)
    this.#own.delete(own)
    this.#remove(own.entry)
  }

  #leave(own: OwnRequest): void {
    this.#own.leave(own)
    this.#output.left(own.entry.request)
  }

  /** Whether it is the only request for each of its names. */
  #isAlone({ request }: QueueEntry): boolean {
    if (!this.#rules.standingAlone) return true
    return request.names.every(name => this.#queue.line(name).length === 1)
  }

  /** Whether it has a timestamp left, and all that an entry needs. */
  #mayRest(now: Instant, { entry, awaited, keptUntil }: OwnRequest): boolean {
    const { used, span } = entry.request
    if (used + 1 >= span || this.#isLeaving || keptUntil !== undefined) return false
    return awaited.size === 0 && this.mayEnter(now)
  }

  /** A request of ours for these names stands, and nobody uses it: it admits whoever asks now. */
  #takeAgain(now: Instant, { names, limit, info }: WantedRequest): Token | undefined {
    const own = limit === 1 ? this.#standing.find(names) : undefined
    if (own === undefined || !this.mayEnter(now) || !this.#isAlone(own.entry)) return undefined
    const { entry } = own
    // An event like any other, although its timestamp is one that was reserved.
    this.#clock.tick()
    const isSame = info === entry.request.info
    this.#own.pass(own, entry.request.used + 1, info)
    entry.admitted = now
    this.#standing.taken(now, own)
    if (isSame) this.#standing.tell(now, own)
    else this.#sendPass(entry.request)
    this.#output.requested(entry.request)
    this.#own.enter(own)
    this.#output.granted(entry.request)
    return own.token
  }

  /** Somebody wants these names: of ours that stand, those that nobody uses end. */
  #giveWay(now: Instant, names: readonly string[]): void {
    if (!this.#rules.standingAlone) return
    for (const name of names) {
      for (const entry of this.#queue.glance(name)) {
        const own = this.#own.of(entry)
        if (own?.isIdle === true) this.release(now, own.token)
      }
    }
  }

  /** Whether it may be one that stands and that nobody uses, here or with its host. */
  #mayGiveWay(entry: QueueEntry): boolean {
    const { request, ghostUntil } = entry
    if (request.span === 1 || ghostUntil !== undefined) return false
    return request.host !== this.#self || this.#own.of(entry)?.isIdle === true
  }

  /** A ghost that was adopted, as well. */
  #remove(entry: QueueEntry): boolean {
    this.#ghosts.revive(entry)
    return this.#queue.remove(entry.token) !== undefined
  }

  /** Rule 5: lets in those of our requests that may enter, after these names have changed. */
  #advance(now: Instant, names: Iterable<string>): void {
    const mayEnter = this.mayEnter(now)
    const entering: OwnRequest[] = []
    for (const name of names) {
      for (const entry of this.#queue.admittedBy(name)) {
        if (entry.request.names.length > 1 && !this.#queue.isAdmitted(entry)) continue
        entry.admitted ??= now
        const own = mayEnter ? this.#own.of(entry) : undefined
        if (own === undefined || own.held || own.isIdle || own.isKept) continue
        if (own.awaited.size > 0 && this.#waitsFor(own)) continue
        this.#ghosts.revive(own.entry)
        this.#own.enter(own)
        if (own.keptUntil !== undefined) this.#standing.tell(now, own)
        entering.push(own)
      }
    }
    for (const own of entering) this.#output.granted(own.entry.request)
  }

  #waitsFor({ entry }: OwnRequest): boolean {
    return this.#rules.waitForReplies && (!entry.isAdopted || this.#rules.adoptionReplies)
  }

  /** The broken variant: taking any later message for a REPLY. */
  #replyImplicitly(now: Instant, from: HostId, time: number): void {
    for (const own of this.#own.all()) {
      if (time > own.entry.request.time) own.awaited.delete(from)
    }
    this.advanceAll(now)
  }

  /** A view, a channel or our incarnation has changed. */
  #membersChanged(): void {
    const members = [...(this.isMember ? (this.#view?.members ?? []) : [])]
    const others = members.filter(([host]) => host !== this.#self)
    this.#others = others.map(([host]) => host)
    const joined = others.filter(
      ([host, member]) => this.#channels.get(host) === member.incarnation,
    )
    this.#joined = joined.map(([host]) => host)
  }

  #emptyQueue(): RequestQueue {
    return new RequestQueue(this.#rules, (type, request) => this.#output.changed(type, request))
  }

  #currentView(): View {
    assert(this.#view !== undefined, 'messages of the mutex belong to a view')
    return this.#view
  }
}

/** Who has it now, only its last life knew. */
const UNKNOWN = ''

/** Nobody but time removes it. */
function isGhost({ ghostUntil, isAdopted }: QueueEntry): boolean {
  return ghostUntil !== undefined && !isAdopted
}

/** As a set: a client may have named one twice, and in any order. */
function isSame(names: readonly string[], wanted: readonly string[]): boolean {
  return new Set(wanted).size === names.length && names.every(name => wanted.includes(name))
}
