import { monotonicNow } from '../control/monotonic.ts'
import { ErrorCode } from '../control/protocol.ts'
import type {
  AcquireResult,
  CancelResult,
  ErrorObject,
  LostBeforeData,
  ReleaseResult,
  RequestId,
} from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { assert } from '../lib/assert.ts'
import { after, earliest, NEVER } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { Command, CommandId, LossCause, Response } from '../node.ts'
import type { Commands } from './commands.ts'
import type { Connection } from './connection.ts'
import { Detached, DETACHED_MAX, detachmentOf } from './detached.ts'
import type { Detachment } from './detached.ts'
import { errorOf } from './errors.ts'
import type { Meter } from './meter.ts'
import { isAlive, nameOfProcess, Processes, type ProcessName } from './processes.ts'
import type { Holding } from './report.ts'
import type { Of } from './requests.ts'

/** A connection, and what would be withdrawn or released if it closed. */
export type Session = {
  readonly connection: Connection
  /** Acquires under way. */
  readonly waiting: Map<RequestId, Waiting>
  readonly held: Set<Token>
  /** Other requests under way that take time and room: they are finished whoever closes. */
  asked: number
  /** Names and prefixes that it watches. */
  watched: number
  /** The lock that this connection is an anchor of. */
  anchored: Token | undefined
  /** It came in by the administrator's socket. */
  readonly isAdministrator: boolean
}

/** An acquire under way. */
type Waiting = {
  readonly id: CommandId
  readonly requestId: RequestId
  readonly names: readonly string[]
  /** What is granted will belong to this host, and not to the connection. */
  readonly detachment: Detachment | undefined
  readonly process: ProcessName | undefined
  /** Cancels that wait for it to be withdrawn. */
  readonly cancels: RequestId[]
  readonly askedAt: number
}

/** What there is to know of a request, beside the command. */
type Asked = Pick<Waiting, 'names' | 'detachment' | 'process'> & { readonly positions: boolean }

/** A lock that was granted and not yet given back. */
type Grant = {
  /** The acquire that it answered. */
  readonly requestId: RequestId
  readonly names: readonly string[]
  /** `undefined`: it is detached; or it is unattended, and the anchors alone keep it. */
  owner: Session | undefined
  readonly anchors: Set<Session>
  /** Of one that was adopted: its anchors were the last lamportd's, and this stands for them. */
  readonly process: ProcessName | undefined
  /** Why it was lost, once its client has been told. */
  lost: string | undefined
  readonly grantedAt: number
}

/** Locks of clients of this host, for who counts them. */
export type LockCounts = {
  readonly held: number
  readonly unattended: number
  readonly detached: number
  readonly waiting: number
}

export type SessionsOptions = {
  readonly requestsMax: number
  readonly lease: Duration
  /** Something that people should hear of. */
  readonly warn: (text: string) => void
}

/** Whose request and whose lock is whose: a connection that closes takes its own with it. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #commands: Commands
  readonly #meter: Meter
  readonly #grants = new Map<Token, Grant>()
  readonly #detached = new Detached(token => this.#giveBack(token))
  /** Of commands whose lamportctl has gone. */
  readonly #processes = new Processes(token => this.#gone(token))

  constructor(options: SessionsOptions, commands: Commands, meter: Meter) {
    this.#options = options
    this.#commands = commands
    this.#meter = meter
  }

  open(connection: Connection, isAdministrator: boolean): Session {
    const [waiting, held] = [new Map<RequestId, Waiting>(), new Set<Token>()]
    const nothing = { waiting, held, asked: 0, watched: 0, anchored: undefined }
    return { connection, ...nothing, isAdministrator }
  }

  /** Whether it has room for one more request; else it has been told. */
  admits({ connection, waiting, held, asked }: Session, requestId: RequestId): boolean {
    const count = waiting.size + held.size + asked
    if (count < this.#options.requestsMax) return true
    this.#meter.requestsOverLimit += 1
    const what = `this connection waits for or holds ${count} locks and answers already`
    const message = `${what} (release some, wait, or open another connection)`
    connection.error(requestId, { code: ErrorCode.limit, message })
    return false
  }

  found({ connection }: Session, requestId: RequestId): void {
    this.#commands.ask({ type: 'found' }, response => acknowledge(connection, requestId, response))
  }

  /** Withdraws what waits; releases what is held, unless an anchor holds it still. */
  close(session: Session): void {
    for (const { id } of [...session.waiting.values()]) this.#commands.cancel(id)
    for (const token of session.held) {
      const grant = this.#grants.get(token)
      if (grant === undefined) continue
      grant.owner = undefined
      const { anchors, process } = grant
      if (process !== undefined && isAlive(process)) this.#processes.add(token, process)
      else if (anchors.size === 0) this.#giveBack(token)
    }
    const { anchored } = session
    const grant = anchored === undefined ? undefined : this.#grants.get(anchored)
    if (anchored === undefined || grant === undefined) return
    grant.anchors.delete(session)
    const isKept =
      grant.owner !== undefined || this.#detached.has(anchored) || this.#processes.has(anchored)
    const isLast = !isKept && grant.anchors.size === 0
    if (isLast) this.#giveBack(anchored)
  }

  acquire(session: Session, requestId: RequestId, request: Of<'acquire'>): void {
    const { connection } = session
    if (!this.#admitsNew(session, requestId)) return
    const { names, limit, wait, info, positions } = request
    const detachment = detachmentOf(request)
    if (detachment !== undefined && 'code' in detachment) {
      connection.error(requestId, detachment)
      return
    }
    this.#ask(
      session,
      requestId,
      { names, detachment, process: undefined, positions },
      { type: 'acquire', names, limit, wait, info },
    )
  }

  /** A lock that the last lamportd of this host granted: it goes on, or has ended. */
  adopt(session: Session, requestId: RequestId, request: Of<'adopt'>): void {
    const { names, token, until, pid } = request
    if (!this.#admitsNew(session, requestId)) return
    // No lamportd has told of more than that.
    const latest = after(monotonicNow(), this.#options.lease)
    const command = { type: 'adopt', names, token, until: earliest(until, latest) } as const
    const process = pid === undefined ? undefined : nameOfProcess(pid)
    this.#ask(
      session,
      requestId,
      { names, detachment: undefined, process, positions: false },
      command,
    )
  }

  /** The process that a lock was kept for has ended. */
  #gone(token: Token): void {
    if (this.#grants.get(token)?.anchors.size === 0) this.#giveBack(token)
  }

  #admitsNew(session: Session, requestId: RequestId): boolean {
    if (!session.waiting.has(requestId)) return this.admits(session, requestId)
    const message = 'an acquire with this id is under way (give each request an id of its own)'
    session.connection.error(requestId, { code: ErrorCode.invalidRequest, message })
    return false
  }

  #ask(
    session: Session,
    requestId: RequestId,
    { names, detachment, process, positions }: Asked,
    command: Command,
  ): void {
    const { connection, waiting } = session
    const cancels: RequestId[] = []
    const askedAt = performance.now()
    const id = this.#commands.expect({
      respond: response => {
        waiting.delete(requestId)
        this.#acquired(session, waited, response)
      },
      queued: position => {
        if (positions && !connection.isSlow)
          connection.notify('queued', { id: requestId, position })
      },
    })
    const waited: Waiting = { id, requestId, names, detachment, process, cancels, askedAt }
    waiting.set(requestId, waited)
    this.#commands.give(id, command)
  }

  /** The connection's own, a detached one, or, by an administrator's word, anybody's. */
  release(session: Session, requestId: RequestId, { which, force }: Of<'release'>): void {
    const { connection, held } = session
    if ('token' in which && held.has(which.token) && !force) {
      this.#giveBack(which.token, response => acknowledge(connection, requestId, response))
      return
    }
    const found = [...this.#grants].filter(([token, { names }]) => {
      const isMeant = 'token' in which ? token === which.token : names.includes(which.name)
      return isMeant && (force || this.#detached.has(token))
    })
    const [first, second] = found
    if (first === undefined) {
      connection.error(requestId, { code: ErrorCode.notHeld, message: notHeld(which, force) })
    } else if (second !== undefined) {
      const tokens = found.map(([token]) => token).join(', ')
      const message = `several locks are meant, with the tokens ${tokens} (release one by its token)`
      connection.error(requestId, { code: ErrorCode.invalidParams, message })
    } else this.#end(session, requestId, first, force)
  }

  cancel(session: Session, requestId: RequestId, target: RequestId): void {
    const waiting = session.waiting.get(target)
    if (waiting !== undefined) {
      waiting.cancels.push(requestId)
      this.#commands.cancel(waiting.id)
      return
    }
    for (const token of session.held) {
      if (this.#grants.get(token)?.requestId !== target) continue
      const result: CancelResult = { wasGranted: true }
      this.#giveBack(token, () => session.connection.result(requestId, result))
      return
    }
    // It has been answered already, or was never asked: there is nothing to take back.
    const result: CancelResult = { wasGranted: false }
    session.connection.result(requestId, result)
  }

  anchor(session: Session, requestId: RequestId, token: Token): void {
    const { connection } = session
    const grant = this.#grants.get(token)
    const { waiting, held, asked, watched } = session
    // Nothing else may have to be written to it.
    if (waiting.size + held.size + asked + watched > 0) {
      const message = 'this connection waits for or holds something (anchor from one of its own)'
      connection.error(requestId, { code: ErrorCode.invalidRequest, message })
      return
    }
    if (grant === undefined) {
      const message = 'no client of this lamportd holds that lock (it may have been lost)'
      connection.error(requestId, { code: ErrorCode.notHeld, message })
      return
    }
    grant.anchors.add(session)
    session.anchored = token
    connection.result(requestId, {})
    connection.mute()
  }

  /** Whether clients of this host hold anything. */
  get isHolding(): boolean {
    return this.#grants.size > 0
  }

  /** Locks of clients of this host, held, and how many of them by nobody; and requests that wait. */
  counts(sessions: Iterable<Session>): LockCounts {
    const counts = { held: this.#grants.size, unattended: 0, detached: 0, waiting: 0 }
    for (const [token, { owner }] of this.#grants) {
      if (owner === undefined) counts[this.#detached.has(token) ? 'detached' : 'unattended'] += 1
    }
    for (const { waiting } of sessions) counts.waiting += waiting.size
    return counts
  }

  /** How it is held, if by a client of this host. */
  holding(token: Token): Holding {
    const grant = this.#grants.get(token)
    if (grant === undefined || grant.owner !== undefined) return {}
    const left = this.#detached.left(token)
    return left === undefined ? { unattended: true } : { ttlMs: Math.round(left) }
  }

  /**
   * Its client is told. It stays on our books until its connection closes: where this host leaves,
   * the lock is let go only when the client has.
   */
  lost(token: Token, cause: LossCause, reason: string): void {
    const grant = this.#grants.get(token)
    if (grant === undefined || grant.lost !== undefined) return
    grant.lost = reason
    this.#meter.lost[cause] += 1
    this.#meter.held(grant.grantedAt)
    if (grant.owner === undefined) this.#warnOf(token, grant, reason)
    else grant.owner.connection.notify('lost', { token, reason })
  }

  /** The lease is the host's: one line speaks for every lock of a connection. */
  renewed(until: Instant): void {
    const told = new Set<Session>()
    for (const [token, { owner, lost }] of this.#grants) {
      if (owner === undefined || lost !== undefined || told.has(owner)) continue
      told.add(owner)
      if (owner.connection.isSlow) continue
      owner.connection.notify('lease', { token, until, leaseMs: this.#options.lease })
    }
  }

  #acquired(session: Session, waiting: Waiting, response: Response): void {
    const { connection } = session
    switch (response.type) {
      case 'granted': {
        this.#granted(session, waiting, response)
        return
      }
      case 'refused':
        this.#meter.acquires[response.reason] += 1
        connection.error(waiting.requestId, errorOf(response.reason, response.detail))
        break
      case 'cancelled': {
        this.#meter.acquires.cancelled += 1
        connection.error(waiting.requestId, CANCELLED)
        break
      }
      default:
        assert(false, 'an acquire is granted, refused or cancelled')
    }
    const wasGranted = response.type === 'cancelled' && response.wasGranted
    for (const cancel of waiting.cancels) connection.result(cancel, { wasGranted })
  }

  #granted(
    session: Session,
    { requestId, names, detachment, process, cancels, askedAt }: Waiting,
    { token, until }: { readonly token: Token; readonly until: Instant },
  ): void {
    const { connection } = session
    const owner = detachment === undefined ? session : undefined
    const grantedAt = this.#meter.granted(askedAt)
    const state = { anchors: new Set<Session>(), lost: undefined }
    const grant: Grant = { requestId, names, owner, process, ...state, grantedAt }
    this.#grants.set(token, grant)
    owner?.held.add(token)
    // Nobody is there to use it, or wants to.
    const isUnwanted = connection.isClosed || cancels.length > 0
    if (isUnwanted || (detachment !== undefined && this.#detached.isFull)) {
      connection.error(requestId, isUnwanted ? CANCELLED : FULL)
      for (const cancel of cancels) connection.result(cancel, { wasGranted: true })
      this.#giveBack(token)
      return
    }
    if (detachment !== undefined) this.#detached.add(token, detachment)
    const result: AcquireResult =
      until === NEVER
        ? { token, until: null, leaseMs: null }
        : { token, until, leaseMs: this.#options.lease }
    connection.result(requestId, result)
  }

  /** Of a lock that is not the connection's own. */
  #end(
    { connection }: Session,
    requestId: RequestId,
    [token, grant]: [Token, Grant],
    force: boolean,
  ): void {
    const { names, owner, lost } = grant
    if (force) {
      if (lost === undefined) owner?.connection.notify('lost', { token, reason: FORCED })
      const what = `the lock ${names.join(' ')} with the token ${token} is taken from its holder`
      this.#options.warn(`${what}: ${FORCED} (another host may enter at once)`)
    }
    this.#giveBack(token, response => {
      if (lost !== undefined && !force) {
        const data: LostBeforeData = { lost }
        const message = `the lock ${names.join(' ')} had been lost before: ${lost}`
        connection.error(requestId, { code: ErrorCode.notHeld, message, data })
      } else if (response.type === 'refused') acknowledge(connection, requestId, response)
      else {
        const result: ReleaseResult = { token, names }
        connection.result(requestId, result)
      }
    })
  }

  /** @param respond nobody waits for the answer of a lock whose connection is gone */
  #giveBack(token: Token, respond: (response: Response) => void = () => undefined): void {
    this.#forget(token)
    this.#commands.ask({ type: 'release', token }, respond)
  }

  /** Whoever would have stopped its command was killed: there is nobody but people to tell. */
  #warnOf(token: Token, { names }: Grant, reason: string): void {
    if (this.#detached.has(token)) {
      const what = `the lock ${names.join(' ')}, held without a connection, is lost (${reason})`
      this.#options.warn(`${what} (end what rests on it: another host may enter within the lease)`)
      return
    }
    const what = `the lock ${names.join(' ')} is lost (${reason}) and its command runs on unattended`
    this.#options.warn(`${what} (end the command: another host may enter within the lease)`)
  }

  #forget(token: Token): void {
    const grant = this.#grants.get(token)
    if (grant === undefined) return
    if (grant.lost === undefined) this.#meter.held(grant.grantedAt)
    grant.owner?.held.delete(token)
    this.#detached.remove(token)
    this.#processes.remove(token)
    this.#grants.delete(token)
  }
}

/** What the holder is told, and the log. */
const FORCED = 'an administrator has ended it'

const FULL: ErrorObject = {
  code: ErrorCode.limit,
  message: `this host holds ${DETACHED_MAX} locks without a connection (release some)`,
}

const CANCELLED: ErrorObject = { code: ErrorCode.notAcquired, message: 'cancelled' }

/** The answer to what is done or refused, and has nothing else to tell. */
function acknowledge(connection: Connection, requestId: RequestId, response: Response): void {
  if (response.type !== 'refused') connection.result(requestId, {})
  else connection.error(requestId, errorOf(response.reason, response.detail))
}

function notHeld(which: Of<'release'>['which'], force: boolean): string {
  if (force) {
    const what = 'token' in which ? 'that lock' : which.name
    return `no client of this host holds ${what} (lamportctl locks shows who does)`
  }
  if ('name' in which) {
    const what = `no lock ${which.name} was taken here with a ttl, or it has ended`
    return `${what} (lamportctl locks ${which.name})`
  }
  return 'this connection does not hold that lock (it may have been lost or released)'
}
