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
 * Reads what a stranger sent: any value at all, or `undefined` where it is not CBOR. Byte strings
 * share the memory of `bytes`: copy what is kept.
 */
export function decode(bytes: Uint8Array): unknown {
  try {
    return coder.decode(bytes)
  } catch {
    return undefined
  }
}
