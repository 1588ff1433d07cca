import type { HostId } from './clock.ts'
import { isSameTable, type SafetyTable } from './table.ts'
import { Votes } from './view.ts'

/** What a host that has had a vote knows of the tables by which it votes. */
export type Memory = {
  /** By this one it came to its vote. */
  readonly voted: SafetyTable
  /** By this one alone it may vote from now on. */
  readonly pledged: SafetyTable
}

/** Why the hosts of a table may not go on with what those among them who remember know. */
export type Gap =
  /** These may have decided something by this table, and have lost it. */
  | { readonly type: 'forgotten'; readonly hosts: readonly HostId[] }
  /** Without these there was no majority by an older table: they may go on by it, or know more. */
  | { readonly type: 'removed'; readonly hosts: readonly HostId[] }

/** Whether a host with this memory votes by this table and by no other. */
export function isLoyal({ voted, pledged }: Memory, table: SafetyTable): boolean {
  return isSameTable(voted, table) && isSameTable(pledged, table)
}

/**
 * What is missing before the hosts of `table` may vote by it, when all of them have been asked, have
 * pledged themselves to it, and these have a memory. Whatever was decided by a table was accepted by
 * a majority of it; so one of those who remember must be in every majority, of this table and of
 * every other that any of them ever voted by. Of those others they must be a majority themselves:
 * then, pledged, they leave the rest none. `inUse`: somebody may have voted by `table` before, but for
 * the newcomers, who have not yet.
 */
export function findGap(
  table: SafetyTable,
  memories: ReadonlyMap<HostId, Memory>,
  inUse: { readonly newcomers: ReadonlySet<HostId> } | undefined,
): Gap | undefined {
  const isAbsent = ({ id }: { readonly id: HostId }): boolean => !memories.has(id)
  const idsOf = (hosts: SafetyTable['hosts']): HostId[] => hosts.map(({ id }) => id)
  const blank = idsOf(table.hosts.filter(isAbsent)).filter(id => inUse?.newcomers.has(id) === false)
  if (new Votes(table.hosts).isMajority(blank)) return { type: 'forgotten', hosts: blank }
  const tables = [...memories.values()].flatMap(({ voted, pledged }) => [voted, pledged])
  for (const other of tables) {
    if (isSameTable(other, table)) continue
    if (new Votes(other.hosts).isMajority(memories.keys())) continue
    return { type: 'removed', hosts: idsOf(other.hosts.filter(isAbsent)) }
  }
  return undefined
}
