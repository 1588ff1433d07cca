import {
  after,
  earliest,
  elapsed,
  milliseconds,
  NEVER,
  toInstant,
  type Duration,
  type Instant,
} from '../lib/time.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { Known } from './known.ts'
import { BUCKETS } from './known.ts'
import type { CopyState } from './command.ts'
import type { CatchUpMessage } from './message.ts'
import { isSameVersion, type VariableValue, type VersionName } from './variable.ts'

export type CatchUpOutput = {
  send(to: HostId, message: CatchUpMessage): void
  /** What our own acceptor holds, whether it was chosen or not. */
  accepted(name: string): VariableValue | undefined
  /** This value was chosen. */
  learn(name: string, value: VariableValue): void
}

type Listed = { readonly name: string; readonly version: VersionName }

type Peer = {
  /** Since when it is known to know something else. */
  differsSince: Instant
  comparedAt: Instant
  /** It knows more of these. */
  readonly wanted: Listed[]
  /** What it was asked for, and has not sent yet. */
  asked: readonly string[]
  isListed: boolean
  hasCaughtUp: boolean
  /** What its last heartbeat said. */
  said: { readonly digest: number; readonly whole: boolean } | undefined
}

/** What is on its way to all differs for a moment; only what lasts so long is missed. */
const DIFFERS: Duration = milliseconds(1000)

/** What one host is said to know more of; what is beyond is listed again. */
const WISHES_MAX = 50_000

/** Names in one LISTING, and in one WANT. */
const LISTED_MAX = 200
const WANTED_MAX = 64

/** Bytes of values in one message, but for a single longer one. */
export const PART_BYTES_MAX: number = 64 * 1024

/**
 * Anti-entropy: each host makes sure that it knows every chosen value that another host knows. It
 * only ever asks; what it knows more, the other one asks for.
 */
export class CatchUp {
  readonly #clock: LamportClock
  readonly #known: Known
  readonly #output: CatchUpOutput
  readonly #peers = new Map<HostId, Peer>()
  /** Names that somebody has been asked for. */
  readonly #asked = new Set<string>()

  constructor(clock: LamportClock, known: Known, output: CatchUpOutput) {
    this.#clock = clock
    this.#known = known
    this.#output = output
  }

  /** Hosts that knew nothing more than we when that was last compared. */
  get caughtUp(): readonly HostId[] {
    return [...this.#peers].filter(([, { hasCaughtUp }]) => hasCaughtUp).map(([host]) => host)
  }

  open(now: Instant, host: HostId): void {
    this.close(host)
    this.#peers.set(host, {
      differsSince: NEVER,
      comparedAt: toInstant(-Infinity),
      wanted: [],
      asked: [],
      isListed: false,
      hasCaughtUp: false,
      said: undefined,
    })
    this.#compare(now, host)
  }

  close(host: HostId): void {
    const peer = this.#peers.get(host)
    if (peer === undefined) return
    for (const name of peer.asked) this.#asked.delete(name)
    this.#peers.delete(host)
  }

  /** How the copies of the others are, as far as they have said. */
  get states(): ReadonlyMap<HostId, CopyState> {
    const states = new Map<HostId, CopyState>()
    for (const [host, { said }] of this.#peers) {
      if (said === undefined) continue
      states.set(host, { agrees: said.digest === this.#known.digest, whole: said.whole })
    }
    return states
  }

  /** A heartbeat of this host carries this digest. */
  hear(now: Instant, host: HostId, digest: number, whole: boolean): void {
    const peer = this.#peers.get(host)
    if (peer === undefined) return
    peer.said = { digest, whole }
    if (digest === this.#known.digest) {
      peer.differsSince = NEVER
      peer.hasCaughtUp = true
    } else peer.differsSince = earliest(peer.differsSince, now)
  }

  receive(from: HostId, message: CatchUpMessage): void {
    const peer = this.#peers.get(from)
    if (peer === undefined) return
    switch (message.type) {
      case 'compare':
        this.#list(from, message.buckets)
        return
      case 'listing': {
        for (const listed of message.entries) this.learnOf(from, listed)
        peer.isListed ||= message.last
        this.#ask(from, peer)
        return
      }
      case 'want':
        this.#give(from, message.names)
        return
      case 'values':
        for (const { name, value } of message.entries) this.#output.learn(name, value)
        if (!message.last) return
        for (const name of peer.asked) this.#asked.delete(name)
        peer.asked = []
        this.#ask(from, peer)
        return
      default:
    }
  }

  /** This version was chosen, says `from`, who has the value. */
  learnOf(from: HostId, { name, version }: Listed): void {
    const known = this.#known.value(name)
    if (known !== undefined && known.version >= version.version) return
    const accepted = this.#output.accepted(name)
    if (accepted !== undefined && isSameVersion(accepted, version)) {
      this.#output.learn(name, accepted)
      return
    }
    const peer = this.#peers.get(from)
    if (peer === undefined || peer.wanted.length >= WISHES_MAX) return
    peer.wanted.push({ name, version })
    if (peer.isListed) this.#ask(from, peer)
  }

  get deadline(): Instant {
    let deadline = NEVER
    for (const peer of this.#peers.values()) deadline = earliest(deadline, this.#comparison(peer))
    return deadline
  }

  tick(now: Instant): void {
    for (const [host, peer] of this.#peers) {
      if (now >= this.#comparison(peer)) this.#compare(now, host)
    }
  }

  /** When to compare again; never while nothing differs, or an answer is on its way. */
  #comparison({ differsSince, comparedAt, wanted, asked }: Peer): Instant {
    if (differsSince === NEVER || wanted.length > 0 || asked.length > 0) return NEVER
    return after(elapsed(differsSince, comparedAt) > 0 ? comparedAt : differsSince, DIFFERS)
  }

  #compare(now: Instant, host: HostId): void {
    const peer = this.#peers.get(host)
    if (peer === undefined) return
    peer.comparedAt = now
    peer.isListed = false
    const buckets = [...this.#known.buckets]
    this.#output.send(host, { type: 'compare', time: this.#clock.tick(), buckets })
  }

  #list(to: HostId, buckets: readonly number[]): void {
    const entries: Listed[] = []
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (buckets[bucket] === this.#known.buckets[bucket]) continue
      for (const name of this.#known.namesIn(bucket)) {
        const value = this.#known.value(name)
        if (value === undefined) continue
        entries.push({ name, version: { version: value.version, writer: value.writer } })
      }
    }
    let at = 0
    do {
      const part = entries.slice(at, (at += LISTED_MAX))
      const time = this.#clock.tick()
      this.#output.send(to, { type: 'listing', time, entries: part, last: at >= entries.length })
    } while (at < entries.length)
  }

  /** Asks for the next few of what a host knows more of, one message at a time. */
  #ask(host: HostId, peer: Peer): void {
    if (peer.asked.length > 0) return
    const names: string[] = []
    while (peer.wanted.length > 0 && names.length < WANTED_MAX) {
      const { name, version } = peer.wanted.pop() as Listed
      const known = this.#known.value(name)
      if (known !== undefined && known.version >= version.version) continue
      // Another host is about to send it. If it does not, the digests still differ.
      if (this.#asked.has(name)) continue
      this.#asked.add(name)
      names.push(name)
    }
    if (names.length === 0) {
      if (peer.isListed) peer.hasCaughtUp = true
      return
    }
    peer.asked = names
    this.#output.send(host, { type: 'want', time: this.#clock.tick(), names })
  }

  #give(to: HostId, names: readonly string[]): void {
    const entries = names.slice(0, WANTED_MAX).flatMap(name => {
      const value = this.#known.value(name)
      return value === undefined ? [] : [{ name, value }]
    })
    const parts = inParts(entries, ({ value }) => value.bytes?.length ?? 0)
    for (const [at, part] of parts.entries()) {
      const last = at === parts.length - 1
      this.#output.send(to, { type: 'values', time: this.#clock.tick(), entries: part, last })
    }
  }
}

/** Parts of at most `PART_BYTES_MAX` each, but for a single longer item; at least one part. */
export function inParts<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const parts: T[][] = [[]]
  let bytes = 0
  for (const item of items) {
    const size = sizeOf(item)
    let part = parts.at(-1) as T[]
    if (part.length > 0 && bytes + size > PART_BYTES_MAX) {
      part = []
      parts.push(part)
      bytes = 0
    }
    part.push(item)
    bytes += size
  }
  return parts
}
