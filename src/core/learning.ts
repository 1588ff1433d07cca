import { after, earliest, milliseconds, NEVER, type Duration, type Instant } from '../lib/time.ts'
import type { StoreEntry } from './command.ts'
import { Known } from './known.ts'
import { chosenEntry } from './store.ts'
import { isSameVersion, variableOf, type Variable, type VariableValue } from './variable.ts'

export type LearningOutput = {
  append(entries: readonly StoreEntry[]): void
  /** What our own acceptor holds, whether it was chosen or not. */
  accepted(name: string): VariableValue | undefined
  /** A newer version than was known before. */
  changed(variable: Variable): void
  /** Find out what became of this one; `repaired` is to be called in the end. */
  repair(now: Instant, name: string): void
}

/** What was accepted and not learned for so long has lost its proposer, perhaps. */
const UNLEARNED: Duration = milliseconds(1000)

/** Registers that are read at a time because nobody said what became of them. */
const REPAIRS_MAX = 32

/** That a value was chosen can be found out again: it is written when there is time. */
const SAVE: Duration = milliseconds(2000)

/** What this host knows to have been chosen, and what it has to find out because nobody tells. */
export class Learning {
  readonly known: Known
  readonly #output: LearningOutput
  /** Accepted here, and not known to be chosen: since when, the oldest first. */
  readonly #unlearned = new Map<string, Instant>()
  readonly #repairs = new Set<string>()
  /** Chosen, and our own acceptor holds something else. */
  readonly #unaccepted = new Set<string>()
  /** Chosen, and not written down as such. */
  readonly #unsaved = new Set<string>()
  #saveAt: Instant = NEVER

  constructor(recovered: ReadonlyMap<string, VariableValue>, output: LearningOutput) {
    this.known = new Known(recovered)
    this.#output = output
  }

  /** Whether our acceptor has accepted every value that is known to have been chosen. */
  get isAccepted(): boolean {
    return this.#unaccepted.size === 0
  }

  /** A value that was chosen; false where it is not newer than what is known. */
  learn(now: Instant, name: string, value: VariableValue): boolean {
    if (!this.known.learn(name, value)) return false
    const accepted = this.#output.accepted(name)
    if (accepted === undefined || accepted.version <= value.version) this.#unlearned.delete(name)
    this.#compare(name)
    this.#unsaved.add(name)
    this.#saveAt = earliest(this.#saveAt, after(now, SAVE))
    this.#output.changed(variableOf(name, value))
    return true
  }

  /** Our acceptor holds this: somebody is about to say that it was chosen, or is dead. */
  accepted(now: Instant, name: string, value: VariableValue | undefined): void {
    this.#compare(name)
    this.#unlearned.delete(name)
    if (value === undefined) return
    const known = this.known.value(name)
    if (known === undefined || known.version < value.version) this.#unlearned.set(name, now)
  }

  /** What became of it has been found out, or could not be. */
  repaired(now: Instant, name: string): void {
    this.#repairs.delete(name)
    this.accepted(now, name, this.#output.accepted(name))
  }

  get deadline(): Instant {
    if (this.#repairs.size >= REPAIRS_MAX) return this.#saveAt
    for (const since of this.#unlearned.values()) {
      return earliest(this.#saveAt, after(since, UNLEARNED))
    }
    return this.#saveAt
  }

  tick(now: Instant): void {
    if (now >= this.#saveAt) this.save()
    for (const [name, since] of this.#unlearned) {
      if (this.#repairs.size >= REPAIRS_MAX || now < after(since, UNLEARNED)) return
      this.#unlearned.delete(name)
      this.#repairs.add(name)
      this.#output.repair(now, name)
    }
  }

  /**
   * What has to be written in one batch with a record that our acceptor has changed. A version that
   * is noted as chosen without its value rests on the value that stood in the record until now.
   */
  noteBeside(name: string): readonly StoreEntry[] {
    const known = this.known.value(name)
    const accepted = this.#output.accepted(name)
    if (known === undefined) return []
    const isRight = accepted !== undefined && isSameVersion(accepted, known)
    if (isRight && !this.#unsaved.has(name)) return []
    this.#unsaved.delete(name)
    return [this.#note(name, known)]
  }

  /** Writes down what is known to have been chosen. */
  save(): void {
    this.#saveAt = NEVER
    const entries: StoreEntry[] = []
    for (const name of this.#unsaved) {
      const known = this.known.value(name)
      if (known !== undefined) entries.push(this.#note(name, known))
    }
    this.#unsaved.clear()
    if (entries.length > 0) this.#output.append(entries)
  }

  #compare(name: string): void {
    const [known, accepted] = [this.known.value(name), this.#output.accepted(name)]
    const isRight = known !== undefined && accepted !== undefined && isSameVersion(accepted, known)
    if (isRight || (known === undefined && accepted === undefined)) this.#unaccepted.delete(name)
    else this.#unaccepted.add(name)
  }

  /** Without the value where that stands in the record of our acceptor. */
  #note(name: string, known: VariableValue): StoreEntry {
    const accepted = this.#output.accepted(name)
    const isAccepted = accepted !== undefined && isSameVersion(accepted, known)
    const { version, writer } = known
    return chosenEntry(name, isAccepted ? { version, writer } : known)
  }
}
