import type { HostId } from '../core/clock.ts'
import type { Writer } from '../core/variable.ts'
import type { Entry, Held } from './history.ts'

/**
 * What all clients of a register were told of its versions, taken together. Of a version everybody
 * must be told the same, whatever the order of events: it is one change that made it.
 */
export type Facts = {
  /** Versions of which a change said that it had made them. */
  readonly made: ReadonlySet<number>
  /**
   * What of a change somebody might tell from others like it: a value that somebody was told of, or
   * who unset it where that was told; else only whether it set or unset.
   */
  kindOf(value: string | undefined, host: HostId | undefined): string
  /** Whether an uncertain change of this host can have made a version. */
  allows(version: number, value: string | undefined, host: HostId | undefined): boolean
}

/** `undefined`: they contradict each other. */
export function gatherFacts(entries: readonly Entry[]): Facts | undefined {
  const told = new Map<number, Held>([[0, { version: 0, value: undefined, writer: undefined }]])
  const made = new Set<number>()
  for (const { operation, outcome, host } of entries) {
    if (outcome.type === 'uncertain' || outcome.type === 'none') continue
    const { version, writer } = outcome
    if (outcome.type === 'changed') {
      if (operation.type === 'get' || !mayMake(version, writer, host, made)) return undefined
      made.add(version)
      if (!isToldOf(told, { version, value: operation.value, writer })) return undefined
    } else if (!isToldOf(told, outcome)) return undefined
  }
  if (!areWritersUnique(told)) return undefined
  const values = new Set(
    entries.flatMap(({ outcome }) => ('value' in outcome ? [outcome.value] : [])),
  )
  const needs = countNeeds([...told.values()].filter(({ version }) => !made.has(version)))
  const kindOf = (value: string | undefined, host: HostId | undefined): string => {
    if (value !== undefined) return values.has(value) ? `= ${host ?? '?'} ${value}` : 'set'
    return host === undefined || needs.has(unsetBy(host)) ? `unset by ${host ?? '?'}` : 'unset'
  }
  const spare = countSpare(entries, needs)
  if ([...spare.values()].some(count => count < 0)) return undefined
  return {
    made,
    kindOf,
    allows: (version, value, host) => {
      const held = told.get(version)
      // What is needed for another version, and is the only one, cannot be had for this one.
      if (held === undefined) return claims(value, host).every(claim => spare.get(claim) !== 0)
      const isOther = host !== undefined && held.writer !== undefined && held.writer.host !== host
      return held.value === value && !isOther
    },
  }
}

/** Nobody makes version 0, nor what somebody else has made, and each writes in its own name. */
function mayMake(
  version: number,
  writer: Writer | undefined,
  host: HostId | undefined,
  made: ReadonlySet<number>,
): boolean {
  if (version === 0 || made.has(version)) return false
  return host === undefined || writer === undefined || writer.host === host
}

/** Adds what was told of a version to what is known of it; false if that cannot be. */
function isToldOf(told: Map<number, Held>, { version, value, writer }: Held): boolean {
  const known = told.get(version)
  if (known === undefined) {
    told.set(version, { version, value, writer })
    return true
  }
  if (known.value !== value) return false
  if (writer === undefined || version === 0) return writer === undefined
  told.set(version, { version, value, writer })
  return known.writer === undefined || keyOf(known.writer) === keyOf(writer)
}

/** A writer names one operation, and an operation makes one version. */
function areWritersUnique(told: ReadonlyMap<number, Held>): boolean {
  const writers = [...told.values()].flatMap(({ writer }) => (writer === undefined ? [] : [writer]))
  return new Set(writers.map(keyOf)).size === writers.length
}

function keyOf({ host, time }: Writer): string {
  return `${host}@${time}`
}

/** What an uncertain change may be needed for. Who is not known may be anybody: nothing is said. */
function claims(value: string | undefined, host: HostId | undefined): readonly string[] {
  if (value !== undefined) return [`= ${value}`]
  return host === undefined ? [] : [unsetBy(host)]
}

function unsetBy(host: HostId): string {
  return `unset by ${host}`
}

/** Versions that only an uncertain change can have made, by what it must have been. */
function countNeeds(unmade: readonly Held[]): ReadonlyMap<string, number> {
  const needs = new Map<string, number>()
  for (const { version, value, writer } of unmade) {
    if (version === 0) continue
    for (const claim of claims(value, writer?.host)) needs.set(claim, (needs.get(claim) ?? 0) + 1)
  }
  return needs
}

/** How many more uncertain changes there are than versions that need one of them; below 0: too few. */
function countSpare(
  entries: readonly Entry[],
  needs: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const spare = new Map([...needs].map(([claim, count]) => [claim, -count]))
  for (const { operation, outcome, host } of entries) {
    if (outcome.type !== 'uncertain' || operation.type === 'get') continue
    const { value } = operation
    // An unset of an unknown host may be what any need is for.
    const all = value === undefined && host === undefined ? unsets(spare) : claims(value, host)
    for (const claim of all) {
      const count = spare.get(claim)
      if (count !== undefined) spare.set(claim, count + 1)
    }
  }
  return spare
}

function unsets(spare: ReadonlyMap<string, number>): readonly string[] {
  return [...spare.keys()].filter(claim => claim.startsWith('unset'))
}
