import { checkNames } from '../control/names.ts'
import { ErrorCode, TTL_MS_MAX } from '../control/protocol.ts'
import type { ErrorObject, RequestId } from '../control/protocol.ts'
import type { Token } from '../core/clock.ts'
import { milliseconds, toInstant } from '../lib/time.ts'
import type { Duration, Instant } from '../lib/time.ts'
import { nearest } from '../lib/nearest.ts'
import { encodeInfo, printable } from './info.ts'
import { isInteger, isObject, show, unknownParam, wrongName, wrongWait } from './params.ts'
import type { Params, Wrong } from './params.ts'
import { VARIABLE_METHODS } from './variable-requests.ts'
import type { VariableRequest } from './variable-requests.ts'

/** What a client may ask, checked. */
export type Request =
  | { readonly type: 'status' }
  | { readonly type: 'metrics' }
  | { readonly type: 'doctor'; readonly isBeforeChange: boolean }
  | { readonly type: 'locks'; readonly name: string | undefined }
  | { readonly type: 'why'; readonly name: string }
  /** On the administrator's socket only. */
  | { readonly type: 'found' }
  | {
      readonly type: 'acquire'
      readonly names: readonly string[]
      /** Infinity: shared. */
      readonly limit: number
      readonly wait: Duration | undefined
      readonly info: string
      /** Whether it is told how many precede. */
      readonly positions: boolean
      readonly detached: { readonly ttl: Duration; readonly pid: number | undefined } | undefined
    }
  | {
      readonly type: 'release'
      readonly which: { readonly token: Token } | { readonly name: string }
      /** On the administrator's socket only. */
      readonly force: boolean
    }
  | {
      readonly type: 'adopt'
      readonly names: readonly string[]
      readonly token: Token
      readonly until: Instant
      readonly pid: number | undefined
    }
  | { readonly type: 'anchor'; readonly token: Token }
  | { readonly type: 'cancel'; readonly target: RequestId }
  | { readonly type: 'trace'; readonly follow: boolean; readonly last: number | undefined }
  | VariableRequest

/** The request of one method. */
export type Of<Type extends Request['type']> = Extract<Request, { type: Type }>

export type ParsedLine =
  | { readonly id: RequestId; readonly request: Request }
  | { readonly id: RequestId | null; readonly error: ErrorObject }

const HOLDERS_MAX = 1_000_000
const PID_MAX = 2 ** 31 - 1
const ID_LENGTH_MAX = 256

const METHODS: Readonly<Record<Request['type'], (params: Params) => Request | Wrong>> = {
  status: params => unknownParam(params, []) ?? { type: 'status' },
  metrics: params => unknownParam(params, []) ?? { type: 'metrics' },
  doctor: parseDoctor,
  locks: parseLocks,
  why: parseWhy,
  found: params => unknownParam(params, []) ?? { type: 'found' },
  acquire: parseAcquire,
  release: parseRelease,
  adopt: parseAdopt,
  anchor: parseAnchor,
  cancel: parseCancel,
  trace: parseTrace,
  ...VARIABLE_METHODS,
}

/** Reads a line of a client: a request, or the error to answer with; it never throws. */
export function parseLine(line: string): ParsedLine {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return invalid(null, ErrorCode.parse, 'this line is not JSON (write one request a line)')
  }
  if (Array.isArray(value)) {
    return invalidRequest(null, 'a batch is not taken (write one request a line)')
  }
  if (!isObject(value)) return invalidRequest(null, 'a request is an object')
  const { jsonrpc, id, method, params = {} } = value
  if (!isRequestId(id)) {
    return invalidRequest(null, 'id is missing or wrong (write a number or a short text)')
  }
  if (jsonrpc !== '2.0') return invalidRequest(id, 'not JSON-RPC 2.0 (write "jsonrpc": "2.0")')
  if (typeof method !== 'string') return invalidRequest(id, 'method is missing (write a text)')
  if (!isMethod(method)) return invalid(id, ErrorCode.methodNotFound, adviseMethod(method))
  if (!isObject(params)) {
    return invalid(id, ErrorCode.invalidParams, 'params is not an object (write them by name)')
  }
  const request = METHODS[method](params)
  if ('wrong' in request) return invalid(id, ErrorCode.invalidParams, request.wrong)
  return { id, request }
}

function parseDoctor(params: Params): Request | Wrong {
  const { beforeChange = false } = params
  const wrong = unknownParam(params, ['beforeChange'])
  if (wrong !== undefined) return wrong
  if (typeof beforeChange !== 'boolean') {
    return { wrong: `beforeChange is ${show(beforeChange)} (write true or false)` }
  }
  return { type: 'doctor', isBeforeChange: beforeChange }
}

function parseLocks(params: Params): Request | Wrong {
  const { name } = params
  const wrong = unknownParam(params, ['name']) ?? (name === undefined ? undefined : wrongName(name))
  return wrong ?? { type: 'locks', name: name as string | undefined }
}

function parseWhy(params: Params): Request | Wrong {
  const { name } = params
  return unknownParam(params, ['name']) ?? wrongName(name) ?? { type: 'why', name: name as string }
}

function parseAcquire(params: Params): Request | Wrong {
  const known = [
    'names',
    'limit',
    'waitMs',
    'why',
    'command',
    'pid',
    'user',
    'positions',
    'detached',
  ]
  const wrong =
    unknownParam(params, known) ??
    wrongNames(params.names) ??
    wrongInfo(params) ??
    wrongPositions(params.positions) ??
    wrongDetached(params.detached)
  if (wrong !== undefined) return wrong
  const { limit, waitMs } = params
  if (!isInteger(limit, 0, HOLDERS_MAX)) {
    const advice = `write 0 for shared, 1 for exclusive, or how many may hold it, to ${HOLDERS_MAX}`
    return { wrong: `limit is ${show(limit)} (${advice})` }
  }
  const wrongTime = wrongWait(waitMs)
  if (wrongTime !== undefined) return wrongTime
  const info = readInfo(params)
  if (info === undefined) return { wrong: 'user and why are too long (together 400 bytes at most)' }
  return {
    type: 'acquire',
    names: params.names as readonly string[],
    limit: limit === 0 ? Infinity : limit,
    wait: waitMs === undefined ? undefined : milliseconds(waitMs as number),
    info,
    positions: params.positions !== false,
    detached: readDetached(params.detached),
  }
}

function parseRelease(params: Params): Request | Wrong {
  const { token, name, force } = params
  const wrong = unknownParam(params, ['token', 'name', 'force'])
  if (wrong !== undefined) return wrong
  if (force !== undefined && typeof force !== 'boolean') {
    return { wrong: `force is ${show(force)} (write true or false, or leave it out)` }
  }
  if (token !== undefined && name !== undefined) {
    return { wrong: 'token and name exclude each other (write one of them)' }
  }
  if (name === undefined) {
    if (!isToken(token)) return wrongToken(token)
    return { type: 'release', which: { token }, force: force === true }
  }
  const which = { name: name as string }
  return wrongName(name) ?? { type: 'release', which, force: force === true }
}

function parseAdopt(params: Params): Request | Wrong {
  const { names, token, until, pid } = params
  const known = ['names', 'token', 'until', 'pid']
  const wrong = unknownParam(params, known) ?? wrongNames(names) ?? wrongInfo(params)
  if (wrong !== undefined) return wrong
  if (!isToken(token)) return wrongToken(token)
  if (!(typeof until === 'number' && Number.isFinite(until))) {
    return { wrong: `until is ${show(until)} (write what lamportd told last of this lock)` }
  }
  const asked = { names: names as readonly string[], pid: pid as number | undefined }
  return { type: 'adopt', token, until: toInstant(until), ...asked }
}

function parseAnchor(params: Params): Request | Wrong {
  const { token } = params
  const wrong = unknownParam(params, ['token'])
  if (wrong !== undefined) return wrong
  return isToken(token) ? { type: 'anchor', token } : wrongToken(token)
}

function isToken(token: unknown): token is Token {
  return isInteger(token, 0, Number.MAX_SAFE_INTEGER)
}

function wrongToken(token: unknown): Wrong {
  return { wrong: `token is ${show(token)} (write the one that acquire answered)` }
}

function parseCancel(params: Params): Request | Wrong {
  const wrong = unknownParam(params, ['id'])
  if (wrong !== undefined) return wrong
  if (isRequestId(params.id)) return { type: 'cancel', target: params.id }
  return { wrong: `id is ${show(params.id)} (write that of the acquire)` }
}

function parseTrace(params: Params): Request | Wrong {
  const { follow, last } = params
  const wrong = unknownParam(params, ['follow', 'last'])
  if (wrong !== undefined) return wrong
  if (follow !== undefined && typeof follow !== 'boolean') {
    return { wrong: `follow is ${show(follow)} (write true or false, or leave it out)` }
  }
  if (last === undefined || isInteger(last, 0, Number.MAX_SAFE_INTEGER)) {
    return { type: 'trace', follow: follow === true, last }
  }
  return { wrong: `last is ${show(last)} (write how many events, or leave it out)` }
}

function wrongNames(names: unknown): Wrong | undefined {
  if (!Array.isArray(names) || !names.every(name => typeof name === 'string')) {
    return { wrong: `names is ${show(names)} (write a list of names: ["door"])` }
  }
  const wrong = checkNames(names)
  return wrong === undefined ? undefined : { wrong }
}

function wrongInfo(params: Params): Wrong | undefined {
  for (const key of ['why', 'command', 'user']) {
    const said = params[key]
    if (said === undefined || typeof said === 'string') continue
    return { wrong: `${key} is ${show(said)} (write a text, or leave it out)` }
  }
  if (params.pid === undefined || isInteger(params.pid, 1, PID_MAX)) return undefined
  return { wrong: `pid is ${show(params.pid)} (write a process id, or leave it out)` }
}

function wrongDetached(detached: unknown): Wrong | undefined {
  if (detached === undefined) return undefined
  if (!isObject(detached)) {
    return { wrong: `detached is ${show(detached)} (write {"ttlMs": 60000}, or leave it out)` }
  }
  const { ttlMs, pid } = detached
  const wrong = unknownParam(detached, ['ttlMs', 'pid'])
  if (wrong !== undefined) return wrong
  if (!(typeof ttlMs === 'number' && ttlMs > 0 && ttlMs <= TTL_MS_MAX)) {
    return { wrong: `ttlMs is ${show(ttlMs)} (write milliseconds, at most ${TTL_MS_MAX})` }
  }
  if (pid === undefined || isInteger(pid, 1, PID_MAX)) return undefined
  return { wrong: `pid is ${show(pid)} (write a process id, or leave it out)` }
}

function wrongPositions(positions: unknown): Wrong | undefined {
  if (positions === undefined || typeof positions === 'boolean') return undefined
  return { wrong: `positions is ${show(positions)} (write true or false, or leave it out)` }
}

/** Of checked parameters. */
function readDetached(detached: unknown): Of<'acquire'>['detached'] {
  if (!isObject(detached)) return undefined
  const { ttlMs, pid } = detached
  return { ttl: milliseconds(ttlMs as number), pid: pid as number | undefined }
}

function readInfo({ pid, user = '', command = '', why = '' }: Params): string | undefined {
  return encodeInfo({
    pid: pid as number | undefined,
    user: printable(user as string),
    command: printable(command as string),
    why: printable(why as string),
  })
}

function adviseMethod(method: string): string {
  const known = Object.keys(METHODS)
  const meant = nearest(method, known)
  const advice = meant === undefined ? `there are ${known.join(', ')}` : `write ${meant}`
  return `unknown method ${show(method)} (${advice})`
}

function isMethod(method: string): method is Request['type'] {
  return Object.hasOwn(METHODS, method)
}

function isRequestId(id: unknown): id is RequestId {
  if (typeof id === 'string') return id.length <= ID_LENGTH_MAX
  return typeof id === 'number' && Number.isFinite(id)
}

function invalid(id: RequestId | null, code: number, message: string): ParsedLine {
  return { id, error: { code, message } }
}

function invalidRequest(id: RequestId | null, message: string): ParsedLine {
  return invalid(id, ErrorCode.invalidRequest, message)
}
