import type {
  AcquireResult,
  CancelResult,
  ChangeParams,
  CurrentParams,
  ErrorObject,
  GetResult,
  HelloParams,
  HistoryEntry,
  HistoryResult,
  HolderEntry,
  LeaseParams,
  LockEntry,
  LockMode,
  LocksResult,
  LostParams,
  MetricsResult,
  NoMajorityData,
  QueuedParams,
  RequestId,
  DoctorFinding,
  DoctorResult,
  StatusResult,
  ValueField,
  VariableEntry,
  VarsEntry,
  VarsResult,
  VersionDiffersData,
  WatchResult,
  WhyResult,
} from '../control/protocol.ts'
import {
  arrayOf,
  isBoolean,
  isNumber,
  isObject,
  isString,
  nullable,
  objectOf,
  oneOf,
  optional,
  recordOf,
  type Shape,
} from './shape.ts'

/** One line of the daemon, as JSON-RPC 2.0 sorts them. */
export type DaemonLine =
  | { readonly type: 'result'; readonly id: RequestId; readonly result: unknown }
  | { readonly type: 'error'; readonly id: RequestId | null; readonly error: ErrorObject }
  | { readonly type: 'notification'; readonly method: string; readonly params: unknown }

const isError: Shape<ErrorObject> = objectOf<ErrorObject>({
  code: isNumber,
  message: isString,
  data: () => true,
})

/** The line, or `undefined` where it is not one that a daemon sends. */
export function parseLine(text: string): DaemonLine | undefined {
  const value = parseJson(text)
  if (!isObject(value) || value.jsonrpc !== '2.0') return undefined
  const { id, method } = value
  if (isString(method)) return { type: 'notification', method, params: value.params }
  if (id !== null && !isString(id) && !isNumber(id)) return undefined
  if (isError(value.error)) return { type: 'error', id, error: value.error }
  if (id === null || !('result' in value)) return undefined
  return { type: 'result', id, result: value.result }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const isHello: Shape<HelloParams> = objectOf<HelloParams>({
  protocol: isNumber,
  version: isString,
  host: objectOf<HelloParams['host']>({ id: isNumber, name: isString }),
})

export const isAcquireResult: Shape<AcquireResult> = objectOf<AcquireResult>({
  token: isNumber,
  until: nullable(isNumber),
  leaseMs: nullable(isNumber),
})

export const isCancelResult: Shape<CancelResult> = objectOf<CancelResult>({ wasGranted: isBoolean })

export const isLease: Shape<LeaseParams> = objectOf<LeaseParams>({
  token: isNumber,
  until: isNumber,
  leaseMs: isNumber,
})

export const isLost: Shape<LostParams> = objectOf<LostParams>({ token: isNumber, reason: isString })

export const isQueued: Shape<QueuedParams> = objectOf<QueuedParams>({
  id: (value): value is RequestId => isString(value) || isNumber(value),
  position: isNumber,
})

const HOLDER: { readonly [K in keyof HolderEntry]-?: Shape<HolderEntry[K]> } = {
  host: isString,
  hostId: isNumber,
  token: isNumber,
  mode: oneOf<LockMode>('exclusive', 'shared', 'count'),
  limit: isNumber,
  pid: optional(isNumber),
  user: optional(isString),
  command: optional(isString),
  why: optional(isString),
  sinceMs: isNumber,
  unattended: optional(oneOf<true>(true)),
  ttlMs: optional(isNumber),
  ghostMs: optional(isNumber),
}

export const isLocksResult: Shape<LocksResult> = arrayOf(
  objectOf<LockEntry>({
    name: isString,
    holders: arrayOf(objectOf<HolderEntry>(HOLDER)),
    waiters: arrayOf(objectOf<LockEntry['waiters'][number]>({ ...HOLDER, position: isNumber })),
  }),
)

const VARIABLE: { readonly [K in keyof VariableEntry]-?: Shape<VariableEntry[K]> } = {
  name: isString,
  value: optional(isValueField),
  deleted: optional(oneOf<true>(true)),
  version: isNumber,
  writer: nullable(
    objectOf<NonNullable<VariableEntry['writer']>>({ host: isString, time: isNumber }),
  ),
}

export const isVariableEntry: Shape<VariableEntry> = objectOf<VariableEntry>(VARIABLE)

export const isGetResult: Shape<GetResult> = objectOf<GetResult>({
  ...VARIABLE,
  majority: optional(isBoolean),
})

export const isVarsResult: Shape<VarsResult> = objectOf<VarsResult>({
  variables: arrayOf(objectOf<VarsEntry>({ ...VARIABLE, size: isNumber })),
  next: nullable(isString),
})

export const isHistoryResult: Shape<HistoryResult> = arrayOf(
  objectOf<HistoryEntry>({ ...VARIABLE, size: optional(isNumber) }),
)

export const isWatchResult: Shape<WatchResult> = objectOf<WatchResult>({ watch: isNumber })

export const isCurrentParams: Shape<CurrentParams> = objectOf<CurrentParams>({ watch: isNumber })

export const isChangeParams: Shape<ChangeParams> = objectOf<ChangeParams>({
  ...VARIABLE,
  watches: arrayOf(isNumber),
  initial: optional(oneOf<true>(true)),
  skipped: optional(isNumber),
})

export const isVersionDiffersData: Shape<VersionDiffersData> = objectOf<VersionDiffersData>({
  current: isVariableEntry,
})

export const isNoMajorityData: Shape<NoMajorityData> = objectOf<NoMajorityData>({
  effect: oneOf<NoMajorityData['effect']>('none', 'unknown'),
  seen: optional(isVariableEntry),
})

function isValueField(value: unknown): value is ValueField {
  return isString(value) || (isObject(value) && isString(value.base64))
}

type Host = StatusResult['hosts'][number]

export const isWhyResult: Shape<WhyResult> = objectOf<WhyResult>({
  name: isString,
  reasons: arrayOf(isString),
  holders: arrayOf(objectOf<HolderEntry>(HOLDER)),
  waiters: arrayOf(objectOf<LockEntry['waiters'][number]>({ ...HOLDER, position: isNumber })),
})

export const isDoctorResult: Shape<DoctorResult> = objectOf<DoctorResult>({
  findings: arrayOf(
    objectOf<DoctorFinding>({
      check: isString,
      state: oneOf<DoctorFinding['state']>('ok', 'warning', 'failure'),
      text: isString,
      advice: nullable(isString),
    }),
  ),
})

export const isMetricsResult: Shape<MetricsResult> = objectOf<MetricsResult>({
  contentType: isString,
  text: isString,
})

export const isStatusResult: Shape<StatusResult> = objectOf<StatusResult>({
  host: objectOf<StatusResult['host']>({ id: isNumber, name: isString }),
  cluster: isString,
  version: isString,
  keys: arrayOf(isString),
  incarnation: isNumber,
  uptimeMs: isNumber,
  clock: isNumber,
  view: nullable(
    objectOf<NonNullable<StatusResult['view']>>({ number: isNumber, members: arrayOf(isString) }),
  ),
  majority: isBoolean,
  leaseMs: isNumber,
  complete: isBoolean,
  blank: nullable(isString),
  grants: isNumber,
  connections: isNumber,
  variables: objectOf<StatusResult['variables']>({
    count: isNumber,
    bytes: isNumber,
    complete: isBoolean,
  }),
  hosts: arrayOf(
    objectOf<Host>({
      id: isNumber,
      name: isString,
      address: isString,
      self: isBoolean,
      votes: isNumber,
      state: oneOf<Host['state']>('member', 'heard', 'connected', 'silent'),
      rttMs: nullable(isNumber),
      loss: isNumber,
      silentMs: nullable(isNumber),
      key: nullable(isString),
      notice: nullable(isString),
      version: nullable(isString),
      differences: arrayOf(isString),
    }),
  ),
  notices: arrayOf(isString),
  messages: objectOf<StatusResult['messages']>({
    sent: recordOf(isNumber),
    received: recordOf(isNumber),
  }),
  datagrams: objectOf<StatusResult['datagrams']>({
    sent: isNumber,
    received: isNumber,
    retransmitted: isNumber,
    dropped: recordOf(isNumber),
  }),
})
