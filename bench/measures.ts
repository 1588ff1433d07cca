/** The value below which that share of the values lies; they need not be sorted. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** A row of a table: one transport under one loss. */
export type Row = {
  readonly pattern: 'lone' | 'request and reply'
  readonly transport: string
  readonly lossPercent: number
  readonly messages: number
  /** Milliseconds from when a message was due (of a request: there and back). */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Milliseconds from the call that sent it. */
  readonly p50FromSend: number
  readonly datagramsPerMessage: number
  /** Why this row is void, if it is. */
  readonly fault: string | undefined
}

/** How locks fare while long messages go on. */
export type BulkRow = {
  readonly lossPercent: number
  readonly p99Without: number
  readonly p99With: number
  /** How long 1 MiB and its receipt took. */
  readonly bulkP50: number
  readonly bulkCount: number
  readonly fault: string | undefined
}

/** A round trip on loopback, in microseconds. */
export type LoopbackRow = { readonly lamportd: number; readonly dgram: number }

/** How long a command line takes, in milliseconds; the first is Node that does nothing. */
export type StartRow = {
  readonly name: string
  readonly p10: number
  readonly p50: number
  readonly p90: number
}

/** Something that is to hold on any machine, hence a ratio. */
export type Goal = {
  readonly name: string
  readonly value: number
  readonly bound: number
  readonly wanted: 'at least' | 'at most'
}

export function atMost(name: string, value: number, bound: number): Goal {
  return { name, value, bound, wanted: 'at most' }
}

export function atLeast(name: string, value: number, bound: number): Goal {
  return { name, value, bound, wanted: 'at least' }
}

export function isMet({ value, bound, wanted }: Goal): boolean {
  return wanted === 'at least' ? value >= bound : value <= bound
}

/** What lamportd's transport is for, compared within one run. */
export function lossGoals(rows: readonly Row[]): Goal[] {
  const find = (pattern: Row['pattern'], transport: string, lossPercent: number): Row => {
    const row = rows.find(
      each =>
        each.pattern === pattern &&
        each.transport === transport &&
        each.lossPercent === lossPercent,
    )
    if (row === undefined) throw new Error(`${transport} was measured at ${lossPercent} %`)
    return row
  }
  const lone = (transport: string, loss: number): Row => find('lone', transport, loss)
  const better = (transport: string, loss: number, bound: number): Goal => ({
    name: `p99 at ${loss} % loss, times better than ${transport}`,
    value: lone(transport, loss).p99 / lone('lamportd', loss).p99,
    bound,
    wanted: 'at least',
  })
  return [
    better('tcp tuned', 5, 2),
    better('tcp tuned', 20, 2),
    better('tcp', 5, 25),
    better('tcp', 20, 25),
    {
      name: 'p50 without loss, times that of tcp',
      value: lone('lamportd', 0).p50FromSend / lone('tcp', 0).p50FromSend,
      bound: 2,
      wanted: 'at most',
    },
    {
      name: 'datagrams a message, request and reply',
      value: find('request and reply', 'lamportd', 0).datagramsPerMessage,
      bound: 1.05,
      wanted: 'at most',
    },
    {
      name: 'datagrams a message, lone',
      value: lone('lamportd', 0).datagramsPerMessage,
      bound: 2,
      wanted: 'at most',
    },
  ]
}

export function bulkGoals(rows: readonly BulkRow[]): Goal[] {
  return rows.map(({ lossPercent, p99With, p99Without }) => ({
    name: `p99 of locks beside 1 MiB messages at ${lossPercent} % loss, times that without`,
    value: p99With / p99Without,
    bound: 2,
    wanted: 'at most',
  }))
}

export function loopbackGoals({ lamportd, dgram }: LoopbackRow): Goal[] {
  const name = 'round trip on loopback, times that of plain datagrams'
  return [{ name, value: lamportd / dgram, bound: 2.6, wanted: 'at most' }]
}

export function startGoals([node, ...lines]: readonly StartRow[]): Goal[] {
  return lines.map(({ name, p50 }) => ({
    name: `${name}, times ${node?.name ?? ''}`,
    value: p50 / (node?.p50 ?? NaN),
    bound: 1.6,
    wanted: 'at most',
  }))
}
