import { assert } from '../lib/assert.ts'
import { earliest, elapsed } from '../lib/time.ts'
import { SendChannel } from './channel.ts'
import {
  ACK_LATER,
  HEADER_SIZE,
  PACKET_NUMBER_MAX,
  SEGMENT_OVERHEAD_MAX,
  TAG_SIZE,
} from './packet.ts'
import { newDraft } from './draft.ts'
import { Patience } from './patience.ts'
import { Recovery } from './recovery.ts'

import type { Instant } from '../lib/time.ts'
import type { Segment } from './channel.ts'
import type { ChannelId, Counters, Urgency } from './endpoint.ts'
import type { AckFrame, PacketWriter } from './packet.ts'
import type { Budget } from './budget.ts'
import type { Draft } from './draft.ts'
import type { Epoch } from './epoch.ts'
import type { Rtt } from './rtt.ts'
import type { Seq } from './seq.ts'

/** `send` says to slow down above this. */
export const QUEUE_HIGH_BYTES: number = 256 * 1024
const QUEUE_MAX_BYTES = 8 * 1024 * 1024
const QUEUE_MAX_PAYLOADS = 20_000
/** Datagrams a flush: what came in meanwhile has its turn before the next ones. */
const FLUSH_MAX = 8
/** How far channels 0 and 1 may exceed window and budget: bulk never holds up a lock. */
const URGENT_EXTRA = 4
/** Bytes of overdue segments that ride along with a packet. */
const RIDE_MAX = 256
/**
 * From this share of lost packets on, a retransmission that nothing follows is sent twice, and no ACK
 * waits: both sides find out what is lost.
 */
const REPEAT_FROM_LOSS = 0.03

const CHANNELS = [0, 1, 2, 3] as const

/** What sessions of one endpoint share. */
export type SessionTools = {
  readonly writer: PacketWriter
  readonly counters: Counters
  readonly budget: Budget
}

/** What the sender needs of its session. */
export type SenderOptions = {
  /** Where the sequence numbers of the channels begin. */
  readonly first: Seq
  /** What the peer offers to hold, to begin with. */
  readonly peerWindow: number
  transmit(bytes: Uint8Array): void
  /** The beginning of a payload is taken for lost, or goes once more. */
  carried(what: 'lose' | 'retransmit', payload: Uint8Array): void
  /** Bytes that we offer to hold. */
  window(): number
}

/** The outgoing half of a session: what goes into the next packet, and what goes into it again. */
export class Sender {
  readonly recovery: Recovery
  readonly #tools: SessionTools
  readonly #options: SenderOptions
  readonly #rtt: Rtt
  /** The session's own list: oldest first; the last one is used to send. */
  readonly #epochs: readonly Epoch[]
  readonly #channels: readonly SendChannel[]
  #datagram: Uint8Array | undefined
  /** What the peer offers to hold. */
  #peerWindow: number
  /** Bytes of segments sent and not acknowledged. */
  #outstanding = 0
  readonly #patience = new Patience()

  constructor(epochs: readonly Epoch[], rtt: Rtt, tools: SessionTools, options: SenderOptions) {
    this.#epochs = epochs
    this.#rtt = rtt
    this.#tools = tools
    this.#options = options
    this.#peerWindow = options.peerWindow
    this.#channels = CHANNELS.map(id => new SendChannel(id, options.first))
    this.recovery = new Recovery(rtt, epochs, tools.budget, {
      acknowledged: segment => {
        this.#outstanding -= segment.end - segment.start
        this.#channel(segment.channel).acknowledge(segment)
      },
      lost: segment => {
        if (segment.start === 0) options.carried('lose', segment.payload)
        this.#channel(segment.channel).lost(segment)
      },
    })
  }

  get queuedBytes(): number {
    let bytes = 0
    for (const channel of this.#channels) bytes += channel.bytes
    return bytes
  }

  /** Queues a payload. Whatever goes to this peer takes along what waits before it. */
  send(
    now: Instant,
    channel: ChannelId,
    payload: Uint8Array,
    urgency: Urgency,
    isAnswer = false,
  ): 'queued' | 'slow-down' | 'full' {
    const ack = isAnswer ? 'answer' : urgency === 'whenever' ? 'lenient' : 'prompt'
    let [bytes, payloads, isFirst] = [payload.length, 1, true]
    for (const each of this.#channels) {
      if (each.hasUnsent) isFirst = false
      bytes += each.bytes
      payloads += each.payloads
    }
    this.#patience.sent(now, urgency, isFirst)
    this.#channel(channel).push(payload, ack)
    if (bytes > QUEUE_MAX_BYTES || payloads > QUEUE_MAX_PAYLOADS) return 'full'
    return bytes > QUEUE_HIGH_BYTES ? 'slow-down' : 'queued'
  }

  /** Replaces the datagram that waits, if one does. */
  sendDatagram(payload: Uint8Array): void {
    this.#datagram = payload
  }

  /** Takes an ACK in. False: it acknowledges what was never sent. */
  acknowledge(now: Instant, epoch: Epoch, ack: AckFrame): boolean {
    if (!this.recovery.acknowledge(now, epoch, ack)) return false
    this.#peerWindow = ack.window
    return true
  }

  /** Timers that are due; probes leave at once. */
  tick(now: Instant): void {
    this.#patience.tick(now)
    const probes = this.recovery.tick(now)
    if (probes === 0) return
    let first = this.#probe(now, 'first')
    for (let i = 1; i < probes; i++) first = this.#probe(now, first)
  }

  /** Whether something would be transmitted now. */
  wantsFlush(now: Instant): boolean {
    if (this.#datagram !== undefined) return true
    for (const epoch of this.#epochs) if (epoch.received.isDue(now)) return true
    return this.#wantsSegments(now) || this.#mustConfirm
  }

  /** When something is due by time alone. */
  get deadline(): Instant {
    const { deadline } = this.recovery
    const { until } = this.#patience
    return this.#hasNew && until > -Infinity ? earliest(deadline, until) : deadline
  }

  /** Transmits what waits, a few datagrams at most. True: there is more. */
  flush(now: Instant): boolean {
    for (const epoch of this.#epochs) {
      if (epoch !== this.#epoch && epoch.received.isDue(now)) this.#pack(now, epoch)
    }
    let last: Draft | undefined
    for (let i = 0; i < FLUSH_MAX; i++) {
      const packet = this.#pack(now, this.#epoch)
      if (packet === undefined) {
        if (last?.carriesLost === true) this.#repeatTail(now, last.segments)
        return false
      }
      last = packet
    }
    return this.#wantsSegments(now)
  }

  get #epoch(): Epoch {
    const epoch = this.#epochs.at(-1)
    assert(epoch !== undefined, 'a session has an epoch')
    return epoch
  }

  #wantsSegments(now: Instant): boolean {
    const isPatient = now < this.#patience.until
    for (const channel of this.#channels) {
      if (!this.#maySend(channel.id)) continue
      if (channel.firstLost !== undefined || (!isPatient && this.#mayCut(channel))) return true
    }
    return false
  }

  get #hasNew(): boolean {
    return this.#channels.some(channel => channel.hasNew)
  }

  /** The first packet under new keys shows the peer that we have them. */
  get #mustConfirm(): boolean {
    return !this.#epoch.isConfirmed && this.#epoch.next === 0
  }

  #maySend(channel: ChannelId): boolean {
    const extra = channel <= 1 ? URGENT_EXTRA : 0
    if (!this.recovery.mayAdd(extra)) return false
    if (channel > 1 && !this.recovery.mayAddBulk) return false
    const { budget } = this.#tools
    if (budget.hasRoom || this.recovery.inFlight < extra) return true
    budget.want()
    return false
  }

  /** Zero windows are probed: what is sent when nothing is in flight goes in any case. */
  #mayCut(channel: SendChannel): boolean {
    if (!channel.hasNew) return false
    return this.#outstanding < this.#peerWindow || this.recovery.inFlight === 0
  }

  /** Fills one packet with what is most urgent and transmits it; nothing if there is none. */
  #pack(now: Instant, epoch: Epoch): Draft | undefined {
    if (epoch.next >= PACKET_NUMBER_MAX) return undefined
    const packet = this.#begin(now, epoch)
    if (epoch === this.#epoch) {
      const { writer } = this.#tools
      if (this.#datagram !== undefined) {
        writer.datagram(this.#datagram)
        this.#datagram = undefined
        packet.hasDatagram = true
      }
      this.#fill(now, packet)
      if (writer.length > packet.bare || epoch.received.isDue(now)) this.#ride(now, packet)
      if (this.#mustConfirm && packet.segments.length === 0) {
        writer.ping()
        packet.asks = true
      }
    }
    return this.#finish(now, epoch, packet) ? packet : undefined
  }

  /** One datagram to find out what arrived. `before` are the segments of the one before it. */
  #probe(now: Instant, before: 'first' | readonly Segment[]): readonly Segment[] {
    const epoch = this.#epoch
    if (epoch.next >= PACKET_NUMBER_MAX) return []
    const packet = this.#begin(now, epoch)
    packet.asks = true
    this.#tools.writer.ackNow()
    this.#refill(packet, segment => before === 'first' || !before.includes(segment))
    // Nothing else is left: the same once more.
    if (packet.segments.length === 0 && before !== 'first') this.#refillWith(packet, before)
    if (before === 'first') this.#fill(now, packet)
    if (packet.segments.length === 0) this.#tools.writer.ping()
    this.#finish(now, epoch, packet)
    return packet.segments
  }

  /**
   * Lost once, and nothing follows that would show that it is lost again: as much in danger as what
   * is probed for, so it goes twice like that, where losses are frequent.
   */
  #repeatTail(now: Instant, segments: readonly Segment[]): void {
    const epoch = this.#epoch
    if (this.recovery.loss < REPEAT_FROM_LOSS || !this.#maySend(0)) return
    if (epoch.next >= PACKET_NUMBER_MAX || this.#hasNew) return
    const packet = this.#begin(now, epoch)
    this.#refillWith(packet, segments)
    this.#finish(now, epoch, packet)
  }

  #begin(now: Instant, epoch: Epoch): Draft {
    const { writer } = this.#tools
    const { received } = epoch
    writer.begin(epoch.peerIndex, epoch.next)
    const packet = newDraft()
    if (received.isPending) {
      writer.ack(received.report(now, this.#options.window()))
      packet.hasAck = true
    }
    packet.bare = writer.length
    return packet
  }

  /** Lost segments, then new ones; channel 0 first. */
  #fill(now: Instant, packet: Draft): void {
    for (const channel of this.#channels) {
      for (;;) {
        const segment = channel.firstLost
        if (segment === undefined || !this.#maySend(channel.id)) break
        if (!this.#fits(segment)) return
        packet.isAgain = true
        packet.carriesLost = true
        this.#write(packet, segment)
      }
    }
    for (const channel of this.#channels) {
      while (this.#maySend(channel.id) && this.#mayCut(channel)) {
        const segment = channel.cut(this.#tools.writer.room)
        if (segment === undefined) return
        segment.sentAt = now
        this.#outstanding += segment.end - segment.start
        this.#write(packet, segment)
      }
    }
  }

  /** Segments that may be lost ride along: chatty traffic recovers without a timer. */
  #ride(now: Instant, packet: Draft): void {
    const { overdue } = this.#rtt
    // After a probe timeout, probes that were just sent may be lost like what they probed for.
    const isSuspect = this.recovery.isProbing
    let left = RIDE_MAX
    for (const channel of this.#channels) {
      for (let i = 0; ; i++) {
        const segment = channel.unacknowledged(i)
        if (segment === undefined) break
        const age = elapsed(segment.sentAt, now)
        if (!isSuspect && age <= overdue) break
        const mayWait = segment.carrier?.mayWait === true
        if (!isSuspect && mayWait && age <= overdue + ACK_LATER) continue
        if (segment.isAcknowledged || packet.segments.includes(segment)) continue
        left -= segment.end - segment.start
        if (left < 0 || !this.#fits(segment)) return
        packet.isAgain = true
        this.#write(packet, segment)
      }
    }
  }

  /** The oldest unacknowledged segments among those that are wanted. */
  #refill(packet: Draft, isWanted: (segment: Segment) => boolean): void {
    for (const channel of this.#channels) {
      for (let i = 0; ; i++) {
        const segment = channel.unacknowledged(i)
        if (segment === undefined) break
        if (segment.isAcknowledged || packet.segments.includes(segment)) continue
        if (!isWanted(segment)) continue
        if (!this.#fits(segment)) return
        packet.isAgain = true
        this.#write(packet, segment)
      }
    }
  }

  #refillWith(packet: Draft, segments: readonly Segment[]): void {
    this.#refill(packet, segment => segments.includes(segment))
  }

  #fits(segment: Segment): boolean {
    return segment.end - segment.start + SEGMENT_OVERHEAD_MAX <= this.#tools.writer.room
  }

  #write(packet: Draft, segment: Segment): void {
    const { channel, seq, payload, start, end } = segment
    const isBegin = start === 0
    const isEnd = end === payload.length
    const data = isBegin && isEnd ? payload : payload.subarray(start, end)
    const total = payload.length
    this.#tools.writer.segment({ type: 'segment', channel, seq, isBegin, isEnd, total, data })
    if (isBegin && segment.carrier !== undefined) this.#options.carried('retransmit', payload)
    segment.isLost = false
    packet.segments.push(segment)
  }

  /** Seals and transmits what was written, unless that is nothing that need be said now. */
  #finish(now: Instant, epoch: Epoch, packet: Draft): boolean {
    const { writer, counters } = this.#tools
    const isBare = writer.length === packet.bare
    if (isBare && (!packet.hasAck || !epoch.received.isDue(now))) return false
    const { segments, hasAck, hasDatagram } = packet
    if (hasAck && segments.length === 0 && epoch === this.#epoch && this.recovery.isCrossed) {
      if (!packet.asks) writer.ping()
      packet.asks = true
    }
    const report = hasAck ? epoch.received.reported() : undefined
    if (packet.asks || segments.length > 0) {
      const mayWait = this.#mayWait(packet)
      if (mayWait) writer.ackLater()
      this.recovery.sent(now, epoch, { segments, report, mayWait })
    } else if (hasDatagram) counters.beats++
    const length = epoch.keys.seal(epoch.next++, writer.bytes, writer.length)
    assert(length >= HEADER_SIZE + TAG_SIZE, 'a packet has a header and a tag')
    if (packet.isAgain) counters.retransmitted++
    this.#options.transmit(writer.take(length))
    return true
  }

  /**
   * Whether its ACK may wait for what the peer says next. If an answer is lost, the peer misses the ACK
   * of what it answers, and probes. While much is in flight none waits: it takes room from the others.
   */
  #mayWait({ segments, hasAck, asks, isAgain }: Draft): boolean {
    const { writer, budget } = this.#tools
    if (asks || isAgain || writer.room === 0 || !this.#epoch.isConfirmed) return false
    if (this.recovery.isProbing || this.recovery.loss >= REPEAT_FROM_LOSS) return false
    if (budget.inFlight * 2 > budget.max) return false
    return segments.every(({ ack }) => ack === 'lenient' || (ack === 'answer' && hasAck))
  }

  #channel(id: ChannelId): SendChannel {
    return this.#channels[id] as SendChannel
  }
}
