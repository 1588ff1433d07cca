import { decode, encode } from '../lib/cbor.ts'

/** Beyond the numbers of the messages: it is none of the protocol's. */
const KIND = 255

/** Characters of what one host says of itself: hosts.yml with a thousand hosts has fewer. */
export const ABOUT_MAX: number = 96 * 1024

/**
 * What a host says of itself to each other, once a session, on the last channel: its release and its
 * hosts.yml, as JSON, for people. Nothing is decided by it, and it has no Lamport time.
 */
export function encodeAbout(text: string): Uint8Array {
  return encode([KIND, 0, text])
}

/** Undefined where the payload is something else. */
export function decodeAbout(payload: Uint8Array): string | undefined {
  const value = decode(payload)
  if (!Array.isArray(value) || value.length !== 3) return undefined
  const [kind, , text] = value as unknown[]
  return kind === KIND && typeof text === 'string' && text.length <= ABOUT_MAX ? text : undefined
}
