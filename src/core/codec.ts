import { unreachable } from '../lib/assert.ts'
import { decode, encode } from '../lib/cbor.ts'
import { milliseconds } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import {
  ballotFields,
  isHostId,
  isListOf,
  isStamp,
  isTime,
  parseBallot,
  parseList,
  parsePair,
} from './fields.ts'
import type { Heartbeat } from './hearing.ts'
import {
  isCatchUpMessage,
  isVariableMessage,
  MESSAGE_TYPES,
  type BlankMessage,
  type Message,
  type MessageType,
  type MutexMessage,
  type RecoveryPhase,
} from './message.ts'
import type { AcceptorRecord } from './register.ts'
import {
  isInfo,
  parseGhost,
  parseRequestFields,
  parseTimedRequest,
  requestFields,
  timedFields,
} from './request-codec.ts'
import type { Memory } from './memory.ts'
import type { SafetyTable } from './table.ts'
import {
  catchUpFields,
  parseCatchUpFields,
  parseVariableFields,
  variableFields,
} from './variable-codec.ts'
import type { Member, View } from './view.ts'

/** What is no message, and why. */
export type Malformed = { readonly malformed: string }

const KINDS = Object.fromEntries(MESSAGE_TYPES.map((type, i) => [type, i + 1])) as Readonly<
  Record<MessageType, number>
>

/** On the wire a message is a CBOR list: its number, its time, its fields. */
export function encodeMessage(message: Message): Uint8Array {
  return encode([KINDS[message.type], message.time, ...fieldsOf(message)])
}

/** Reads a payload. It came from a host of ours, but perhaps from one with a fault: never throws. */
export function decodeMessage(payload: Uint8Array): Message | Malformed {
  const value = decode(payload)
  if (!Array.isArray(value)) return { malformed: 'not a list' }
  const [kind, time, ...fields] = value as unknown[]
  const type = typeof kind === 'number' ? MESSAGE_TYPES[kind - 1] : undefined
  if (type === undefined) return { malformed: 'no known kind' }
  if (!isTime(time)) return { malformed: `${type} without a time` }
  return parseFields(type, time, fields) ?? { malformed: `${type} with fields in disorder` }
}

/** What of a heartbeat is true or false, in one number. */
const WHOLE = 1
const CALM = 2
const RARE = 4

/** A heartbeat as the payload of a DGRAM frame. */
export function encodeHeartbeat(heartbeat: Heartbeat): Uint8Array {
  const { incarnation, stamp, echo, view, heard, digest, whole, isCalm, isRare } = heartbeat
  const flags = (whole ? WHOLE : 0) | (isCalm ? CALM : 0) | (isRare ? RARE : 0)
  return encode([incarnation, stamp, echo ?? null, view, heard, digest, flags])
}

export function decodeHeartbeat(payload: Uint8Array): Heartbeat | Malformed {
  const value = decode(payload)
  if (!Array.isArray(value) || value.length !== 7) return { malformed: 'no heartbeat' }
  const [incarnation, stamp, echo, view, heard, digest, flags] = value as unknown[]
  if (!isTime(incarnation) || !isStamp(stamp) || !isTime(view)) return { malformed: 'heartbeat' }
  if (echo !== null && !isStamp(echo)) return { malformed: 'heartbeat with no echo' }
  if (!isListOf(heard, isHostId)) return { malformed: 'heartbeat with no hosts' }
  if (!isTime(digest) || !isTime(flags)) return { malformed: 'heartbeat with no digest' }
  const has = (flag: number): boolean => (flags & flag) !== 0
  const [whole, isCalm, isRare] = [has(WHOLE), has(CALM), has(RARE)]
  return { incarnation, stamp, echo: echo ?? undefined, view, heard, digest, whole, isCalm, isRare }
}

/** What an acceptor must not forget, as it is stored. */
export function encodeAcceptor({ promised, accepted, value }: AcceptorRecord<View>): Uint8Array {
  return encode([ballotFields(promised), ballotFields(accepted), viewFields(value)])
}

export function decodeAcceptor(bytes: Uint8Array): AcceptorRecord<View> | Malformed {
  const list = decode(bytes)
  if (!Array.isArray(list)) return { malformed: 'acceptor record' }
  const [first, second, third] = list as unknown[]
  const [promised, accepted] = [parseBallot(first), parseBallot(second)]
  const view = parseOptionalView(third)
  if (promised === undefined || accepted === undefined || view === undefined) {
    return { malformed: 'acceptor record' }
  }
  return { promised, accepted, value: view.view }
}

function fieldsOf(message: Message): readonly unknown[] {
  if (isVariableMessage(message)) {
    return isCatchUpMessage(message) ? catchUpFields(message) : variableFields(message)
  }
  switch (message.type) {
    case 'request':
      return [message.view, ...requestFields(message, 0)]
    case 'pass':
      return [message.view, message.request, message.used, message.info]
    case 'reply':
    case 'release':
    case 'adopt':
      return [message.view, message.request]
    case 'sync': {
      const { view, basis, last } = message
      const requests = message.requests.map(request => timedFields(request))
      const ghosts = message.ghosts.map(ghost => [ghost.host, ghost.remaining, timedFields(ghost)])
      return [view, basis, requests, ghosts, last]
    }
    case 'leave':
      return [message.view, message.incarnation, message.since]
    case 'prepare':
    case 'accepted':
      return [ballotFields(message.ballot)]
    case 'promise': {
      const { ballot, accepted, value } = message
      return [ballotFields(ballot), ballotFields(accepted), viewFields(value)]
    }
    case 'conflict':
      return [ballotFields(message.ballot), ballotFields(message.promised)]
    case 'accept':
      return [ballotFields(message.ballot), viewFields(message.value)]
    case 'learn':
      return [viewFields(message.value)]
    case 'blank':
      return [message.life, message.phase, message.floor, message.remembers]
    case 'answer': {
      const { to, phase, ready, accepted, value, known, memory } = message
      const { life, foundedWith, newcomer, isNewcomer } = message
      const register = [ballotFields(accepted), viewFields(value), known, memoryFields(memory)]
      const lives = [life, foundedWith, newcomer, isNewcomer]
      return [to, phase, ready, ...register, ...lives, message.records]
    }
    default:
      return unreachable(message)
  }
}

function parseFields(
  type: MessageType,
  time: number,
  fields: readonly unknown[],
): Message | undefined {
  switch (type) {
    case 'request':
    case 'reply':
    case 'release':
    case 'adopt':
    case 'pass':
    case 'sync':
    case 'leave':
      return parseMutexFields(type, time, fields)
    case 'prepare':
    case 'promise':
    case 'conflict':
    case 'accept':
    case 'accepted':
    case 'learn':
      return parseRegisterFields(type, time, fields)
    case 'blank':
    case 'answer':
      return parseBlankFields(type, time, fields)
    case 'variable-prepare':
    case 'variable-promise':
    case 'variable-conflict':
    case 'variable-accept':
    case 'variable-accepted':
    case 'variable-learn':
    case 'variable-read':
    case 'variable-state':
      return parseVariableFields(type, time, fields)
    case 'compare':
    case 'listing':
    case 'want':
    case 'values':
    case 'fetch':
    case 'records':
    case 'copy':
    case 'copies':
      return parseCatchUpFields(type, time, fields)
    default:
      return unreachable(type)
  }
}

function parseMutexFields(
  type: MutexMessage['type'],
  time: number,
  [view, ...fields]: readonly unknown[],
): Message | undefined {
  if (!isTime(view)) return undefined
  const [first] = fields
  switch (type) {
    case 'request': {
      const body = parseRequestFields(fields)
      if (body === undefined || body.used > 0 || fields.length > 5) return undefined
      if (!isTime(time + body.span)) return undefined
      const { names, limit, info, span } = body
      return { type, view, time, names, limit, info, span }
    }
    case 'reply':
    case 'release':
    case 'adopt':
      return isTime(first) && fields.length === 1 ? { type, view, time, request: first } : undefined
    case 'pass': {
      const [request, used, info] = fields
      if (!isTime(request) || !isTime(used) || !isInfo(info) || fields.length > 3) return undefined
      return { type, view, time, request, used, info }
    }
    case 'leave':
      if (!isTime(first) || !isTime(fields[1])) return undefined
      return { type, view, time, incarnation: first, since: fields[1] }
    case 'sync': {
      const [basis, requestList, ghostList, last] = fields
      const requests = parseList(requestList, parseTimedRequest)
      const ghosts = parseList(ghostList, parseGhost)
      if (requests === undefined || ghosts === undefined) return undefined
      if (typeof basis !== 'boolean' || typeof last !== 'boolean') return undefined
      return { type, view, time, basis, requests, ghosts, last }
    }
    default:
      return unreachable(type)
  }
}

function parseRegisterFields(
  type: 'prepare' | 'promise' | 'conflict' | 'accept' | 'accepted' | 'learn',
  time: number,
  [first, second, third]: readonly unknown[],
): Message | undefined {
  if (type === 'learn') {
    const value = parseView(first)
    return value === undefined ? undefined : { type, time, value }
  }
  const ballot = parseBallot(first)
  if (ballot === undefined) return undefined
  switch (type) {
    case 'prepare':
    case 'accepted':
      return { type, time, ballot }
    case 'promise': {
      const accepted = parseBallot(second)
      const view = parseOptionalView(third)
      if (accepted === undefined || view === undefined) return undefined
      return { type, time, ballot, accepted, value: view.view }
    }
    case 'conflict': {
      const promised = parseBallot(second)
      return promised === undefined ? undefined : { type, time, ballot, promised }
    }
    case 'accept': {
      const value = parseView(second)
      return value === undefined ? undefined : { type, time, ballot, value }
    }
    default:
      return unreachable(type)
  }
}

function parseBlankFields(
  type: 'blank' | 'answer',
  time: number,
  fields: readonly unknown[],
): Message | undefined {
  const [life, phase, third, fourth] = fields
  if (!isTime(life) || !isPhase(phase)) return undefined
  if (type === 'blank') {
    if (!isTime(third) || typeof fourth !== 'boolean') return undefined
    return { type, time, life, phase, floor: third, remembers: fourth }
  }
  const answer = parseAnswer(fields.slice(2))
  return answer === undefined ? undefined : { type, time, to: life, phase, ...answer }
}

type Answer = Extract<BlankMessage, { readonly type: 'answer' }>

function parseAnswer(
  fields: readonly unknown[],
): Omit<Answer, 'type' | 'time' | 'to' | 'phase'> | undefined {
  const [ready, ballot, value, known, memoryList, ...names] = fields
  const [life, foundedWith, newcomer, isNewcomer, records] = names
  const accepted = parseBallot(ballot)
  const view = parseOptionalView(value)
  const memory = memoryList === null ? undefined : parseMemory(memoryList)
  if (typeof ready !== 'boolean' || !isTime(known) || typeof isNewcomer !== 'boolean')
    return undefined
  if (accepted === undefined || view === undefined) return undefined
  if (memoryList !== null && memory === undefined) return undefined
  if (!isTime(life) || !isTime(foundedWith) || !isTime(newcomer)) return undefined
  if (!isTime(records)) return undefined
  const said = { ready, accepted, value: view.view, known, memory }
  return { ...said, life, foundedWith, newcomer, isNewcomer, records }
}

function memoryFields(memory: Memory | undefined): unknown {
  if (memory === undefined) return null
  return [tableFields(memory.voted), tableFields(memory.pledged)]
}

function parseMemory(value: unknown): Memory | undefined {
  if (!Array.isArray(value)) return undefined
  const [first, second] = value as unknown[]
  const [voted, pledged] = [parseTable(first), parseTable(second)]
  return voted === undefined || pledged === undefined ? undefined : { voted, pledged }
}

/** A table as a part of something larger, on the wire and in the store. */
export function tableFields({ hosts, timing }: SafetyTable): unknown {
  return [hosts.map(({ id, votes }) => [id, votes]), timing.lease, timing.drift]
}

export function parseTable(value: unknown): SafetyTable | undefined {
  if (!Array.isArray(value)) return undefined
  const [list, lease, drift] = value as unknown[]
  const lines = parseList(list, parsePair)
  if (lines === undefined || lines.length === 0) return undefined
  if (!isStamp(lease) || !isStamp(drift) || lease <= 0 || drift < 0) return undefined
  const hosts = lines.map(([id, votes]) => ({ id, votes }))
  return { hosts, timing: { lease: milliseconds(lease), drift } }
}

function viewFields(view: View | undefined): unknown {
  if (view === undefined) return null
  const members = [...view.members].map(([host, m]) => [host, m.incarnation, m.since])
  return [view.number, members, [...view.retired], view.isFirst]
}

function parseOptionalView(value: unknown): { readonly view: View | undefined } | undefined {
  if (value === null) return { view: undefined }
  const view = parseView(value)
  return view === undefined ? undefined : { view }
}

function parseView(value: unknown): View | undefined {
  if (!Array.isArray(value)) return undefined
  const [number, memberList, retiredList, isFirst] = value as unknown[]
  const members = parseList(memberList, parseMember)
  const retired = parseList(retiredList, parsePair)
  if (!isTime(number) || members === undefined || retired === undefined) return undefined
  if (typeof isFirst !== 'boolean') return undefined
  return { number, members: new Map(members), retired: new Map(retired), isFirst }
}

function parseMember(value: unknown): [HostId, Member] | undefined {
  if (!Array.isArray(value)) return undefined
  const [host, incarnation, since] = value as unknown[]
  if (!isHostId(host) || !isTime(incarnation) || !isTime(since)) return undefined
  return [host, { incarnation, since }]
}

function isPhase(value: unknown): value is RecoveryPhase {
  return value === 0 || value === 1 || value === 2
}
