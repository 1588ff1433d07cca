import { HOST_ID_LIMIT, TIME_LIMIT, type HostId } from './clock.ts'
import { NAME_BYTES_MAX } from './message.ts'
import type { Ballot } from './register.ts'

// The parts that messages and records are made of, as lists of CBOR: read, or `undefined`.

export function ballotFields({ counter, host }: Ballot): unknown {
  return [counter, host]
}

export function parseBallot(value: unknown): Ballot | undefined {
  if (!Array.isArray(value)) return undefined
  const fields = value as readonly unknown[]
  const counter = fields[0]
  const host = fields[1]
  if (!isTime(counter) || !isTime(host) || host >= HOST_ID_LIMIT) return undefined
  return { counter, host }
}

/** A host and a number: its incarnation, or its votes. */
export function parsePair(value: unknown): [HostId, number] | undefined {
  if (!Array.isArray(value)) return undefined
  const [host, number] = value as unknown[]
  return isHostId(host) && isTime(number) ? [host, number] : undefined
}

export function parseList<T>(
  value: unknown,
  parse: (item: unknown) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value)) return undefined
  const items: T[] = []
  for (const item of value as unknown[]) {
    const parsed = parse(item)
    if (parsed === undefined) return undefined
    items.push(parsed)
  }
  return items
}

export function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && (value as unknown[]).every(is)
}

export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < TIME_LIMIT
}

export function isStamp(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

export function isHostId(value: unknown): value is HostId {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < HOST_ID_LIMIT
}

/** A name of a lock or a variable. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= NAME_BYTES_MAX
}
