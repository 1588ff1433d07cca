import { after, earliest, milliseconds, NEVER, type Duration, type Instant } from '../lib/time.ts'
import type { HostId, LamportClock } from './clock.ts'
import type { CommandId } from './command.ts'
import type { VariableMessage } from './message.ts'
import { compareBallots, type Ballot } from './register.ts'
import type { VariableValue } from './variable.ts'

/** Who wants to know what. */
export type Wish = {
  readonly name: string
  /** `undefined`: this host wants to know for itself. */
  readonly id: CommandId | undefined
  readonly deadline: Instant
}

export type ReadsOutput = {
  send(to: readonly HostId[], message: VariableMessage): void
  reachable(): readonly HostId[]
  isQuorum(hosts: Iterable<HostId>): boolean
  known(name: string): VariableValue | undefined
  /** A majority has accepted this: it is chosen, and as new as any that was when the read began. */
  read(now: Instant, wish: Wish, value: VariableValue | undefined): void
  /** A majority has answered and does not agree: a round of CASPaxos has to settle it. */
  settle(now: Instant, wish: Wish): void
  expired(wish: Wish): void
}

type State = { readonly accepted: Ballot; readonly value: VariableValue | undefined }

type Read = Wish & {
  /** What this host knew when it asked: nobody needs to send it. */
  readonly known: VariableValue | undefined
  readonly states: Map<HostId, State>
  /** When to ask again those who have not answered. */
  resendAt: Instant
  /** When to wait no longer for those who could bring about an agreement. */
  settleAt: Instant
}

const RESEND: Duration = milliseconds(1000)

/** Somebody is about to change it, and has not reached all yet: that is over soon. */
const PATIENCE: Duration = milliseconds(10)

/**
 * Reads that take one round trip and write nothing: where a majority says that it has accepted the
 * same ballot, its value is chosen, and no newer one had been when the read began.
 */
export class Reads {
  readonly #clock: LamportClock
  readonly #output: ReadsOutput
  /** By the Lamport time at which they began. */
  readonly #reads = new Map<number, Read>()
  /** Nothing is due before. */
  #due: Instant = NEVER

  constructor(clock: LamportClock, output: ReadsOutput) {
    this.#clock = clock
    this.#output = output
  }

  /** Under way. */
  get size(): number {
    return this.#reads.size
  }

  get deadline(): Instant {
    return this.#due
  }

  begin(now: Instant, { name, id: asked, deadline }: Wish): void {
    const id = this.#clock.tick()
    const read: Read = {
      name,
      id: asked,
      deadline,
      known: this.#output.known(name),
      states: new Map(),
      resendAt: after(now, RESEND),
      settleAt: NEVER,
    }
    this.#reads.set(id, read)
    this.#due = earliest(this.#due, earliest(deadline, read.resendAt))
    this.#ask(id, read, this.#output.reachable())
  }

  receive(
    now: Instant,
    from: HostId,
    message: Extract<VariableMessage, { readonly type: 'variable-state' }>,
  ): void {
    const read = this.#reads.get(message.read)
    if (read === undefined || read.name !== message.name) return
    const value = message.value === 'known' ? read.known : message.value
    read.states.set(from, { accepted: message.accepted, value })
    const agreeing = [...read.states]
      .filter(([, { accepted }]) => compareBallots(accepted, message.accepted) === 0)
      .map(([host]) => host)
    if (this.#output.isQuorum(agreeing)) {
      this.#reads.delete(message.read)
      this.#output.read(now, read, value)
      return
    }
    if (!this.#output.isQuorum(read.states.keys())) return
    read.settleAt = earliest(read.settleAt, after(now, PATIENCE))
    if (read.states.size >= this.#output.reachable().length) read.settleAt = now
    this.#due = earliest(this.#due, read.settleAt)
  }

  /** Channels to this host are open: whatever it was asked before is lost. */
  open(host: HostId): void {
    for (const [id, read] of this.#reads) {
      // Another life of it may know less.
      read.states.delete(host)
      this.#ask(id, read, [host])
    }
  }

  /** What this host sent, also to itself, is lost. */
  restart(): void {
    for (const [id, read] of this.#reads) this.#ask(id, read, this.#output.reachable())
  }

  /** Gives all up. */
  withdraw(refuse: (wish: Wish) => void): void {
    for (const read of this.#reads.values()) refuse(read)
    this.#reads.clear()
  }

  tick(now: Instant): void {
    if (now < this.#due) return
    this.#due = NEVER
    for (const [id, read] of this.#reads) {
      if (now >= read.deadline) {
        this.#reads.delete(id)
        this.#output.expired(read)
        continue
      }
      if (now >= read.settleAt) {
        this.#reads.delete(id)
        this.#output.settle(now, read)
        continue
      }
      if (now >= read.resendAt) {
        read.resendAt = after(now, RESEND)
        const silent = this.#output.reachable().filter(host => !read.states.has(host))
        this.#ask(id, read, silent)
      }
      for (const instant of [read.deadline, read.settleAt, read.resendAt]) {
        this.#due = earliest(this.#due, instant)
      }
    }
  }

  #ask(id: number, { name, known }: Read, to: readonly HostId[]): void {
    const version = known && { version: known.version, writer: known.writer }
    this.#output.send(to, {
      type: 'variable-read',
      time: this.#clock.tick(),
      name,
      read: id,
      known: version,
    })
  }
}
