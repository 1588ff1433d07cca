import { compareBallots, NO_BALLOT, type AcceptorRecord, type Ballot } from './register.ts'
import type { VariableValue } from './variable.ts'

export type VariableRecord = AcceptorRecord<VariableValue>

export type RegistersOutput = {
  /** Must be durable before the answer that rests on it leaves this host; the value is as before. */
  promised(name: string, record: VariableRecord): void
  /** Likewise; the record has a new value. */
  accepted(name: string, record: VariableRecord): void
  /** Likewise, of every register. */
  floor(counter: number): void
}

const NOTHING: VariableRecord = { promised: NO_BALLOT, accepted: NO_BALLOT, value: undefined }

/** This host's votes on every variable: one acceptor a name (Rystsov, CASPaxos, §2), and a floor. */
export class Registers {
  readonly #records: Map<string, VariableRecord>
  readonly #output: RegistersOutput
  #floor: number

  /** @param floor no register, known or not, takes a ballot below it */
  constructor(
    recovered: ReadonlyMap<string, VariableRecord>,
    floor: number,
    output: RegistersOutput,
  ) {
    this.#records = new Map(recovered)
    this.#floor = floor
    this.#output = output
  }

  get records(): ReadonlyMap<string, VariableRecord> {
    return this.#records
  }

  record(name: string): VariableRecord {
    return this.#records.get(name) ?? NOTHING
  }

  /** The ballot below which this register takes nothing. */
  promised(name: string): Ballot {
    const { promised } = this.record(name)
    const floor = { counter: this.#floor, host: 0 }
    return compareBallots(promised, floor) > 0 ? promised : floor
  }

  /** PREPARE: true for PROMISE, which carries the record. Asked again, it promises again. */
  prepare(name: string, ballot: Ballot): boolean {
    const order = compareBallots(ballot, this.promised(name))
    if (order < 0) return false
    if (order === 0) return true
    const record = { ...this.record(name), promised: ballot }
    this.#records.set(name, record)
    this.#output.promised(name, record)
    return true
  }

  /**
   * ACCEPT: true for ACCEPTED. Along with it `next` is promised, a later ballot of the same proposer:
   * whoever has a majority of ACCEPTED has a majority of PROMISE for it as well.
   */
  accept(name: string, ballot: Ballot, value: VariableValue, next: Ballot): boolean {
    // Asked again, after an answer that was lost.
    if (compareBallots(ballot, this.record(name).accepted) === 0) return true
    if (compareBallots(ballot, this.promised(name)) < 0) return false
    const promised = compareBallots(next, ballot) > 0 ? next : ballot
    this.#save(name, { promised, accepted: ballot, value })
    return true
  }

  /** Refuses every ballot below `counter` from now on, of every register. */
  raiseFloor(counter: number): void {
    if (counter <= this.#floor) return
    this.#floor = counter
    this.#output.floor(counter)
  }

  /** What the others had accepted, for a host that has lost its own. */
  recover(name: string, accepted: Ballot, value: VariableValue): void {
    const { promised } = this.record(name)
    this.#save(name, { promised, accepted, value })
  }

  #save(name: string, record: VariableRecord): void {
    this.#records.set(name, record)
    this.#output.accepted(name, record)
  }
}
