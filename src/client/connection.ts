import { connect as connectSocket, type Socket } from 'node:net'
import { encodeLine, LineReader, type Line } from '../control/framing.ts'
import { PROTOCOL_VERSION, type HelloParams, type RequestId } from '../control/protocol.ts'
import { monotonicNow } from '../control/monotonic.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { TIMEOUT_MS_MAX } from '../lib/time.ts'
import { isHello, parseLine } from './answers.ts'
import { answered, closed, LamportError, silent } from './error.ts'

/** A daemon says hello at once; one that does not is stopped, or is no lamportd. */
const HELLO_MS = 5000

/** What was written may still be under way when a connection is closed. */
const CLOSE_MS = 1000

/** What the owner of a connection hears of, unasked. */
export type ConnectionOutput = {
  notified(method: string, params: unknown): void
  /** Once, after everything that was pending has been rejected with the same error. */
  ended(error: LamportError): void
}

/** A request under way. `id` is what `cancel` names and `queued` tells of. */
export type Call<T> = { readonly id: RequestId; readonly answer: Promise<T> }

export type CallOptions<T> = {
  /**
   * Called with the result before the next line is read, so that what follows in the same chunk
   * meets what the result has made. `undefined`: that is no result of this method.
   */
  readonly take: (result: unknown) => T | undefined
  /** How long the daemon may take for the answer; absent: for ever. */
  readonly timeoutMs?: number | undefined
}

type Pending = {
  readonly method: string
  readonly resolve: (result: unknown) => void
  readonly reject: (error: LamportError) => void
  /** When it is given up, by the monotonic clock. */
  readonly deadline: number
}

/** What one read takes at most; a longer line comes in parts. */
const READ_BYTES = 64 * 1024

/** One connection to the control socket: requests out, answers and notifications in. */
export class Connection {
  readonly path: string
  readonly #socket: Socket
  readonly #output: ConnectionOutput
  readonly #reader = new LineReader()
  readonly #pending = new Map<RequestId, Pending>()
  readonly #greeted: Promise<void>
  #greet: { resolve(): void; reject(error: LamportError): void } | undefined
  #hello: HelloParams | undefined
  #end: LamportError | undefined
  #nextId = 1
  /** Requests of one turn of the loop leave together, at its end. */
  #unsent = ''
  readonly #sendAtEnd = (): void => this.#send()
  /** Not moved for each request: when it fires, it is set for whatever is pending then. */
  #expiry: NodeJS.Timeout | undefined
  #expiryAt = Infinity

  private constructor(path: string, output: ConnectionOutput) {
    this.path = path
    this.#output = output
    this.#greeted = new Promise<void>((resolve, reject) => (this.#greet = { resolve, reject }))
    // One buffer for all that is read costs less than a stream of many.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number): boolean => {
      this.#receive(buffer.subarray(0, length))
      return true
    }
    this.#socket = connectSocket({ path, onread: { buffer, callback } })
    this.#socket.on('error', error => this.#finish(this.#broken(error)))
    this.#socket.on('end', () => this.#finish(this.#hungUp()))
    this.#socket.on('close', () => this.#finish(this.#hungUp()))
  }

  /** Resolves when the daemon has said hello; `signal` gives up, with its reason. */
  static async open(
    path: string,
    output: ConnectionOutput,
    signal?: AbortSignal,
  ): Promise<Connection> {
    signal?.throwIfAborted()
    const connection = new Connection(path, output)
    const abort = (): void => connection.#finish(closed())
    const timer = setTimeout(() => connection.#finish(silent(path)), HELLO_MS)
    signal?.addEventListener('abort', abort)
    try {
      await connection.#greeted
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    return connection
  }

  /** What the daemon said of itself. */
  get hello(): HelloParams {
    assert(this.#hello !== undefined, 'a connection is given out when the daemon has said hello')
    return this.#hello
  }

  /** Whether a request is sent at all. */
  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** Sends a request. */
  request<T>(method: string, params: unknown, options: CallOptions<T>): Call<T> {
    const id = this.#nextId++
    const answer = new Promise<T>((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end)
        return
      }
      const line = encodeLine({ jsonrpc: '2.0', id, method, params })
      if (line === undefined) {
        reject(new LamportError('limit', `the request ${method} is too long (say less)`))
        return
      }
      const { timeoutMs, take } = options
      // What waits for weeks has its end from the daemon.
      const isTimed = timeoutMs !== undefined && timeoutMs <= TIMEOUT_MS_MAX
      const deadline = isTimed ? monotonicNow() + timeoutMs : Infinity
      const settle = (result: unknown): void => {
        const taken = take(result)
        if (taken !== undefined) {
          resolve(taken)
          return
        }
        const error = this.#foreign(`an answer to ${method} that is none`)
        reject(error)
        this.#finish(error)
      }
      this.#pending.set(id, { method, resolve: settle, reject, deadline })
      if (deadline < this.#expiryAt) this.#expireAt(deadline)
      if (this.#unsent === '') process.nextTick(this.#sendAtEnd)
      this.#unsent += line
    })
    return { id, answer }
  }

  /** Nobody waits for this answer any more; should it come, it is dropped. */
  forget(id: RequestId): void {
    this.#settle(id)
  }

  /** Ends the connection once what was written has gone out. The daemon lets go of all it held. */
  async close(): Promise<void> {
    const gone = new Promise<void>(resolve => this.#socket.once('close', () => resolve()))
    if (this.#socket.closed) return
    this.#send()
    this.#socket.end()
    this.#finish(closed(), () => undefined)
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS)
    await gone
    clearTimeout(timer)
  }

  /** Gives the open socket away; this connection is over, without a word to its owner. */
  detach(): Socket {
    assert(this.#end === undefined && this.#pending.size === 0, 'nothing is under way')
    this.#end = closed()
    clearTimeout(this.#expiry)
    this.#socket.pause()
    this.#socket.removeAllListeners()
    // Whoever has it now never writes on it, and learns of its end from the first connection.
    this.#socket.on('error', () => undefined)
    return this.#socket
  }

  #send(): void {
    const text = this.#unsent
    this.#unsent = ''
    if (text !== '') this.#socket.write(text)
  }

  #receive(chunk: Uint8Array): void {
    for (const line of this.#reader.push(chunk)) {
      if (this.#end !== undefined) return
      this.#take(line)
    }
  }

  #take(line: Line): void {
    switch (line.type) {
      case 'line': {
        this.#understand(line.text)
        return
      }
      case 'not-utf8': {
        this.#finish(this.#foreign('a line that is not UTF-8'))
        return
      }
      case 'too-long': {
        this.#finish(this.#foreign('a line that is too long'))
        return
      }
      default:
        return unreachable(line)
    }
  }

  #understand(text: string): void {
    const line = parseLine(text)
    if (line === undefined) {
      this.#finish(this.#foreign('a line that is not JSON-RPC'))
      return
    }
    switch (line.type) {
      case 'notification':
        if (this.#hello === undefined) {
          this.#begin(line.method, line.params)
          return
        }
        {
          this.#output.notified(line.method, line.params)
          return
        }
      case 'error':
        // Of the connection as a whole: too many of them, or a line that it could not read.
        if (line.id === null) {
          this.#finish(answered(line.error))
          return
        }
        return this.#settle(line.id)?.reject(answered(line.error))
      case 'result':
        return this.#settle(line.id)?.resolve(line.result)
      default:
        return unreachable(line)
    }
  }

  #begin(method: string, params: unknown): void {
    if (method !== 'hello' || !isHello(params)) {
      this.#finish(this.#foreign('something else before hello'))
      return
    }
    if (params.protocol !== PROTOCOL_VERSION) {
      const versions = `control protocol ${params.protocol}, this program ${PROTOCOL_VERSION}`
      const what = `lamportd ${params.version} at ${this.path} speaks ${versions}`
      this.#finish(new LamportError('protocol', `${what} (install the same version of both)`))
      return
    }
    this.#hello = params
    this.#greet?.resolve()
  }

  /** What waits for this answer, no longer pending; nothing where it was given up meanwhile. */
  #settle(id: RequestId): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #expireAt(deadline: number): void {
    clearTimeout(this.#expiry)
    this.#expiryAt = deadline
    // A timer may fire a little early.
    const wait = Math.max(1, Math.ceil(deadline - monotonicNow()))
    this.#expiry = setTimeout(() => this.#expire(), wait)
  }

  #expire(): void {
    this.#expiryAt = Infinity
    const now = monotonicNow()
    let next = Infinity
    for (const [id, { method, reject, deadline }] of this.#pending) {
      if (deadline > now) {
        next = Math.min(next, deadline)
        continue
      }
      this.#pending.delete(id)
      const what = `lamportd at ${this.path} does not answer ${method}`
      reject(new LamportError('timeout', `${what} (is it stopped or overloaded?)`))
    }
    if (next < Infinity) this.#expireAt(next)
  }

  #finish(error: LamportError, destroy: () => void = () => this.#socket.destroy()): void {
    if (this.#end !== undefined) return
    this.#end = error
    destroy()
    clearTimeout(this.#expiry)
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
    if (this.#hello === undefined) this.#greet?.reject(error)
    else this.#output.ended(error)
  }

  #broken(error: NodeJS.ErrnoException): LamportError {
    if (this.#hello !== undefined) return this.#hungUp()
    if (error.code === 'EACCES' || error.code === 'EPERM') {
      const advice = this.path.endsWith('admin.sock')
        ? 'it is for root, and whoever runs lamportd'
        : 'ask for membership of the group that owns the socket, or run as root'
      return new LamportError('permission', `no permission to use ${this.path} (${advice})`)
    }
    return new LamportError('unreachable', `no lamportd at ${this.path} (${running(error.code)})`)
  }

  #hungUp(): LamportError {
    if (this.#hello === undefined) return silent(this.path)
    const what = `the connection to lamportd at ${this.path} ended`
    return new LamportError('disconnected', `${what} (was it stopped? systemctl status lamportd)`)
  }

  #foreign(what: string): LamportError {
    const message = `what answers at ${this.path} is not lamportd: it sent ${what}`
    return new LamportError('protocol', `${message} (check --socket)`)
  }
}

function running(code: string | undefined): string {
  const reason =
    code === undefined || code === 'ENOENT' || code === 'ECONNREFUSED' ? '' : `${code}; `
  return `${reason}is it running? systemctl status lamportd`
}
