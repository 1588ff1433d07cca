import { NEVER } from '../lib/time.ts'
import { Received } from './received.ts'

import type { Instant } from '../lib/time.ts'
import type { Segment } from './channel.ts'
import type { Report } from './received.ts'
import type { Keys } from './seal.ts'

/** One use of keys, from handshake to handshake: packet numbers start at 0 and are not reused. */
export class Epoch {
  /** The receiver index that we chose: the peer's packets carry it. */
  readonly index: number
  readonly peerIndex: number
  readonly keys: Keys
  readonly received: Received = new Received()
  /** Packets to be acknowledged, by number, oldest first. */
  readonly sent: Map<number, SentPacket> = new Map<number, SentPacket>()
  /** The number of the next packet. */
  next = 0
  /** The peer has shown that it has the keys too. */
  isConfirmed = false
  /** When it is forgotten, once it has been replaced. */
  expires: Instant = NEVER
  /** Packets that came with its index and did not open. */
  failures = 0
  /** The key it comes from is no longer accepted: what comes under it is not opened. */
  isRevoked = false

  constructor(index: number, peerIndex: number, keys: Keys) {
    this.index = index
    this.peerIndex = peerIndex
    this.keys = keys
  }
}

/** A packet that asked for an ACK and has none yet. */
export type SentPacket = {
  readonly epoch: Epoch
  readonly number: number
  /** Its place among all packets of the session, whatever their epoch. */
  readonly order: number
  readonly sentAt: Instant
  readonly segments: readonly Segment[]
  /** What the ACK in it said. */
  readonly report: Report | undefined
  /** It said ACKLATER, and nothing has shown since that it had better be acknowledged. */
  mayWait: boolean
  /** The first later packet that carried something of it again. */
  again: number | undefined
  isLost: boolean
  /** It counts against the window. */
  isInFlight: boolean
}
