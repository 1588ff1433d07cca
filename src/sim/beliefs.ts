import { describeToken, type HostId, type Token } from '../core/clock.ts'
import type { CommandId } from '../core/command.ts'
import type { Findings } from './findings.ts'

/** A lock as its client believes in it. */
export type Belief = {
  readonly host: HostId
  /** The life of the daemon that granted it: no later one renews it that has not adopted it. */
  life: number
  readonly command: CommandId
  readonly token: Token
  readonly names: readonly string[]
  readonly limit: number
  /** By the true clock; a client stops itself there. */
  until: number
  /** Its client was told so: it may go on until it has stopped, but is renewed no more. */
  isLost: boolean
}

/**
 * What clients believe they hold, in true time, those of dead and of silent hosts included; after
 * each change it is checked that no lock is held by too many, and that tokens rise.
 */
export class Beliefs {
  readonly #findings: Findings
  readonly #highest = new Map<string, Token>()
  #all: Belief[] = []

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** Those that last at this moment. */
  at(now: number): readonly Belief[] {
    if (this.#all.some(belief => belief.until <= now)) {
      this.#all = this.#all.filter(belief => now < belief.until)
    }
    return this.#all
  }

  /** A grant has been answered, whether its client still wants it or not. */
  granted(now: number, belief: Belief, isWanted: boolean): void {
    if (belief.limit === 1) {
      for (const name of belief.names) this.#checkToken(now, name, belief.token)
    }
    if (!isWanted) return
    this.#all.push(belief)
    this.#checkExclusion(now, belief.names)
  }

  renewed(now: number, host: HostId, life: number, until: number): void {
    for (const belief of this.at(now)) {
      if (belief.host !== host || belief.life !== life || belief.isLost) continue
      belief.until = Math.max(belief.until, until)
    }
  }

  /** A later life of the daemon has taken the lock over, and renews it from now on. */
  adopted(now: number, host: HostId, token: Token, life: number, until: number): void {
    const belief = this.at(now).find(each => each.host === host && each.token === token)
    if (belief === undefined || belief.isLost) return
    belief.life = life
    belief.until = Math.max(belief.until, until)
    this.#checkExclusion(now, belief.names)
  }

  lost(host: HostId, token: Token): void {
    for (const belief of this.#all) {
      if (belief.host === host && belief.token === token) belief.isLost = true
    }
  }

  /** The client has stopped. */
  stopped(host: HostId, which: (belief: Belief) => boolean): void {
    this.#all = this.#all.filter(belief => belief.host !== host || !which(belief))
  }

  #checkToken(now: number, name: string, token: Token): void {
    const highest = this.#highest.get(name) ?? 0
    if (token <= highest) {
      this.#findings.add(
        now,
        `${describeToken(token)} of ${name} is not above ${describeToken(highest)}`,
      )
    }
    this.#highest.set(name, Math.max(highest, token))
  }

  /** Only a grant can break it: between grants, beliefs end. */
  #checkExclusion(now: number, names: readonly string[]): void {
    for (const name of names) {
      const holders = this.at(now).filter(belief => belief.names.includes(name))
      if (holders.length <= Math.min(...holders.map(holder => holder.limit))) continue
      const who = holders.map(({ token, limit }) => `${describeToken(token)}/${limit}`).join(', ')
      this.#findings.add(now, `${holders.length} are inside ${name}: ${who}`)
    }
  }
}
