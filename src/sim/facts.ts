import type { HostId } from '../core/clock.ts'
import type { Writer } from '../core/variable.ts'
import type { Entry, Held } from './history.ts'

/**
 * What all clients of a register were told of its versions, taken together. Of a version everybody
 * must be told the same, whatever the order of events: it is one change that made it.
 */
export type Facts = {
  /** Versions of which a change said that it had made them. */
  readonly made: ReadonlyMap<number, Entry>
  /**
   * What of a change somebody might tell from others like it: a value that somebody was told of, or
   * who unset it where that was told; else only whether it set or unset.
   */
  kindOf(value: string | undefined, host: HostId | undefined): string
  isTold(version: number): boolean
  /** Whether some version that was told of must have been made by a change like this one. */
  isNeeded(value: string | undefined, host: HostId | undefined): boolean
  /** Whether what makes this version may be a change on the condition that there is no value. */
  mayCreate(version: number): boolean
  /** Whether an uncertain change of this host can have made a version. */
  allows(version: number, value: string | undefined, host: HostId | undefined): boolean
}

/** Kinds of changes that no version needs, and that nobody tells apart. */
export const SET = 'set'
export const UNSET = 'unset'

/** `undefined`: they contradict each other. */
export function gatherFacts(entries: readonly Entry[]): Facts | undefined {
  const told = new Map<number, Held>([[0, { version: 0, value: undefined, writer: undefined }]])
  const made = new Map<number, Entry>()
  for (const entry of entries) {
    const { operation, outcome } = entry
    if (outcome.type === 'uncertain' || outcome.type === 'none') continue
    const { version, writer } = outcome
    if (outcome.type === 'changed') {
      // Nobody makes version 0, nor what somebody else has made.
      if (operation.type === 'get' || version === 0 || made.has(version)) return undefined
      made.set(version, entry)
      if (!isToldOf(told, { version, value: operation.value, writer })) return undefined
    } else if (!isToldOf(told, outcome)) return undefined
  }
  const isSigned = [...made].every(([version, { host }]) => mayBeOf(host, told.get(version)))
  if (!isSigned || !areWritersUnique(told)) return undefined
  const values = new Set(
    entries.flatMap(({ outcome }) => ('value' in outcome ? [outcome.value] : [])),
  )
  const needs = countNeeds([...told.values()].filter(({ version }) => !made.has(version)))
  const kindOf = (value: string | undefined, host: HostId | undefined): string => {
    if (value !== undefined) return values.has(value) ? `= ${host ?? '?'} ${value}` : SET
    const isNeeded = servedBy(value, host, needs).length > 0
    return isNeeded ? unsetBy(host) : UNSET
  }
  const creations = entries.filter(each => each.outcome.type === 'uncertain' && isCreation(each))
  const spare = countSpare(entries, needs)
  if ([...spare.values()].some(count => count < 0)) return undefined
  const allows = (
    version: number,
    value: string | undefined,
    host: HostId | undefined,
  ): boolean => {
    const held = told.get(version)
    if (held !== undefined) return held.value === value && mayBeOf(host, held)
    // What is needed for another version, and is the only one, cannot be had for this one.
    return servedBy(value, host, needs).every(need => spare.get(need) !== 0)
  }
  return {
    made,
    kindOf,
    allows,
    isTold: version => told.has(version),
    isNeeded: (value, host) => servedBy(value, host, needs).length > 0,
    mayCreate: version => {
      const maker = made.get(version)
      if (maker !== undefined) return isCreation(maker)
      return creations.some(({ operation, host }) =>
        allows(version, operation.type === 'get' ? undefined : operation.value, host),
      )
    },
  }
}

/** Each host writes in its own name. */
function mayBeOf(host: HostId | undefined, held: Held | undefined): boolean {
  return host === undefined || held?.writer === undefined || held.writer.host === host
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

function isCreation({ operation }: Entry): boolean {
  return operation.type === 'change' && operation.condition.type === 'absent'
}

const UNSET_BY = 'unset by '

/** The need for an unset, of one host or of any. */
function unsetBy(host: HostId | undefined): string {
  return `${UNSET_BY}${host ?? 'anybody'}`
}

/** What a version that nobody says that he has made must have been made by. */
function needOf({ value, writer }: Held): string {
  return value === undefined ? unsetBy(writer?.host) : `= ${value}`
}

/** Which of the needs a change of this host may be for; who is not known may be anybody. */
function servedBy(
  value: string | undefined,
  host: HostId | undefined,
  needs: ReadonlyMap<string, number>,
): readonly string[] {
  if (value !== undefined) return [`= ${value}`].filter(need => needs.has(need))
  if (host === undefined) return [...needs.keys()].filter(need => need.startsWith(UNSET_BY))
  return [unsetBy(host), unsetBy(undefined)].filter(need => needs.has(need))
}

/** Versions that only an uncertain change can have made, by what it must have been. */
function countNeeds(unmade: readonly Held[]): ReadonlyMap<string, number> {
  const needs = new Map<string, number>()
  for (const held of unmade) {
    if (held.version === 0) continue
    const need = needOf(held)
    needs.set(need, (needs.get(need) ?? 0) + 1)
  }
  return needs
}

/** How many more uncertain changes there are than versions that need one of them; below 0: too few. */
function countSpare(
  entries: readonly Entry[],
  needs: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const spare = new Map([...needs].map(([need, count]) => [need, -count]))
  for (const { operation, outcome, host } of entries) {
    if (outcome.type !== 'uncertain' || operation.type === 'get') continue
    for (const need of servedBy(operation.value, host, needs))
      spare.set(need, (spare.get(need) ?? 0) + 1)
  }
  return spare
}
