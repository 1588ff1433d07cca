/**
 * The place of a segment in its channel, counted modulo 2^32. Two of them are compared as in serial
 * number arithmetic (RFC 1982): the nearer way round the circle is the order.
 */
export type Seq = number

/** The sequence number `count` places later. */
export function advance(seq: Seq, count: number): Seq {
  return (seq + count) >>> 0
}

/** How many places `to` is after `from`; negative if it comes first. */
export function distance(from: Seq, to: Seq): number {
  return (to - from) | 0
}
