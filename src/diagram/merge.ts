import type { TraceEntry, TraceLine } from '../control/trace.ts'

/** Traces of several hosts as one: who there is, and what happened, causes before effects. */
export type Merged = {
  readonly cluster: string
  /** By id. */
  readonly hosts: readonly MergedHost[]
  readonly entries: readonly TraceEntry[]
}

export type MergedHost = {
  readonly id: number
  readonly name: string
  /** Whether a trace of it is there; else it is known by what others sent to it and got from it. */
  readonly isTraced: boolean
}

/**
 * One order in which all could have happened. Each host's events stay in their order, a delivery
 * comes after its send, and of those that could be next the one with the lowest Lamport time is, the
 * lowest host first where they are equal. No clock of a wall or a machine is read.
 */
export function merge(lines: readonly TraceLine[]): Merged {
  const names = new Map<number, string>()
  let cluster = ''
  const streams = new Map<number, TraceEntry[]>()
  const seen = new Set<string>()
  for (const line of lines) {
    if (line.type === 'hosts') {
      cluster ||= line.cluster
      for (const { id, name } of line.hosts) names.set(id, name)
      continue
    }
    // Traces that overlap tell of one event twice.
    const key = `${line.host} ${line.incarnation} ${line.n} ${line.type}`
    if (seen.has(key)) continue
    seen.add(key)
    const stream = streams.get(line.host)
    if (stream === undefined) streams.set(line.host, [line])
    else stream.push(line)
  }
  for (const stream of streams.values()) {
    stream.sort((a, b) => a.incarnation - b.incarnation || a.n - b.n)
    for (const entry of stream) for (const host of mentioned(entry)) addName(names, host)
  }
  for (const host of streams.keys()) addName(names, host)
  const hosts = [...names]
    .sort(([a], [b]) => a - b)
    .map(([id, name]) => ({ id, name, isTraced: streams.has(id) }))
  return { cluster, hosts, entries: order(streams) }
}

/** What names a message to one receiver. */
export function copyKey(id: string, to: number): string {
  return `${id}>${to}`
}

function addName(names: Map<number, string>, host: number): void {
  if (!names.has(host)) names.set(host, `host ${host}`)
}

function mentioned(entry: TraceEntry): readonly number[] {
  if ('to' in entry) return [entry.to]
  return 'from' in entry ? [entry.from] : []
}

function order(streams: ReadonlyMap<number, readonly TraceEntry[]>): TraceEntry[] {
  const heads = [...streams].sort(([a], [b]) => a - b).map(([, list]) => ({ list, at: 0 }))
  const unsent = new Set<string>()
  for (const { list } of heads) {
    for (const entry of list) {
      if (entry.type === 'send') unsent.add(copyKey(entry.message.id, entry.to))
    }
  }
  const isReady = (entry: TraceEntry): boolean =>
    entry.type !== 'deliver' || !unsent.has(copyKey(entry.message.id, entry.host))
  const merged: TraceEntry[] = []
  for (;;) {
    let best: (typeof heads)[number] | undefined
    let first: (typeof heads)[number] | undefined
    for (const head of heads) {
      const entry = head.list[head.at]
      if (entry === undefined) continue
      if (first === undefined || entry.time < (first.list[first.at]?.time ?? 0)) first = head
      if (!isReady(entry)) continue
      if (best === undefined || entry.time < (best.list[best.at]?.time ?? 0)) best = head
    }
    // Where traces contradict each other, the lowest time goes on: nothing is left out.
    const next = best ?? first
    const entry = next?.list[next.at]
    if (next === undefined || entry === undefined) return merged
    next.at += 1
    if (entry.type === 'send') unsent.delete(copyKey(entry.message.id, entry.to))
    merged.push(entry)
  }
}
