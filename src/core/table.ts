import type { NodeConfig } from '../node.ts'

/**
 * What safety rests on, one line each, the same text on every host whose hosts.yml agrees: cluster,
 * lease, drift, and the votes of every id. Addresses, names and other timings may differ. Hosts
 * compare a digest of it; where that differs, the lines tell what.
 */
export function safetyTable(config: Pick<NodeConfig, 'cluster' | 'hosts' | 'timing'>): string {
  const lines = [
    `cluster ${config.cluster}`,
    `lease ${config.timing.lease} ms`,
    `drift ${config.timing.drift}`,
  ]
  for (const host of [...config.hosts].sort((a, b) => a.id - b.id)) {
    lines.push(`host ${host.id} votes ${host.votes}`)
  }
  return lines.join('\n') + '\n'
}
