import type { Socket } from 'node:net'
import type { Line } from '../control/framing.ts'
import { encodeLine, LineReader } from '../control/framing.ts'
import { ErrorCode, LINE_BYTES_MAX } from '../control/protocol.ts'
import type { ErrorObject, RequestId } from '../control/protocol.ts'
import { assert } from '../lib/assert.ts'
import { atEndOfTurn } from '../lib/turn.ts'

/** With this much unread by the client, its next request waits until it has read. */
const UNREAD_BYTES_MAX = 1024 * 1024

/** How long a client has to read the last words before the socket is destroyed. */
const LINGER_MS = 2000

export type ConnectionOutput = {
  line(line: Line): void
  /** The client has read all that was written. */
  drained(): void
  /** Once: the client has closed, or has been closed. */
  closed(): void
}

/** One client's socket: lines in, lines out, neither without a limit. */
export class Connection {
  readonly #socket: Socket
  readonly #output: ConnectionOutput
  readonly #reader = new LineReader()
  /** Read, and not yet handled: what one read of the socket brought at most. */
  #lines: readonly Line[] = []
  /** Written in this turn of the loop: leaves at its end, at once. A write costs more than an answer. */
  #unsent = ''
  #state: 'open' | 'muted' | 'closed' = 'open'
  readonly #sendAtEnd = (): void => this.#send()

  constructor(socket: Socket, output: ConnectionOutput) {
    this.#socket = socket
    this.#output = output
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('drain', () => {
      this.#proceed()
      if (this.#state === 'open') this.#output.drained()
    })
    // A client that has ended its side can still read answers, but can ask and release nothing.
    socket.on('end', () => this.close())
    socket.on('close', () => this.close())
    // `close` follows.
    socket.on('error', () => undefined)
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** What was written, and has not left this process: more than a client leaves that reads. */
  get unreadBytes(): number {
    return this.#socket.writableLength + this.#unsent.length
  }

  /** The client does not read what it is sent: what may be left out should be. */
  get isSlow(): boolean {
    return this.unreadBytes > UNREAD_BYTES_MAX
  }

  result(id: RequestId, result: unknown): void {
    const line = encodeLine({ jsonrpc: '2.0', id, result })
    if (line !== undefined) {
      this.write(line)
      return
    }
    const message = `the answer has more than ${LINE_BYTES_MAX} bytes (ask for less: one name)`
    this.error(id, { code: ErrorCode.limit, message })
  }

  error(id: RequestId | null, error: ErrorObject): void {
    this.#writeValue({ jsonrpc: '2.0', id, error })
  }

  notify(method: string, params: unknown): void {
    this.#writeValue({ jsonrpc: '2.0', method, params })
  }

  /** A line that was made already, with its newline. */
  write(line: string): void {
    if (this.#state !== 'open') return
    if (this.#unsent === '') atEndOfTurn(this.#sendAtEnd)
    this.#unsent += line
  }

  /** From now on nothing is written, and what the client writes is read and ignored. */
  mute(): void {
    if (this.#state === 'open') this.#state = 'muted'
  }

  /** What was written goes out first; what the client still writes is read and ignored. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#lines = []
    this.#output.closed()
    this.#send()
    this.#socket.end()
    // Unread bytes at the close would be a reset, and the client would miss the last words.
    this.#socket.resume()
    if (this.#socket.destroyed) return
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    linger.unref()
    this.#socket.on('close', () => clearTimeout(linger))
  }

  #receive(chunk: Buffer): void {
    if (this.#state !== 'open') return
    const lines = this.#reader.push(chunk)
    this.#lines = this.#lines.length === 0 ? lines : [...this.#lines, ...lines]
    this.#proceed()
  }

  #proceed(): void {
    let next = 0
    while (this.#state === 'open' && next < this.#lines.length && !this.isSlow) {
      const line = this.#lines[next]
      assert(line !== undefined, 'a list holds something below its length')
      next += 1
      this.#output.line(line)
    }
    this.#lines = this.#state === 'open' ? this.#lines.slice(next) : []
    if (this.#lines.length > 0) this.#socket.pause()
    else this.#socket.resume()
  }

  #send(): void {
    const text = this.#unsent
    this.#unsent = ''
    if (text !== '' && this.#socket.writable) this.#socket.write(text)
  }

  #writeValue(value: unknown): void {
    const line = encodeLine(value)
    assert(line !== undefined, 'errors and notifications fit into a line')
    this.write(line)
  }
}
