/** What the kernel counts for a datagram of full size in a socket's buffer. */
const DATAGRAM_TRUESIZE = 2304
/** What Linux gives to who asks for more than its default limit allows (net.core.rmem_max). */
const RECEIVE_BUFFER_DEFAULT = 425_984

/** What all sessions of one endpoint have in flight together, in datagrams. */
export class Budget {
  inFlight = 0
  #max = datagramsFor(RECEIVE_BUFFER_DEFAULT)
  #isWanted = false

  get max(): number {
    return this.#max
  }

  get hasRoom(): boolean {
    return this.inFlight < this.#max
  }

  /** A session has something that only the others hold up. */
  want(): void {
    this.#isWanted = true
  }

  /** There is room again for what was held up; said once. */
  takeRoom(): boolean {
    if (!this.#isWanted || !this.hasRoom) return false
    this.#isWanted = false
    return true
  }

  /** The receive buffer of the socket has this many bytes; all peers answer into it at once. */
  fit(receiveBuffer: number): void {
    this.#max = Math.max(datagramsFor(receiveBuffer), BUDGET_MIN)
  }
}

/** Every peer has an answer or two under way even where the buffer is tiny. */
const BUDGET_MIN = 8

/** Half of what the buffer holds: the peers send of their own accord, too. */
function datagramsFor(receiveBuffer: number): number {
  return Math.floor(Math.floor(receiveBuffer / DATAGRAM_TRUESIZE) / 2)
}
