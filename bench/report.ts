import { readFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { gunzipSync } from 'node:zlib'
import { isMet } from './measures.ts'

import type { BulkRow, Goal, LoopbackRow, Row } from './measures.ts'

/** What the numbers of a run depend on besides the code. */
export function describeMachine(): Record<string, string> {
  const [processor] = cpus()
  return {
    kernel: release(),
    CONFIG_HZ: timerRate(),
    node: process.version,
    processors: `${cpus().length} x ${processor?.model ?? 'unknown'}`,
    'load average': loadavg()
      .map(load => load.toFixed(2))
      .join(' '),
  }
}

/** Ticks of the kernel a second: its timers, and so TCP's, are as coarse. */
function timerRate(): string {
  for (const read of [
    () => gunzipSync(readFileSync('/proc/config.gz')).toString(),
    () => readFileSync(`/boot/config-${release()}`, 'utf8'),
  ]) {
    try {
      const [, rate] = /^CONFIG_HZ=(\d+)$/m.exec(read()) ?? []
      if (rate !== undefined) return rate
    } catch {
      // Not every kernel tells.
    }
  }
  return 'unknown'
}

/** Columns as wide as their widest cell: texts to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const pad = (cell: string, i: number): string => {
    const width = widths[i] ?? 0
    return /^\d/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
  }
  return rows.map(row => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** Milliseconds, in as many digits as mean something. */
export function ms(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0)
}

export function formatRows(rows: readonly Row[]): string {
  const head = ['loss', 'transport', 'messages', 'p50', 'p99', 'p99.9', 'datagrams/message', '']
  const cells = rows.map(row => [
    `${row.lossPercent} %`,
    row.transport,
    `${row.messages}`,
    ms(row.p50),
    ms(row.p99),
    ms(row.p999),
    row.datagramsPerMessage.toFixed(2),
    row.fault === undefined ? '' : `VOID: ${row.fault}`,
  ])
  return table([head, ...cells])
}

export function formatBulk(rows: readonly BulkRow[]): string {
  const head = ['loss', 'p99 without', 'p99 beside', '1 MiB p50', 'of those', '']
  const cells = rows.map(row => [
    `${row.lossPercent} %`,
    ms(row.p99Without),
    ms(row.p99With),
    ms(row.bulkP50),
    `${row.bulkCount}`,
    row.fault === undefined ? '' : `VOID: ${row.fault}`,
  ])
  return table([head, ...cells])
}

export function formatLoopback({ lamportd, dgram }: LoopbackRow): string {
  const row = (name: string, value: number): string[] => [name, `${value.toFixed(1)} µs`]
  return table([row('lamportd', lamportd), row('plain datagrams', dgram)])
}

export function formatGoals(goals: readonly Goal[]): string {
  return table(
    goals.map(goal => [
      isMet(goal) ? 'PASS' : 'FAIL',
      goal.value.toFixed(2),
      `(${goal.wanted} ${goal.bound})`,
      goal.name,
    ]),
  )
}

export function formatMachine(machine: Readonly<Record<string, string>>): string {
  return table(Object.entries(machine).map(([name, value]) => [`${name}:`, value]))
}
