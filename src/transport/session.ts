import { assert } from '../lib/assert.ts'
import { after, earliest, elapsed, milliseconds, NEVER } from '../lib/time.ts'
import { ReceiveChannel, SendChannel } from './channel.ts'
import { HEADER_SIZE, PACKET_NUMBER_MAX, SEGMENT_OVERHEAD_MAX, TAG_SIZE } from './packet.ts'
import { Recovery } from './recovery.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { Segment } from './channel.ts'
import type { ChannelId, Counters } from './endpoint.ts'
import type { AckFrame, CloseFrame, Frame, PacketWriter, SegmentFrame } from './packet.ts'
import type { Budget, Epoch } from './recovery.ts'
import type { Rtt } from './rtt.ts'
import type { Incarnation, Seal } from './seal.ts'
import type { Seq } from './seq.ts'

/** Bytes of segments before their turn that we offer to hold for one peer. */
export const WINDOW_BYTES: number = 256 * 1024
/** A window shrinks while segments are on their way, so we hold more than we offer. */
const EARLY_BYTES_MAX = 2 * WINDOW_BYTES
/** `send` says to slow down above this. */
const QUEUE_HIGH_BYTES = 256 * 1024
const QUEUE_MAX_BYTES = 8 * 1024 * 1024
const QUEUE_MAX_PAYLOADS = 20_000
/** Datagrams a flush: what came in meanwhile has its turn before the next ones. */
const FLUSH_MAX = 8
/** How far channels 0 and 1 may exceed the window: bulk never holds up a lock. */
const URGENT_EXTRA = 4
/** Datagrams in flight to all peers together. */
const BUDGET_MAX = 256
/** Bytes of overdue segments that ride along with a packet. */
const RIDE_MAX = 256
/** Late packets under keys that have been replaced are taken so long. */
export const EPOCH_KEPT: Duration = milliseconds(5000)
/** Replaced epochs that are kept at the same time. */
const EPOCHS_MAX = 4
/** New keys long before numbers run out. */
const REKEY_AT = 2 ** 28

const CHANNELS = [0, 1, 2, 3] as const

/** What sessions of one endpoint share. */
export type SessionTools = {
  readonly seal: Seal
  readonly writer: PacketWriter
  readonly counters: Counters
  readonly budget: Budget
}

export type SessionOutput = {
  transmit(bytes: Uint8Array): void
  deliver(channel: ChannelId, payload: Uint8Array): void
  deliverDatagram(payload: Uint8Array): void
}

/** Why a session ends by what its peer sent. */
export type Ending =
  | { readonly type: 'violation'; readonly text: string }
  | { readonly type: 'closed'; readonly code: number }

/**
 * What there is between one incarnation of us and one of a peer: the channels, and all that gets
 * them across. It outlives the keys: each handshake with the same pair only adds an epoch.
 */
export class Session {
  readonly incarnation: Incarnation
  readonly #tools: SessionTools
  readonly #output: SessionOutput
  readonly #rtt: Rtt
  readonly #recovery: Recovery
  /** Oldest first; the last one is used to send. */
  readonly #epochs: Epoch[] = []
  readonly #sending: readonly SendChannel[]
  readonly #receiving: readonly ReceiveChannel[]
  #datagram: Uint8Array | undefined
  /** What the peer offers to hold. */
  #peerWindow = WINDOW_BYTES
  /** Bytes of segments sent and not acknowledged. */
  #outstanding = 0
  #hasEnded = false
  /** The peer has acknowledged something new since this was asked last. */
  #hasProgress = false

  constructor(
    incarnation: Incarnation,
    rtt: Rtt,
    tools: SessionTools,
    output: SessionOutput,
    first: Seq = 0,
  ) {
    this.incarnation = incarnation
    this.#rtt = rtt
    this.#tools = tools
    this.#output = output
    this.#recovery = new Recovery(rtt, this.#epochs, tools.budget, {
      acknowledged: segment => {
        this.#outstanding -= segment.end - segment.start
        this.#sendChannel(segment.channel).acknowledge(segment)
      },
      lost: segment => this.#sendChannel(segment.channel).lost(segment),
    })
    this.#sending = CHANNELS.map(id => new SendChannel(id, first))
    this.#receiving = CHANNELS.map(() => new ReceiveChannel(first))
  }

  get rtt(): Rtt {
    return this.#rtt
  }

  get recovery(): Recovery {
    return this.#recovery
  }

  get epochs(): readonly Epoch[] {
    return this.#epochs
  }

  get queuedBytes(): number {
    return this.#sending.reduce((sum, channel) => sum + channel.bytes, 0)
  }

  /** The epoch that is used to send. */
  get epoch(): Epoch {
    const epoch = this.#epochs.at(-1)
    assert(epoch !== undefined, 'a session has an epoch')
    return epoch
  }

  /** Whether the packet numbers of these keys come to their end. */
  get wantsKeys(): boolean {
    return this.epoch.next >= REKEY_AT
  }

  /** New keys; the result: epochs that are forgotten at once. */
  adopt(now: Instant, epoch: Epoch): readonly Epoch[] {
    const replaced = this.#epochs.at(-1)
    if (replaced !== undefined) replaced.expires = after(now, EPOCH_KEPT)
    this.#epochs.push(epoch)
    this.#recovery.revive()
    const forgotten = this.#epochs.splice(0, Math.max(0, this.#epochs.length - EPOCHS_MAX))
    for (const old of forgotten) this.#recovery.abandon(old)
    return forgotten
  }

  /** Epochs whose time is over. */
  expire(now: Instant): readonly Epoch[] {
    const forgotten: Epoch[] = []
    for (let first = this.#epochs[0]; first !== undefined && first.expires <= now;) {
      forgotten.push(first)
      this.#epochs.shift()
      this.#recovery.abandon(first)
      first = this.#epochs[0]
    }
    return forgotten
  }

  /** Nothing is delivered or transmitted from now on. */
  end(): void {
    this.#hasEnded = true
    this.#recovery.end()
  }

  /** Where this side's reception stands, for a CLOSE. */
  closeFrame(reason: number): CloseFrame {
    const next = (id: ChannelId): Seq => this.#receiveChannel(id).next
    return { type: 'close', reason, next: [next(0), next(1), next(2), next(3)] }
  }

  /** Queues a payload. */
  send(channel: ChannelId, payload: Uint8Array): 'queued' | 'slow-down' | 'full' {
    this.#sendChannel(channel).push(payload)
    let bytes = 0
    let payloads = 0
    for (const each of this.#sending) {
      bytes += each.bytes
      payloads += each.payloads
    }
    if (bytes > QUEUE_MAX_BYTES || payloads > QUEUE_MAX_PAYLOADS) return 'full'
    return bytes > QUEUE_HIGH_BYTES ? 'slow-down' : 'queued'
  }

  /** Replaces the datagram that waits, if one does. */
  sendDatagram(payload: Uint8Array): void {
    this.#datagram = payload
  }

  /** The peer has acknowledged something new since the last call. */
  takeProgress(): boolean {
    const progress = this.#hasProgress
    this.#hasProgress = false
    return progress
  }

  /** Handles the frames of a fresh packet. The result is why the session must end, if it must. */
  receive(
    now: Instant,
    epoch: Epoch,
    number: number,
    frames: readonly Frame[],
  ): Ending | 'refused' | undefined {
    let ask: 'nothing' | 'ack' | 'ack-now' = 'nothing'
    for (const frame of frames) {
      if (frame.type === 'segment' && !this.#accepts(frame)) return 'refused'
      if (frame.type === 'ack-now') ask = 'ack-now'
      else if (frame.type !== 'ack' && frame.type !== 'datagram' && ask === 'nothing') ask = 'ack'
    }
    epoch.received.add(now, number, ask)
    epoch.isConfirmed = true
    for (const frame of frames) {
      const ending = this.#receiveFrame(now, epoch, frame)
      if (ending !== undefined || this.#hasEnded) return ending
    }
    return undefined
  }

  get deadline(): Instant {
    let deadline = earliest(this.#recovery.deadline, this.#epochs[0]?.expires ?? NEVER)
    for (const epoch of this.#epochs) deadline = earliest(deadline, epoch.received.deadline)
    return deadline
  }

  /** Timers that are due; probes leave at once. */
  tick(now: Instant): void {
    const probes = this.#recovery.tick(now)
    if (probes === 0) return
    let first = this.#probe(now, 'first')
    for (let i = 1; i < probes; i++) first = this.#probe(now, first)
  }

  /** Whether something would be transmitted now. */
  wantsFlush(now: Instant): boolean {
    if (this.#datagram !== undefined) return true
    for (const epoch of this.#epochs) if (epoch.received.isDue(now)) return true
    return this.#wantsSegments || this.#mustConfirm
  }

  /** Transmits what waits, a few datagrams at most. True: there is more. */
  flush(now: Instant): boolean {
    for (const epoch of this.#epochs) {
      if (epoch !== this.epoch && epoch.received.isDue(now)) this.#pack(now, epoch)
    }
    for (let i = 0; i < FLUSH_MAX; i++) if (!this.#pack(now, this.epoch)) return false
    return this.#wantsSegments
  }

  #receiveFrame(now: Instant, epoch: Epoch, frame: Frame): Ending | undefined {
    switch (frame.type) {
      case 'ack':
        return this.#receiveAck(now, epoch, frame)
      case 'segment':
        return this.#receiveSegment(epoch, frame)
      case 'datagram':
        this.#output.deliverDatagram(frame.data)
        return undefined
      case 'close':
        return { type: 'closed', code: frame.reason }
      case 'ping':
      case 'ack-now':
        return undefined
    }
  }

  #receiveAck(now: Instant, epoch: Epoch, ack: AckFrame): Ending | undefined {
    const waiting = this.#recovery.inFlight
    if (!this.#recovery.acknowledge(now, epoch, ack)) {
      return { type: 'violation', text: 'it acknowledges a packet that was never sent' }
    }
    this.#peerWindow = ack.window
    if (epoch === this.epoch && this.#recovery.inFlight < waiting) this.#hasProgress = true
    return undefined
  }

  #receiveSegment(epoch: Epoch, frame: SegmentFrame): Ending | undefined {
    const reception = this.#receiveChannel(frame.channel).receive(frame, payload => {
      this.#output.deliver(frame.channel, payload)
      return !this.#hasEnded
    })
    if (typeof reception === 'object') return { type: 'violation', text: reception.violation }
    // Our ACK was lost, or something is missing: the peer should know at once.
    if (reception !== 'in-order') epoch.received.urge()
    return undefined
  }

  #accepts(frame: SegmentFrame): boolean {
    const channel = this.#receiveChannel(frame.channel)
    if (!channel.accepts(frame.seq)) return false
    return frame.seq === channel.next || this.#earlyBytes + frame.data.length <= EARLY_BYTES_MAX
  }

  get #earlyBytes(): number {
    let bytes = 0
    for (const channel of this.#receiving) bytes += channel.earlyBytes
    return bytes
  }

  get #wantsSegments(): boolean {
    for (const channel of this.#sending) {
      if (!this.#maySend(channel.id)) continue
      if (channel.firstLost !== undefined || this.#mayCut(channel)) return true
    }
    return false
  }

  /** The first packet under new keys shows the peer that we have them. */
  get #mustConfirm(): boolean {
    return !this.epoch.isConfirmed && this.epoch.next === 0
  }

  #maySend(channel: ChannelId): boolean {
    const extra = channel <= 1 ? URGENT_EXTRA : 0
    if (!this.#recovery.mayAdd(extra)) return false
    return channel <= 1 || this.#tools.budget.inFlight < BUDGET_MAX
  }

  /** Zero windows are probed: what is sent when nothing is in flight goes in any case. */
  #mayCut(channel: SendChannel): boolean {
    if (!channel.hasNew) return false
    return this.#outstanding < this.#peerWindow || this.#recovery.inFlight === 0
  }

  /** Fills one packet with what is most urgent and transmits it; false if there is nothing. */
  #pack(now: Instant, epoch: Epoch): boolean {
    if (epoch.next >= PACKET_NUMBER_MAX) return false
    const packet = this.#begin(now, epoch)
    if (epoch === this.epoch) {
      const { writer } = this.#tools
      if (this.#datagram !== undefined) {
        writer.datagram(this.#datagram)
        this.#datagram = undefined
      }
      this.#fill(now, packet)
      if (writer.length > packet.bare || epoch.received.isDue(now)) this.#ride(now, packet)
      if (this.#mustConfirm && packet.segments.length === 0) {
        writer.ping()
        packet.asks = true
      }
    }
    return this.#finish(now, epoch, packet)
  }

  /** One datagram to find out what arrived. `before` are the segments of the one before it. */
  #probe(now: Instant, before: 'first' | readonly Segment[]): readonly Segment[] {
    const { epoch } = this
    if (epoch.next >= PACKET_NUMBER_MAX) return []
    const packet = this.#begin(now, epoch)
    packet.asks = true
    this.#tools.writer.ackNow()
    this.#refill(packet, segment => before === 'first' || !before.includes(segment))
    // Nothing else is left: the same once more.
    if (packet.segments.length === 0 && before !== 'first') {
      this.#refill(packet, segment => before.includes(segment))
    }
    if (before === 'first') this.#fill(now, packet)
    if (packet.segments.length === 0) this.#tools.writer.ping()
    this.#finish(now, epoch, packet)
    return packet.segments
  }

  #begin(now: Instant, epoch: Epoch): Packet {
    const { writer } = this.#tools
    const { received } = epoch
    writer.begin(epoch.peerIndex, epoch.next)
    const packet: Packet = { segments: [], hasAck: false, bare: 0, asks: false, isAgain: false }
    if (received.isPending) {
      writer.ack(received.report(now, Math.max(0, WINDOW_BYTES - this.#earlyBytes)))
      packet.hasAck = true
    }
    packet.bare = writer.length
    return packet
  }

  /** Lost segments, then new ones; channel 0 first. */
  #fill(now: Instant, packet: Packet): void {
    for (const channel of this.#sending) {
      for (;;) {
        const segment = channel.firstLost
        if (segment === undefined || !this.#maySend(channel.id)) break
        if (!this.#fits(segment)) return
        packet.isAgain = true
        this.#write(packet, segment)
      }
    }
    for (const channel of this.#sending) {
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
  #ride(now: Instant, packet: Packet): void {
    const { overdue } = this.#rtt
    let left = RIDE_MAX
    for (const channel of this.#sending) {
      for (let i = 0; ; i++) {
        const segment = channel.unacknowledged(i)
        if (segment === undefined || elapsed(segment.sentAt, now) <= overdue) break
        if (segment.isAcknowledged || packet.segments.includes(segment)) continue
        left -= segment.end - segment.start
        if (left < 0 || !this.#fits(segment)) return
        packet.isAgain = true
        this.#write(packet, segment)
      }
    }
  }

  /** The oldest unacknowledged segments among those that are wanted. */
  #refill(packet: Packet, isWanted: (segment: Segment) => boolean): void {
    for (const channel of this.#sending) {
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

  #fits(segment: Segment): boolean {
    return segment.end - segment.start + SEGMENT_OVERHEAD_MAX <= this.#tools.writer.room
  }

  #write(packet: Packet, segment: Segment): void {
    const { channel, seq, payload, start, end } = segment
    const isBegin = start === 0
    const isEnd = end === payload.length
    const data = isBegin && isEnd ? payload : payload.subarray(start, end)
    const total = payload.length
    this.#tools.writer.segment({ type: 'segment', channel, seq, isBegin, isEnd, total, data })
    segment.isLost = false
    packet.segments.push(segment)
  }

  /** Seals and transmits what was written, unless that is nothing that need be said now. */
  #finish(now: Instant, epoch: Epoch, packet: Packet): boolean {
    const { writer, seal, counters } = this.#tools
    const isBare = writer.length === packet.bare
    if (isBare && (!packet.hasAck || !epoch.received.isDue(now))) return false
    const report = packet.hasAck ? epoch.received.reported() : undefined
    if (packet.asks || packet.segments.length > 0) {
      this.#recovery.sent(now, epoch, { segments: packet.segments, report })
    }
    const length = seal.seal(epoch.keys, epoch.next++, writer.bytes, writer.length)
    assert(length >= HEADER_SIZE + TAG_SIZE, 'a packet has a header and a tag')
    if (packet.isAgain) counters.retransmitted++
    this.#output.transmit(writer.bytes.slice(0, length))
    return true
  }

  #sendChannel(id: ChannelId): SendChannel {
    return this.#sending[id] as SendChannel
  }

  #receiveChannel(id: ChannelId): ReceiveChannel {
    return this.#receiving[id] as ReceiveChannel
  }
}

/** What is known of a packet while it is written. */
type Packet = {
  readonly segments: Segment[]
  hasAck: boolean
  /** Its length before anything but the ACK. */
  bare: number
  /** It asks for an ACK even without segments. */
  asks: boolean
  isAgain: boolean
}
