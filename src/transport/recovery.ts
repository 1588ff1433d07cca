import { assert } from '../lib/assert.ts'
import { after, before as earlier, earliest, elapsed, milliseconds, NEVER } from '../lib/time.ts'
import { ACK_LATER, isAcknowledged } from './packet.ts'
import { CongestionWindow } from './window.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Budget } from './budget.ts'
import type { Segment } from './channel.ts'
import type { Epoch, SentPacket } from './epoch.ts'
import type { AckFrame } from './packet.ts'
import type { Rtt } from './rtt.ts'

/** RFC 9002 §6.1.1. */
const PACKET_THRESHOLD = 3
/** A packet taken for lost is remembered so long, in case it was only late. */
const LOST_KEPT: Duration = milliseconds(1000)
/** Packets remembered under one set of keys. */
const SENT_MAX = 256
/** From this consecutive probe timeout on, one datagram is sent instead of two. */
const TIMEOUTS_UNTIL_SINGLE = 3
/** Without an acknowledgement for so long, nothing new is sent, only probes. */
const ABSENT_AFTER: Duration = milliseconds(500)
/** After so many nothing is expected of the path. */
const TIMEOUTS_UNTIL_COLLAPSE = 2
/** So often something new is probed for as if nothing were wrong. */
const FRESH_STARTS_MAX = 8
/** So many datagrams of ours may wait in queues on their way before bulk is held back. */
const QUEUED_MAX = 8
/** How fast the smoothed loss follows. */
const LOSS_WEIGHT = 1 / 64

/** What recovery tells the session. */
export type RecoveryOutput = {
  acknowledged(segment: Segment): void
  lost(segment: Segment): void
}

/** Which packets arrived, which are lost, when to probe, how much may be in flight: RFC 9002. */
export class Recovery {
  readonly window: CongestionWindow = new CongestionWindow()
  readonly #rtt: Rtt
  readonly #budget: Budget
  readonly #output: RecoveryOutput
  readonly #epochs: readonly Epoch[]
  #inFlight = 0
  #order = 0
  #largestOrder = -1
  /** The probe timeout runs from here: the oldest packet in flight, or the last probe. If it
   * ran from the last transmission, chat would put it off. */
  #probeFrom: Instant = NEVER
  /** Probe timeouts since something was acknowledged. */
  #timeouts = 0
  /** Probe timeouts since something was acknowledged or something new was sent. */
  #backoff = 0
  /** How often something new has begun the backoff anew since something was acknowledged. */
  #freshStarts = 0
  /** Nothing has come back for so long that only probes are sent. */
  #isAbsent = false
  #lossDeadline: Instant = NEVER
  /** Packets in flight that said ACKLATER. */
  #patient = 0
  #isCrossed = false
  #waitingSince: Instant = NEVER
  #loss = 0

  /** `epochs`: the session's own list, oldest first. */
  constructor(rtt: Rtt, epochs: readonly Epoch[], budget: Budget, output: RecoveryOutput) {
    this.#rtt = rtt
    this.#epochs = epochs
    this.#budget = budget
    this.#output = output
  }

  /** Packets that asked for an ACK and are neither acknowledged nor given up. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** A probe timeout has passed, and nothing has been acknowledged since. */
  get isProbing(): boolean {
    return this.#timeouts > 0
  }

  /** The smoothed share of packets that were lost. */
  get loss(): number {
    return this.#loss
  }

  /** Since when something has been in flight without any progress. */
  get waitingSince(): Instant {
    return this.#waitingSince
  }

  /** Notes a packet that asks for an ACK. */
  sent(
    now: Instant,
    epoch: Epoch,
    content: Pick<SentPacket, 'segments' | 'report' | 'mayWait'>,
  ): void {
    const { segments, report, mayWait } = content
    const number = epoch.next
    const sent: SentPacket = {
      epoch,
      number,
      order: this.#order++,
      sentAt: now,
      segments,
      report,
      mayWait,
      again: undefined,
      isLost: false,
      isInFlight: true,
    }
    epoch.sent.set(number, sent)
    // What is fresh and only rides along with a probe does not say whether the probe was needed.
    const late = earlier(now, this.#rtt.overdue)
    for (const segment of segments) {
      const before = segment.carrier
      // What is new is worth as quick a probe as any, while there is some hope.
      if (before === undefined && this.#backoff > 0 && this.#freshStarts < FRESH_STARTS_MAX) {
        this.#freshStarts++
        this.#backoff = 0
        this.#probeFrom = now
      }
      if (before !== undefined && before.epoch === epoch && probeFrom(before) <= late) {
        before.again ??= number
      }
      segment.copies++
      segment.sentAt = now
      segment.carrier = sent
      segment.isLost = false
    }
    if (this.#waitingSince === NEVER) this.#waitingSince = now
    const from = probeFrom(sent)
    this.#probeFrom = this.#inFlight === 0 ? from : earliest(this.#probeFrom, from)
    if (mayWait) this.#patient++
    this.#count(1)
    if (epoch.sent.size > SENT_MAX) this.#forgetOldest(epoch)
  }

  /** Takes an ACK in. False: it acknowledges what was never sent. */
  acknowledge(now: Instant, epoch: Epoch, ack: AckFrame): boolean {
    if (ack.largest >= epoch.next) return false
    const largest = epoch.sent.get(ack.largest)
    if (largest !== undefined) this.#sample(now, largest, ack.delay)
    const isFull = this.#inFlight >= this.window.size
    let progress = false
    for (const packet of epoch.sent.values()) {
      if (packet.number > ack.largest) break
      if (!isAcknowledged(ack, packet.number)) continue
      progress = true
      this.#largestOrder = Math.max(this.#largestOrder, packet.order)
      if (isFull) this.window.grow()
      this.#arrived(packet)
    }
    if (!progress) return true
    // It was sent again and only then comes its ACK, which does not know of the second time. Of
    // packets before the largest an earlier ACK may have been lost: they prove nothing.
    if (largest?.again !== undefined) this.#rtt.spurious()
    else this.#rtt.clean()
    this.revive()
    this.#detectLost(now)
    this.#waitingSince = this.#inFlight > 0 ? now : NEVER
    if (this.#inFlight === 0) this.window.rest()
    this.#probeFrom = this.#oldest
    return true
  }

  /**
   * The peer has sent something that asks for an ACK, and with it went all ACKs that it owed: a packet
   * with ACKLATER that it has not acknowledged by then, a round trip later, is lost. One that is
   * younger may have crossed it. What asks for an ACK at once is a probe: the peer misses something.
   */
  heard(now: Instant, epoch: Epoch, isProbe: boolean): void {
    if (this.#patient === 0) return
    const late = earlier(now, this.#rtt.lossDelay)
    for (const packet of epoch.sent.values()) {
      if (!packet.mayWait || !packet.isInFlight) continue
      if (packet.sentAt <= late) {
        this.window.reduce(now, packet.sentAt)
        this.#giveUp(packet)
      } else if (isProbe) {
        packet.mayWait = false
        this.#patient--
      }
    }
    this.#isCrossed = this.#patient > 0
    this.#probeFrom = this.#oldest
  }

  /**
   * The peer has spoken since a packet with ACKLATER left, and may not have it: what it would miss if
   * that is lost is acknowledged by what is sent now, and so it would not probe. A packet that asks
   * for an ACK shows it the gap; an ACK alone would not.
   */
  get isCrossed(): boolean {
    return this.#patient > 0 && this.#isCrossed
  }

  /** Whether one more packet may be in flight, or up to `extra` more for what is urgent. */
  mayAdd(extra: number): boolean {
    return this.#inFlight < (this.#isAbsent ? 1 : this.window.size + extra)
  }

  /** Whether bulk may be added: what is urgent would wait behind all that is queued (TCP Vegas). */
  get mayAddBulk(): boolean {
    return this.#inFlight < QUEUED_MAX || this.#inFlight * this.#rtt.queueing < QUEUED_MAX
  }

  /** The peer is there: what is unacknowledged is probed for as if it had just been sent. */
  revive(): void {
    this.#setTimeouts(0)
    this.#backoff = 0
    this.#freshStarts = 0
    this.#isAbsent = false
  }

  get deadline(): Instant {
    return this.#lossDeadline < this.#probeDeadline ? this.#lossDeadline : this.#probeDeadline
  }

  /** Timers: what is lost by time; then how many datagrams are to be sent to probe, if any. */
  tick(now: Instant): number {
    if (now >= this.#lossDeadline) this.#detectLost(now)
    if (now < this.#probeDeadline) return 0
    const isSingle = this.#backoff >= TIMEOUTS_UNTIL_SINGLE
    this.#backoff++
    this.#probeFrom = now
    this.#setTimeouts(this.#timeouts + 1)
    if (this.#isSilent) this.#writeOff()
    this.#isAbsent = elapsed(this.#waitingSince, now) > ABSENT_AFTER
    return isSingle ? 1 : 2
  }

  /** The session ends: nothing of it is in flight any more. */
  end(): void {
    for (const epoch of this.#epochs) this.abandon(epoch)
  }

  /** What was sent under an epoch that ends can no longer be acknowledged. */
  abandon(epoch: Epoch): void {
    for (const packet of epoch.sent.values()) if (!packet.isLost) this.#giveUp(packet)
    epoch.sent.clear()
  }

  get #probeDeadline(): Instant {
    return this.#inFlight === 0 ? NEVER : after(this.#probeFrom, this.#rtt.pto(this.#backoff))
  }

  /** From when on what is in flight is to be probed for. */
  get #oldest(): Instant {
    let oldest = NEVER
    for (const epoch of this.#epochs) {
      for (const packet of epoch.sent.values()) {
        if (!packet.isInFlight) continue
        oldest = earliest(oldest, probeFrom(packet))
        // Those that follow are younger.
        if (!packet.mayWait) return oldest
      }
    }
    return oldest
  }

  #sample(now: Instant, { sentAt, mayWait }: SentPacket, delay: Duration): void {
    const took = elapsed(sentAt, now)
    if (!mayWait) this.#rtt.sample(now, took, delay)
    // Nearly all of it may be the delay, which was asked for.
    else if (took > delay) this.#rtt.sample(now, milliseconds(took - delay), milliseconds(0))
  }

  #arrived(packet: SentPacket): void {
    packet.epoch.sent.delete(packet.number)
    this.#land(packet)
    this.#loss -= this.#loss * LOSS_WEIGHT
    if (packet.report !== undefined) packet.epoch.received.confirm(packet.report)
    for (const segment of packet.segments) {
      if (!packet.isLost) segment.copies--
      if (!segment.isAcknowledged) this.#output.acknowledged(segment)
    }
  }

  #detectLost(now: Instant): void {
    this.#lossDeadline = NEVER
    const delay = this.#rtt.lossDelay
    for (const epoch of this.#epochs) {
      for (const packet of epoch.sent.values()) {
        if (packet.order > this.#largestOrder) break
        if (packet.isLost) {
          if (elapsed(packet.sentAt, now) > LOST_KEPT) epoch.sent.delete(packet.number)
          continue
        }
        const deadline = after(packet.sentAt, delay)
        if (this.#largestOrder - packet.order >= PACKET_THRESHOLD || deadline <= now) {
          this.window.reduce(now, packet.sentAt)
          this.#giveUp(packet)
        } else if (deadline < this.#lossDeadline) {
          this.#lossDeadline = deadline
        }
      }
    }
  }

  #giveUp(packet: SentPacket): void {
    packet.isLost = true
    this.#land(packet)
    this.#loss += (1 - this.#loss) * LOSS_WEIGHT
    for (const segment of packet.segments) {
      segment.copies--
      if (segment.copies === 0 && !segment.isAcknowledged) this.#output.lost(segment)
    }
  }

  #forgetOldest(epoch: Epoch): void {
    for (const packet of epoch.sent.values()) {
      if (!packet.isLost) this.#giveUp(packet)
      epoch.sent.delete(packet.number)
      return
    }
  }

  /** A long silence: new data shall not wait until what was sent before is known to be lost. */
  #writeOff(): void {
    for (const epoch of this.#epochs) {
      for (const packet of epoch.sent.values()) this.#land(packet)
    }
  }

  /** It does not count against the window any more. */
  #land(packet: SentPacket): void {
    if (!packet.isInFlight) return
    packet.isInFlight = false
    if (packet.mayWait) this.#patient--
    this.#count(-1)
  }

  #setTimeouts(timeouts: number): void {
    const wasSilent = this.#isSilent
    this.#timeouts = timeouts
    if (this.#isSilent) this.window.collapse()
    if (this.#isSilent === wasSilent) return
    this.#budget.inFlight += this.#isSilent ? -this.#inFlight : this.#inFlight
  }

  /** A peer from which nothing comes back shall not use up what the others may send. */
  get #isSilent(): boolean {
    return this.#timeouts >= TIMEOUTS_UNTIL_COLLAPSE
  }

  #count(change: 1 | -1): void {
    this.#inFlight += change
    if (!this.#isSilent) this.#budget.inFlight += change
    assert(this.#inFlight >= 0, 'nothing arrives or is lost twice')
  }
}

/** A probe timeout after this, it is to be probed for. */
function probeFrom({ sentAt, mayWait }: SentPacket): Instant {
  return mayWait ? after(sentAt, ACK_LATER) : sentAt
}
