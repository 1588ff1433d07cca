import type { Diagram, Point } from './model.ts'
import { hostName, pointText } from './words.ts'

/** How ShiViz is told to read the log: it is the expression that it offers itself. */
export const SHIVIZ_EXPRESSION = '(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})'

/** The log of a diagram with vector clocks, two lines an event, as ShiViz reads it. */
export function shiviz(diagram: Diagram): string {
  const clocks = vectorClocks(diagram)
  const lines = diagram.points.map(point => {
    const clock = Object.fromEntries(
      [...(clocks[point.index] ?? [])].map(([row, count]) => [hostOf(diagram, row), count]),
    )
    const text = pointText(diagram, point).replace(/\n/g, ' ')
    return `${text}\n${hostOf(diagram, point.row)} ${JSON.stringify(clock)}\n`
  })
  return lines.join('')
}

/** For each point how many points of each host happened before it, or are it. */
export function vectorClocks({ points }: Diagram): readonly ReadonlyMap<number, number>[] {
  const clocks: Map<number, number>[] = []
  const last = new Map<number, Point>()
  for (const point of points) {
    const before = last.get(point.row)
    const clock = new Map(before === undefined ? [] : clocks[before.index])
    for (const { deliver, send } of point.arrows) {
      if (deliver !== point) continue
      for (const [row, count] of clocks[send.index] ?? []) {
        clock.set(row, Math.max(count, clock.get(row) ?? 0))
      }
    }
    clock.set(point.row, (clock.get(point.row) ?? 0) + 1)
    clocks.push(clock)
    last.set(point.row, point)
  }
  return clocks
}

/** A name without blanks. */
function hostOf(diagram: Diagram, row: number): string {
  return diagram.hosts[row]?.name.replace(/\s/g, '-') ?? hostName(diagram, row)
}
