import { after, elapsed, milliseconds, toInstant } from '../lib/time.ts'

import type { Duration, Instant } from '../lib/time.ts'

/** Lives of processes that are remembered for one peer. */
const LIVES_MAX = 64
/** So often in this time is no accident. */
const FLIPS_MAX = 3
const FLIPS_WITHIN: Duration = milliseconds(60_000)
const HELD_DOWN: Duration = milliseconds(30_000)

/**
 * Finds two processes that run under one host id, as after an SD card was copied: each drives the
 * other out. A restart brings a life never seen before; a life that returns is one of two.
 */
export class Doubles {
  #life: string | undefined
  readonly #replaced = new Set<string>()
  #flips: Instant[] = []
  #heldUntil: Instant = toInstant(-Infinity)

  /** A process has completed a handshake. True: from now on only this one is heard for a while. */
  witness(now: Instant, life: string): boolean {
    const previous = this.#life
    this.#life = life
    if (previous === undefined || previous === life) return false
    remember(this.#replaced, previous, LIVES_MAX)
    if (!this.#replaced.has(life)) return false
    this.#flips = this.#flips.filter(at => elapsed(at, now) < FLIPS_WITHIN)
    this.#flips.push(now)
    if (this.#flips.length < FLIPS_MAX) return false
    this.#flips = []
    this.#heldUntil = after(now, HELD_DOWN)
    return true
  }

  /** Whether this process is not heard at present. */
  isHeldDown(now: Instant, life: string): boolean {
    return now < this.#heldUntil && life !== this.#life
  }
}

/** Adds, and forgets the oldest beyond the limit. */
export function remember(set: Set<string>, key: string, limit: number): void {
  set.add(key)
  if (set.size <= limit) return
  for (const oldest of set) {
    set.delete(oldest)
    return
  }
}
