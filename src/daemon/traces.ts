import { ErrorCode } from '../control/protocol.ts'
import type { RequestId, TraceResult } from '../control/protocol.ts'
import { TRACE_VERSION } from '../control/trace.ts'
import type { HostLine } from './config.ts'
import type { Recorder } from './recorder.ts'
import type { Session } from './sessions.ts'

/** With this much unread, a connection is left alone until it has read. */
const UNREAD_BYTES_HIGH = 256 * 1024

/** Lines that are written to one connection before others have a turn. */
const TURN_LINES = 500

/** One connection that reads. */
type Reader = {
  readonly session: Session
  /** Whether it goes on when it has been told of all that there was. */
  readonly follow: boolean
  /** Number of the next event that it is told of. */
  next: number
  /** Where it ends without `follow`. */
  readonly end: number
}

export type TracesOptions = {
  readonly hosts: readonly HostLine[]
  readonly self: number
  readonly cluster: string
}

/**
 * Who reads the recorder. Each reader is a place in the ring and no more: one that is too slow, or
 * comes too late, is told how many events it has missed.
 */
export class Traces {
  readonly #options: TracesOptions
  readonly #recorder: Recorder
  readonly #readers = new Map<Session, Reader>()
  #isNext = false

  constructor(options: TracesOptions, recorder: Recorder) {
    this.#options = options
    this.#recorder = recorder
  }

  /** @param last so many of what there is; `undefined`: all */
  read(session: Session, id: RequestId, follow: boolean, last: number | undefined): void {
    const { connection } = session
    if (this.#readers.has(session)) {
      const message = 'this connection reads a trace already (open another one)'
      connection.error(id, { code: ErrorCode.limit, message })
      return
    }
    const end = this.#recorder.next
    const kept = end - this.#recorder.first
    const next = end - Math.min(last ?? Infinity, kept)
    const { cluster, self } = this.#options
    const hosts = this.#options.hosts.map(host => ({ id: host.id, name: host.name }))
    const result: TraceResult = { version: TRACE_VERSION, cluster, hosts, host: self, events: kept }
    connection.result(id, result)
    // What the ring has forgotten is missing, unless no more was asked for.
    const isWhole = last !== undefined && last <= kept
    this.#readers.set(session, { session, follow, next: isWhole ? next : 1, end })
    this.#tellSoon()
  }

  drained(session: Session): void {
    if (this.#readers.has(session)) this.#tellSoon()
  }

  close(session: Session): void {
    this.#readers.delete(session)
  }

  /** Never while a node is stepped: what it does first is done, then told. */
  #tellSoon(): void {
    if (this.#isNext) return
    this.#isNext = true
    setImmediate(() => {
      this.#isNext = false
      for (const reader of this.#readers.values()) this.#tell(reader)
      if (this.#readers.size > 0) this.#recorder.whenMore(() => this.#tellSoon())
    })
  }

  #tell(reader: Reader): void {
    const { session, follow, end } = reader
    const { connection } = session
    for (let lines = 0; lines < TURN_LINES; lines++) {
      // Where it is full, it will drain.
      if (connection.unreadBytes > UNREAD_BYTES_HIGH) return
      if (!follow && reader.next >= end) {
        this.#readers.delete(session)
        connection.notify('traced', {})
        return
      }
      if (reader.next >= this.#recorder.next) return
      if (reader.next < this.#recorder.first) {
        connection.notify('event', this.#recorder.skipped(reader.next))
        reader.next = this.#recorder.first
      } else {
        connection.notify('event', this.#recorder.entry(reader.next))
        reader.next += 1
      }
    }
    this.#tellSoon()
  }
}
