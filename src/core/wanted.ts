import type { HostId } from './clock.ts'
import { includes, type View, type Votes } from './view.ts'

/** What a host knows when it asks itself which view there should be. */
export type Prospect = {
  readonly self: HostId
  readonly votes: Votes
  readonly view: View | undefined
  /** Hosts that may be members, this one among them, with their incarnations. */
  readonly alive: ReadonlyMap<HostId, number>
  readonly hearEachOther: (a: HostId, b: HostId) => boolean
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
  const members = [...(view?.members ?? [])]
  const living = members.filter(([host, member]) => alive.get(host) === member.incarnation)
  const present = members.map(([host]) => host)
  const stands =
    present.length > 0 &&
    living.length === present.length &&
    present.every((host, i) =>
      present.slice(i + 1).every(other => prospect.hearEachOther(host, other)),
    )
  // Who goes and who comes is for the members to settle: whom they hear, and who has come and gone
  // too often, is known to them alone; else a lasting partial partition flaps.
  const answering = living.filter(([host]) => prospect.hearEachOther(self, host))
  if (answering.length > 0 && !includes(view, self, ownIncarnation)) return undefined
  const best = stands ? enlarged(prospect, present) : bestSet(prospect)
  if (!best.includes(self) || !votes.isMajority(best)) return undefined
  return new Map(sorted(best).map(host => [host, alive.get(host) ?? 0]))
}

function enlarged(prospect: Prospect, present: readonly HostId[]): HostId[] {
  const set = [...present]
  for (const host of sorted(prospect.alive.keys())) {
    if (set.includes(host) || !prospect.isAdmissible(host)) continue
    if (set.every(other => prospect.hearEachOther(host, other))) set.push(host)
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
  const staying = largestMutualSet(members, prospect.hearEachOther, votes)
  if (votes.isMajority(staying)) return enlarged(prospect, staying)
  const settled = ids.filter(
    host => includes(view, host, alive.get(host) ?? 0) || prospect.isAdmissible(host),
  )
  const best = largestMutualSet(settled, prospect.hearEachOther, votes)
  if (settled.length === ids.length || votes.isMajority(best)) return best
  return largestMutualSet(ids, prospect.hearEachOther, votes)
}

/** Branches that the search may take; beyond, it drops whoever is missed by most. */
const BRANCHES_MAX = 2000

/**
 * A set of hosts that all hear each other, with the most votes, then the lowest ids. Of two that do
 * not, one has to go: where few links are cut, few branches are taken.
 */
export function largestMutualSet(
  ids: readonly HostId[],
  hearEachOther: (a: HostId, b: HostId) => boolean,
  votes: Votes,
): HostId[] {
  const deaf = new Map<HostId, HostId[]>()
  for (const a of ids)
    deaf.set(
      a,
      ids.filter(b => a !== b && !hearEachOther(a, b)),
    )
  let best: readonly HostId[] = []
  let branches = 0
  const search = (set: readonly HostId[]): void => {
    if (votes.of(set) < votes.of(best)) return
    const missed = (host: HostId): number =>
      deaf.get(host)?.filter(other => set.includes(other)).length ?? 0
    const worst = set.reduce<HostId | undefined>(
      (a, b) => (missed(b) > (a === undefined ? 0 : missed(a)) ? b : a),
      undefined,
    )
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
