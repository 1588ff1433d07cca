import { ErrorCode, type ErrorObject } from '../control/protocol.ts'
import type { Variable } from './variable.ts'

/** Codes of the daemon's answers, by name. */
export type AnswerCode = keyof typeof ErrorCode

/** Stable: what programs look at. The messages are for people and may change. */
export type LamportErrorCode =
  | AnswerCode
  /** Nobody answers at the socket. */
  | 'unreachable'
  /** The socket is there and may not be opened by this user. */
  | 'permission'
  /** No socket could be chosen, or its path cannot be one. */
  | 'socket'
  /** The connection ended while something was waited for, or a lock was held. */
  | 'disconnected'
  /** `close()` was called. */
  | 'closed'
  /** The other end does not speak this protocol. */
  | 'protocol'
  /** No answer in the time that the daemon has for one. */
  | 'timeout'
  /** The daemon took the lock back. */
  | 'lost'
  /** The lock's deadline passed without a renewal. */
  | 'expired'
  /** A change was not finished in its time: it may still take effect. `seen`: what was seen last. */
  | 'uncertain'
  /** A name, a value, a mode or another argument that cannot be right. */
  | 'argument'

/** Everything that this library rejects with, but for the reasons of the caller's own signals. */
export class LamportError extends Error {
  override readonly name = 'LamportError'
  readonly code: LamportErrorCode
  /** What the daemon gave beside its message, such as `effect` or `current`. */
  readonly data: unknown
  /** With `versionDiffers`: the variable as it is. */
  readonly current: Variable | undefined
  /** With `uncertain`, where the daemon could say: the variable as its host saw it last. */
  readonly seen: Variable | undefined

  constructor(
    code: LamportErrorCode,
    message: string,
    data?: unknown,
    variables: { readonly current?: Variable; readonly seen?: Variable } = {},
  ) {
    super(message)
    this.code = code
    this.data = data
    this.current = variables.current
    this.seen = variables.seen
  }
}

/** The end that this program has made. */
export function closed(): LamportError {
  return new LamportError('closed', 'the connection to lamportd was closed by this program')
}

/** Nobody says hello. */
export function silent(path: string): LamportError {
  const message = `no answer from lamportd at ${path} (is it running? systemctl status lamportd)`
  return new LamportError('unreachable', message)
}

/** An error that the daemon answered. */
export function answered(error: ErrorObject): LamportError {
  return new LamportError(answerCode(error.code), error.message, error.data)
}

function answerCode(code: number): AnswerCode {
  for (const [name, value] of Object.entries(ErrorCode)) {
    if (value === code && isAnswerCode(name)) return name
  }
  return 'internal'
}

function isAnswerCode(name: string): name is AnswerCode {
  return Object.hasOwn(ErrorCode, name)
}
