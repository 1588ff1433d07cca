import {
  after,
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import { ahead } from './fingerprint.ts'
import type { OwnRequest } from './own.ts'

/** A request for one entry, as if it were the first. */
export const NO_SERIES = { span: 1, entries: 0 } as const

/** What is known of names that were let go of altogether. */
type Past = {
  readonly at: Instant
  /** How many timestamps the request had, and how often it and those before it were entered. */
  readonly span: number
  readonly entries: number
  readonly patience: Duration
}

/**
 * A request that nobody uses stands for so long as it took to ask all others, but neither shorter nor
 * longer than this; and who wants a lock again within that is likely to want it once more. What is
 * kept costs others nothing, what is asked for anew costs that (as a skier buys skis when rents have
 * come to their price).
 */
const [PATIENCE_MIN, PATIENCE_MAX] = [milliseconds(10), milliseconds(200)]

/** How many timestamps the next request has, times those of the one before it. */
const GROWTH = 4

/** How many names are remembered that were let go of a moment ago; and as many that stood. */
const NAMES_MAX = 1024

/** Names that are longer together are asked for each time: what is remembered stays small. */
const KEY_LENGTH_MAX = 1024

/**
 * Requests that stand. A host that asks for a lock again and again, while nobody else does, need not
 * ask the others each time: its request stays in their queues and admits one client after the other,
 * each by a timestamp of its own, which its REQUEST has reserved. The permission lasts until somebody
 * asks for it, as in Carvalho and Roucairol, "On Mutual Exclusion in Computer Networks" (CACM 26(2),
 * 1983); that what was reserved precedes whatever others ask for later is Lamport's own rule (1978).
 */
export class Standing {
  readonly #spanMax: number
  /** Those that nobody uses, by their names. */
  readonly #idle = new Map<string, OwnRequest>()
  /** Those with another token than the others were told. */
  readonly #untold = new Set<OwnRequest>()
  /** Those that stay because of the clients of a last life. */
  readonly #kept = new Set<OwnRequest>()
  /** What was let go of altogether, a moment ago. */
  readonly #recent = new Map<string, Past>()
  /** How often names were entered when they stood last: as often again is likely. */
  readonly #series = new Map<string, number>()
  #sweepAt: Instant = NEVER

  /** @param spanMax 1: no request stands */
  constructor(spanMax: number) {
    this.#spanMax = spanMax
  }

  /** When it is to be swept. */
  get due(): Instant {
    return this.#sweepAt
  }

  /** Those that nobody uses. */
  get idle(): readonly OwnRequest[] {
    return [...this.#idle.values()]
  }

  /** How many timestamps the next request for these names is to have; how often they were entered. */
  next(
    now: Instant,
    names: readonly string[],
  ): { readonly span: number; readonly entries: number } {
    const key = keyOf(names)
    const last = this.#recent.get(key)
    if (last === undefined || isOver(last, now)) return { span: 1, entries: 0 }
    const likely = Math.max(last.span * GROWTH, this.#series.get(key) ?? 0)
    return { span: Math.min(likely, this.#spanMax), entries: last.entries }
  }

  /** A lock that nobody else wanted was let go of altogether. */
  ended(now: Instant, own: OwnRequest): void {
    if (this.#spanMax === 1) return
    const { entry, entries } = own
    const { names, span } = entry.request
    const key = keyOf(names)
    if (key.length > KEY_LENGTH_MAX) return
    this.#recent.delete(key)
    if (this.#recent.size >= NAMES_MAX) this.#forgetRecent(now)
    if (this.#recent.size < NAMES_MAX) {
      this.#recent.set(key, { at: now, span, entries, patience: patienceOf(own) })
    }
  }

  /** From now on nobody uses it. */
  rest(now: Instant, own: OwnRequest): void {
    own.isIdle = true
    own.since = now
    this.#untold.delete(own)
    this.#idle.set(keyOf(own.entry.request.names), own)
    this.#schedule(now, patienceOf(own))
  }

  find(names: readonly string[]): OwnRequest | undefined {
    return this.#idle.get(keyOf(names))
  }

  /** One that rested has a client again. */
  taken(now: Instant, own: OwnRequest): void {
    own.isIdle = false
    own.since = now
    own.entries += 1
    this.#idle.delete(keyOf(own.entry.request.names))
  }

  /** The others are to be told by which token it is held, unless that is over soon. */
  tell(now: Instant, own: OwnRequest): void {
    own.since = now
    this.#untold.add(own)
    this.#schedule(now, patienceOf(own))
  }

  /** Its client has let go, but a later one may be inside. */
  keep(own: OwnRequest): void {
    own.isKept = true
    this.#untold.delete(own)
    this.#kept.add(own)
    this.#sweepAt = earliest(this.#sweepAt, own.keptUntil ?? NEVER)
  }

  /** It is over. */
  forget(own: OwnRequest): void {
    this.#untold.delete(own)
    this.#kept.delete(own)
    own.isKept = false
    const { names, span } = own.entry.request
    const key = keyOf(names)
    if (own.isIdle) this.#idle.delete(key)
    if (span === 1) return
    this.#series.delete(key)
    const [oldest] = this.#series.keys()
    if (oldest !== undefined && this.#series.size >= NAMES_MAX) this.#series.delete(oldest)
    this.#series.set(key, own.entries)
  }

  /** Which have rested for too long, and of which the others are to be told who uses them. */
  sweep(now: Instant): {
    readonly over: readonly OwnRequest[]
    readonly told: readonly OwnRequest[]
  } {
    const kept = [...this.#kept].filter(({ keptUntil }) => now >= (keptUntil ?? NEVER))
    const isDue = (own: OwnRequest): boolean => elapsed(own.since, now) >= patienceOf(own)
    const over = [...this.idle.filter(isDue), ...kept]
    const told = [...this.#untold].filter(isDue)
    for (const own of told) this.#untold.delete(own)
    this.#sweepAt = NEVER
    for (const own of [...this.#idle.values(), ...this.#untold]) {
      const left = patienceOf(own) - elapsed(own.since, now)
      // Not each at its own moment. Those whose time is over are let go of now.
      if (left > 0) this.#schedule(now, milliseconds(Math.max(left, PATIENCE_MIN)))
    }
    for (const { keptUntil = NEVER } of this.#kept)
      if (now < keptUntil) this.#sweepAt = earliest(this.#sweepAt, keptUntil)
    return { over, told }
  }

  fingerprint(now: Instant): unknown {
    const since = [...this.#idle.values(), ...this.#untold, ...this.#kept].map(own => [
      { token: own.token },
      own.isIdle,
      now - own.since,
      [own.entries, own.isKept, patienceOf(own)],
    ])
    const recent = [...this.#recent]
      .filter(([, past]) => !isOver(past, now))
      .map(([key, past]) => [key, [now - past.at, past.span, past.entries, past.patience]] as const)
    return [since, new Map(recent), this.#series, ahead(now, this.#sweepAt)]
  }

  #schedule(now: Instant, patience: Duration): void {
    this.#sweepAt = earliest(this.#sweepAt, after(now, patience))
  }

  #forgetRecent(now: Instant): void {
    for (const [key, past] of this.#recent) {
      if (isOver(past, now)) this.#recent.delete(key)
    }
  }
}

/** How long one that nobody uses is kept. */
function patienceOf({ took = PATIENCE_MIN }: OwnRequest): Duration {
  return milliseconds(Math.min(Math.max(took, PATIENCE_MIN), PATIENCE_MAX))
}

function isOver({ at, patience }: Past, now: Instant): boolean {
  return elapsed(at, now) > patience
}

/** Names are sorted and have no control characters. */
function keyOf(names: readonly string[]): string {
  const [only] = names
  return names.length === 1 && only !== undefined ? only : names.join('\0')
}
