import { ErrorCode } from '../control/protocol.ts'
import type { AcquireResult, CancelResult, ErrorObject, RequestId } from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { assert } from '../lib/assert.ts'
import { NEVER } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { CommandId, LossCause, Response } from '../node.ts'
import type { Commands } from './commands.ts'
import type { Connection } from './connection.ts'
import { errorOf } from './errors.ts'
import type { Meter } from './meter.ts'
import type { Request } from './requests.ts'

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
  /** Cancels that wait for it to be withdrawn. */
  readonly cancels: RequestId[]
  readonly askedAt: number
}

/** A lock that was granted and not yet given back. */
type Grant = {
  /** The acquire that it answered. */
  readonly requestId: RequestId
  readonly names: readonly string[]
  /** `undefined`: unattended, the anchors alone keep it. */
  owner: Session | undefined
  readonly anchors: Set<Session>
  /** Its client has been told. */
  isLost: boolean
  readonly grantedAt: number
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
      if (grant.anchors.size === 0) this.#giveBack(token)
    }
    const { anchored } = session
    const grant = anchored === undefined ? undefined : this.#grants.get(anchored)
    if (anchored === undefined || grant === undefined) return
    grant.anchors.delete(session)
    const isLast = grant.owner === undefined && grant.anchors.size === 0
    if (isLast) this.#giveBack(anchored)
  }

  acquire(session: Session, requestId: RequestId, request: Request & { type: 'acquire' }): void {
    const { connection, waiting } = session
    if (waiting.has(requestId)) {
      const message = 'an acquire with this id is under way (give each request an id of its own)'
      connection.error(requestId, { code: ErrorCode.invalidRequest, message })
      return
    }
    if (!this.admits(session, requestId)) return
    const { names, limit, wait, info } = request
    const cancels: RequestId[] = []
    const askedAt = performance.now()
    const id = this.#commands.expect({
      respond: response => {
        waiting.delete(requestId)
        this.#acquired(session, { id, requestId, names, cancels, askedAt }, response)
      },
      queued: position => {
        if (!connection.isSlow) connection.notify('queued', { id: requestId, position })
      },
    })
    waiting.set(requestId, { id, requestId, names, cancels, askedAt })
    this.#commands.give(id, { type: 'acquire', names, limit, wait, info })
  }

  release(session: Session, requestId: RequestId, token: Token): void {
    if (!session.held.has(token)) {
      const message = 'this connection does not hold that lock (it may have been lost or released)'
      session.connection.error(requestId, { code: ErrorCode.notHeld, message })
      return
    }
    this.#giveBack(token, response => acknowledge(session.connection, requestId, response))
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

  /** Locks of clients of this host: held, and of those the unattended; and requests that wait. */
  counts(sessions: Iterable<Session>): { held: number; unattended: number; waiting: number } {
    const counts = { held: this.#grants.size, unattended: 0, waiting: 0 }
    for (const { owner } of this.#grants.values()) if (owner === undefined) counts.unattended += 1
    for (const { waiting } of sessions) counts.waiting += waiting.size
    return counts
  }

  /** The client is gone, and what it started still runs. */
  isUnattended(token: Token): boolean {
    const grant = this.#grants.get(token)
    return grant !== undefined && grant.owner === undefined
  }

  /**
   * Its client is told. It stays on our books until its connection closes: where this host leaves,
   * the lock is let go only when the client has.
   */
  lost(token: Token, cause: LossCause, reason: string): void {
    const grant = this.#grants.get(token)
    if (grant === undefined || grant.isLost) return
    grant.isLost = true
    this.#meter.lost[cause] += 1
    this.#meter.held(grant.grantedAt)
    if (grant.owner === undefined) this.#warnOf(grant, reason)
    else grant.owner.connection.notify('lost', { token, reason })
  }

  /** The lease is the host's: one line speaks for every lock of a connection. */
  renewed(until: Instant): void {
    const told = new Set<Session>()
    for (const [token, { owner, isLost }] of this.#grants) {
      if (owner === undefined || isLost || told.has(owner)) continue
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
    { requestId, names, cancels, askedAt }: Waiting,
    { token, until }: { readonly token: Token; readonly until: Instant },
  ): void {
    const { connection } = session
    const anchors = new Set<Session>()
    const grantedAt = this.#meter.granted(askedAt)
    const grant: Grant = { requestId, names, owner: session, anchors, isLost: false, grantedAt }
    this.#grants.set(token, grant)
    session.held.add(token)
    // Nobody is there to use it, or wants to.
    if (connection.isClosed || cancels.length > 0) {
      connection.error(requestId, CANCELLED)
      for (const cancel of cancels) connection.result(cancel, { wasGranted: true })
      this.#giveBack(token)
      return
    }
    const result: AcquireResult =
      until === NEVER
        ? { token, until: null, leaseMs: null }
        : { token, until, leaseMs: this.#options.lease }
    connection.result(requestId, result)
  }

  /** @param respond nobody waits for the answer of a lock whose connection is gone */
  #giveBack(token: Token, respond: (response: Response) => void = () => undefined): void {
    this.#forget(token)
    this.#commands.ask({ type: 'release', token }, respond)
  }

  /** Whoever would have stopped its command was killed: there is nobody but people to tell. */
  #warnOf({ names }: Grant, reason: string): void {
    const what = `the lock ${names.join(' ')} is lost (${reason}) and its command runs on unattended`
    this.#options.warn(`${what} (end the command: another host may enter within the lease)`)
  }

  #forget(token: Token): void {
    const grant = this.#grants.get(token)
    if (grant === undefined) return
    if (!grant.isLost) this.#meter.held(grant.grantedAt)
    grant.owner?.held.delete(token)
    this.#grants.delete(token)
  }
}

const CANCELLED: ErrorObject = { code: ErrorCode.notAcquired, message: 'cancelled' }

/** The answer to what is done or refused, and has nothing else to tell. */
function acknowledge(connection: Connection, requestId: RequestId, response: Response): void {
  if (response.type !== 'refused') connection.result(requestId, {})
  else connection.error(requestId, errorOf(response.reason, response.detail))
}
