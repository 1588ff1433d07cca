import { unreachable } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import { after, earliest, milliseconds, type Duration, type Instant } from '../lib/time.ts'
import { CatchUp } from './catch-up.ts'
import { Changes } from './changes.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { Command, CommandId, CopyState, Response, StoreEntry } from './command.ts'
import { Copying, Snapshots, type CopyMessage, type FullRecord } from './copying.ts'
import type { Known } from './known.ts'
import { Learning } from './learning.ts'
import type { CatchUpMessage, VariableMessage } from './message.ts'
import type { Operation } from './operation.ts'
import { Reads, type Wish } from './reads.ts'
import { compareBallots } from './register.ts'
import { Registers } from './registers.ts'
import type { Rules } from './rules.ts'
import { acceptedEntry, floorEntry, promiseEntry, type Durable } from './store.ts'
import {
  isSameVersion,
  variableOf,
  type PastVersion,
  type Variable,
  type VariablesStatus,
  type VariableValue,
} from './variable.ts'
import type { Votes } from './view.ts'

export type VariablesOutput = {
  /** `isResting`: only after everything that was appended before is durable. */
  send(to: readonly HostId[], message: VariableMessage | CatchUpMessage, isResting: boolean): void
  append(entries: readonly StoreEntry[]): void
  respond(id: CommandId, response: Response): void
  /** A newer version than was known before. */
  changed(variable: Variable): void
  /** Hosts that can be asked now, this one among them; none where it may not ask. */
  reachable(): readonly HostId[]
  /** For people: why a majority has not answered. */
  explain(now: Instant): string
}

/** Names that there may be, of variables that were unset as well, and bytes of all values. */
export const VARIABLES_MAX = 20_000
export const VALUES_BYTES_MAX: number = 64 * 1024 * 1024

/** What one host lets be set; what others let be set it takes all the same. */
export type VariableLimits = { readonly names: number; readonly bytes: number }

export const VARIABLE_LIMITS: VariableLimits = { names: VARIABLES_MAX, bytes: VALUES_BYTES_MAX }

/** Operations of clients of one host that may be under way. */
const OPERATIONS_MAX = 10_000

/** How long it may take to find out what became of a value that somebody has accepted. */
const REPAIR: Duration = milliseconds(5000)

/**
 * Shared variables: a register of CASPaxos each, over a majority of the votes of all hosts, whatever
 * the view; what was chosen is told to all, and found out by who missed it.
 */
export class Variables {
  readonly #self: HostId
  readonly #votes: Votes
  readonly #clock: LamportClock
  readonly #rules: Rules
  readonly #limits: VariableLimits
  readonly #output: VariablesOutput
  readonly #registers: Registers
  readonly #learning: Learning
  readonly #known: Known
  readonly #changes: Changes
  readonly #reads: Reads
  readonly #catchUp: CatchUp
  readonly #snapshots: Snapshots
  readonly #copying: Copying
  /** What a recovery writes, while it is at it. */
  #gathered: StoreEntry[] | undefined
  #isComplete = false
  #isLeaving = false
  #now: Instant

  constructor(
    { self, others }: { readonly self: HostId; readonly others: readonly HostId[] },
    votes: Votes,
    clock: LamportClock,
    random: Random,
    rules: Rules,
    durable: Pick<Durable, 'registers' | 'chosen' | 'floor'>,
    start: Instant,
    limits: VariableLimits,
    output: VariablesOutput,
  ) {
    this.#limits = limits
    this.#self = self
    this.#votes = votes
    this.#clock = clock
    this.#rules = rules
    this.#output = output
    this.#now = start
    this.#learning = new Learning(durable.chosen, {
      append: entries => output.append(entries),
      accepted: name => this.#registers.record(name).value,
      changed: variable => output.changed(variable),
      repair: (now, name) =>
        this.#reads.begin(now, { name, id: undefined, deadline: after(now, REPAIR) }),
    })
    this.#known = this.#learning.known
    this.#registers = new Registers(durable.registers, durable.floor, {
      promised: (name, record) => this.#append([promiseEntry(name, record)]),
      accepted: (name, record) =>
        this.#append([acceptedEntry(name, record), ...this.#learning.noteBeside(name)]),
      floor: counter => this.#append([floorEntry(counter)]),
    })
    const reachable = (): readonly HostId[] => output.reachable()
    const isQuorum = (hosts: Iterable<HostId>): boolean => this.#isQuorum(hosts)
    this.#changes = new Changes(self, clock, random, rules, {
      send: (to, message) => output.send(to, message, false),
      reachable,
      isQuorum,
      promised: name => this.#registers.promised(name),
      chosen: (now, name, value) => this.#chosen(now, name, value),
      answer: (id, response) => output.respond(id, response),
      expired: (operation, mayTakeEffect) => this.#expired(operation, mayTakeEffect),
    })
    this.#reads = new Reads(clock, {
      send: (to, message) => output.send(to, message, false),
      reachable,
      isQuorum,
      known: name => this.#known.value(name),
      read: (now, wish, value) => this.#hasRead(now, wish, value),
      settle: (now, wish) => this.#changes.begin(now, { ...wish, work: { type: 'read' } }),
      expired: wish => this.#expired({ ...wish, work: { type: 'read' } }, false),
    })
    this.#catchUp = new CatchUp(clock, this.#known, {
      send: (to, message) => output.send([to], message, false),
      accepted: name => this.#registers.record(name).value,
      learn: (name, value) => this.#learning.learn(this.#now, name, value),
    })
    const send = (to: HostId, message: CopyMessage): void => output.send([to], message, true)
    this.#snapshots = new Snapshots(clock, send)
    this.#copying = new Copying(others, clock, send)
    for (const name of new Set([...durable.registers.keys(), ...durable.chosen.keys()]))
      this.#learning.accepted(start, name, this.#registers.record(name).value)
  }

  /** What heartbeats tell of the chosen values that this host knows. */
  get digest(): number {
    return this.#known.digest
  }

  /** Whether this host's disk has accepted every value that it knows to have been chosen. */
  get isWhole(): boolean {
    return this.#learning.isAccepted
  }

  /** How the others' copies are. */
  get copies(): ReadonlyMap<HostId, CopyState> {
    return this.#catchUp.states
  }

  /** Every name that was ever set, also of what is unset now. */
  names(): readonly string[] {
    return [...this.#known.names()].sort((a, b) => (a < b ? -1 : 1))
  }

  get status(): VariablesStatus {
    const { count, bytes } = this.#known
    return { count, bytes, complete: this.#isComplete }
  }

  /** What this host knows, without asking anybody. */
  variable(name: string): Variable {
    return variableOf(name, this.#known.value(name))
  }

  /** All that are set, as this host knows them, by name. */
  variables(): Variable[] {
    const all = this.names().map(name => this.variable(name))
    return all.filter(({ bytes }) => bytes !== undefined)
  }

  history(name: string): PastVersion[] {
    return this.#known.history(name)
  }

  /** Whether no change is under way that may have taken effect already. */
  get isSettled(): boolean {
    return this.#changes.isSettled
  }

  execute(
    now: Instant,
    id: CommandId,
    command: Extract<Command, { readonly type: 'get' | 'change' }>,
  ): void {
    this.#now = now
    const { name, wait } = command
    const refusal = this.#refusal(command)
    if (refusal !== undefined) {
      this.#output.respond(id, { type: 'refused', ...refusal })
      return
    }
    const deadline = after(now, wait)
    if (command.type === 'change') {
      const { bytes, condition } = command
      this.#changes.begin(now, { name, id, deadline, work: { type: 'change', bytes, condition } })
    } else if (command.spread === true) {
      this.#changes.begin(now, { name, id, deadline, work: { type: 'spread' } })
    } else this.#reads.begin(now, { name, id, deadline })
  }

  /** A message that only a host with a vote may act on. */
  receive(now: Instant, from: HostId, message: VariableMessage | CatchUpMessage): void {
    this.#now = now
    switch (message.type) {
      case 'variable-prepare':
        this.#prepare(from, message)
        return
      case 'variable-accept':
        this.#accept(from, message)
        return
      case 'variable-promise':
      case 'variable-accepted':
      case 'variable-conflict':
        this.#changes.receive(now, from, message)
        return
      case 'variable-learn':
        this.#catchUp.learnOf(from, message)
        return
      case 'variable-read':
        this.#tellState(from, message)
        return
      case 'variable-state':
        this.#reads.receive(now, from, message)
        return
      case 'compare':
      case 'listing':
      case 'want':
      case 'values':
        this.#catchUp.receive(from, message)
        return
      case 'fetch':
      case 'records':
      case 'copy':
      case 'copies':
        this.copy(from, message)
        return
      default:
        unreachable(message)
    }
  }

  /** What hosts that recover say, and hear: one without a vote as well. */
  copy(from: HostId, message: CopyMessage): void {
    switch (message.type) {
      case 'fetch':
        this.#snapshots.list(from, message.floor, message.index)
        return
      case 'copy':
        this.#snapshots.give(from, message.floor, message.names)
        return
      default:
        this.#copying.receive(from, message)
    }
  }

  /** Refuses every ballot below this, of every register; how many records `host` may now fetch. */
  raiseFloor(host: HostId, life: number, floor: number): number {
    if (this.#rules.registerFloor) this.#registers.raiseFloor(floor)
    return this.#snapshots.take(host, life, floor, () => this.#records())
  }

  /** How a host that recovers comes to what others have accepted. */
  get copying(): Copying {
    return this.#copying
  }

  /** The recovery has ended: all of this is to be durable before this host has a vote. */
  recover(floor: number): void {
    if (this.#rules.registerFloor) this.#registers.raiseFloor(floor)
    this.#gathered = []
    for (const [name, { accepted, value, isChosen }] of this.#copying.take()) {
      const own = this.#registers.record(name).accepted
      if (compareBallots(accepted, own) > 0) this.#registers.recover(name, accepted, value)
      if (isChosen) this.#learning.learn(this.#now, name, value)
      this.#learning.accepted(this.#now, name, this.#registers.record(name).value)
    }
    this.#output.append(this.#gathered)
    this.#gathered = undefined
  }

  open(now: Instant, host: HostId): void {
    this.#now = now
    this.#changes.open(now, host)
    this.#reads.open(host)
    this.#catchUp.open(now, host)
  }

  close(host: HostId): void {
    this.#catchUp.close(host)
    this.#snapshots.forget(host)
    this.#copying.forget(host)
  }

  hear(now: Instant, host: HostId, digest: number, whole: boolean): void {
    this.#now = now
    this.#catchUp.hear(now, host, digest, whole)
  }

  /** A new life of this host: what the old one sent, also to itself, is lost. */
  reincarnate(now: Instant): void {
    this.#now = now
    this.#changes.restart(now)
    this.#reads.restart()
  }

  /** This host goes: no new operation, and none that has had no effect yet. */
  leave(): void {
    this.#isLeaving = true
    const refuse = ({ id }: Wish): void => {
      if (id === undefined) return
      this.#output.respond(id, { type: 'refused', reason: 'leaving', detail: LEAVING })
    }
    this.#changes.withdraw(refuse)
    this.#reads.withdraw(refuse)
    this.#learning.save()
  }

  get deadline(): Instant {
    let deadline = earliest(this.#changes.deadline, this.#reads.deadline)
    deadline = earliest(deadline, this.#catchUp.deadline)
    return earliest(deadline, this.#learning.deadline)
  }

  tick(now: Instant): void {
    this.#now = now
    this.#changes.tick(now)
    this.#reads.tick(now)
    this.#catchUp.tick(now)
    this.#learning.tick(now)
    this.#isComplete ||= this.#votes.isMajority([this.#self, ...this.#catchUp.caughtUp])
  }

  #isQuorum(hosts: Iterable<HostId>): boolean {
    if (this.#rules.registerQuorum) return this.#votes.isMajority(hosts)
    for (const host of hosts) if (this.#votes.of([host]) > 0) return true
    return false
  }

  #refusal(
    command: Extract<Command, { readonly type: 'get' | 'change' }>,
  ): Pick<Extract<Response, { readonly type: 'refused' }>, 'reason' | 'detail'> | undefined {
    if (this.#isLeaving) return { reason: 'leaving', detail: LEAVING }
    if (this.#changes.size + this.#reads.size >= OPERATIONS_MAX) {
      const detail = `this host already carries ${OPERATIONS_MAX} operations on variables`
      return { reason: 'busy', detail }
    }
    if (command.type === 'get' || command.bytes === undefined) return undefined
    const known = this.#known.value(command.name)
    const { names, bytes } = this.#limits
    if (known === undefined && this.#known.size >= names) {
      const detail = `there are ${names} names of variables already, unset ones included`
      return { reason: 'limit', detail }
    }
    const grown = command.bytes.length - (known?.bytes?.length ?? 0)
    if (grown > 0 && this.#known.bytes + grown > bytes) {
      const detail = `all values together have at most ${bytes} bytes`
      return { reason: 'limit', detail }
    }
    return undefined
  }

  #prepare(
    from: HostId,
    { name, ballot }: Extract<VariableMessage, { readonly type: 'variable-prepare' }>,
  ): void {
    const isPromised = this.#registers.prepare(name, ballot)
    if (!isPromised) {
      this.#conflict(from, name, ballot)
      return
    }
    if (from !== this.#self) this.#changes.yield(name)
    const time = this.#clock.tick()
    const { accepted, value } = this.#registers.record(name)
    this.#answer(from, { type: 'variable-promise', time, name, ballot, accepted, value })
  }

  #accept(
    from: HostId,
    message: Extract<VariableMessage, { readonly type: 'variable-accept' }>,
  ): void {
    const { name, ballot, value, next } = message
    if (!this.#registers.accept(name, ballot, value, next)) {
      this.#conflict(from, name, ballot)
      return
    }
    if (from !== this.#self) this.#changes.yield(name)
    this.#learning.accepted(this.#now, name, value)
    this.#answer(from, { type: 'variable-accepted', time: this.#clock.tick(), name, ballot })
  }

  #conflict(to: HostId, name: string, ballot: VariableBallot): void {
    const promised = this.#registers.promised(name)
    const time = this.#clock.tick()
    this.#output.send([to], { type: 'variable-conflict', time, name, ballot, promised }, false)
  }

  #tellState(
    to: HostId,
    { name, read, known }: Extract<VariableMessage, { readonly type: 'variable-read' }>,
  ): void {
    const { accepted, value } = this.#registers.record(name)
    const isKnown = value !== undefined && known !== undefined && isSameVersion(value, known)
    const time = this.#clock.tick()
    const told = isKnown ? 'known' : value
    this.#answer(to, { type: 'variable-state', time, name, read, accepted, value: told })
  }

  /** What it says of our record must be durable first: then it outlives us. */
  #answer(to: HostId, message: VariableMessage): void {
    this.#output.send([to], message, this.#rules.registerDurable)
  }

  #hasRead(now: Instant, wish: Wish, value: VariableValue | undefined): void {
    if (value !== undefined) this.#chosen(now, wish.name, value)
    if (wish.id === undefined) this.#learning.repaired(now, wish.name)
    else {
      const variable = variableOf(wish.name, value)
      this.#output.respond(wish.id, { type: 'value', variable })
    }
  }

  /** Whoever finds out that a value was chosen, and did not know, tells the others. */
  #chosen(now: Instant, name: string, value: VariableValue): void {
    this.#now = now
    if (!this.#learning.learn(now, name, value)) return
    const version = { version: value.version, writer: value.writer }
    const time = this.#clock.tick()
    const others = this.#output.reachable().filter(host => host !== this.#self)
    this.#output.send(others, { type: 'variable-learn', time, name, version }, false)
  }

  #expired({ name, id, work }: Operation, mayTakeEffect: boolean): void {
    if (id === undefined) {
      this.#learning.repaired(this.#now, name)
      return
    }
    const detail = this.#output.explain(this.#now)
    if (work.type !== 'change' || !mayTakeEffect) {
      this.#output.respond(id, { type: 'refused', reason: 'no-majority', detail })
      return
    }
    this.#output.respond(id, { type: 'uncertain', detail, seen: this.variable(name) })
  }

  /** To be written: each by itself, or at the end of a recovery all together. */
  #append(entries: readonly StoreEntry[]): void {
    if (this.#gathered === undefined) this.#output.append(entries)
    else this.#gathered.push(...entries)
  }

  #records(): FullRecord[] {
    const records: FullRecord[] = []
    for (const [name, { accepted, value }] of this.#registers.records) {
      if (value === undefined) continue
      const known = this.#known.value(name)
      const isChosen = known !== undefined && isSameVersion(known, value)
      records.push({ name, accepted, value, isChosen })
    }
    return records
  }
}

const LEAVING = 'this host is leaving: its lamportd is being stopped'

type VariableBallot = Extract<VariableMessage, { readonly type: 'variable-prepare' }>['ballot']
