import type { Diagram } from '../../src/diagram/model.ts'

/** Where a diagram shows an effect before its cause. */
export function causalFaults({ points, arrows }: Diagram): string[] {
  const faults: string[] = []
  for (const { send, deliver, message } of arrows) {
    if (deliver === undefined) continue
    if (send.index >= deliver.index) faults.push(`${message.id} is delivered before it is sent`)
    else if (send.column >= deliver.column) faults.push(`${message.id} goes to the left`)
  }
  const last = new Map<number, (typeof points)[number]>()
  for (const point of points) {
    const before = last.get(point.row)
    last.set(point.row, point)
    if (before === undefined) continue
    const where = `event ${point.index} of line ${point.row}`
    if (before.column >= point.column) faults.push(`${where} is not right of the one before`)
    const [a, b] = [before.entry, point.entry]
    if (a === undefined || b === undefined) continue
    const isLater = a.incarnation < b.incarnation || (a.incarnation === b.incarnation && a.n < b.n)
    if (!isLater) faults.push(`${where} is out of its host's order`)
  }
  return faults
}
