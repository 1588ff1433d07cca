import type { HostId } from './clock.ts'
import type { VariableValue, Writer } from './variable.ts'

/** Versions that a history shows: the present one, and those that a value carries with it. */
export const HISTORY_MAX = 32

/** Host 2 bytes, time 6, size + 1 in 4 (0: unset); little-endian, the newest first. */
const ENTRY_BYTES = 12
const PAST_BYTES_MAX = (HISTORY_MAX - 1) * ENTRY_BYTES

const NOTHING = new Uint8Array()

/** What is known of a version that is past. */
export type PastEntry = {
  readonly version: number
  readonly writer: Writer
  /** Bytes of its value; `undefined`: it was unset. */
  readonly size: number | undefined
}

/**
 * The past of the value after `current`. It travels with the value, so that every host can tell who
 * wrote what, also one that was away or has lost its disk; packed, for it stands in every value.
 */
export function pastOf(current: VariableValue | undefined): Uint8Array {
  if (current === undefined) return NOTHING
  const kept = current.past.subarray(0, PAST_BYTES_MAX - ENTRY_BYTES)
  const past = new Uint8Array(ENTRY_BYTES + kept.length)
  const view = new DataView(past.buffer)
  const { host, time } = current.writer
  view.setUint16(0, host, true)
  view.setUint32(2, time % 2 ** 32, true)
  view.setUint16(6, Math.floor(time / 2 ** 32), true)
  view.setUint32(8, current.bytes === undefined ? 0 : current.bytes.length + 1, true)
  past.set(kept, ENTRY_BYTES)
  return past
}

/** The versions before `value`, the newest first. */
export function pastEntries({ version, past }: VariableValue): PastEntry[] {
  const view = new DataView(past.buffer, past.byteOffset, past.byteLength)
  const entries: PastEntry[] = []
  for (let at = 0; at < past.length; at += ENTRY_BYTES) {
    const host: HostId = view.getUint16(at, true)
    const time = view.getUint32(at + 2, true) + view.getUint16(at + 6, true) * 2 ** 32
    const size = view.getUint32(at + 8, true)
    entries.push({
      version: version - entries.length - 1,
      writer: { host, time },
      size: size === 0 ? undefined : size - 1,
    })
  }
  return entries
}

/** Whether these bytes are a past that a value of this version may have. */
export function isPast(value: unknown, version: number): value is Uint8Array {
  if (!(value instanceof Uint8Array) || value.length % ENTRY_BYTES !== 0) return false
  return value.length <= PAST_BYTES_MAX && value.length / ENTRY_BYTES < version
}
