import type { Duration } from '../lib/time.ts'
import type { HostId } from './clock.ts'

/** What safety rests on: it must be the same on all hosts. Addresses and names need not be. */
export type SafetyTable = {
  readonly cluster: string
  readonly hosts: readonly { readonly id: HostId; readonly votes: number }[]
  readonly timing: { readonly lease: Duration; readonly drift: number }
}

/** The table in one canonical form, a fact a line, so that a difference can be shown. */
export function safetyTable({ cluster, hosts, timing }: SafetyTable): string {
  const lines = [`cluster ${cluster}`, `lease ${timing.lease}ms`, `drift ${timing.drift}`]
  for (const { id, votes } of [...hosts].sort((a, b) => a.id - b.id)) {
    lines.push(`host ${id} votes ${votes}`)
  }
  return lines.join('\n')
}

/**
 * Eight bytes that differ where tables differ: FNV-1a with two offsets. It guards against mistakes,
 * not against attackers.
 */
export function digestOf(table: string): Uint8Array {
  const digest = new Uint8Array(8)
  const view = new DataView(digest.buffer)
  for (const [lane, offset] of [0x811c9dc5, 0xcbf29ce4].entries()) {
    let hash = offset
    for (let i = 0; i < table.length; i++) hash = Math.imul(hash ^ table.charCodeAt(i), 0x01000193)
    view.setUint32(4 * lane, hash >>> 0, true)
  }
  return digest
}
