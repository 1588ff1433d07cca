import type { Instant } from '../lib/time.ts'
import { describeEntry, type Entry } from './history.ts'
import { decide } from './linearizability.ts'

/** Operations of one register that no order explains. */
export type Disorder = {
  readonly name: string
  /** When it was seen: the return without which all could have been in order. */
  readonly at: Instant
  /** Those that cannot be ordered, whatever became of all others. */
  readonly entries: readonly Entry[]
  readonly text: string
}

export type Verdict = {
  readonly registers: number
  readonly disorders: readonly Disorder[]
  /** Registers whose histories would take too much work: nothing is known of them. */
  readonly tooLarge: readonly string[]
}

/** Seconds at the worst: enough for two thousand operations with hundreds of uncertain ones. */
export const WORK_MAX = 20_000_000

/** Checks each register of a history by itself, which is enough: linearizability is local. */
export function checkHistory(entries: readonly Entry[], workMax: number): Verdict {
  const registers = new Map<string, Entry[]>()
  for (const entry of entries) {
    const present = registers.get(entry.name)
    if (present === undefined) registers.set(entry.name, [entry])
    else present.push(entry)
  }
  const disorders: Disorder[] = []
  const tooLarge: string[] = []
  for (const [name, operations] of registers) {
    const decision = decide(operations, workMax)
    if (decision === 'too large') tooLarge.push(name)
    // To see what cannot be ordered takes many searches, and a longer list is no calamity.
    if (decision === 'not linearizable') disorders.push(explain(name, operations, workMax / 10))
  }
  return { registers: registers.size, disorders, tooLarge }
}

function explain(name: string, entries: readonly Entry[], workMax: number): Disorder {
  const isBroken = (some: readonly Entry[]): boolean => decide(some, workMax) === 'not linearizable'
  const { prefix, at } = smallestPrefix(entries, isBroken)
  const all = forgetOthers(prefix, isBroken)
  const needed = all.filter(isCertain)
  const rest = all.filter(entry => !isCertain(entry))
  const text = `no order of ${name} explains: ${listed(needed)}${whatever(rest)}`
  return { name, at, entries: needed, text }
}

/** Of so many others it is said what they are. */
const OTHERS_SHOWN = 3

function whatever(others: readonly Entry[]): string {
  if (others.length === 0) return ''
  const which = others.length > OTHERS_SHOWN ? `${others.length} others` : listed(others)
  return `; whatever became of ${which}`
}

function listed(entries: readonly Entry[]): string {
  return entries.map(describeEntry).join('; ')
}

/** If a history up to some return cannot be ordered, neither can it with more: so halve and halve. */
function smallestPrefix(
  entries: readonly Entry[],
  isBroken: (entries: readonly Entry[]) => boolean,
): { readonly prefix: readonly Entry[]; readonly at: Instant } {
  const returns = entries.filter(isCertain).sort((a, b) => returnOf(a) - returnOf(b))
  const upTo = (count: number): Entry[] => {
    const returned = new Set(returns.slice(0, count))
    const last = returns[count - 1]
    const end = last === undefined ? -Infinity : returnOf(last)
    return entries
      .filter(entry => entry.invoked <= end)
      .flatMap(entry => (returned.has(entry) ? [entry] : forget(entry)))
  }
  let [low, high] = [0, returns.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBroken(upTo(middle))) high = middle
    else low = middle + 1
  }
  const last = returns[high - 1]
  return { prefix: upTo(high), at: last === undefined ? (0 as Instant) : returnOf(last) }
}

/** Forgets of as many as possible what their clients were told, by halves, the oldest first. */
function forgetOthers(
  entries: readonly Entry[],
  isBroken: (entries: readonly Entry[]) => boolean,
): readonly Entry[] {
  let kept = entries
  for (let size = kept.length; size >= 1; size = Math.floor(size / 2)) {
    let next: readonly Entry[] = kept
    const certain = kept.filter(isCertain)
    for (let start = 0; start < certain.length; start += size) {
      const some = new Set(certain.slice(start, start + size))
      const fewer = next.flatMap(entry => (some.has(entry) ? forget(entry) : [entry]))
      if (isBroken(fewer)) next = fewer
    }
    kept = next
  }
  return kept
}

/** As if there had been no answer: whatever could be ordered before can be ordered so. */
function forget(entry: Entry): Entry[] {
  if (entry.operation.type === 'get' || entry.outcome.type === 'none') return []
  return [{ ...entry, returned: undefined, outcome: { type: 'uncertain' } }]
}

function isCertain({ outcome }: Entry): boolean {
  return outcome.type !== 'uncertain' && outcome.type !== 'none'
}

function returnOf({ returned, invoked }: Entry): Instant {
  return returned ?? invoked
}
