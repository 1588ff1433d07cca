import { unreachable } from '../lib/assert.ts'
import type { HostId, LamportClock } from './clock.ts'
import { findGap, isLoyal, type Gap, type Memory } from './memory.ts'
import type { BlankMessage, RecoveryPhase } from './message.ts'
import { compareBallots, NO_BALLOT, type AcceptorRecord } from './register.ts'
import { isSameTable, type SafetyTable } from './table.ts'
import type { View } from './view.ts'

export type Answer = Extract<BlankMessage, { readonly type: 'answer' }>

/** What a host that had no vote has learned from all the others. */
export type Recovered = {
  readonly acceptor: AcceptorRecord<View>
  /** The incarnation of its new life is above this. */
  readonly knownIncarnation: number
  /** The lives of those that had no vote yet when the table came into use, if that is now. */
  readonly newcomers: ReadonlyMap<HostId, number>
}

/** What the host that recovers has of its own. */
export type Own = {
  readonly memory: Memory | undefined
  readonly record: AcceptorRecord<View>
}

/** How the registers of variables come over: see `copying.ts`. */
export type Copies = {
  begin(host: HostId, floor: number, count: number): void
  isComplete(host: HostId, floor: number): boolean
}

/**
 * How a host without a vote comes to know what the others know. In phase 1 it asks each of them what
 * it remembers; in phase 2 each refuses, from then on, every ballot below a floor and every other
 * table, and says what it has accepted. Nothing of an old life, or an old table, is under way then.
 */
export class Recovery {
  readonly #self: { readonly id: HostId; readonly life: number }
  readonly #others: readonly HostId[]
  readonly #table: SafetyTable
  readonly #clock: LamportClock
  readonly #copies: Copies
  #phase: RecoveryPhase = 0
  #floor = 0
  /** Somebody may have voted by our table before this recovery. */
  #wasInUse = true
  /** Our table came into use when this host had its present life, and no vote. */
  #isNewcomer = false
  /** The operator says that whoever is missing is gone for good. */
  #isForced = false
  readonly #answers = new Map<HostId, Answer>()

  constructor(
    self: { readonly id: HostId; readonly life: number },
    others: readonly HostId[],
    table: SafetyTable,
    clock: LamportClock,
    copies: Copies,
  ) {
    this.#self = self
    this.#others = others
    this.#table = table
    this.#clock = clock
    this.#copies = copies
  }

  /** 0: there is nothing to recover, as far as this host knows. */
  get phase(): RecoveryPhase {
    return this.#phase
  }

  get floor(): number {
    return this.#floor
  }

  get isNewcomer(): boolean {
    return this.#isNewcomer
  }

  begin(): void {
    this.#phase = 1
    this.#answers.clear()
  }

  /** The channels to this host have ended: it answers anew. */
  forget(host: HostId): void {
    this.#answers.delete(host)
  }

  /** The operator's word; false where there is no gap that it could close. */
  force(own: Memory | undefined): boolean {
    if (this.#gap(own) === undefined) return false
    this.#isForced = true
    return true
  }

  receive(from: HostId, answer: Answer): void {
    if (answer.newcomer === this.#self.life) this.#isNewcomer = true
    if (answer.phase !== this.#phase) return
    this.#answers.set(from, answer)
    if (this.#phase === 2) this.#copies.begin(from, this.#floor, answer.records)
  }

  /** With an answer of this phase from all others, on to the next, or to the end. */
  advance({ memory, record }: Own): 'wait' | 'next-phase' | Recovered {
    if (this.#phase === 0 || this.#answers.size < this.#others.length) return 'wait'
    if (this.#gap(memory) !== undefined && !this.#isForced) return 'wait'
    if (this.#phase === 1) {
      this.#wasInUse = this.#isInUse(memory)
      this.#phase = 2
      this.#answers.clear()
      // Our clock has witnessed all of theirs.
      this.#floor = this.#clock.tick() + 1
      return 'next-phase'
    }
    if (!this.#others.every(host => this.#copies.isComplete(host, this.#floor))) return 'wait'
    const answers = [...this.#answers.values()]
    const nothing = { accepted: NO_BALLOT, value: undefined }
    const { accepted, value } = answers.reduce<Pick<Answer, 'accepted' | 'value'>>(
      (a, b) => (compareBallots(b.accepted, a.accepted) > 0 ? b : a),
      memory === undefined ? nothing : record,
    )
    // Another that recovers may have asked this one for a higher floor.
    const counter = Math.max(this.#floor, record.promised.counter + 1)
    const newcomers = new Map<HostId, number>()
    for (const [host, answer] of this.#wasInUse && !this.#isForced ? [] : this.#answers) {
      if (answer.memory === undefined) newcomers.set(host, answer.life)
    }
    return {
      acceptor: { promised: { counter, host: 0 }, accepted, value },
      knownIncarnation: Math.max(0, ...answers.map(answer => answer.known)),
      newcomers,
    }
  }

  /** For people: what it waits for. */
  waitsFor(own: Memory | undefined, name: (host: HostId) => string): string {
    const missing = this.#others.filter(host => !this.#answers.has(host)).map(name)
    if (missing.length > 0 && own === undefined) {
      return `recovery from all other hosts: ${missing.join(', ')} must answer`
    }
    if (missing.length > 0) {
      const reason = 'hosts.yml has changed since this host voted'
      return `${missing.join(', ')} (${reason}: all of its hosts must be up with it)`
    }
    const gap = this.#gap(own)
    const copying = this.#others.filter(host => !this.#copies.isComplete(host, this.#floor))
    if (gap === undefined && this.#phase === 2 && copying.length > 0) {
      return `the variables, which it copies from ${copying.map(name).join(', ')}`
    }
    if (gap === undefined) return 'the other hosts to say what they know'
    const hosts = gap.hosts.map(host => (host === this.#self.id ? 'this one' : name(host)))
    switch (gap.type) {
      case 'forgotten':
        return (
          `the operator: too many hosts are blank (${hosts.join(', ')}); what they decided may be ` +
          'lost (if it is, with their disks: lamportctl found)'
        )
      case 'removed':
        return (
          `the operator: hosts.yml does not name ${hosts.join(', ')}, and too few of the others ` +
          'voted before (name more of them again; if they never run again: lamportctl found)'
        )
      default:
        return unreachable(gap)
    }
  }

  #memories(own: Memory | undefined): Map<HostId, Memory> {
    const memories = new Map<HostId, Memory>()
    if (own !== undefined) memories.set(this.#self.id, own)
    for (const [host, { memory }] of this.#answers) {
      if (memory !== undefined) memories.set(host, memory)
    }
    return memories
  }

  /** Somebody votes by our table, or all who remember have pledged themselves to it. */
  #isInUse(own: Memory | undefined): boolean {
    const memories = [...this.#memories(own).values()]
    const isPledged = ({ pledged }: Memory): boolean => isSameTable(pledged, this.#table)
    return memories.some(memory => isLoyal(memory, this.#table)) || memories.every(isPledged)
  }

  /** What is missing though all have answered. */
  #gap(own: Memory | undefined): Gap | undefined {
    if (this.#phase === 0 || this.#answers.size < this.#others.length) return undefined
    const isInUse = this.#phase === 1 ? this.#isInUse(own) : this.#wasInUse
    const newcomers = new Set(this.#isNewcomer ? [this.#self.id] : [])
    for (const [host, { isNewcomer }] of this.#answers) if (isNewcomer) newcomers.add(host)
    return findGap(this.#table, this.#memories(own), isInUse ? { newcomers } : undefined)
  }
}
