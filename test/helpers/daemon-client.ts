import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** What a daemon wrote: a line of JSON, read without more ado. */
export type Answer = {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

/** A client that writes what it is told, line by line, right or wrong. */
export class RawClient {
  readonly socket: Socket
  readonly #answers: Answer[] = []
  #rest = ''
  #isEnded = false
  #wake: () => void = () => undefined

  static async open(path: string): Promise<RawClient> {
    const socket = connect({ path, allowHalfOpen: true })
    const client = new RawClient(socket)
    await once(socket, 'connect')
    return client
  }

  /** Connected, and greeted. */
  static async greeted(path: string): Promise<RawClient> {
    const client = await RawClient.open(path)
    await client.next()
    return client
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#answers.push(...lines.map(line => JSON.parse(line) as Answer))
      this.#wake()
    })
    const end = (): void => {
      this.#isEnded = true
      this.#wake()
    }
    socket.on('end', end).on('close', end)
    socket.on('error', () => undefined)
  }

  write(text: string): void {
    this.socket.write(text)
  }

  ask(id: unknown, method: string, params?: unknown): void {
    this.write(JSON.stringify({ jsonrpc: '2.0', id, method, params }) + '\n')
  }

  /** The next line; throws if the daemon closed instead. */
  async next(): Promise<Answer> {
    for (;;) {
      const answer = this.#answers.shift()
      if (answer !== undefined) return answer
      if (this.#isEnded) throw new Error('the daemon closed the connection')
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  /** Asks, and takes the next line. */
  async call(id: unknown, method: string, params?: unknown): Promise<Answer> {
    this.ask(id, method, params)
    return this.next()
  }

  /** Acquires one exclusive lock that is free: its token. */
  async acquire(name: string): Promise<number> {
    const { result } = await this.call(name, 'acquire', { names: [name], limit: 1 })
    return (result as { token: number }).token
  }

  /** Everything that has come, when the daemon has answered one more question. */
  async rest(): Promise<readonly Answer[]> {
    this.ask('rest', 'locks', { name: 'nobody takes this' })
    const answers: Answer[] = []
    for (let next = await this.next(); next.id !== 'rest'; next = await this.next()) {
      answers.push(next)
    }
    return answers
  }

  /** All lines until the daemon closes. */
  async untilClosed(): Promise<readonly Answer[]> {
    while (!this.#isEnded) await new Promise<void>(resolve => (this.#wake = resolve))
    return this.#answers.splice(0)
  }

  close(): void {
    this.socket.destroy()
  }
}
