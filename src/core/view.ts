import type { HostId } from './clock.ts'

/** One place in a view. */
export type Member = {
  readonly incarnation: number
  /** Number of the view in which this incarnation came in. */
  readonly since: number
}

/** A numbered, agreed set of hosts that runs the mutex: always a majority of votes. */
export type View = {
  readonly number: number
  readonly members: ReadonlyMap<HostId, Member>
  /** For each host the highest incarnation that was ever excluded: it can never come back. */
  readonly retired: ReadonlyMap<HostId, number>
  /** No view came before it, so nobody can hold what its members do not know. */
  readonly isFirst: boolean
}

/** How many votes each host has; a set of hosts decides when it has more than half of all. */
export class Votes {
  readonly #votes: ReadonlyMap<HostId, number>
  readonly #total: number

  constructor(hosts: readonly { readonly id: HostId; readonly votes: number }[]) {
    this.#votes = new Map(hosts.map(({ id, votes }) => [id, votes]))
    this.#total = hosts.reduce((sum, { votes }) => sum + votes, 0)
  }

  get total(): number {
    return this.#total
  }

  of(hosts: Iterable<HostId>): number {
    let sum = 0
    for (const host of hosts) sum += this.#votes.get(host) ?? 0
    return sum
  }

  isMajority(hosts: Iterable<HostId>): boolean {
    return 2 * this.of(hosts) > this.#total
  }
}

/** Whether this incarnation of a host is a member. */
export function includes(view: View | undefined, host: HostId, incarnation: number): boolean {
  return view?.members.get(host)?.incarnation === incarnation
}

/**
 * The view after `current` with these incarnations in it. Those that drop out are retired, for
 * their clients may go on until their leases end; a retired incarnation is never let in again.
 */
export function nextView(
  current: View | undefined,
  wanted: ReadonlyMap<HostId, number>,
  retire: boolean,
): View {
  const number = (current?.number ?? 0) + 1
  const retired = new Map(current?.retired)
  for (const [host, { incarnation }] of retire ? (current?.members ?? []) : []) {
    if (wanted.get(host) === incarnation) continue
    retired.set(host, Math.max(retired.get(host) ?? 0, incarnation))
  }
  const members = new Map<HostId, Member>()
  for (const [host, incarnation] of [...wanted].sort(([a], [b]) => a - b)) {
    if (incarnation <= (retired.get(host) ?? 0)) continue
    const before = current?.members.get(host)
    const since = before?.incarnation === incarnation ? before.since : number
    members.set(host, { incarnation, since })
  }
  return { number, members, retired, isFirst: current === undefined }
}

/** For people: `view 7: 1 2 5`. */
export function describeView(view: View): string {
  return `view ${view.number}: ${[...view.members.keys()].join(' ')}`
}
