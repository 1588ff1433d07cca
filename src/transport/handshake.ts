import { assert } from '../lib/assert.ts'
import { after, earliest, elapsed, milliseconds, NEVER, toInstant } from '../lib/time.ts'
import { Epoch } from './epoch.ts'
import { areEqual } from './crypto.ts'
import { answerIndex, cookieOf, ephemeralOf, proofOf, readHelloHeader } from './seal.ts'

import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { Introduction, KeyName, ReceivedHello, SentHello } from './seal.ts'

/** How long after one HELLO the next one goes out; the last for ever. */
const RETRIES_MS = [100, 200, 400, 800, 1000] as const
const JITTER = 0.25
/** The same HELLO is sent so often, then a new one: the peer may have forgotten it for good. */
const SAME_HELLO_MAX = 3
/** A HELLO of ours is not repeated at once because one of the peer's came. */
const NUDGE_SPACE: Duration = milliseconds(10)
const SLOTS_MAX = 4
const SLOT_KEPT: Duration = milliseconds(5000)
const SEEN_MAX = 256
/** New HELLOs of one peer that are answered: so many at once, so many a second. */
const TOKENS_MAX = 8
const TOKENS_PER_SECOND = 4

/** Why we want a handshake. */
export type Cause = 'no-session' | 'silence' | 'new-keys'

/** Our HELLO, until it is answered. */
type Attempt = {
  readonly cause: Cause
  readonly serial: number
  hello: SentHello | undefined
  index: number
  /** Transmissions of this very HELLO. */
  copies: number
  sentAt: Instant
  retries: number
  deadline: Instant
}

/** A HELLO that we answered, until a packet shows that the peer has the answer. */
export type Slot = {
  readonly ephemeral: string
  readonly serial: number
  readonly index: number
  readonly answer: Uint8Array
  readonly epoch: Epoch
  readonly introduction: Introduction
  answeredAt: Instant
}

/** What a handshake has brought. */
export type Agreement = {
  readonly epoch: Epoch
  readonly introduction: Introduction
  /** The time from the last message to its answer. */
  readonly rtt: Duration
}

export type HandshakeOutput = {
  transmit(bytes: Uint8Array): void
  /** A receiver index of which nobody else here knows. */
  claim(): number
  /** Packets and answers that carry the index are for this. */
  assign(index: number, use: Slot | 'attempt'): void
  release(index: number): void
  introduction(): Introduction
  writeHello(index: number): SentHello
  /** Why one that introduces itself so is not answered. */
  objection(introduction: Introduction): string | undefined
}

/**
 * HELLO, HELLO_ACK, and the first packet under new keys, with one peer, either side beginning.
 * Before that packet has come the responder changes nothing but its few slots (WireGuard's rule), so
 * that a replayed HELLO, even one from before a restart, has no effect.
 */
export class Handshake {
  readonly #random: Random
  readonly #output: HandshakeOutput
  /** Our HELLO has precedence when both call each other: our id is the lower. */
  readonly #hasPrecedence: boolean
  #attempt: Attempt | undefined
  #slots: Slot[] = []
  readonly #seen = new Set<string>()
  #tokens = TOKENS_MAX
  #tokensAt: Instant = toInstant(0)
  #serial = 0

  constructor(random: Random, hasPrecedence: boolean, output: HandshakeOutput) {
    this.#random = random
    this.#hasPrecedence = hasPrecedence
    this.#output = output
  }

  /** What our HELLO is for, if one is under way. */
  get cause(): Cause | undefined {
    return this.#attempt?.cause
  }

  /** Calls the peer until there is an agreement, from the next tick; `isPatient`: at the last pace. */
  start(now: Instant, cause: Cause, isPatient = false): void {
    if (this.#attempt !== undefined) return
    const retries = isPatient ? RETRIES_MS.length - 1 : 0
    const attempt: Attempt = {
      cause,
      serial: this.#serial++,
      hello: undefined,
      index: 0,
      copies: 0,
      sentAt: toInstant(-Infinity),
      retries,
      deadline: now,
    }
    this.#attempt = attempt
    if (isPatient) attempt.deadline = after(now, this.#pause(attempt))
  }

  /** Calls no longer. */
  cancel(): void {
    if (this.#attempt?.hello !== undefined) this.#output.release(this.#attempt.index)
    this.#attempt = undefined
  }

  /** Forgets everything under way: what was said of ourselves is no longer true. */
  reset(): void {
    this.cancel()
    for (const slot of this.#slots) this.#drop(slot)
    this.#slots = []
  }

  /** Other keys from now on: what was begun under ones that are gone leads nowhere. */
  changeKeys(names: readonly KeyName[]): void {
    const attempt = this.#attempt
    if (attempt?.hello !== undefined && attempt.hello.name !== names[0]) {
      this.#output.release(attempt.index)
      attempt.hello = undefined
    }
    this.#keep(({ epoch }) => epoch.keys.name !== undefined && names.includes(epoch.keys.name))
  }

  /** The peer shows life: our HELLO, if one is under way, does not wait for its next turn. */
  nudge(now: Instant): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
    attempt.retries = 0
    const soon = after(attempt.sentAt, NUDGE_SPACE)
    attempt.deadline = earliest(attempt.deadline, soon > now ? soon : now)
  }

  get deadline(): Instant {
    let deadline = this.#attempt?.deadline ?? NEVER
    for (const slot of this.#slots) deadline = earliest(deadline, after(slot.answeredAt, SLOT_KEPT))
    return deadline
  }

  tick(now: Instant): void {
    const attempt = this.#attempt
    if (attempt !== undefined && attempt.deadline <= now) this.#call(now, attempt)
    this.#keep(slot => after(slot.answeredAt, SLOT_KEPT) > now)
  }

  /**
   * A HELLO of a member, from the peer's address. The result is why it is ignored, if it is.
   *
   * @param admit counts it, and gives the COOKIE to answer if it must prove its address first
   */
  receiveHello(
    now: Instant,
    hello: ReceivedHello,
    admit: (hello: ReceivedHello) => Uint8Array | undefined,
  ): string | undefined {
    const ephemeral = ephemeralOf(hello.bytes)
    const cookie = admit(hello)
    const known = this.#slots.find(slot => slot.ephemeral === ephemeral)
    if (known !== undefined) {
      known.answeredAt = now
      this.#output.transmit(known.answer)
      return undefined
    }
    if (this.#seen.has(ephemeral)) return 'replay'
    if (cookie !== undefined) {
      this.#output.transmit(cookie)
      return 'cookie'
    }
    if (!this.#takeToken(now)) return 'rate'
    const introduction = hello.read()
    if (typeof introduction === 'string') return introduction
    const objection = this.#output.objection(introduction)
    if (objection !== undefined) return objection
    if (this.#precedes(hello)) {
      // The peer will answer ours. Late copies of its own must not start another handshake then.
      this.#remember(ephemeral)
      this.nudge(now)
      return 'simultaneous'
    }
    return this.#answer(now, hello, ephemeral, introduction)
  }

  /** An answer with the index of our attempt. A text is why it is ignored. */
  receiveAnswer(now: Instant, answer: Uint8Array): Agreement | string {
    const attempt = this.#attempt
    assert(attempt?.hello !== undefined, 'an index is assigned to an attempt that was sent')
    const read = attempt.hello.read(answer)
    if (typeof read === 'string') return read
    const objection = this.#output.objection(read.introduction)
    if (objection !== undefined) {
      read.keys.forget()
      return objection
    }
    this.cancel()
    this.#keep(slot => slot.serial > attempt.serial)
    const epoch = new Epoch(attempt.index, answerIndex(answer), read.keys)
    return { epoch, introduction: read.introduction, rtt: elapsed(attempt.sentAt, now) }
  }

  /** A COOKIE with the index of our attempt. A text is why it is ignored. */
  receiveCookie(now: Instant, cookie: Uint8Array): string | undefined {
    const attempt = this.#attempt
    assert(attempt?.hello !== undefined, 'an index is assigned to an attempt that was sent')
    // The same once more would only make us call without a pause.
    if (areEqual(cookieOf(cookie), proofOf(attempt.hello.bytes))) return 'replay'
    if (attempt.hello.prove(cookie) === 'damaged') return 'damaged'
    // The peer has not taken this HELLO yet: it has all its turns still.
    attempt.copies = 0
    this.nudge(now)
    return undefined
  }

  /** A packet opened under the keys of the slot: the handshake is complete. */
  confirm(now: Instant, slot: Slot): Agreement {
    this.cancel()
    this.#remember(slot.ephemeral)
    this.#slots = this.#slots.filter(other => other !== slot)
    this.#keep(other => other.serial > slot.serial)
    const { epoch, introduction } = slot
    return { epoch, introduction, rtt: elapsed(slot.answeredAt, now) }
  }

  #call(now: Instant, attempt: Attempt): void {
    if (attempt.hello === undefined || attempt.copies >= SAME_HELLO_MAX) {
      if (attempt.hello !== undefined) this.#output.release(attempt.index)
      attempt.index = this.#output.claim()
      attempt.hello = this.#output.writeHello(attempt.index)
      attempt.copies = 0
      this.#output.assign(attempt.index, 'attempt')
    }
    attempt.copies++
    attempt.sentAt = now
    attempt.deadline = after(now, this.#pause(attempt))
    attempt.retries++
    this.#output.transmit(attempt.hello.bytes.slice())
  }

  #pause(attempt: Attempt): Duration {
    const pause = RETRIES_MS[Math.min(attempt.retries, RETRIES_MS.length - 1)] ?? 0
    return milliseconds(pause * this.#random.between(1 - JITTER, 1 + JITTER))
  }

  /** When both call, one HELLO counts; if the keys differ the peer may not have ours. */
  #precedes(hello: ReceivedHello): boolean {
    if (this.#attempt === undefined || !this.#hasPrecedence) return false
    const ours = this.#attempt.hello
    return ours === undefined || ours.name === hello.name
  }

  #answer(
    now: Instant,
    hello: ReceivedHello,
    ephemeral: string,
    introduction: Introduction,
  ): string | undefined {
    const index = this.#output.claim()
    const answer = hello.answer(index, this.#output.introduction())
    if (answer === undefined) {
      this.#remember(ephemeral)
      return 'weak'
    }
    const oldest = this.#slots.reduce(
      (a: Slot | undefined, b) => (a !== undefined && a.answeredAt <= b.answeredAt ? a : b),
      undefined,
    )
    if (this.#slots.length >= SLOTS_MAX) this.#keep(slot => slot !== oldest)
    const slot: Slot = {
      ephemeral,
      serial: this.#serial++,
      index,
      answer: answer.bytes,
      epoch: new Epoch(index, readHelloHeader(hello.bytes).index, answer.keys),
      introduction,
      answeredAt: now,
    }
    this.#slots.push(slot)
    this.#output.assign(index, slot)
    this.#output.transmit(answer.bytes)
    return undefined
  }

  #keep(isKept: (slot: Slot) => boolean): void {
    if (this.#slots.every(isKept)) return
    for (const slot of this.#slots) if (!isKept(slot)) this.#drop(slot)
    this.#slots = this.#slots.filter(isKept)
  }

  #drop(slot: Slot): void {
    this.#remember(slot.ephemeral)
    slot.epoch.keys.forget()
    this.#output.release(slot.index)
  }

  #remember(ephemeral: string): void {
    this.#seen.add(ephemeral)
    if (this.#seen.size <= SEEN_MAX) return
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest)
      return
    }
  }

  #takeToken(now: Instant): boolean {
    const earned = (elapsed(this.#tokensAt, now) / 1000) * TOKENS_PER_SECOND
    this.#tokens = Math.min(TOKENS_MAX, this.#tokens + earned)
    this.#tokensAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
