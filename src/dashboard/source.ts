import { connect, type Client } from '../client/client.ts'
import { readTrace } from '../client/trace.ts'
import type { LocksResult, StatusResult } from '../control/protocol.ts'
import { TRACE_VERSION, type TraceLine } from '../control/trace.ts'

import type { ShownVariable, State } from './state.ts'

/** How often lamportd is asked, while somebody looks. */
const ASK_MS = 1000
/** How long one that is away is left alone. */
const AGAIN_MS = 1000
/** Events of before that a page begins with, of each host. */
const EVENTS_FIRST = 300
/** Variables that are shown at most. */
const VARIABLES_MAX = 200

/** Follows one lamportd or several, from `start` on until `stop`. */
export class Source {
  readonly #sockets: readonly string[]
  readonly #tell: (state: State) => void
  readonly #trace: (lines: readonly TraceLine[]) => void
  readonly #clients = new Map<string, Client>()
  readonly #over = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #lines: TraceLine[] = []

  constructor(
    sockets: readonly string[],
    tell: (state: State) => void,
    trace: (lines: readonly TraceLine[]) => void,
  ) {
    this.#sockets = sockets
    this.#tell = tell
    this.#trace = trace
  }

  start(): void {
    void this.#ask()
    for (const socket of this.#sockets) void this.#follow(socket)
  }

  async stop(): Promise<void> {
    this.#over.abort()
    clearTimeout(this.#timer)
    await Promise.all([...this.#clients.values()].map(client => client.close()))
  }

  async #ask(): Promise<void> {
    const state = await this.#look()
    if (this.#over.signal.aborted) return
    this.#tell(state)
    this.#timer = setTimeout(() => void this.#ask(), ASK_MS)
  }

  async #look(): Promise<State> {
    const statuses: (StatusResult | null)[] = []
    let [locks, variables]: [LocksResult, ShownVariable[]] = [[], []]
    let [hasMore, problem, isAnswered] = [false, null as string | null, false]
    for (const socket of this.#sockets) {
      try {
        const client = await this.#client(socket)
        statuses.push(await client.status())
        if (isAnswered) continue
        locks = await client.locks()
        variables = await variablesOf(client)
        hasMore = variables.length > VARIABLES_MAX
        isAnswered = true
      } catch (error) {
        statuses.push(null)
        problem = error instanceof Error ? error.message : String(error)
        await this.#forget(socket)
      }
    }
    return { statuses, locks, variables: variables.slice(0, VARIABLES_MAX), hasMore, problem }
  }

  async #client(socket: string): Promise<Client> {
    const known = this.#clients.get(socket)
    if (known !== undefined) return known
    const client = await connect({ socket })
    this.#clients.set(socket, client)
    return client
  }

  async #forget(socket: string): Promise<void> {
    const client = this.#clients.get(socket)
    this.#clients.delete(socket)
    await client?.close()
  }

  /** The trace of one host, again when its lamportd was away. */
  async #follow(socket: string): Promise<void> {
    const { signal } = this.#over
    let last: number | undefined = EVENTS_FIRST
    for (;;) {
      try {
        await readTrace(
          socket,
          { follow: true, last: last ?? EVENTS_FIRST, signal },
          {
            begin: ({ cluster, hosts, host }) =>
              this.#add({ type: 'hosts', version: TRACE_VERSION, cluster, hosts, host }),
            event: entry => this.#add(entry),
          },
        )
      } catch {
        // `ask` says that it is away.
      }
      last = undefined
      if (signal.aborted) return
      await new Promise(resolve => setTimeout(resolve, AGAIN_MS))
    }
  }

  /** What happens in one turn is told at once. */
  #add(line: TraceLine): void {
    this.#lines.push(line)
    if (this.#lines.length > 1) return
    setImmediate(() => {
      const lines = this.#lines
      this.#lines = []
      this.#trace(lines)
    })
  }
}

async function variablesOf(client: Client): Promise<ShownVariable[]> {
  const shown: ShownVariable[] = []
  for await (const { name, value, size, version, writer } of client.vars('', { values: true })) {
    const text = typeof value === 'string' ? value : `${size} bytes`
    const cut = text.length > 200 ? `${text.slice(0, 200)}…` : text
    shown.push({ name, text: cut, version, writer: writer?.host ?? '' })
    if (shown.length > VARIABLES_MAX) return shown
  }
  return shown
}
