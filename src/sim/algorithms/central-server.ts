import type { HostId } from '../../core/clock.ts'
import { unreachable } from '../../lib/assert.ts'
import { SERVER, type Algorithm, type Contender, type Output } from './contender.ts'

type ServerMessage =
  { readonly type: 'request' } | { readonly type: 'grant' } | { readonly type: 'release' }

/**
 * One server with a queue: what all others are compared with. Coulouris and others, "Distributed
 * Systems: Concepts and Design", 5th edition (2011), section 15.2. When it dies, all stops.
 */
export const centralServer: Algorithm<ServerMessage> = {
  create: (_self, _hosts, output) => new Customer(output),
  serve: output => new Server(output),
}

class Customer implements Contender<ServerMessage> {
  readonly #output: Output<ServerMessage>

  constructor(output: Output<ServerMessage>) {
    this.#output = output
  }

  request(): void {
    this.#output.send(SERVER, { type: 'request' })
  }

  release(): void {
    this.#output.send(SERVER, { type: 'release' })
  }

  receive(): void {
    this.#output.enter()
  }
}

class Server {
  readonly #output: Output<ServerMessage>
  /** Its head is inside. */
  readonly #queue: HostId[] = []

  constructor(output: Output<ServerMessage>) {
    this.#output = output
  }

  receive(from: HostId, message: ServerMessage): void {
    switch (message.type) {
      case 'request':
        this.#queue.push(from)
        if (this.#queue.length === 1) this.#output.send(from, { type: 'grant' })
        return
      case 'release': {
        this.#queue.shift()
        const [next] = this.#queue
        if (next !== undefined) this.#output.send(next, { type: 'grant' })
        return
      }
      case 'grant':
        return
      default:
        unreachable(message)
    }
  }
}
