import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Server as SocketServer, Socket } from 'node:net'
import type { Line } from '../control/framing.ts'
import { ErrorCode, LINE_BYTES_MAX, PROTOCOL_VERSION } from '../control/protocol.ts'
import type { ErrorObject, HelloParams, MetricsResult, RequestId } from '../control/protocol.ts'
import { adminSocketPath } from '../control/paths.ts'
import type { Token } from '../core/clock.ts'
import { unreachable } from '../lib/assert.ts'
import type { Duration } from '../lib/time.ts'
import type {
  CommandId,
  Input,
  LockStatus,
  NodeEvent,
  Response,
  Status,
  WhyStatus,
} from '../node.ts'
import { Commands } from './commands.ts'
import { Connection } from './connection.ts'
import type { ConnectionOutput } from './connection.ts'
import type { Histogram } from './histogram.ts'
import { Meter } from './meter.ts'
import { metricsText, METRICS_TYPE } from './metrics.ts'
import { ExitCode, reasonOf, Refusal } from './refusal.ts'
import type { Holding, ReportContext } from './report.ts'
import { locksResult, nameOf, statusResult, whyResult } from './report.ts'
import { parseLine } from './requests.ts'
import type { Of, Request } from './requests.ts'
import type { Recorder } from './recorder.ts'
import { Sessions } from './sessions.ts'
import type { Session } from './sessions.ts'
import { Traces } from './traces.ts'
import { Variables } from './variables.ts'
import type { KnownVariables } from './variables.ts'
import { Watches } from './watches.ts'

/** What the control socket needs of a node: its driver, or what a test puts in its place. */
export type ServedNode = KnownVariables & {
  drive(input: Input): void
  status(): Status
  locks(): readonly LockStatus[]
  why(name: string): WhyStatus
}

export type ServerOptions = ReportContext & {
  readonly cluster: string
  readonly lease: Duration
  readonly connectionsMax: number
  /** Requests under way and locks held, of one connection. */
  readonly requestsMax: number
  /** How long commits of the store took. */
  readonly commits: Histogram
  /** What happened in this host. */
  readonly recorder: Recorder
  /** Something that people should hear of. */
  readonly warn: (text: string) => void
}

/** Read and written by its owner and its group. */
const SOCKET_UMASK = 0o117

/** By its owner alone. */
const ADMIN_UMASK = 0o177

/** Of a connection that is only told why it is not taken. */
const DEAF: ConnectionOutput = {
  line: () => undefined,
  drained: () => undefined,
  closed: () => undefined,
}

const NOT_HERE: ErrorObject = {
  code: ErrorCode.invalidRequest,
  message: 'only an administrator may ask this (on the socket admin.sock, as root)',
}

/** The control socket: clients' lines in, a node's answers out. */
export class Server {
  readonly #options: ServerOptions
  readonly #node: ServedNode
  readonly #commands: Commands
  readonly #sessions: Sessions
  readonly #variables: Variables
  readonly #watches: Watches
  readonly #traces: Traces
  /** The control socket, and the administrator's. */
  readonly #socketServers: readonly [SocketServer, SocketServer]
  #left: (() => void) | undefined
  readonly #connections = new Map<Connection, Session>()
  readonly #meter = new Meter()
  readonly #closed: Promise<unknown>
  readonly #startedAt = performance.now()

  constructor(options: ServerOptions, node: ServedNode) {
    this.#options = options
    this.#node = node
    this.#commands = new Commands(input => node.drive(input))
    this.#sessions = new Sessions(options, this.#commands, this.#meter)
    this.#variables = new Variables(
      options.hosts,
      node,
      this.#sessions,
      this.#commands,
      this.#meter,
    )
    this.#watches = new Watches(options.hosts, node)
    this.#traces = new Traces(options, options.recorder)
    const half = { allowHalfOpen: true }
    this.#socketServers = [
      createServer(half, socket => this.#accept(socket, false)),
      createServer(half, socket => this.#accept(socket, true)),
    ]
    this.#closed = Promise.all(this.#socketServers.map(server => once(server, 'close')))
  }

  /** The paths are ours already: see lockSocketPath. Throws a Refusal. */
  async listen(path: string): Promise<void> {
    const [everyone, administrator] = this.#socketServers
    await listenOn(everyone, path, SOCKET_UMASK)
    await listenOn(administrator, adminSocketPath(path), ADMIN_UMASK)
  }

  /** The node's answer to a command. */
  respond(id: CommandId, response: Response): void {
    this.#commands.respond(id, response)
  }

  /** What a client should hear of, unasked. */
  notify(event: Exclude<NodeEvent, { type: 'log' }>): void {
    switch (event.type) {
      case 'queued': {
        this.#commands.queued(event.id, event.position)
        return
      }
      case 'change': {
        this.#watches.changed(event.variable)
        return
      }
      case 'lost': {
        const { token, reason } = event
        this.#options.recorder.note({ type: 'lost', token, reason })
        this.#sessions.lost(event.token, event.cause, event.reason)
        return
      }
      case 'lease': {
        this.#sessions.renewed(event.until)
        return
      }
      case 'left': {
        this.#options.recorder.note({ type: 'stop' })
        this.#left?.()
        return
      }
      default:
        return unreachable(event)
    }
  }

  /**
   * No new client, no new lock; those who wait are refused and those who hold are told. Ends when
   * the last of them has let go, at the latest with its lease, and the other hosts have been told.
   */
  async leave(): Promise<void> {
    for (const server of this.#socketServers) server.close()
    const left = new Promise<void>(resolve => (this.#left = resolve))
    this.#node.drive({ type: 'leave' })
    await left
  }

  /** Every connection ends; done when the last has, or has had its time. */
  async close(): Promise<void> {
    for (const server of this.#socketServers) server.close()
    for (const connection of this.#connections.keys()) connection.close()
    await this.#closed
  }

  #accept(socket: Socket, isAdministrator: boolean): void {
    if (this.#connections.size >= this.#options.connectionsMax) {
      this.#meter.connectionsRefused += 1
      const message = `lamportd has ${this.#connections.size} connections (close some, try again)`
      const connection = new Connection(socket, DEAF)
      connection.error(null, { code: ErrorCode.busy, message })
      connection.close()
      return
    }
    const connection = new Connection(socket, {
      line: line => this.#line(session, line),
      drained: () => {
        this.#watches.drained(session)
        this.#traces.drained(session)
      },
      closed: () => {
        this.#connections.delete(connection)
        this.#traces.close(session)
        this.#watches.close(session)
        this.#sessions.close(session)
      },
    })
    const session = this.#sessions.open(connection, isAdministrator)
    this.#connections.set(connection, session)
    this.#meter.connectionsAccepted += 1
    const { self, version, hosts } = this.#options
    const host = { id: self, name: nameOf(hosts, self) }
    const hello: HelloParams = { protocol: PROTOCOL_VERSION, version, host }
    connection.notify('hello', hello)
  }

  #line(session: Session, line: Line): void {
    const { connection } = session
    switch (line.type) {
      case 'not-utf8': {
        const message = 'this line is not UTF-8 (write JSON in UTF-8)'
        connection.error(null, { code: ErrorCode.parse, message })
        return
      }
      case 'too-long': {
        const message = `this line has more than ${LINE_BYTES_MAX} bytes (write shorter ones)`
        connection.error(null, { code: ErrorCode.invalidRequest, message })
        connection.close()
        return
      }
      case 'line': {
        const parsed = parseLine(line.text)
        if ('error' in parsed) {
          connection.error(parsed.id, parsed.error)
          return
        }
        this.#request(session, parsed.id, parsed.request)
        return
      }
      default:
        return unreachable(line)
    }
  }

  #request(session: Session, id: RequestId, request: Request): void {
    const { connection } = session
    switch (request.type) {
      case 'status': {
        connection.result(id, this.#status())
        return
      }
      case 'metrics': {
        connection.result(id, this.#metrics())
        return
      }
      case 'locks': {
        connection.result(id, this.#locks(request.name))
        return
      }
      case 'why': {
        connection.result(id, this.#why(request.name))
        return
      }
      case 'found': {
        if (session.isAdministrator) this.#sessions.found(session, id)
        else connection.error(id, NOT_HERE)
        return
      }
      case 'acquire': {
        this.#sessions.acquire(session, id, request)
        return
      }
      case 'release': {
        if (request.force && !session.isAdministrator) connection.error(id, NOT_HERE)
        else this.#sessions.release(session, id, request)
        return
      }
      case 'cancel': {
        this.#sessions.cancel(session, id, request.target)
        return
      }
      case 'anchor': {
        this.#sessions.anchor(session, id, request.token)
        return
      }
      case 'get': {
        this.#variables.get(session, id, request)
        return
      }
      case 'set':
      case 'unset': {
        this.#variables.change(session, id, request)
        return
      }
      case 'vars': {
        this.#variables.vars(session, id, request)
        return
      }
      case 'history': {
        this.#variables.history(session, id, request)
        return
      }
      case 'watch':
      case 'unwatch':
      case 'trace': {
        this.#tell(session, id, request)
        return
      }
      default:
        return unreachable(request)
    }
  }

  /** What is told from now on, or no longer. */
  #tell(session: Session, id: RequestId, request: Of<'watch' | 'unwatch' | 'trace'>): void {
    switch (request.type) {
      case 'watch': {
        this.#watches.watch(session, id, request.topic, request.initial)
        return
      }
      case 'unwatch': {
        this.#watches.unwatch(session, id, request.watch)
        return
      }
      case 'trace': {
        this.#traces.read(session, id, request.follow, request.last)
        return
      }
      default:
        return unreachable(request)
    }
  }

  #status(): unknown {
    const uptimeMs = performance.now() - this.#startedAt
    const connections = this.#connections.size
    return statusResult(this.#node.status(), this.#options, { uptimeMs, connections })
  }

  #why(name: string): unknown {
    const holding = (token: Token): Holding => this.#sessions.holding(token)
    return whyResult(this.#node.why(name), this.#options, holding)
  }

  #metrics(): MetricsResult {
    const text = metricsText({
      ...this.#options,
      status: this.#node.status(),
      lockNames: this.#node.locks().length,
      locks: this.#sessions.counts(this.#connections.values()),
      connections: this.#connections.size,
      uptimeMs: performance.now() - this.#startedAt,
      meter: this.#meter,
    })
    return { contentType: METRICS_TYPE, text }
  }

  #locks(name: string | undefined): unknown {
    const locks = this.#node.locks().filter(lock => name === undefined || lock.name === name)
    return locksResult(locks, this.#options, token => this.#sessions.holding(token))
  }
}

/** Listening on a path is synchronous: nobody sees the socket with another mode. */
async function listenOn(server: SocketServer, path: string, umask: number): Promise<void> {
  const before = process.umask(umask)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  try {
    await once(server, 'listening')
  } catch (error) {
    const text = `the control socket ${path} cannot be made: ${reasonOf(error)}`
    throw new Refusal(ExitCode.cannotCreate, `${text} (choose another path with --socket)`)
  }
}
