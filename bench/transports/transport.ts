/** Where the pairs of one transport end: pair i has the port `port + i` at both ends. */
export type Ends = {
  readonly own: string
  readonly other: string
  readonly port: number
  readonly pairs: number
  /** One end of a connection calls, the other answers. */
  readonly side: Side
}

export type Side = 'a' | 'b'

/** Takes a message in; its bytes are the transport's again when it returns. */
export type Deliver = (pair: number, message: Uint8Array) => void

/** One end of one pair. */
export type Line = {
  /** Sends a message, which will arrive. */
  send(message: Uint8Array): void
  /** Sends a long one, beside which others shall not suffer. */
  sendBulk(message: Uint8Array): void
}

/** Opens every pair's end on this side; done when messages can be sent. */
export type Transport = (ends: Ends, deliver: Deliver) => Promise<readonly Line[]>
