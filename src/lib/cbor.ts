// `cbor-x/encode` and not `cbor-x`: the latter tries to load native extras; the pure path is tested.
import { Encoder } from 'cbor-x/encode'

/**
 * The one configured coder. Without records and structures it is stateless, so that a datagram
 * means the same wherever it arrives.
 */
const coder = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
})

/** CBOR (RFC 8949) of a plain value: numbers, strings, booleans, null, bytes, lists, maps. */
export function encode(value: unknown): Uint8Array {
  // The encoder gives a view of its own buffer and goes on filling behind it: nobody may keep that.
  return new Uint8Array(coder.encode(value))
}

/**
 * Reads what a stranger sent: any plain value at all, or `undefined` where it is not CBOR. Byte
 * strings share the memory of `bytes`: copy what is kept.
 */
export function decode(bytes: Uint8Array): unknown {
  if (!isOneItem(bytes)) return undefined
  try {
    if (holdsBytes || bytes.length > desk.length) return coder.decode(bytes)
    desk.set(bytes)
    return reader.decode(desk, bytes.length)
  } catch {
    return undefined
  }
}

/** Its types do not know that less than all of a buffer can be read. */
const reader: { decode(bytes: Uint8Array, end: number): unknown } = coder

/** Messages of a lock are read here: what is read for the first time costs the coder more. */
const desk = new Uint8Array(512)

/** Whether there is a byte string in what was looked at last: that shares its memory. */
let holdsBytes = false

function isOneItem(bytes: Uint8Array): boolean {
  holdsBytes = false
  return endOfItem(bytes, 0, 0) === bytes.length
}

/** Lists in lists: far more than any message of ours has. */
const DEPTH_MAX = 16

/**
 * Where the item that begins here ends, or -1 if it is none that `encode` makes. The coder knows
 * much more than plain values, by tags: a number of 1 MiB that takes it minutes to read, tables that
 * it keeps from one message to the next, regular expressions. Nothing of that gets so far.
 */
function endOfItem(bytes: Uint8Array, at: number, depth: number): number {
  const head = bytes[at]
  if (head === undefined || depth > DEPTH_MAX) return -1
  const type = head >>> 5
  const size = head & 0x1f
  if (type === 7) return endOfSimple(bytes, at, size)
  if (size > 26 || type === 6) return -1
  // Bytes behind the first one that hold a length or a number.
  const width = size < 24 ? 0 : 1 << (size - 24)
  let end = at + 1 + width
  if (end > bytes.length) return -1
  let value = width === 0 ? size : 0
  for (let i = at + 1; i < end; i++) value = value * 256 + (bytes[i] as number)
  if (type <= 1) return end
  if (type === 2) holdsBytes = true
  if (type <= 3) return end + value <= bytes.length ? end + value : -1
  for (let left = type === 4 ? value : 2 * value; left > 0; left--) {
    end = endOfItem(bytes, end, depth + 1)
    if (end < 0) return -1
  }
  return end
}

/** false, true, null, undefined, and numbers of 16, 32 and 64 bits. */
function endOfSimple(bytes: Uint8Array, at: number, size: number): number {
  if (size >= 20 && size <= 23) return at + 1
  const end = at + 1 + 2 ** (size - 24)
  return size >= 25 && size <= 27 && end <= bytes.length ? end : -1
}
