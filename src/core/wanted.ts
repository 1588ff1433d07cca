import type { HostId } from './clock.ts'
import type { HostSet } from './host-set.ts'
import { includes, type View, type Votes } from './view.ts'

type HeardBy = (host: HostId) => HostSet

/** What a host knows when it asks itself which view there should be. */
export type Prospect = {
  readonly self: HostId
  readonly votes: Votes
  readonly view: View | undefined
  /** Hosts that may be members, this one among them, with their incarnations. */
  readonly alive: ReadonlyMap<HostId, number>
  /** Whom a host hears; of itself it says nothing. */
  readonly heardBy: HeardBy
  /** False for one that has come and gone too often of late. */
  readonly isAdmissible: (host: HostId) => boolean
}

/**
 * The members of the view that this host wants: all hear each other and have a majority of votes.
 * The present view while it is such a set, or those of its members who are, enlarged by those whom
 * all of them hear; else the set with most votes, then with the lowest ids. `undefined`: this host
 * wants nothing.
 */
export function wantedMembers(prospect: Prospect): Map<HostId, number> | undefined {
  const { self, votes, view, alive } = prospect
  const ownIncarnation = alive.get(self)
  if (ownIncarnation === undefined) return undefined
  // Whatever is wanted is among these: without a majority there is nothing to look for.
  const near = new Set([...alive.keys()].filter(host => hearEachOther(prospect, self, host)))
  if (!votes.isMajority([self, ...near])) return undefined
  const members = [...(view?.members ?? [])]
  const living = members.filter(([host, member]) => alive.get(host) === member.incarnation)
  const present = members.map(([host]) => host)
  const stands =
    present.length > 0 &&
    living.length === present.length &&
    deafness(present, prospect.heardBy).every(deaf => deaf.length === 0)
  // Who goes and who comes is for the members to settle: whom they hear, and who has come and gone
  // too often, is known to them alone; else a lasting partial partition flaps.
  const answering = living.filter(([host]) => near.has(host))
  if (answering.length > 0 && !includes(view, self, ownIncarnation)) return undefined
  const best = stands ? enlarged(prospect, present) : bestSet(prospect)
  if (!best.includes(self) || !votes.isMajority(best)) return undefined
  return new Map(sorted(best).map(host => [host, alive.get(host) ?? 0]))
}

function enlarged(prospect: Prospect, present: readonly HostId[]): HostId[] {
  const set = [...present]
  for (const host of sorted(prospect.alive.keys())) {
    if (set.includes(host) || !prospect.isAdmissible(host)) continue
    if (set.every(other => hearEachOther(prospect, host, other))) set.push(host)
  }
  return set
}

/**
 * Members that go on come first: of one that has just come back, some hear sooner than others, and
 * it must not drive out a member that does not hear it yet. Those on probation are passed over,
 * unless there is no majority without them.
 */
function bestSet(prospect: Prospect): HostId[] {
  const { view, alive, votes } = prospect
  const ids = sorted(alive.keys())
  const members = ids.filter(host => includes(view, host, alive.get(host) ?? 0))
  const largest = (set: readonly HostId[]): HostId[] =>
    largestMutualSet(promising(set, prospect), prospect.heardBy, votes)
  const staying = largest(members)
  if (votes.isMajority(staying)) return enlarged(prospect, staying)
  const settled = ids.filter(
    host => includes(view, host, alive.get(host) ?? 0) || prospect.isAdmissible(host),
  )
  const best = largest(settled)
  if (settled.length === ids.length || votes.isMajority(best)) return best
  return largest(ids)
}

/**
 * Without those who hear no majority of the rest: they are in no set that decides. While many hosts
 * start at once, few hear each other, and the search would go through most of what there is.
 */
function promising(ids: readonly HostId[], prospect: Prospect): readonly HostId[] {
  const { votes, heardBy } = prospect
  const ears = ids.map(heardBy)
  const shares = ids.map(id => votes.of([id]))
  const sums = [...shares]
  for (let i = 0; i < ids.length; i++) {
    for (let j = i + 1; j < ids.length; j++) {
      if (!areMutual(ids, ears, i, j)) continue
      sums[i] = (sums[i] ?? 0) + (shares[j] ?? 0)
      sums[j] = (sums[j] ?? 0) + (shares[i] ?? 0)
    }
  }
  const kept = ids.filter((_, i) => 2 * (sums[i] ?? 0) > votes.total)
  return kept.length === ids.length ? kept : promising(kept, prospect)
}

/** One-way hearing counts as none. */
function hearEachOther({ heardBy }: Prospect, a: HostId, b: HostId): boolean {
  return heardBy(a).has(b) && heardBy(b).has(a)
}

/** For each of the hosts those of the others that it does not hear, or that do not hear it. */
function deafness(ids: readonly HostId[], heardBy: HeardBy): readonly (readonly HostId[])[] {
  const ears = ids.map(heardBy)
  const deaf: HostId[][] = ids.map(() => [])
  for (const [i, a] of ids.entries()) {
    for (let j = i + 1; j < ids.length; j++) {
      if (areMutual(ids, ears, i, j)) continue
      deaf[i]?.push(ids[j] ?? 0)
      deaf[j]?.push(a)
    }
  }
  return deaf
}

function areMutual(
  ids: readonly HostId[],
  ears: readonly HostSet[],
  i: number,
  j: number,
): boolean {
  return ears[i]?.has(ids[j] ?? 0) === true && ears[j]?.has(ids[i] ?? 0) === true
}

/** Branches that the search may take; beyond, it drops whoever is missed by most. */
const BRANCHES_MAX = 2000

/**
 * A set of hosts that all hear each other, with the most votes, then the lowest ids. Of two that do
 * not, one has to go: where few links are cut, few branches are taken.
 */
export function largestMutualSet(ids: readonly HostId[], heardBy: HeardBy, votes: Votes): HostId[] {
  const lists = deafness(ids, heardBy)
  const deaf = new Map(ids.map((id, i) => [id, lists[i] ?? []]))
  let best: readonly HostId[] = []
  let branches = 0
  const search = (set: readonly HostId[]): void => {
    if (votes.of(set) < votes.of(best)) return
    const worst = mostMissed(set, deaf)
    if (worst === undefined) {
      if (isBetter(set, best, votes)) best = set
      return
    }
    branches += 1
    search(set.filter(host => host !== worst))
    if (branches > BRANCHES_MAX) return
    const others = deaf.get(worst) ?? []
    search(set.filter(host => !others.includes(host)))
  }
  search(ids)
  return [...best]
}

/** Who does not hear most of the others in the set; `undefined` where all hear each other. */
function mostMissed(
  set: readonly HostId[],
  deaf: ReadonlyMap<HostId, readonly HostId[]>,
): HostId | undefined {
  const within = new Set(set)
  let [worst, most]: [HostId | undefined, number] = [undefined, 0]
  for (const host of set) {
    const missed = deaf.get(host)?.filter(other => within.has(other)).length ?? 0
    if (missed > most) [worst, most] = [host, missed]
  }
  return worst
}

function isBetter(a: readonly HostId[], b: readonly HostId[], votes: Votes): boolean {
  const difference = votes.of(a) - votes.of(b)
  if (difference !== 0) return difference > 0
  if (b.length === 0) return true
  for (const [i, host] of a.entries()) {
    const other = b[i]
    if (other === undefined) return true
    if (host !== other) return host < other
  }
  return false
}

function sorted(ids: Iterable<HostId>): HostId[] {
  return [...ids].sort((a, b) => a - b)
}
