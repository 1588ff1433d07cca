import { isHostId, isName, isStamp, isTime } from './fields.ts'
import { INFO_BYTES_MAX, NAMES_MAX, SPAN_MAX, type Ghost, type LockRequest } from './message.ts'

// Requests of locks as lists of CBOR, as they are in REQUEST and SYNC: read, or `undefined`.

type RequestBody = Omit<LockRequest, 'host' | 'time'>

/** CBOR has an infinity, but three bytes of it; 0 is free. What stands for one entry says no more. */
export function requestFields(
  { names, limit, info, span }: Pick<RequestBody, 'names' | 'limit' | 'info' | 'span'>,
  used: number,
): unknown[] {
  const fields = [names, limit === Infinity ? 0 : limit, info]
  return span === 1 ? fields : [...fields, span, used]
}

/** Of a request as one among others: its time comes first. */
export function timedFields(request: Omit<LockRequest, 'host'>): unknown[] {
  return [request.time, ...requestFields(request, request.used)]
}

export function parseTimedRequest(value: unknown): Omit<LockRequest, 'host'> | undefined {
  if (!Array.isArray(value)) return undefined
  const [time, ...fields] = value as unknown[]
  const body = parseRequestFields(fields)
  if (!isTime(time) || body === undefined || !isTime(time + body.span)) return undefined
  return { time, ...body }
}

export function parseGhost(value: unknown): Ghost | undefined {
  if (!Array.isArray(value)) return undefined
  const [host, remaining, fields] = value as unknown[]
  const request = parseTimedRequest(fields)
  if (request === undefined) return undefined
  return isHostId(host) && isStamp(remaining) ? { ...request, host, remaining } : undefined
}

export function parseRequestFields(fields: readonly unknown[]): RequestBody | undefined {
  const [names, limit, info, span = 1, used = 0] = fields
  if (!isNames(names) || !isTime(limit) || !isInfo(info)) return undefined
  if (!isTime(span) || span < 1 || span > SPAN_MAX || !isTime(used) || used >= span)
    return undefined
  return { names, limit: limit === 0 ? Infinity : limit, info, span, used }
}

export function isInfo(value: unknown): value is string {
  return typeof value === 'string' && value.length <= INFO_BYTES_MAX
}

/** Sorted and different from each other, so that one request has one form. */
function isNames(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > NAMES_MAX) return false
  return (value as unknown[]).every(
    (name, i, all) => isName(name) && (i === 0 || (all[i - 1] as string) < name),
  )
}
