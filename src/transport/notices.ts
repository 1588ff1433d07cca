import { elapsed, milliseconds } from '../lib/time.ts'
import { keyName, readKeyId } from './seal.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Address, PeerId } from './endpoint.ts'
import type { KeyName, Strange } from './seal.ts'

const SPACE: Duration = milliseconds(10_000)

/** What people hear of one peer: each thing once until it changes, and not too often. */
export class Notices {
  readonly #told = new Map<string, { readonly value: string; readonly at: Instant }>()

  /** Whether to tell this now. */
  isNews(now: Instant, topic: string, value: string): boolean {
    const last = this.#told.get(topic)
    if (last !== undefined && (last.value === value || elapsed(last.at, now) < SPACE)) return false
    this.#told.set(topic, { value, at: now })
    return true
  }

  /** The next time it is news again. */
  forget(topic: string): void {
    this.#told.delete(topic)
  }

  clear(): void {
    this.#told.clear()
  }
}

/**
 * A HELLO that no member of this cluster with its present keys has made. Anybody can send one, so
 * the text says what was seen and where, not who it was.
 */
export function describeStrange(
  strange: Strange,
  { id, from, names }: { readonly id: PeerId; readonly from: Address; readonly names: KeyNames },
  hello: Uint8Array,
): string {
  const where = `from the address of host ${id} (${formatAddress(from)})`
  const key = keyName(readKeyId(hello))
  switch (strange) {
    case 'unsealed':
      return `packets that are not sealed come ${where}; they are ignored, for this host has a key (give that host the same key file)`
    case 'sealed':
      return `packets sealed with key ${key} come ${where}; they are ignored, for this host has no key (give this host the same key file)`
    case 'key':
      return `a HELLO with key ${key}, which is not in the key file, came ${where}; it is ignored, for here the keys are ${names.join(', ')} (copy the key file of one of them to the other; then SIGHUP, or restart)`
    case 'damaged':
      return `a HELLO that names key ${key} but was not made with it came ${where}; it is ignored (if it goes on, two different keys have the same name: make another with lamportctl keygen)`
  }
}

type KeyNames = readonly KeyName[]

/** An address as people write it. */
export function formatAddress({ ip, port }: Address): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
