import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineReader } from '../../src/control/framing.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'
import { ErrorCode, type AcquireResult } from '../../src/control/protocol.ts'

/** A request as the fake daemon heard it. */
export type Heard = {
  readonly connection: FakeConnection
  readonly id: number
  readonly method: string
  readonly params: Record<string, unknown>
}

/** One client's connection. */
export class FakeConnection {
  readonly socket: Socket
  /** Resolves when the other end, whoever has it by then, has closed it. */
  readonly closed: Promise<void>
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise(resolve => {
      socket.once('close', () => {
        this.isClosed = true
        resolve()
      })
    })
  }

  send(value: unknown): void {
    this.socket.write(JSON.stringify(value) + '\n')
  }

  notify(method: string, params: unknown): void {
    this.send({ jsonrpc: '2.0', method, params })
  }
}

export type FakeOptions = {
  /** `null`: says nothing at first. */
  readonly hello?: unknown
  /** How many connections hear that; it hangs for those that come later. */
  readonly greeted?: number
  /** In the place of one before it. */
  readonly path?: string
  /** Answers releases, cancels, anchors and, with no, adoptions by itself; the default. */
  readonly isPolite?: boolean
  /** Answers by itself what it knows; `false`: it does not know this one. */
  readonly serve?: (heard: Heard) => boolean
}

const HELLO = { protocol: 1, version: '1.2.3', host: { id: 2, name: 'garage' } }

/** A control socket that does what a test tells it to, in a folder of its own. */
export class FakeDaemon {
  readonly path: string
  readonly connections: FakeConnection[] = []
  readonly heard: Heard[] = []
  readonly #folder: string
  readonly #server: Server
  readonly #options: FakeOptions
  #waiting: { readonly method: string; readonly resolve: (heard: Heard) => void }[] = []
  #unclaimed: Heard[] = []

  private constructor(folder: string, path: string, options: FakeOptions) {
    this.#folder = folder
    this.path = path
    this.#options = options
    this.#server = createServer(socket => this.#accept(socket))
  }

  static async start(options: FakeOptions = {}): Promise<FakeDaemon> {
    const folder = mkdtempSync(join(tmpdir(), 'lamport-fake-'))
    const daemon = new FakeDaemon(folder, options.path ?? join(folder, 'control.sock'), options)
    await daemon.listen()
    return daemon
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(this.path, resolve))
  }

  /** The first connection, as soon as there is one. */
  async connected(): Promise<FakeConnection> {
    const [first] = this.connections
    if (first !== undefined) return first
    await once(this.#server, 'connection')
    return this.connected()
  }

  /** The next request of this method that no one has asked for yet. */
  next(method: string): Promise<Heard> {
    const at = this.#unclaimed.findIndex(heard => heard.method === method)
    const [heard] = at === -1 ? [] : this.#unclaimed.splice(at, 1)
    if (heard !== undefined) return Promise.resolve(heard)
    return new Promise(resolve => this.#waiting.push({ method, resolve }))
  }

  answer({ connection, id }: Heard, result: unknown): void {
    connection.send({ jsonrpc: '2.0', id, result })
  }

  /** Grants with a lease that runs to `leaseMs` from now; `until` overrides. */
  grant(heard: Heard, grant: Partial<AcquireResult> = {}): AcquireResult {
    const leaseMs = grant.leaseMs === undefined ? 60_000 : grant.leaseMs
    const until =
      grant.until === undefined ? (leaseMs === null ? null : monotonicNow() + leaseMs) : grant.until
    const result = { token: grant.token ?? 2050, until, leaseMs }
    this.answer(heard, result)
    return result
  }

  refuse(heard: Heard, code: keyof typeof ErrorCode, message: string, data?: unknown): void {
    const error = { code: ErrorCode[code], message, ...(data === undefined ? {} : { data }) }
    heard.connection.send({ jsonrpc: '2.0', id: heard.id, error })
  }

  /** As a daemon that was killed: `listen` starts it again. */
  async kill(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    if (this.#server.listening) await new Promise(resolve => this.#server.close(resolve))
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #accept(socket: Socket): void {
    const connection = new FakeConnection(socket)
    this.connections.push(connection)
    const reader = new LineReader()
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      for (const line of reader.push(bytes)) {
        if (line.type === 'line') this.#hear(connection, line.text)
      }
    })
    const { hello = HELLO, greeted = Infinity } = this.#options
    if (hello !== null && this.connections.length <= greeted) connection.notify('hello', hello)
  }

  #hear(connection: FakeConnection, text: string): void {
    const { id, method, params } = JSON.parse(text) as Heard
    const heard: Heard = { connection, id, method, params }
    this.heard.push(heard)
    const isPolite = this.#options.isPolite ?? true
    if (isPolite && (method === 'release' || method === 'anchor')) this.answer(heard, {})
    if (isPolite && method === 'adopt') this.refuse(heard, 'notHeld', 'it has ended')
    if (isPolite && method === 'cancel') this.answer(heard, { wasGranted: false })
    const isServed = this.#options.serve?.(heard) ?? false
    const at = this.#waiting.findIndex(waiting => waiting.method === method)
    const [waiting] = at === -1 ? [] : this.#waiting.splice(at, 1)
    if (waiting === undefined && !isServed) this.#unclaimed.push(heard)
    else if (waiting === undefined) return
    else waiting.resolve(heard)
  }
}
