import type { HostId } from './clock.ts'
import type { Votes } from './view.ts'

/** A number of a round of Paxos, from the Lamport clock of the host that began it. */
export type Ballot = { readonly counter: number; readonly host: HostId }

/** Below every ballot: nothing was promised, nothing accepted. */
export const NO_BALLOT: Ballot = { counter: 0, host: 0 }

/** Negative where `a` is the lower ballot. */
export function compareBallots(a: Ballot, b: Ballot): number {
  return a.counter - b.counter || a.host - b.host
}

/** What an acceptor must not forget. */
export type AcceptorRecord<Value> = {
  readonly promised: Ballot
  /** Of the ballot in which `value` was accepted. */
  readonly accepted: Ballot
  readonly value: Value | undefined
}

/**
 * One host's vote on one register (Rystsov, CASPaxos, arXiv 1802.07000, §2). Each change of its
 * record must be durable before the answer that rests on it leaves this host: its owner sees to that.
 */
export class Acceptor<Value> {
  #record: AcceptorRecord<Value>
  readonly #save: (record: AcceptorRecord<Value>) => void

  constructor(
    record: AcceptorRecord<Value> | undefined,
    save: (record: AcceptorRecord<Value>) => void,
  ) {
    this.#record = record ?? { promised: NO_BALLOT, accepted: NO_BALLOT, value: undefined }
    this.#save = save
  }

  get record(): AcceptorRecord<Value> {
    return this.#record
  }

  /** PREPARE: true for PROMISE, which carries the record; false for CONFLICT. */
  prepare(ballot: Ballot): boolean {
    if (compareBallots(ballot, this.#record.promised) <= 0) return false
    this.#change({ ...this.#record, promised: ballot })
    return true
  }

  /** ACCEPT: true for ACCEPTED. */
  accept(ballot: Ballot, value: Value): boolean {
    if (compareBallots(ballot, this.#record.promised) < 0) return false
    this.#change({ promised: ballot, accepted: ballot, value })
    return true
  }

  /** Refuses every ballot below `counter` from now on. */
  raiseFloor(counter: number): void {
    if (this.#record.promised.counter >= counter) return
    this.#change({ ...this.#record, promised: { counter, host: 0 } })
  }

  /** What a host with a lost disk copied from the others. */
  recover(record: AcceptorRecord<Value>): void {
    this.#change(record)
  }

  #change(record: AcceptorRecord<Value>): void {
    this.#record = record
    this.#save(record)
  }
}

/** One round of one proposer: PREPARE, change, ACCEPT. */
export class Round<Value> {
  readonly ballot: Ballot
  readonly #votes: Votes
  readonly #promises = new Map<HostId, Pick<AcceptorRecord<Value>, 'accepted' | 'value'>>()
  readonly #accepted = new Set<HostId>()
  #phase: 'prepare' | 'accept' | 'done' = 'prepare'
  #value: Value | undefined

  constructor(ballot: Ballot, votes: Votes) {
    this.ballot = ballot
    this.#votes = votes
  }

  /**
   * A PROMISE has come. Once a majority has promised: the value to ACCEPT, or `'none'` if the
   * change wants nothing.
   *
   * @param change the value to be accepted, made from the newest that a majority knows; `undefined`: none
   */
  promised(
    from: HostId,
    promise: Pick<AcceptorRecord<Value>, 'accepted' | 'value'>,
    change: (current: Value | undefined) => Value | undefined,
  ): { readonly accept: Value } | 'none' | 'wait' {
    if (this.#phase !== 'prepare') return 'wait'
    this.#promises.set(from, promise)
    if (!this.#votes.isMajority(this.#promises.keys())) return 'wait'
    const newest = [...this.#promises.values()].reduce((a, b) =>
      compareBallots(b.accepted, a.accepted) > 0 ? b : a,
    )
    const value = change(newest.value)
    if (value === undefined) {
      this.#phase = 'done'
      return 'none'
    }
    this.#phase = 'accept'
    this.#value = value
    return { accept: value }
  }

  fingerprint(): unknown {
    return [this.ballot, this.#phase, this.#promises, this.#accepted, this.#value]
  }

  /** An ACCEPTED has come: the value, once a majority has accepted it and it is thereby chosen. */
  accepted(from: HostId): Value | undefined {
    if (this.#phase !== 'accept') return undefined
    this.#accepted.add(from)
    if (!this.#votes.isMajority(this.#accepted)) return undefined
    this.#phase = 'done'
    return this.#value
  }
}
