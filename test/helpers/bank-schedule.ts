import { setImmediate as turn } from 'node:timers/promises'
import { LamportError, type Lock, type Reading, type Variable } from '../../src/client/client.ts'
import type { BankClient } from '../../src/examples/bank/bank.ts'
import type { Random } from '../../src/lib/random.ts'

/** How likely a write is answered with `uncertain`, whatever becomes of it. */
const DOUBT = 0.15

/** How likely a step is the last one of its writer. */
const DEATH = 0.03

type Step = { readonly writer: number; readonly run: () => void }

/**
 * Shared variables in memory, and writers whose every request and answer comes in an order that a
 * seed decides. Their lock excludes nobody: as if each were lost at once, and nobody knew. Writers
 * die between any two steps, and answers stay away from writes that were done, were not, or are late.
 */
export class BankSchedule {
  readonly #random: Random
  readonly #variables = new Map<string, { value: string; version: number }>()
  readonly #dead = new Set<number>()
  /** Writes of which an answer has stayed away: that of the next try comes, so that nobody waits. */
  readonly #doubted = new Set<string>()
  #steps: Step[] = []
  #tokens = 0
  #isCalm = true

  constructor(random: Random) {
    this.#random = random
  }

  /** Plays until nothing is left to be done. */
  async play(): Promise<void> {
    for (;;) {
      // What was answered asks its next question first.
      await turn()
      this.#steps = this.#steps.filter(({ writer }) => !this.#dead.has(writer))
      const step = this.#steps[this.#random.below(Math.max(1, this.#steps.length))]
      if (step === undefined) return
      this.#steps.splice(this.#steps.indexOf(step), 1)
      if (step.writer > 0 && !this.#isCalm && this.#random.chance(DEATH))
        this.#dead.add(step.writer)
      else step.run()
    }
  }

  /** Whether nothing goes wrong. */
  set isCalm(isCalm: boolean) {
    this.#isCalm = isCalm
  }

  /** @param writer from 1; one that is dead never hears of anything again */
  client(writer: number): BankClient {
    return {
      host: { id: writer, name: `host-${writer}` },
      get: name => this.#ask(writer, () => this.#reading(name)),
      set: (name, value, options) => this.#set(writer, name, String(value), options ?? {}),
      lock: names => this.#ask(writer, () => this.#lock(String(names))),
      vars: () => this.#list(),
    }
  }

  /** The question arrives, and the answer does, each in its own time. */
  #ask<T>(writer: number, answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#later(writer, () => {
        try {
          const result = answer()
          this.#later(writer, () => resolve(result))
        } catch (error) {
          const reason = error instanceof Error ? error : new Error(String(error))
          this.#later(writer, () => reject(reason))
        }
      })
    })
  }

  #set(
    writer: number,
    name: string,
    value: string,
    options: { readonly ifVersion?: number | undefined; readonly create?: boolean | undefined },
  ): Promise<Variable> {
    const write = (): Variable => this.#write(name, value, options)
    const isSure = this.#isCalm || this.#doubted.has(value) || !this.#random.chance(DOUBT)
    if (isSure) return this.#ask(writer, write)
    this.#doubted.add(value)
    return this.#ask(writer, () => {
      const fate = this.#random.below(3)
      if (fate === 0) attempt(write)
      // Of a daemon, not of the writer: it may be dead by then.
      if (fate === 1) this.#later(0, () => attempt(write))
      throw new LamportError('uncertain', 'no answer')
    })
  }

  #write(
    name: string,
    value: string,
    options: { readonly ifVersion?: number | undefined; readonly create?: boolean | undefined },
  ): Variable {
    const { version = 0 } = this.#variables.get(name) ?? {}
    const { ifVersion = version, create } = options
    if (ifVersion !== version || (create === true && version > 0)) {
      const current = this.#reading(name)
      throw new LamportError('versionDiffers', 'it differs', undefined, { current })
    }
    this.#variables.set(name, { value, version: version + 1 })
    return this.#reading(name)
  }

  #reading(name: string): Reading {
    const { value, version = 0 } = this.#variables.get(name) ?? {}
    return { name, value, version, writer: undefined }
  }

  #lock(name: string): Lock {
    this.#tokens += 1
    const release = (): Promise<void> => Promise.resolve()
    return {
      names: [name],
      mode: 'exclusive',
      token: this.#tokens,
      until: null,
      leaseMs: null,
      lost: new AbortController().signal,
      isHeld: true,
      release,
      anchor: () => Promise.reject(new Error('there is no socket')),
      [Symbol.asyncDispose]: release,
    }
  }

  async *#list(): AsyncGenerator<never, void, undefined> {
    // This host has heard of nothing yet: all is asked of a majority.
    await Promise.resolve()
    yield* []
  }

  #later(writer: number, run: () => void): void {
    this.#steps.push({ writer, run })
  }
}

function attempt(write: () => unknown): void {
  try {
    write()
  } catch {
    // Its condition does not hold any more.
  }
}
