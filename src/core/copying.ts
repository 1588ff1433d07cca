import { inParts } from './catch-up.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { CatchUpMessage, CopiedRecord } from './message.ts'
import { compareBallots, type Ballot } from './register.ts'
import type { VariableValue } from './variable.ts'

export type CopyMessage = Extract<
  CatchUpMessage,
  { readonly type: 'fetch' | 'records' | 'copy' | 'copies' }
>
type Send = (to: HostId, message: CopyMessage) => void

/** What an acceptor holds of one register. */
export type FullRecord = CopiedRecord & { readonly value: VariableValue }

/** What a host that recovers knows of one register: the newest that any other has accepted. */
export type Copy = {
  readonly accepted: Ballot
  readonly value: VariableValue
  readonly isChosen: boolean
}

/** Records in one RECORDS, names in one COPY, and how many of those are under way to one host. */
const LISTED_MAX = 500
const COPIED_MAX = 64
const COPIES_UNDER_WAY = 2

/**
 * The registers of others as they were when they raised their floors: kept for those who recover,
 * as long as the channels to them are open.
 */
export class Snapshots {
  readonly #clock: LamportClock
  readonly #send: Send
  readonly #snapshots = new Map<
    HostId,
    {
      readonly life: number
      readonly floor: number
      readonly records: readonly FullRecord[]
      readonly byName: ReadonlyMap<string, FullRecord>
    }
  >()

  constructor(clock: LamportClock, send: Send) {
    this.#clock = clock
    this.#send = send
  }

  /** How many records there are to fetch; asked again, they are the same. */
  take(host: HostId, life: number, floor: number, records: () => FullRecord[]): number {
    let snapshot = this.#snapshots.get(host)
    if (snapshot?.life !== life || snapshot.floor !== floor) {
      const all = records()
      const byName = new Map(all.map(record => [record.name, record]))
      snapshot = { life, floor, records: all, byName }
      this.#snapshots.set(host, snapshot)
    }
    return snapshot.records.length
  }

  forget(host: HostId): void {
    this.#snapshots.delete(host)
  }

  /** FETCH: which ballots there are, from this place on. */
  list(from: HostId, floor: number, index: number): void {
    const snapshot = this.#snapshots.get(from)
    if (snapshot?.floor !== floor) return
    const records = snapshot.records
      .slice(index, index + LISTED_MAX)
      .map(({ name, accepted, isChosen }) => ({ name, accepted, isChosen }))
    this.#send(from, { type: 'records', time: this.#clock.tick(), floor, index, records })
  }

  /** COPY: the values of these. */
  give(from: HostId, floor: number, names: readonly string[]): void {
    const snapshot = this.#snapshots.get(from)
    if (snapshot?.floor !== floor) return
    const entries = names.slice(0, COPIED_MAX).flatMap(name => {
      const value = snapshot.byName.get(name)?.value
      return value === undefined ? [] : [{ name, value }]
    })
    const parts = inParts(entries, ({ value }) => value.bytes?.length ?? 0)
    for (const [at, part] of parts.entries()) {
      const last = at === parts.length - 1
      const time = this.#clock.tick()
      this.#send(from, { type: 'copies', time, floor, entries: part, last })
    }
  }
}

type Source = {
  readonly count: number
  listed: number
  /** Names whose values it is to send. */
  readonly wanted: string[]
  underWay: number
}

type Best = {
  readonly accepted: Ballot
  isChosen: boolean
  /** Who has accepted that ballot. */
  readonly holders: HostId[]
  value: VariableValue | undefined
}

/**
 * A host that recovers: first each other host says which ballots it has accepted, then the value of
 * the highest of each register comes from one of those who have it, from each as many as from the
 * others.
 */
export class Copying {
  readonly #others: readonly HostId[]
  readonly #clock: LamportClock
  readonly #send: Send
  readonly #sources = new Map<HostId, Source>()
  #best = new Map<string, Best>()
  #floor = 0
  /** Values that are to come; `undefined` until all have said what they have. */
  #missing: number | undefined

  constructor(others: readonly HostId[], clock: LamportClock, send: Send) {
    this.#others = others
    this.#clock = clock
    this.#send = send
  }

  /** The newest of each register, of all who were asked; it ends here. */
  take(): ReadonlyMap<string, Copy> {
    const copies = new Map<string, Copy>()
    for (const [name, { accepted, value, isChosen }] of this.#best) {
      if (value !== undefined) copies.set(name, { accepted, value, isChosen })
    }
    this.#best = new Map()
    this.#sources.clear()
    return copies
  }

  /** This host has so many, as they were at this floor. */
  begin(host: HostId, floor: number, count: number): void {
    if (floor !== this.#floor) {
      this.#floor = floor
      this.#sources.clear()
      this.#best.clear()
    }
    if (this.#sources.has(host)) return
    this.#missing = undefined
    this.#sources.set(host, { count, listed: 0, wanted: [], underWay: 0 })
    if (count > 0) this.#fetch(host, 0)
    else this.#divide()
  }

  /** Its channels have ended: what it was asked for does not come, and it has to list all again. */
  forget(host: HostId): void {
    this.#sources.delete(host)
    this.#missing = undefined
    let isOrphaned = false
    for (const { value, holders } of this.#best.values()) {
      const at = holders.indexOf(host)
      if (at >= 0) holders.splice(at, 1)
      isOrphaned ||= value === undefined && holders.length === 0
    }
    if (isOrphaned) this.#listAgain()
  }

  isComplete(host: HostId, floor: number): boolean {
    return floor === this.#floor && this.#sources.has(host) && this.#missing === 0
  }

  receive(
    from: HostId,
    message: Extract<CopyMessage, { readonly type: 'records' | 'copies' }>,
  ): void {
    const source = this.#sources.get(from)
    if (source === undefined || message.floor !== this.#floor) return
    if (message.type === 'records') {
      if (message.index !== source.listed || message.records.length === 0) return
      for (const record of message.records) this.#note(from, record)
      source.listed += message.records.length
      if (source.listed < source.count) this.#fetch(from, source.listed)
      else this.#divide()
      return
    }
    for (const { name, value } of message.entries) {
      const best = this.#best.get(name)
      if (best === undefined || best.value !== undefined) continue
      // Asked for before another host said that it has a newer one: this is not the newer one's value.
      if (!best.holders.includes(from)) continue
      best.value = value
      if (this.#missing !== undefined) this.#missing -= 1
    }
    if (!message.last) return
    source.underWay -= 1
    this.#ask(from, source)
  }

  #fetch(host: HostId, index: number): void {
    this.#send(host, { type: 'fetch', time: this.#clock.tick(), floor: this.#floor, index })
  }

  /** The only one who had the newest of something is gone, and may come back without it. */
  #listAgain(): void {
    this.#best.clear()
    for (const [host, source] of this.#sources) {
      source.listed = 0
      if (source.count > 0) this.#fetch(host, 0)
    }
  }

  #note(from: HostId, { name, accepted, isChosen }: CopiedRecord): void {
    const best = this.#best.get(name)
    const order = best === undefined ? 1 : compareBallots(accepted, best.accepted)
    if (order > 0) {
      this.#best.set(name, { accepted, isChosen, holders: [from], value: undefined })
    } else if (best !== undefined && order === 0) {
      best.isChosen ||= isChosen
      if (!best.holders.includes(from)) best.holders.push(from)
    }
  }

  /** When all have said what they have: who is to send what. */
  #divide(): void {
    const isListed = (host: HostId): boolean => {
      const source = this.#sources.get(host)
      return source !== undefined && source.listed >= source.count
    }
    if (this.#missing !== undefined || !this.#others.every(isListed)) return
    this.#missing = 0
    for (const source of this.#sources.values()) source.wanted.length = 0
    for (const [name, { value, holders }] of this.#best) {
      if (value !== undefined) continue
      const lengthOf = (host: HostId): number => this.#sources.get(host)?.wanted.length ?? Infinity
      const holder = holders.reduce((a, b) => (lengthOf(b) < lengthOf(a) ? b : a))
      this.#sources.get(holder)?.wanted.push(name)
      this.#missing += 1
    }
    for (const [host, source] of this.#sources) this.#ask(host, source)
  }

  #ask(host: HostId, source: Source): void {
    while (source.underWay < COPIES_UNDER_WAY && source.wanted.length > 0) {
      source.underWay += 1
      const names = source.wanted.splice(-COPIED_MAX)
      this.#send(host, { type: 'copy', time: this.#clock.tick(), floor: this.#floor, names })
    }
  }
}
