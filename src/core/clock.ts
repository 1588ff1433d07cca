/** The number of a line of hosts.yml: 1..1023, compared as a number (2 precedes 10), never reused. */
export type HostId = number

/** When a request was made, and by whom. The pair is unique; the time alone is not. */
export type Timestamp = { readonly time: number; readonly host: HostId }

/**
 * A fencing token: `time × 1024 + host`, one safe integer. Comparing tokens compares timestamps in
 * Lamport's total order, so that the token also names its request.
 */
export type Token = number

/** Ids end below this, so that a token holds one. */
export const HOST_ID_LIMIT = 1024

/** A received time further ahead than this is refused: it would use the clock up. */
export const TIME_AHEAD_MAX: number = 2 ** 40

/** Times end below this, so that every token is a safe integer. */
export const TIME_LIMIT: number = 2 ** 43

/** The total order ⇒ of Lamport (1978): by time, then by host id. Negative where `a` precedes. */
export function compare(a: Timestamp, b: Timestamp): number {
  return a.time - b.time || a.host - b.host
}

export function tokenOf(timestamp: Timestamp): Token {
  return timestamp.time * HOST_ID_LIMIT + timestamp.host
}

export function timestampOf(token: Token): Timestamp {
  return { time: Math.floor(token / HOST_ID_LIMIT), host: token % HOST_ID_LIMIT }
}

/** Lamport's logical clock (1978): C(a) < C(b) wherever event a happened before event b. */
export class LamportClock {
  #time: number

  /** @param start at least every time that this host may have used before */
  constructor(start: number) {
    this.#time = start
  }

  get time(): number {
    return this.#time
  }

  /** IR1: each event of one's own is later than the one before it. */
  tick(): number {
    this.#time += 1
    return this.#time
  }

  /**
   * IR1 for a request that stands for so many entries: each has a time of its own, later than
   * everything before. The first of them is returned.
   */
  reserve(count: number): number {
    const first = this.#time + 1
    this.#time += count
    return first
  }

  /** IR2: a delivery happens after its send, so it is later than both. */
  witness(received: number): number {
    this.#time = Math.max(this.#time, received) + 1
    return this.#time
  }
}

/** For people: `3@17` is the request that host 3 made at its time 17. */
export function describeToken(token: Token): string {
  const { time, host } = timestampOf(token)
  return `${host}@${time}`
}
