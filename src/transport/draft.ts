import type { Segment } from './channel.ts'

/** What is known of a packet while it is written. */
export type Draft = {
  readonly segments: Segment[]
  hasAck: boolean
  /** A payload of `sendDatagram` is in it. */
  hasDatagram: boolean
  /** Its length before anything but the ACK. */
  bare: number
  /** It asks for an ACK even without segments. */
  asks: boolean
  isAgain: boolean
  /** Something in it is known to have been lost before. */
  carriesLost: boolean
}

/** Nothing is written yet. */
export function newDraft(): Draft {
  return {
    segments: [],
    hasAck: false,
    hasDatagram: false,
    bare: 0,
    asks: false,
    isAgain: false,
    carriesLost: false,
  }
}
