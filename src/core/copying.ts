import type { HostId, LamportClock } from './clock.ts'
import { PART_BYTES_MAX } from './catch-up.ts'
import type { CatchUpMessage, CopiedRecord } from './message.ts'
import { compareBallots, type Ballot } from './register.ts'
import type { VariableValue } from './variable.ts'

type Records = Extract<CatchUpMessage, { readonly type: 'records' }>
type Send = (to: HostId, message: CatchUpMessage) => void

/** What a host that recovers knows of one register: the newest that any other has accepted. */
export type Copy = {
  readonly accepted: Ballot
  readonly value: VariableValue
  /** The newest that is known to have been chosen. */
  readonly chosen: VariableValue | undefined
}

/** A name with its two ballots, in a message, beside the bytes of its value. */
const RECORD_BYTES = 64

/**
 * The registers of others as they were when they raised their floors: kept for those who recover,
 * until they have fetched all.
 */
export class Snapshots {
  readonly #clock: LamportClock
  readonly #send: Send
  readonly #snapshots = new Map<
    HostId,
    {
      readonly life: number
      readonly floor: number
      readonly count: number
      records: readonly CopiedRecord[]
    }
  >()

  constructor(clock: LamportClock, send: Send) {
    this.#clock = clock
    this.#send = send
  }

  /** How many records there are to fetch; asked again, they are the same. */
  take(host: HostId, life: number, floor: number, records: () => CopiedRecord[]): number {
    let snapshot = this.#snapshots.get(host)
    if (snapshot?.life !== life || snapshot.floor !== floor) {
      const all = records()
      snapshot = { life, floor, count: all.length, records: all }
      this.#snapshots.set(host, snapshot)
    }
    return snapshot.count
  }

  forget(host: HostId): void {
    this.#snapshots.delete(host)
  }

  fetch(from: HostId, floor: number, index: number): void {
    const snapshot = this.#snapshots.get(from)
    if (snapshot?.floor !== floor) return
    const records: CopiedRecord[] = []
    let bytes = 0
    for (let at = index; at < snapshot.records.length && bytes < PART_BYTES_MAX; at++) {
      const record = snapshot.records[at] as CopiedRecord
      records.push(record)
      bytes += record.name.length + RECORD_BYTES + (record.value?.bytes?.length ?? 0)
    }
    // It has all: it will not ask for them twice.
    if (index + records.length >= snapshot.count) snapshot.records = []
    const time = this.#clock.tick()
    this.#send(from, { type: 'records', time, floor, index, records })
  }
}

type Source = { readonly floor: number; readonly count: number; index: number }

/** A host that recovers fetches every record of every other host, a part at a time from each. */
export class Copying {
  readonly #clock: LamportClock
  readonly #send: Send
  readonly #sources = new Map<HostId, Source>()
  #copies = new Map<string, Copy>()

  constructor(clock: LamportClock, send: Send) {
    this.#clock = clock
    this.#send = send
  }

  /** The newest of each register, of all who were asked; it ends here. */
  take(): ReadonlyMap<string, Copy> {
    const copies = this.#copies
    this.#copies = new Map()
    this.#sources.clear()
    return copies
  }

  /** This host has so many, as they were at this floor. */
  begin(host: HostId, floor: number, count: number): void {
    const source = this.#sources.get(host)
    if (source?.floor === floor && source.count === count) return
    this.#sources.set(host, { floor, count, index: 0 })
    if (count > 0) this.#fetch(host, floor, 0)
  }

  /** Its channels have ended: what it has said already stands, but it has to say all again. */
  forget(host: HostId): void {
    this.#sources.delete(host)
  }

  isComplete(host: HostId, floor: number): boolean {
    const source = this.#sources.get(host)
    return source?.floor === floor && source.index >= source.count
  }

  receive(from: HostId, { floor, index, records }: Records): void {
    const source = this.#sources.get(from)
    if (source?.floor !== floor || source.index !== index || records.length === 0) return
    for (const record of records) this.#copy(record)
    source.index += records.length
    if (source.index < source.count) this.#fetch(from, floor, source.index)
  }

  #fetch(host: HostId, floor: number, index: number): void {
    this.#send(host, { type: 'fetch', time: this.#clock.tick(), floor, index })
  }

  #copy({ name, accepted, value, isChosen }: CopiedRecord): void {
    if (value === undefined) return
    const copy = this.#copies.get(name)
    const isNewer = copy === undefined || compareBallots(accepted, copy.accepted) > 0
    const before = copy?.chosen
    const isNews = isChosen && (before === undefined || value.version > before.version)
    if (!isNewer && !isNews) return
    this.#copies.set(name, {
      accepted: isNewer ? accepted : copy.accepted,
      value: isNewer ? value : copy.value,
      chosen: isNews ? value : before,
    })
  }
}
