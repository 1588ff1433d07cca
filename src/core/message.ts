import { unreachable } from '../lib/assert.ts'
import { decode, encode } from '../lib/cbor.ts'
import { TIME_LIMIT, type HostId } from './clock.ts'

/** One request as its owner made it. The owner alone creates and removes it. */
export type LockRequest = {
  readonly time: number
  readonly host: HostId
  /** Sorted, without duplicates, 1..64 of them. */
  readonly names: readonly string[]
  /** How many may be inside: 1 a mutex, k a semaphore, Infinity a reader. */
  readonly limit: number
  /** For people: who asks, and why; at most 512 bytes; opaque to the rules. */
  readonly info: string
}

/**
 * The messages of the mutex (Lamport 1978, rules 1-5), on channel 0. `view` is the sender's view
 * number and `time` the sender's clock at the send; of a REQUEST it is the request's timestamp.
 */
export type MutexMessage =
  | {
      readonly type: 'request'
      readonly view: number
      readonly time: number
      readonly names: readonly string[]
      readonly limit: number
      readonly info: string
    }
  /** I have your request with this time: explicit, and for each request. */
  | {
      readonly type: 'reply'
      readonly view: number
      readonly time: number
      readonly request: number
    }
  /** Remove my request with this time, wherever it stands in the queue. */
  | {
      readonly type: 'release'
      readonly view: number
      readonly time: number
      readonly request: number
    }
  /** All my outstanding requests, in parts; it counts when the last part has come. */
  | {
      readonly type: 'sync'
      readonly view: number
      readonly time: number
      readonly requests: readonly Omit<LockRequest, 'host'>[]
      readonly last: boolean
    }

export type Message = MutexMessage

/** Names a request may have, and bytes of UTF-8 in each; bytes of `info`. */
export const NAMES_MAX = 64
export const NAME_BYTES_MAX = 255
export const INFO_BYTES_MAX = 512

/** What is no message, and why. */
export type Malformed = { readonly malformed: string }

/** On the wire a message is a CBOR list that begins with its number. */
const Kind = { request: 1, reply: 2, release: 3, sync: 4 } as const

/** A message as CBOR, for one payload of a channel. */
export function encodeMessage(message: Message): Uint8Array {
  const { view, time } = message
  switch (message.type) {
    case 'request':
      return encode([Kind.request, view, time, ...requestFields(message)])
    case 'reply':
      return encode([Kind.reply, view, time, message.request])
    case 'release':
      return encode([Kind.release, view, time, message.request])
    case 'sync': {
      const requests = message.requests.map(request => [request.time, ...requestFields(request)])
      return encode([Kind.sync, view, time, requests, message.last])
    }
    default:
      return unreachable(message)
  }
}

/** Reads a payload. It came from a host of ours, but perhaps from one with a fault: never throws. */
export function decodeMessage(payload: Uint8Array): Message | Malformed {
  const value = decode(payload)
  if (!Array.isArray(value)) return { malformed: 'not a list' }
  const [kind, view, time, ...fields] = value as unknown[]
  if (!isTime(view)) return { malformed: 'no view number' }
  if (!isTime(time)) return { malformed: 'no time' }
  switch (kind) {
    case Kind.request: {
      const body = parseRequestFields(fields)
      return body === undefined
        ? { malformed: 'REQUEST without its fields' }
        : { type: 'request', view, time, ...body }
    }
    case Kind.reply:
    case Kind.release: {
      const type = kind === Kind.reply ? 'reply' : 'release'
      const [request] = fields
      if (fields.length !== 1 || !isTime(request)) return { malformed: `${type} without a time` }
      return { type, view, time, request }
    }
    case Kind.sync: {
      const [list, last] = fields
      if (!Array.isArray(list) || typeof last !== 'boolean')
        return { malformed: 'SYNC in disorder' }
      const requests = []
      for (const item of list as unknown[]) {
        const request = parseTimedRequest(item)
        if (request === undefined) return { malformed: 'SYNC with a request in disorder' }
        requests.push(request)
      }
      return { type: 'sync', view, time, requests, last }
    }
    default:
      return { malformed: 'no known kind' }
  }
}

type RequestBody = Omit<LockRequest, 'host' | 'time'>

/** CBOR has an infinity, but three bytes of it; 0 is free. */
function requestFields({ names, limit, info }: RequestBody): unknown[] {
  return [names, limit === Infinity ? 0 : limit, info]
}

function parseTimedRequest(value: unknown): Omit<LockRequest, 'host'> | undefined {
  if (!Array.isArray(value)) return undefined
  const [time, ...fields] = value as unknown[]
  const body = parseRequestFields(fields)
  return isTime(time) && body !== undefined ? { time, ...body } : undefined
}

function parseRequestFields(fields: readonly unknown[]): RequestBody | undefined {
  const [names, limit, info] = fields
  if (fields.length !== 3 || !isNames(names) || !isTime(limit)) return undefined
  if (typeof info !== 'string' || info.length > INFO_BYTES_MAX) return undefined
  return { names, limit: limit === 0 ? Infinity : limit, info }
}

/** Sorted and different from each other, so that one request has one form. */
function isNames(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > NAMES_MAX) return false
  return (value as unknown[]).every(
    (name, i, all) =>
      typeof name === 'string' &&
      name.length > 0 &&
      name.length <= NAME_BYTES_MAX &&
      (i === 0 || (all[i - 1] as string) < name),
  )
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < TIME_LIMIT
}
