import { elapsed, milliseconds, toInstant } from '../lib/time.ts'
import { readU24, utf8, writeU16, writeU24 } from './bytes.ts'
import { areEqual, concat } from './crypto.ts'
import { Hello, proofOf } from './seal.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Address } from './endpoint.ts'
import type { ReceivedHello, Seal } from './seal.ts'

/** HELLOs of members, of all together, that are looked at without a cookie: at once, and a second. */
const FREE_MAX = 20
const FREE_PER_SECOND = 20
/** A cookie is good for so long at most. */
const SECRET_KEPT: Duration = milliseconds(120_000)

/**
 * Under load, a HELLO has to show that its sender gets what is sent to its address: who replays the
 * HELLOs of others from elsewhere cannot (WireGuard §5.3, RFC 9000 §8.1).
 */
export class Gate {
  readonly #now: () => Instant
  #free = FREE_MAX
  #freeAt: Instant = toInstant(0)
  #secret: Uint8Array | undefined
  #secretAt: Instant = toInstant(0)

  constructor(now: () => Instant) {
    this.#now = now
  }

  /** Counts a HELLO. The result is a COOKIE to send, where it has to prove itself first. */
  admit(seal: Seal, from: Address, hello: ReceivedHello): Uint8Array | undefined {
    const now = this.#now()
    const earned = (elapsed(this.#freeAt, now) / 1000) * FREE_PER_SECOND
    this.#free = Math.min(FREE_MAX, this.#free + earned)
    this.#freeAt = now
    if (this.#free >= 1) {
      this.#free--
      return undefined
    }
    const cookie = this.#cookie(now, seal, from, hello.bytes)
    return areEqual(cookie, proofOf(hello.bytes)) ? undefined : hello.demand(cookie)
  }

  #cookie(now: Instant, seal: Seal, { ip, port }: Address, hello: Uint8Array): Uint8Array {
    if (this.#secret === undefined || elapsed(this.#secretAt, now) >= SECRET_KEPT) {
      this.#secret = seal.createSecret()
      this.#secretAt = now
    }
    const numbers = new Uint8Array(5)
    writeU16(numbers, 0, port)
    writeU24(numbers, 2, readU24(hello, Hello.index))
    return seal.mac(this.#secret, concat(numbers, utf8(ip)))
  }
}
