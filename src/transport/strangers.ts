import { elapsed, milliseconds } from '../lib/time.ts'
import { formatAddress } from './notices.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Address, PeerId } from './endpoint.ts'

/** So many are known at a time, and each for so long after it has called. */
const STRANGERS_MAX = 16
const SHOWN: Duration = milliseconds(60_000)

/** Hosts that call and are not in hosts.yml. Anybody can make one up. */
export class Strangers {
  readonly #strangers = new Map<PeerId, { readonly text: string; last: Instant }>()

  /** One has called: what people are to hear of it, if that is news. */
  note(now: Instant, id: PeerId, from: Address): string | undefined {
    const known = this.#strangers.get(id)
    if (known !== undefined) {
      known.last = now
      return undefined
    }
    if (this.#strangers.size >= STRANGERS_MAX) {
      for (const [other, { last }] of this.#strangers) {
        if (elapsed(last, now) >= SHOWN) this.#strangers.delete(other)
      }
      if (this.#strangers.size >= STRANGERS_MAX) return undefined
    }
    const text = `${formatAddress(from)} calls itself host ${id}, which hosts.yml does not name; it is ignored (stop it, or write the same hosts.yml on all hosts)`
    this.#strangers.set(id, { text, last: now })
    return text
  }

  /** Who has called of late, for people. */
  recent(now: Instant): readonly string[] {
    const recent = [...this.#strangers.values()].filter(({ last }) => elapsed(last, now) < SHOWN)
    return recent.map(({ text }) => text)
  }
}
