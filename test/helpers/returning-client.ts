import { connect, LamportError } from '../../src/client/client.ts'
import type { Client } from '../../src/client/client.ts'
import type { Host } from './cluster.ts'
import { eventually } from './processes.ts'

/** A client of one host that connects anew after its daemon was away. */
export class ReturningClient {
  readonly host: Host
  #client: Client | undefined

  constructor(host: Host) {
    this.host = host
    host.teardown(() => this.close())
  }

  /** Rejects as the work does, and where nobody answers at the socket. */
  async do<T>(work: (client: Client) => Promise<T>): Promise<T> {
    this.#client ??= await connect({ socket: this.host.socket })
    try {
      return await work(this.#client)
    } catch (error) {
      if (isConnectionLost(error)) await this.close()
      throw error
    }
  }

  /** Again and again until it succeeds: for what only looks, or may be done twice. */
  async insist<T>(what: string, work: (client: Client) => Promise<T>): Promise<T> {
    let result: { readonly value: T } | undefined
    await eventually(`${this.host.name}: ${what}`, async () => {
      try {
        result = { value: await this.do(work) }
      } catch (error) {
        if (!(error instanceof LamportError)) throw error
      }
      return result !== undefined
    })
    if (result === undefined) throw new Error('it has come, without a result')
    return result.value
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    await client?.close()
  }
}

/** Nothing more comes over this connection; `uncertain`, as a change says that, among others. */
function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof LamportError)) return false
  return ['disconnected', 'closed', 'uncertain', 'timeout', 'protocol'].includes(error.code)
}
