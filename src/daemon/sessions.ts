import { ErrorCode } from '../control/protocol.ts'
import type { AcquireResult, CancelResult, ErrorObject, RequestId } from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { NEVER } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type { CommandId, Input, Refusal, Response } from '../node.ts'
import type { Connection } from './connection.ts'
import type { Request } from './requests.ts'

/** A connection, and what would be withdrawn or released if it closed. */
export type Session = {
  readonly connection: Connection
  /** Acquires under way. */
  readonly waiting: Map<RequestId, CommandId>
  readonly held: Set<Token>
  /** The lock that this connection is an anchor of. */
  anchored: Token | undefined
  /** It came in by the administrator's socket. */
  readonly isAdministrator: boolean
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
}

/** A command that the node has not answered yet, and who waits for the answer. */
type Pending =
  | {
      readonly type: 'acquire'
      readonly session: Session
      readonly requestId: RequestId
      readonly names: readonly string[]
      /** Cancels that wait for it to be withdrawn. */
      readonly cancels: RequestId[]
    }
  | { readonly type: 'release'; readonly session: Session; readonly requestId: RequestId }
  | { readonly type: 'cancel'; readonly session: Session; readonly requestId: RequestId }
  | { readonly type: 'found'; readonly session: Session; readonly requestId: RequestId }
  /** Of a lock whose connection is gone. */
  | { readonly type: 'abandon' }

export type SessionsOptions = {
  readonly requestsMax: number
  readonly lease: Duration
  /** Something that people should hear of. */
  readonly warn: (text: string) => void
}

/** Whose request and whose lock is whose: a connection that closes takes its own with it. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #drive: (input: Input) => void
  readonly #pending = new Map<CommandId, Pending>()
  readonly #grants = new Map<Token, Grant>()
  #lastCommand: CommandId = 0

  constructor(options: SessionsOptions, drive: (input: Input) => void) {
    this.#options = options
    this.#drive = drive
  }

  open(connection: Connection, isAdministrator: boolean): Session {
    const [waiting, held] = [new Map<RequestId, CommandId>(), new Set<Token>()]
    return { connection, waiting, held, anchored: undefined, isAdministrator }
  }

  found(session: Session, requestId: RequestId): void {
    const id = this.#await({ type: 'found', session, requestId })
    this.#drive({ type: 'command', id, command: { type: 'found' } })
  }

  /** Withdraws what waits; releases what is held, unless an anchor holds it still. */
  close(session: Session): void {
    for (const id of session.waiting.values()) this.#drive({ type: 'cancel', id })
    for (const token of session.held) {
      const grant = this.#grants.get(token)
      if (grant === undefined) continue
      grant.owner = undefined
      if (grant.anchors.size === 0) this.#giveBack(token, { type: 'abandon' })
    }
    const { anchored } = session
    const grant = anchored === undefined ? undefined : this.#grants.get(anchored)
    if (anchored === undefined || grant === undefined) return
    grant.anchors.delete(session)
    const isLast = grant.owner === undefined && grant.anchors.size === 0
    if (isLast) this.#giveBack(anchored, { type: 'abandon' })
  }

  acquire(session: Session, requestId: RequestId, request: Request & { type: 'acquire' }): void {
    const { connection, waiting, held } = session
    if (waiting.has(requestId)) {
      const message = 'an acquire with this id is under way (give each request an id of its own)'
      connection.error(requestId, { code: ErrorCode.invalidRequest, message })
      return
    }
    if (waiting.size + held.size >= this.#options.requestsMax) {
      const message = `this connection waits for or holds ${waiting.size + held.size} locks already`
      const advice = '(release some, or open another connection)'
      connection.error(requestId, { code: ErrorCode.limit, message: `${message} ${advice}` })
      return
    }
    const { names, limit, wait, info } = request
    const id = this.#await({ type: 'acquire', session, requestId, names, cancels: [] })
    waiting.set(requestId, id)
    this.#drive({ type: 'command', id, command: { type: 'acquire', names, limit, wait, info } })
  }

  release(session: Session, requestId: RequestId, token: Token): void {
    if (!session.held.has(token)) {
      const message = 'this connection does not hold that lock (it may have been lost or released)'
      session.connection.error(requestId, { code: ErrorCode.notHeld, message })
      return
    }
    this.#giveBack(token, { type: 'release', session, requestId })
  }

  cancel(session: Session, requestId: RequestId, target: RequestId): void {
    const id = session.waiting.get(target)
    const pending = id === undefined ? undefined : this.#pending.get(id)
    if (id !== undefined && pending?.type === 'acquire') {
      pending.cancels.push(requestId)
      this.#drive({ type: 'cancel', id })
      return
    }
    for (const token of session.held) {
      if (this.#grants.get(token)?.requestId !== target) continue
      this.#giveBack(token, { type: 'cancel', session, requestId })
      return
    }
    // It has been answered already, or was never asked: there is nothing to take back.
    const result: CancelResult = { wasGranted: false }
    session.connection.result(requestId, result)
  }

  anchor(session: Session, requestId: RequestId, token: Token): void {
    const { connection } = session
    const grant = this.#grants.get(token)
    if (session.waiting.size + session.held.size > 0) {
      const message = 'this connection waits for or holds locks (anchor from one of its own)'
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

  /** The client is gone, and what it started still runs. */
  isUnattended(token: Token): boolean {
    const grant = this.#grants.get(token)
    return grant !== undefined && grant.owner === undefined
  }

  respond(id: CommandId, response: Response): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    // A cancel may cross the grant that it would have prevented: that was answered already.
    if (pending === undefined) return
    switch (pending.type) {
      case 'acquire':
        pending.session.waiting.delete(pending.requestId)
        {
          this.#acquired(pending, response)
          return
        }
      case 'release': {
        const { connection } = pending.session
        if (response.type === 'refused') {
          connection.error(pending.requestId, errorOf(response.reason, response.detail))
          return
        }
        connection.result(pending.requestId, {})
        return
      }
      case 'cancel': {
        const result: CancelResult = { wasGranted: true }
        pending.session.connection.result(pending.requestId, result)
        return
      }
      case 'found': {
        const { connection } = pending.session
        if (response.type === 'refused') {
          connection.error(pending.requestId, errorOf(response.reason, response.detail))
        } else connection.result(pending.requestId, {})
        return
      }
      case 'abandon':
        return
      default:
        return unreachable(pending)
    }
  }

  queued(id: CommandId, position: number): void {
    const pending = this.#pending.get(id)
    if (pending?.type !== 'acquire' || pending.session.connection.isSlow) return
    pending.session.connection.notify('queued', { id: pending.requestId, position })
  }

  /**
   * Its client is told. It stays on our books until its connection closes: where this host leaves,
   * the lock is let go only when the client has.
   */
  lost(token: Token, reason: string): void {
    const grant = this.#grants.get(token)
    if (grant === undefined || grant.isLost) return
    grant.isLost = true
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

  #acquired(pending: Pending & { type: 'acquire' }, response: Response): void {
    const { session, requestId, cancels } = pending
    const { connection } = session
    assert(response.type !== 'released', 'an acquire is not answered like a release')
    assert(response.type !== 'founding', 'an acquire is not answered like a founding')
    switch (response.type) {
      case 'granted': {
        this.#granted(pending, response)
        return
      }
      case 'refused':
        connection.error(requestId, errorOf(response.reason, response.detail))
        break
      case 'cancelled': {
        connection.error(requestId, CANCELLED)
        break
      }
      default:
        unreachable(response)
    }
    const wasGranted = response.type === 'cancelled' && response.wasGranted
    for (const cancel of cancels) connection.result(cancel, { wasGranted })
  }

  #granted(
    { session, requestId, names, cancels }: Pending & { type: 'acquire' },
    { token, until }: { readonly token: Token; readonly until: Instant },
  ): void {
    const { connection } = session
    const anchors = new Set<Session>()
    const grant: Grant = { requestId, names, owner: session, anchors, isLost: false }
    this.#grants.set(token, grant)
    session.held.add(token)
    // Nobody is there to use it, or wants to.
    if (connection.isClosed || cancels.length > 0) {
      connection.error(requestId, CANCELLED)
      for (const cancel of cancels) connection.result(cancel, { wasGranted: true })
      this.#giveBack(token, { type: 'abandon' })
      return
    }
    const result: AcquireResult =
      until === NEVER
        ? { token, until: null, leaseMs: null }
        : { token, until, leaseMs: this.#options.lease }
    connection.result(requestId, result)
  }

  #giveBack(token: Token, pending: Pending): void {
    this.#forget(token)
    const id = this.#await(pending)
    this.#drive({ type: 'command', id, command: { type: 'release', token } })
  }

  /** Whoever would have stopped its command was killed: there is nobody but people to tell. */
  #warnOf({ names }: Grant, reason: string): void {
    const what = `the lock ${names.join(' ')} is lost (${reason}) and its command runs on unattended`
    this.#options.warn(`${what} (end the command: another host may enter within the lease)`)
  }

  #forget(token: Token): void {
    const grant = this.#grants.get(token)
    if (grant === undefined) return
    grant.owner?.held.delete(token)
    this.#grants.delete(token)
  }

  #await(pending: Pending): CommandId {
    this.#lastCommand += 1
    this.#pending.set(this.#lastCommand, pending)
    return this.#lastCommand
  }
}

const CANCELLED: ErrorObject = { code: ErrorCode.notAcquired, message: 'cancelled' }
const LEAVING: ErrorObject = {
  code: ErrorCode.leaving,
  message: 'this lamportd is stopping (try again when it runs)',
}

function errorOf(reason: Refusal, detail: string): ErrorObject {
  const say = (message: string): string => (detail === '' ? message : `${message}: ${detail}`)
  switch (reason) {
    case 'not-acquired':
      return { code: ErrorCode.notAcquired, message: say('not acquired, others precede') }
    case 'no-majority': {
      const message = say('no majority of hosts answers (see lamportctl status; nothing was done)')
      return { code: ErrorCode.noMajority, message, data: { effect: 'none' } }
    }
    case 'not-held':
      return { code: ErrorCode.notHeld, message: say('that lock is not held (was it lost?)') }
    case 'busy':
      return { code: ErrorCode.busy, message: say('this lamportd is busy (try again)') }
    case 'limit':
      return { code: ErrorCode.limit, message: say('too much is asked (release something)') }
    case 'not-blank':
      return { code: ErrorCode.notBlank, message: detail }
    case 'leaving':
      return LEAVING
    default:
      return unreachable(reason)
  }
}
