import { assert } from '../lib/assert.ts'
import { after, earliest, milliseconds, NEVER } from '../lib/time.ts'
import { ReceiveChannel } from './channel.ts'
import { Sender } from './sender.ts'

import type { Duration, Instant } from '../lib/time.ts'
import type { ChannelId } from './endpoint.ts'
import type { AckFrame, CloseFrame, Frame, SegmentFrame } from './packet.ts'
import type { Ask } from './received.ts'
import type { Epoch } from './epoch.ts'
import type { Rtt } from './rtt.ts'
import type { Incarnation, Introduction } from './seal.ts'
import type { SessionTools } from './sender.ts'
import type { Seq } from './seq.ts'

/** Bytes of segments before their turn that we offer to hold for one peer. */
export const WINDOW_BYTES: number = 256 * 1024
/** A window shrinks while segments are on their way, so we hold more than we offer. */
const EARLY_BYTES_MAX = 2 * WINDOW_BYTES
/** Late packets under keys that have been replaced are taken so long. */
export const EPOCH_KEPT: Duration = milliseconds(5000)
/** Replaced epochs that are kept at the same time. */
const EPOCHS_MAX = 4
/** New keys long before numbers run out. */
const REKEY_AT = 2 ** 28

export type SessionOutput = {
  transmit(bytes: Uint8Array): void
  deliver(channel: ChannelId, payload: Uint8Array): void
  deliverDatagram(payload: Uint8Array): void
  carried(what: 'lose' | 'retransmit', payload: Uint8Array): void
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
  readonly #output: SessionOutput
  readonly #rtt: Rtt
  readonly #sender: Sender
  /** Oldest first; the last one is used to send. */
  readonly #epochs: Epoch[] = []
  readonly #receiving: readonly ReceiveChannel[]
  #hasEnded = false
  /** The peer has acknowledged something new since this was asked last. */
  #hasProgress = false

  constructor(
    peer: Introduction,
    rtt: Rtt,
    tools: SessionTools,
    output: SessionOutput,
    first: Seq = 0,
  ) {
    this.incarnation = peer.incarnation
    this.#rtt = rtt
    this.#output = output
    this.#sender = new Sender(this.#epochs, rtt, tools, {
      first,
      peerWindow: peer.windowBytes,
      transmit: bytes => output.transmit(bytes),
      carried: (what, payload) => output.carried(what, payload),
      window: () => Math.max(0, WINDOW_BYTES - this.#earlyBytes),
    })
    this.#receiving = ([0, 1, 2, 3] as const).map(() => new ReceiveChannel(first))
  }

  get rtt(): Rtt {
    return this.#rtt
  }

  /** What goes out. */
  get sender(): Sender {
    return this.#sender
  }

  get epochs(): readonly Epoch[] {
    return this.#epochs
  }

  /** The epoch that is used to send. */
  get epoch(): Epoch {
    const epoch = this.#epochs.at(-1)
    assert(epoch !== undefined, 'a session has an epoch')
    return epoch
  }

  /** Whether the packet numbers of these keys come near their end. */
  get wantsKeys(): boolean {
    return this.epoch.next >= REKEY_AT
  }

  /** New keys; the result: epochs that are forgotten at once. */
  adopt(now: Instant, epoch: Epoch): readonly Epoch[] {
    const replaced = this.#epochs.at(-1)
    if (replaced !== undefined) {
      replaced.expires = after(now, EPOCH_KEPT)
      if (replaced.received.isPending) replaced.received.urge()
    }
    this.#epochs.push(epoch)
    this.#sender.recovery.revive()
    const forgotten = this.#epochs.splice(0, Math.max(0, this.#epochs.length - EPOCHS_MAX))
    for (const old of forgotten) this.#sender.recovery.abandon(old)
    return forgotten
  }

  /** Epochs whose time is over. */
  expire(now: Instant): readonly Epoch[] {
    const forgotten: Epoch[] = []
    for (let first = this.#epochs[0]; first !== undefined && first.expires <= now;) {
      forgotten.push(first)
      this.#epochs.shift()
      this.#sender.recovery.abandon(first)
      first = this.#epochs[0]
    }
    return forgotten
  }

  /** Nothing is delivered or transmitted from now on. */
  end(): void {
    this.#hasEnded = true
    this.#sender.recovery.end()
  }

  /** Where this side's reception stands, for a CLOSE. */
  closeFrame(reason: number): CloseFrame {
    const next = (id: ChannelId): Seq => this.#receiveChannel(id).next
    return { type: 'close', reason, next: [next(0), next(1), next(2), next(3)] }
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
    let ask: Ask = 'nothing'
    let mayWait = false
    let bytes = 0
    for (const frame of frames) {
      if (frame.type === 'segment') {
        if (!this.#accepts(frame)) return 'refused'
        bytes += frame.data.length
      }
      if (frame.type === 'ack-now') ask = 'ack-now'
      else if (frame.type === 'ack-later') mayWait = true
      else if (frame.type !== 'ack' && frame.type !== 'datagram' && ask === 'nothing') ask = 'ack'
    }
    // Under keys that have been replaced nothing is sent that could take the ACK along.
    if (mayWait && ask === 'ack' && epoch === this.epoch) ask = 'ack-later'
    epoch.received.add(now, number, ask, bytes)
    epoch.isConfirmed = true
    for (const frame of frames) {
      const ending = this.#receiveFrame(now, epoch, frame)
      if (ending !== undefined || this.#hasEnded) return ending
    }
    if (ask !== 'nothing') this.#sender.recovery.heard(now, epoch, ask === 'ack-now')
    return undefined
  }

  get deadline(): Instant {
    let deadline = earliest(this.#sender.deadline, this.#epochs[0]?.expires ?? NEVER)
    for (const epoch of this.#epochs) deadline = earliest(deadline, epoch.received.deadline)
    return deadline
  }

  /** Timers that are due. */
  tick(now: Instant): void {
    this.#sender.tick(now)
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
      case 'ack-later':
        return undefined
    }
  }

  #receiveAck(now: Instant, epoch: Epoch, ack: AckFrame): Ending | undefined {
    const waiting = this.#sender.recovery.inFlight
    if (!this.#sender.acknowledge(now, epoch, ack)) {
      return { type: 'violation', text: 'it acknowledges a packet that was never sent' }
    }
    if (epoch === this.epoch && this.#sender.recovery.inFlight < waiting) this.#hasProgress = true
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

  #receiveChannel(id: ChannelId): ReceiveChannel {
    return this.#receiving[id] as ReceiveChannel
  }
}
