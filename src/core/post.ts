import { assert } from '../lib/assert.ts'
import type { HostId } from './clock.ts'
import type { Lsn, TraceEvent } from './command.ts'
import type { Journal } from './journal.ts'
import { channelOf, type Message, type Urgency } from './message.ts'
import { Outbox, type Outgoing } from './outbox.ts'
import type { Tally } from './tally.ts'

/** One for each of the four channels, and one more each for what rests on the disk on the last two. */
const OUTBOXES = 6

export type PostOutput = {
  /** Whether what a message rests on is durable. */
  mayGo(message: Message, rests: Lsn): boolean
  send(to: HostId, message: Message, urgency: Urgency): void
  /** A message to ourselves, as to any other acceptor. */
  deliverToSelf(message: Message): void
  trace(event: TraceEvent): void
}

/**
 * The one way by which messages leave a host: an outbox a channel, to open sessions only. Messages
 * about variables need no order among each other, so that those which rest on the disk have an
 * outbox of their own, and hold up no others.
 */
export class Post {
  readonly #self: HostId
  readonly #tally: Tally
  readonly #output: PostOutput
  readonly #outboxes: readonly Outbox[] = Array.from({ length: OUTBOXES }, () => new Outbox())
  readonly #sessions = new Map<HostId, number>()
  /** Of the flush that is under way: our own incarnation, and whether there may be more by now. */
  #incarnation = 0
  #isAgain = false
  readonly #mayGo = ({ message, rests }: Outgoing): boolean => this.#output.mayGo(message, rests)
  readonly #go = ({ to, incarnation, message, urgency }: Outgoing): void => {
    if (to === this.#self) {
      this.#isAgain = true
      if (incarnation === this.#incarnation) this.#output.deliverToSelf(message)
    } else if (this.#sessions.get(to) === incarnation) this.#output.send(to, message, urgency)
  }

  constructor(self: HostId, tally: Tally, output: PostOutput) {
    this.#self = self
    this.#tally = tally
    this.#output = output
  }

  /** Hosts to whom channels are open, and the incarnation at their end. */
  get sessions(): ReadonlyMap<HostId, number> {
    return this.#sessions
  }

  /** Whether everything for the mutex has left. */
  get isEmpty(): boolean {
    return this.#outboxes[0]?.isEmpty !== false
  }

  fingerprint(journal: Journal): unknown {
    return [this.#sessions, this.#outboxes.map(outbox => outbox.fingerprint(journal))]
  }

  open(peer: HostId, incarnation: number): void {
    this.#sessions.set(peer, incarnation)
    this.#output.trace({ type: 'session-up', peer, incarnation })
  }

  close(peer: HostId): void {
    this.#output.trace({ type: 'session-lost', peer, incarnation: this.#sessions.get(peer) ?? 0 })
    this.#sessions.delete(peer)
    for (const outbox of this.#outboxes) outbox.forget(peer)
  }

  /**
   * Sends as soon as what it rests on is durable. Who has no channels gets nothing.
   *
   * @param incarnation our own
   */
  send(
    to: readonly HostId[],
    message: Message,
    urgency: Urgency,
    rests: Lsn,
    incarnation: number,
  ): void {
    for (const host of to) {
      const isSelf = host === this.#self
      const theirs = isSelf ? incarnation : this.#sessions.get(host)
      if (theirs === undefined) continue
      if (!isSelf) this.#tally.sent(message)
      this.#output.trace({ type: 'send', to: host, message })
      this.#outboxOf(message, rests).push({
        to: host,
        incarnation: theirs,
        message,
        urgency,
        rests,
      })
    }
  }

  /** @param incarnation our own: what an earlier life sent to itself means nothing */
  flush(incarnation: number): void {
    // What we send to ourselves may make us send more, from any of them.
    this.#incarnation = incarnation
    while (this.#flushOnce());
  }

  #flushOnce(): boolean {
    this.#isAgain = false
    for (const outbox of this.#outboxes) outbox.flush(this.#mayGo, this.#go)
    return this.#isAgain
  }

  #outboxOf(message: Message, rests: Lsn): Outbox {
    const channel = channelOf(message)
    const isOrdered = channel <= 1
    const outbox = this.#outboxes[isOrdered || rests === 0 ? channel : channel + 2]
    assert(outbox !== undefined, 'every channel has its outboxes')
    return outbox
  }
}
