import type { HostsFile } from './config.ts'

/** What a hosts.yml without a mistake still lets go wrong, one sentence each, for `--check`. */
export function majorityWarnings({ hosts }: Pick<HostsFile, 'hosts'>): readonly string[] {
  const warnings: string[] = []
  const total = hosts.reduce((sum, { votes }) => sum + votes, 0)
  for (const { name, votes } of hosts) {
    if ((total - votes) * 2 > total) continue
    const rest = `the others have ${total - votes} of ${total} votes`
    warnings.push(
      hosts.length === 1
        ? `${name} is alone: if it stops, every lock stops (add two hosts, however small)`
        : `if ${name} stops, every lock stops: ${rest} (add a host, however small)`,
    )
  }
  if (hosts.length > 1 && canSplitEvenly(hosts.map(({ votes }) => votes))) {
    const half = `a network cut can leave ${total / 2} of ${total} votes on either side`
    warnings.push(`${half}, a majority on neither (make the sum of votes odd)`)
  }
  return warnings
}

/** Whether some of the hosts have exactly half of all votes: sums that can be reached, as bits. */
function canSplitEvenly(votes: readonly number[]): boolean {
  const total = votes.reduce((sum, each) => sum + each, 0)
  if (total % 2 === 1) return false
  let reachable = 1n
  for (const each of votes) reachable |= reachable << BigInt(each)
  return ((reachable >> BigInt(total / 2)) & 1n) === 1n
}
