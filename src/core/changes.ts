import { assert } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import {
  after,
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  scaled,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { CommandId, Response } from './command.ts'
import type { VariableMessage } from './message.ts'
import { applied, type Operation } from './operation.ts'
import { compareBallots, NO_BALLOT, type Ballot } from './register.ts'
import type { Rules } from './rules.ts'
import type { VariableValue } from './variable.ts'

export type ChangesOutput = {
  send(to: readonly HostId[], message: VariableMessage): void
  /** Acceptors that can be asked now, this host among them. */
  reachable(): readonly HostId[]
  isQuorum(hosts: Iterable<HostId>): boolean
  /** The highest ballot that our own acceptor has promised. */
  promised(name: string): Ballot
  /** This value was chosen, or is known to have been. */
  chosen(now: Instant, name: string, value: VariableValue): void
  answer(id: CommandId, response: Response): void
  /** The time of this one is up; `mayTakeEffect`: somebody may have accepted what it made. */
  expired(operation: Operation, mayTakeEffect: boolean): void
}

/** An operation that waits its turn, or has it. */
type Pending = Operation & {
  /** The Lamport time at which its turn came: its name in the value that it makes. */
  time: number
  mayTakeEffect: boolean
}

/** What an acceptor has accepted, and in which ballot. */
type State = { readonly accepted: Ballot; readonly value: VariableValue | undefined }

/** One round, from the first message to the majority of answers. */
type Attempt = {
  readonly ballot: Ballot
  readonly start: Instant
  /** Begun without a PREPARE, by a promise from before. */
  readonly isLed: boolean
  readonly promises: Map<HostId, State>
  readonly accepted: Set<HostId>
  /** From ACCEPT on. */
  proposal:
    | {
        readonly value: VariableValue
        readonly next: Ballot
        readonly response: Response
      }
    | undefined
}

/** The operations of this host on one register: one has its turn at a time. */
type Line = {
  readonly queue: Pending[]
  attempt: Attempt | undefined
  failures: number
  /** With an attempt: when to ask again those who have not answered; without: when to begin one. */
  due: Instant
}

/** A majority has promised this ballot, and `value` is the newest that any of them has accepted. */
type Lead = { readonly ballot: Ballot; readonly value: VariableValue | undefined }

/** Channels are reliable: only who was blank, or could not take more, has to be asked again. */
const RESEND: Duration = milliseconds(1000)

/** Who cannot be reached is looked for again. */
const REACH: Duration = milliseconds(50)

/** How long a round takes, where none has told. */
const ROUND: Duration = milliseconds(3)
const ROUND_MAX: Duration = milliseconds(500)

/** Rounds that fail make the pause before the next up to this power of two longer. */
const FAILURES_MAX = 6

/** However long a round takes: its client waits, and whoever outbid it has done by then. */
const PAUSE_MAX: Duration = milliseconds(1000)

/** Registers that this host can change in one round trip. */
const LEADS_MAX = 10_000

/**
 * This host as a proposer: changes of registers, and reads on which a majority did not agree
 * (Rystsov, CASPaxos, arXiv 1802.07000, §2.2, with the one-round-trip optimisation of §2.5).
 */
export class Changes {
  readonly #self: HostId
  readonly #clock: LamportClock
  readonly #random: Random
  readonly #rules: Rules
  readonly #output: ChangesOutput
  readonly #lines = new Map<string, Line>()
  readonly #leads = new Map<string, Lead>()
  #waiting = 0
  #roundTime: Duration = ROUND
  /** Nothing is due before. */
  #due: Instant = NEVER

  constructor(
    self: HostId,
    clock: LamportClock,
    random: Random,
    rules: Rules,
    output: ChangesOutput,
  ) {
    this.#self = self
    this.#clock = clock
    this.#random = random
    this.#rules = rules
    this.#output = output
  }

  /** Operations under way. */
  get size(): number {
    return this.#waiting
  }

  /** Whether none is under way that may have been accepted by somebody. */
  get isSettled(): boolean {
    return [...this.#lines.values()].every(({ queue }) => queue[0]?.mayTakeEffect !== true)
  }

  get deadline(): Instant {
    return this.#due
  }

  begin(now: Instant, operation: Operation): void {
    const { name, id, deadline, work } = operation
    const line = this.#lines.get(name) ?? { queue: [], attempt: undefined, failures: 0, due: now }
    this.#lines.set(name, line)
    line.queue.push({ name, id, deadline, work, time: 0, mayTakeEffect: false })
    this.#waiting += 1
    this.#due = earliest(this.#due, deadline)
    if (line.queue.length === 1) this.#start(now, name, line)
  }

  receive(now: Instant, from: HostId, message: VariableMessage): void {
    const { name } = message
    const line = this.#lines.get(name)
    const attempt = line?.attempt
    if (line === undefined || attempt === undefined || !('ballot' in message)) return
    if (compareBallots(message.ballot, attempt.ballot) !== 0) return
    switch (message.type) {
      case 'variable-promise':
        if (attempt.proposal === undefined) this.#promised(now, from, line, attempt, message)
        return
      case 'variable-accepted':
        attempt.accepted.add(from)
        if (attempt.proposal !== undefined && this.#output.isQuorum(attempt.accepted)) {
          this.#chosen(now, name, line, attempt, attempt.proposal)
        }
        return
      case 'variable-conflict':
        this.#clock.witness(message.promised.counter)
        this.#fail(now, name, line, attempt)
        return
      default:
    }
  }

  /** Another proposer is at work on this register: its ballot is above what was promised to us. */
  yield(name: string): void {
    this.#leads.delete(name)
  }

  /** Channels to this host are open: whatever it was asked before is lost. */
  open(now: Instant, host: HostId): void {
    for (const [name, line] of this.#lines) {
      if (line.attempt === undefined) this.#start(now, name, line)
      else this.#send(name, line.attempt, [host])
    }
  }

  /** What this host sent, also to itself, is lost. */
  restart(now: Instant): void {
    this.#leads.clear()
    for (const line of this.#lines.values()) this.#pause(now, line, milliseconds(0))
  }

  /** Gives up whatever has had no effect yet; the rest has until its deadline. */
  withdraw(refuse: (operation: Operation) => void): void {
    for (const [name, line] of this.#lines) {
      const [first, ...others] = line.queue
      const stays = first?.mayTakeEffect === true
      for (const pending of stays || first === undefined ? others : line.queue) refuse(pending)
      this.#waiting -= line.queue.length
      line.queue.splice(stays ? 1 : 0)
      this.#waiting += line.queue.length
      if (!stays) this.#lines.delete(name)
    }
  }

  tick(now: Instant): void {
    if (now < this.#due) return
    this.#due = NEVER
    for (const [name, line] of [...this.#lines]) {
      this.#expire(now, line)
      if (line.queue.length === 0) {
        this.#lines.delete(name)
        continue
      }
      if (line.attempt === undefined) {
        if (now >= line.due) this.#start(now, name, line)
      } else if (now >= line.due) this.#resend(now, name, line, line.attempt)
      this.#due = earliest(this.#due, line.due)
      for (const { deadline } of line.queue) this.#due = earliest(this.#due, deadline)
    }
  }

  #start(now: Instant, name: string, line: Line): void {
    const [pending] = line.queue
    if (pending === undefined) {
      this.#lines.delete(name)
      return
    }
    if (now < line.due) return
    if (!this.#output.isQuorum(this.#output.reachable())) {
      this.#pause(now, line, REACH)
      return
    }
    if (pending.time === 0) pending.time = this.#clock.tick()
    const lead = this.#leads.get(name)
    this.#leads.delete(name)
    if (lead === undefined) {
      const { counter } = this.#output.promised(name)
      if (counter > this.#clock.time) this.#clock.witness(counter)
    }
    const attempt: Attempt = {
      ballot: lead?.ballot ?? { counter: this.#clock.tick(), host: this.#self },
      start: now,
      isLed: lead !== undefined,
      promises: new Map(),
      accepted: new Set(),
      proposal: undefined,
    }
    line.attempt = attempt
    this.#wait(line, after(now, RESEND))
    // Others may have changed it since: what was newest then is confirmed by an ACCEPT.
    if (lead !== undefined) this.#propose(now, name, line, attempt, lead.value, false)
    else this.#send(name, attempt, this.#output.reachable())
  }

  #promised(
    now: Instant,
    from: HostId,
    line: Line,
    attempt: Attempt,
    { name, accepted, value }: Extract<VariableMessage, { readonly type: 'variable-promise' }>,
  ): void {
    attempt.promises.set(from, { accepted, value })
    if (!this.#output.isQuorum(attempt.promises.keys())) return
    const promises = [...attempt.promises]
    const newest = promises.reduce<State>(
      (a, [, b]) => (compareBallots(b.accepted, a.accepted) > 0 ? b : a),
      { accepted: NO_BALLOT, value: undefined },
    )
    const agreeing = promises
      .filter(([, promise]) => compareBallots(promise.accepted, newest.accepted) === 0)
      .map(([host]) => host)
    this.#propose(now, name, line, attempt, newest.value, this.#output.isQuorum(agreeing))
  }

  /** @param isChosen whether a majority has just said that `current` is what it has accepted */
  #propose(
    now: Instant,
    name: string,
    line: Line,
    attempt: Attempt,
    current: VariableValue | undefined,
    isChosen: boolean,
  ): void {
    const [pending] = line.queue
    assert(pending !== undefined, 'an attempt is made for an operation')
    const operation = { host: this.#self, time: pending.time }
    const { registerApplied } = this.#rules
    const { value, response } = applied(pending, operation, current, registerApplied)
    // What somebody accepted of an earlier round may come back until something later is chosen: that
    // it was refused is no answer before.
    const mayComeBack = pending.mayTakeEffect && response.type === 'differs'
    // What a majority has accepted is chosen; to be spread it is accepted by all, once more.
    const isDone =
      isChosen && !mayComeBack && (pending.work.type !== 'spread' || current === undefined)
    if (value === current && (isDone || current === undefined)) {
      if (!isChosen) {
        // Nothing was ever accepted, as far as an old promise told: ask anew.
        this.#pause(now, line, milliseconds(0))
        this.#start(now, name, line)
        return
      }
      if (mayComeBack) {
        // There is nothing that could be chosen instead.
        this.#giveUp(now, name, line)
        return
      }
      this.#leads.set(name, { ballot: attempt.ballot, value: current })
      this.#finish(now, name, line, attempt, response, current)
      return
    }
    assert(value !== undefined, 'what is accepted is a value')
    // As it stands it may never be chosen, and nobody may be told of it before it is.
    pending.mayTakeEffect ||= value !== current
    const next = { counter: this.#clock.tick(), host: this.#self }
    attempt.proposal = { value, next, response }
    this.#send(name, attempt, this.#output.reachable())
  }

  #chosen(
    now: Instant,
    name: string,
    line: Line,
    attempt: Attempt,
    { value, next, response }: NonNullable<Attempt['proposal']>,
  ): void {
    this.#leads.set(name, { ballot: next, value })
    this.#finish(now, name, line, attempt, response, value)
  }

  #finish(
    now: Instant,
    name: string,
    line: Line,
    { start }: Attempt,
    response: Response,
    value: VariableValue | undefined,
  ): void {
    const took = Math.min(elapsed(start, now), ROUND_MAX)
    this.#roundTime = milliseconds(Math.max(1, (7 * this.#roundTime + took) / 8))
    for (const oldest of this.#leads.keys()) {
      if (this.#leads.size <= LEADS_MAX) break
      this.#leads.delete(oldest)
    }
    const pending = line.queue.shift()
    this.#waiting -= 1
    line.attempt = undefined
    line.failures = 0
    line.due = now
    if (value !== undefined) this.#output.chosen(now, name, value)
    if (pending?.id !== undefined) this.#output.answer(pending.id, response)
    this.#start(now, name, line)
  }

  #giveUp(now: Instant, name: string, line: Line): void {
    const pending = line.queue.shift()
    this.#waiting -= 1
    line.attempt = undefined
    line.due = now
    if (pending !== undefined) this.#output.expired(pending, pending.mayTakeEffect)
    this.#start(now, name, line)
  }

  #fail(now: Instant, name: string, line: Line, { isLed }: Attempt): void {
    if (isLed) {
      // The promise from before was outbid: nobody need be at work now.
      this.#pause(now, line, milliseconds(0))
      this.#start(now, name, line)
      return
    }
    line.failures = Math.min(line.failures + 1, FAILURES_MAX)
    // At random, and longer each time, or two proposers outbid each other for ever.
    const pause = scaled(this.#roundTime, this.#random.fraction() * 2 ** line.failures)
    this.#pause(now, line, milliseconds(Math.min(pause, PAUSE_MAX)))
  }

  #pause(now: Instant, line: Line, pause: Duration): void {
    line.attempt = undefined
    this.#wait(line, after(now, pause))
  }

  #wait(line: Line, due: Instant): void {
    line.due = due
    this.#due = earliest(this.#due, due)
  }

  #resend(now: Instant, name: string, line: Line, attempt: Attempt): void {
    this.#wait(line, after(now, RESEND))
    const { proposal, accepted, promises } = attempt
    const hasAnswered = (host: HostId): boolean =>
      proposal === undefined ? promises.has(host) : accepted.has(host)
    this.#send(
      name,
      attempt,
      this.#output.reachable().filter(host => !hasAnswered(host)),
    )
  }

  #send(name: string, { ballot, proposal }: Attempt, to: readonly HostId[]): void {
    const time = this.#clock.tick()
    if (proposal === undefined) {
      this.#output.send(to, { type: 'variable-prepare', time, name, ballot })
      return
    }
    const { value, next } = proposal
    this.#output.send(to, { type: 'variable-accept', time, name, ballot, value, next })
  }

  #expire(now: Instant, line: Line): void {
    const late = line.queue.filter(({ deadline }) => now >= deadline)
    if (late.length === 0) return
    const [first] = line.queue
    if (first !== undefined && now >= first.deadline) {
      line.attempt = undefined
      line.due = now
    }
    const stay = line.queue.filter(({ deadline }) => now < deadline)
    line.queue.splice(0, line.queue.length, ...stay)
    this.#waiting -= late.length
    for (const pending of late) this.#output.expired(pending, pending.mayTakeEffect)
  }
}
