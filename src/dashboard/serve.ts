import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pageScripts } from '../diagram/scripts.ts'
import { isOurs, type Listen } from './address.ts'
import { dashboardPage } from './page.ts'
import { Source } from './source.ts'
import type { State } from './state.ts'

/** Pages that may be open at the same time. */
const VIEWERS_MAX = 16

/** With so much unread, a page is cut off; its browser comes again by itself. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** Shows how things are to whoever looks, and changes nothing. */
export class Dashboard {
  readonly #sockets: readonly string[]
  readonly #viewers = new Set<ServerResponse>()
  readonly #server: Server
  readonly #page: string
  #listen: Listen = { host: '', port: 0 }
  #source: Source | undefined
  #state: State | undefined

  constructor(sockets: readonly string[]) {
    this.#sockets = sockets
    this.#server = createServer((request, response) => this.#serve(request, response))
    const hash = (text: string): string => createHash('sha256').update(text).digest('base64')
    this.#page = dashboardPage({ script: pageScripts().dashboard, hash })
  }

  /** Resolves with where it is; rejects where that address cannot be had. */
  async start(listen: Listen): Promise<Listen> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(listen.port, listen.host, resolve)
    })
    const address = this.#server.address()
    const port = typeof address === 'object' && address !== null ? address.port : listen.port
    this.#listen = { host: listen.host, port }
    return this.#listen
  }

  async stop(): Promise<void> {
    for (const viewer of this.#viewers) viewer.destroy()
    this.#server.closeAllConnections()
    await Promise.all([this.#source?.stop(), new Promise(resolve => this.#server.close(resolve))])
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (!isOurs(request.headers.host, this.#listen)) {
      refuse(
        response,
        421,
        'This is the dashboard of lamportd, and it is asked for by another name.',
      )
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      refuse(response, 405, 'There is nothing here but to read.')
      return
    }
    if (request.url === '/') {
      response.writeHead(200, { ...HEADERS, 'content-type': 'text/html; charset=utf-8' })
      response.end(request.method === 'HEAD' ? undefined : this.#page)
    } else if (request.url === '/events' && request.method === 'GET') this.#view(response)
    else refuse(response, 404, 'There is no such page (the dashboard is at /).')
  }

  /** Tells one page all that happens from now on. */
  #view(response: ServerResponse): void {
    if (this.#viewers.size >= VIEWERS_MAX) {
      refuse(response, 503, `${VIEWERS_MAX} pages are open already (close one).`)
      return
    }
    response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' })
    response.write('retry: 1000\n\n')
    this.#viewers.add(response)
    response.on('close', () => {
      this.#viewers.delete(response)
      if (this.#viewers.size > 0) return
      // Nobody looks: lamportd is left alone.
      void this.#source?.stop()
      this.#source = undefined
      this.#state = undefined
    })
    if (this.#state !== undefined) send(response, 'state', this.#state)
    this.#follow()
  }

  /** A new page begins with what is kept, so all begin again with it. */
  #follow(): void {
    void this.#source?.stop()
    for (const viewer of this.#viewers) send(viewer, 'again', {})
    const source = new Source(
      this.#sockets,
      state => {
        this.#state = state
        this.#tell('state', state)
      },
      lines => this.#tell('trace', lines),
    )
    this.#source = source
    source.start()
  }

  #tell(event: string, data: unknown): void {
    for (const viewer of this.#viewers) {
      if (viewer.writableLength > UNREAD_BYTES_MAX) viewer.destroy()
      else send(viewer, event, data)
    }
  }
}

function send(response: ServerResponse, event: string, data: unknown): void {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${text}\n`)
}
