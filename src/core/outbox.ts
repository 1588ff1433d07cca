import type { HostId } from './clock.ts'
import type { Lsn } from './command.ts'
import type { Journal } from './journal.ts'
import type { Message, Urgency } from './message.ts'

/** A message on its way out of a host, and what it rests on. */
export type Outgoing = {
  readonly to: HostId
  /** The incarnation it is meant for: to another it would mean nothing. */
  readonly incarnation: number
  readonly message: Message
  readonly urgency: Urgency
  readonly rests: Lsn
}

/**
 * The messages of one channel, in the order they were sent, each held until what it rests on is
 * durable: the record that a promise speaks of, and a clock ceiling above its time. Only ever from
 * the head: what overtook another would break the FIFO order that the mutex rests on.
 */
export class Outbox {
  #waiting: Outgoing[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  fingerprint(journal: Journal): unknown {
    return this.#waiting.map(({ to, message, rests }) => [to, message, journal.missing(rests)])
  }

  push(outgoing: Outgoing): void {
    this.#waiting.push(outgoing)
  }

  /** The channels to a host have ended: another life of it may open some under the same number. */
  forget(host: HostId): void {
    this.#waiting = this.#waiting.filter(({ to }) => to !== host)
  }

  /** Sends what may go. */
  flush(mayGo: (outgoing: Outgoing) => boolean, send: (outgoing: Outgoing) => void): void {
    if (this.#waiting.length === 0) return
    let sent = 0
    for (const outgoing of this.#waiting) {
      if (!mayGo(outgoing)) break
      sent += 1
    }
    if (sent === 0) return
    const waiting = this.#waiting
    const isAll = sent === waiting.length
    const going = isAll ? waiting : waiting.slice(0, sent)
    this.#waiting = isAll ? [] : waiting.slice(sent)
    for (const outgoing of going) send(outgoing)
  }
}
