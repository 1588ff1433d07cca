import { describeToken, type HostId, type Token } from '../core/clock.ts'
import type { CommandId, LockStatus } from '../node.ts'
import { CausalityChecker, InFlightChecker, type IsQueued } from './causality.ts'
import { ClockChecker } from './clock-checker.ts'
import { Findings } from './findings.ts'
import type { Violation } from './findings.ts'
import type { Observation } from './observation.ts'

/** The end of a run: all faults are over, and nobody has asked for anything for a while. */
export type Rest = {
  readonly at: number
  /** What each host says is in use; who is down for good is not in it. */
  readonly locks: ReadonlyMap<HostId, readonly LockStatus[]>
}

/** Watches a whole run from outside. It reports and never throws, so that the run goes on. */
export type Checker = {
  readonly violations: readonly Violation[]
  observe?(observation: Observation): void
  finish?(rest: Rest): void
}

/** One of each. */
export function allCheckers(isQueued: IsQueued): readonly Checker[] {
  return [
    new ExclusionChecker(),
    new OrderChecker(),
    new CausalityChecker(isQueued),
    new ClockChecker(),
    new InFlightChecker(),
    new LivenessChecker(),
    new RestChecker(),
  ]
}

type Holder = { readonly host: HostId; readonly limit: number }

/**
 * Never more are inside a name than the smallest limit among them, by what clients believe, those
 * of dead and frozen hosts among them.
 */
export class ExclusionChecker implements Checker {
  readonly #findings = new Findings()
  readonly #inside = new Map<string, Map<Token, Holder>>()

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  observe(observation: Observation): void {
    if (observation.type === 'holds') {
      for (const name of observation.names) this.#enter(name, observation)
    } else if (observation.type === 'lets-go') {
      for (const holders of this.#inside.values()) holders.delete(observation.token)
    }
  }

  #enter(name: string, at: Extract<Observation, { type: 'holds' }>): void {
    const holders = this.#inside.get(name) ?? new Map<Token, Holder>()
    this.#inside.set(name, holders)
    if (holders.has(at.token)) this.#findings.add(at.at, `token ${at.token} was given twice`)
    holders.set(at.token, at)
    const limit = Math.min(...[...holders.values()].map(holder => holder.limit))
    if (holders.size <= limit) return
    const who = [...holders].map(
      ([token, holder]) => `${describeToken(token)} (limit ${holder.limit})`,
    )
    this.#findings.add(at.at, `${holders.size} are inside ${name}: ${who.join(', ')}`)
  }
}

/**
 * Of two requests that share a name, one of them exclusive, the earlier in ⇒ enters first. So the
 * tokens of exclusive grants of a name strictly increase.
 */
export class OrderChecker implements Checker {
  readonly #findings = new Findings()
  readonly #highestExclusive = new Map<string, Token>()
  readonly #highest = new Map<string, Token>()

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  observe(observation: Observation): void {
    if (observation.type !== 'trace' || observation.event.type !== 'enter') return
    const { token, names, limit } = observation.event
    for (const name of names) {
      const rival = limit === 1 ? this.#highest.get(name) : this.#highestExclusive.get(name)
      if (rival !== undefined && rival >= token)
        this.#findings.add(
          observation.at,
          `${describeToken(token)} enters ${name} after ${describeToken(rival)}, which it precedes`,
        )
      raise(this.#highest, name, token)
      if (limit === 1) raise(this.#highestExclusive, name, token)
    }
  }
}

/** No request of a live client waits for ever once the faults have ended. */
export class LivenessChecker implements Checker {
  readonly #findings = new Findings()
  readonly #waiting = new Map<CommandId, Extract<Observation, { type: 'asked' }>>()

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  observe(observation: Observation): void {
    if (observation.type === 'asked') this.#waiting.set(observation.id, observation)
    else if (observation.type === 'settled') this.#waiting.delete(observation.id)
  }

  finish(rest: Rest): void {
    for (const { host, names, at } of this.#waiting.values())
      this.#findings.add(
        rest.at,
        `a client of host ${host} still waits for ${names.join(' and ')}, since ${at.toFixed(1)} ms`,
      )
  }
}

/** At rest every queue of every host is empty. */
export class RestChecker implements Checker {
  readonly #findings = new Findings()

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  finish(rest: Rest): void {
    for (const [host, locks] of rest.locks)
      for (const { name, holders, waiters } of locks) {
        const left = [...holders, ...waiters].map(request => describeToken(request.token))
        this.#findings.add(rest.at, `host ${host} still has ${left.join(', ')} queued for ${name}`)
      }
  }
}

function raise(highest: Map<string, Token>, name: string, token: Token): void {
  highest.set(name, Math.max(token, highest.get(name) ?? 0))
}
