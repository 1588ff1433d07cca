import { unreachable } from '../lib/assert.ts'
import { decode, encode } from '../lib/cbor.ts'
import { ballotFields, isHostId, isName, isTime, parseBallot, parseList } from './fields.ts'
import type { CatchUpMessage, CopiedRecord, VariableMessage } from './message.ts'
import { isPast } from './past.ts'
import type { AcceptorRecord, Ballot } from './register.ts'
import {
  VALUE_BYTES_MAX,
  type AppliedOperation,
  type VariableValue,
  type VersionName,
} from './variable.ts'

/** What is kept of bytes that are used again. */
export type Keep = (bytes: Uint8Array) => Uint8Array

/** What an acceptor of a variable must not forget, as it is stored. */
export function encodeRecord({
  promised,
  accepted,
  value,
}: AcceptorRecord<VariableValue>): Uint8Array {
  return encode([ballotFields(promised), ballotFields(accepted), valueFields(value)])
}

/** @param keep what is to be kept of bytes */
export function decodeRecord(
  bytes: Uint8Array,
  keep: Keep,
): AcceptorRecord<VariableValue> | undefined {
  const list = decode(bytes)
  if (!Array.isArray(list)) return undefined
  // By index, here and below: a start reads thousands of them with cold code.
  const fields = list as readonly unknown[]
  const promised = parseBallot(fields[0])
  const accepted = parseBallot(fields[1])
  if (promised === undefined || accepted === undefined) return undefined
  if (fields[2] === null) return { promised, accepted, value: undefined }
  const value = parseValue(fields[2], keep)
  return value && { promised, accepted, value }
}

export function encodeBallot(ballot: Ballot): Uint8Array {
  return encode(ballotFields(ballot))
}

export function decodeBallot(bytes: Uint8Array): Ballot | undefined {
  return parseBallot(decode(bytes))
}

/** What was chosen: its version where the acceptor's record has the value as well, else the value. */
export function encodeChosen(chosen: VariableValue | VersionName): Uint8Array {
  return encode('applied' in chosen ? valueFields(chosen) : versionFields(chosen))
}

/** @param keep what is to be kept of bytes */
export function decodeChosen(
  bytes: Uint8Array,
  keep: Keep,
): VariableValue | VersionName | undefined {
  const list = decode(bytes)
  if (!Array.isArray(list)) return undefined
  return list.length === VERSION_FIELDS ? parseVersion(list) : parseValue(list, keep)
}

export function variableFields(message: VariableMessage): readonly unknown[] {
  switch (message.type) {
    case 'variable-prepare':
    case 'variable-accepted':
      return [message.name, ballotFields(message.ballot)]
    case 'variable-promise': {
      const { name, ballot, accepted, value } = message
      return [name, ballotFields(ballot), ballotFields(accepted), valueFields(value)]
    }
    case 'variable-conflict':
      return [message.name, ballotFields(message.ballot), ballotFields(message.promised)]
    case 'variable-accept': {
      const { name, ballot, value, next } = message
      return [name, ballotFields(ballot), ballotFields(next), valueFields(value)]
    }
    case 'variable-learn':
      return [message.name, versionFields(message.version)]
    case 'variable-read': {
      const { name, read, known } = message
      return [name, read, known === undefined ? null : versionFields(known)]
    }
    case 'variable-state': {
      const { name, read, accepted, value } = message
      return [name, read, ballotFields(accepted), value === 'known' || valueFields(value)]
    }
    default:
      return unreachable(message)
  }
}

export function parseVariableFields(
  type: VariableMessage['type'],
  time: number,
  [name, first, second, third]: readonly unknown[],
): VariableMessage | undefined {
  if (!isName(name)) return undefined
  switch (type) {
    case 'variable-learn': {
      const version = parseVersion(first)
      return version && { type, time, name, version }
    }
    case 'variable-read': {
      const known = second === null ? undefined : parseVersion(second)
      if (!isTime(first) || (second !== null && known === undefined)) return undefined
      return { type, time, name, read: first, known }
    }
    case 'variable-state': {
      const accepted = parseBallot(second)
      const parsed = third === true ? { value: 'known' as const } : parseOptionalValue(third)
      if (!isTime(first) || accepted === undefined || parsed === undefined) return undefined
      return { type, time, name, read: first, accepted, value: parsed.value }
    }
    default:
      return parseRoundFields(type, time, name, [first, second, third])
  }
}

function parseRoundFields(
  type: Exclude<VariableMessage['type'], 'variable-learn' | 'variable-read' | 'variable-state'>,
  time: number,
  name: string,
  [first, second, third]: readonly unknown[],
): VariableMessage | undefined {
  const ballot = parseBallot(first)
  if (ballot === undefined) return undefined
  switch (type) {
    case 'variable-prepare':
    case 'variable-accepted':
      return { type, time, name, ballot }
    case 'variable-conflict': {
      const promised = parseBallot(second)
      return promised && { type, time, name, ballot, promised }
    }
    case 'variable-promise': {
      const accepted = parseBallot(second)
      const parsed = parseOptionalValue(third)
      if (accepted === undefined || parsed === undefined) return undefined
      return { type, time, name, ballot, accepted, value: parsed.value }
    }
    case 'variable-accept': {
      const next = parseBallot(second)
      const value = parseValue(third)
      if (next === undefined || value === undefined) return undefined
      return { type, time, name, ballot, value, next }
    }
    default:
      return unreachable(type)
  }
}

export function catchUpFields(message: CatchUpMessage): readonly unknown[] {
  switch (message.type) {
    case 'compare':
      return [message.buckets]
    case 'listing': {
      const { entries, last } = message
      return [entries.map(({ name, version }) => [name, ...versionFields(version)]), last]
    }
    case 'want':
      return [message.names]
    case 'values': {
      const { entries, last } = message
      return [entries.map(({ name, value }) => [name, valueFields(value)]), last]
    }
    case 'fetch':
      return [message.floor, message.index]
    case 'records': {
      const { floor, index, records } = message
      return [floor, index, records.map(recordFields)]
    }
    case 'copy':
      return [message.floor, message.names]
    case 'copies': {
      const { floor, entries, last } = message
      return [floor, entries.map(({ name, value }) => [name, valueFields(value)]), last]
    }
    default:
      return unreachable(message)
  }
}

export function parseCatchUpFields(
  type: CatchUpMessage['type'],
  time: number,
  [first, second, third]: readonly unknown[],
): CatchUpMessage | undefined {
  switch (type) {
    case 'compare': {
      const buckets = parseList(first, item => (isTime(item) ? item : undefined))
      return buckets && { type, time, buckets }
    }
    case 'listing': {
      const entries = parseList(first, parseListed)
      if (entries === undefined || typeof second !== 'boolean') return undefined
      return { type, time, entries, last: second }
    }
    case 'want': {
      const names = parseList(first, item => (isName(item) ? item : undefined))
      return names && { type, time, names }
    }
    case 'values': {
      const entries = parseList(first, parseEntry)
      if (entries === undefined || typeof second !== 'boolean') return undefined
      return { type, time, entries, last: second }
    }
    case 'fetch':
      if (!isTime(first) || !isTime(second)) return undefined
      return { type, time, floor: first, index: second }
    case 'records': {
      const records = parseList(third, parseCopied)
      if (!isTime(first) || !isTime(second) || records === undefined) return undefined
      return { type, time, floor: first, index: second, records }
    }
    case 'copy': {
      const names = parseList(second, item => (isName(item) ? item : undefined))
      return isTime(first) && names !== undefined ? { type, time, floor: first, names } : undefined
    }
    case 'copies': {
      const entries = parseList(second, parseEntry)
      if (!isTime(first) || entries === undefined || typeof third !== 'boolean') return undefined
      return { type, time, floor: first, entries, last: third }
    }
    default:
      return unreachable(type)
  }
}

function valueFields(value: VariableValue | undefined): readonly unknown[] | null {
  if (value === undefined) return null
  const { bytes, applied, past } = value
  const operations = applied.flatMap(({ host, operation, version }) => [host, operation, version])
  return [...versionFields(value), bytes ?? null, operations, past]
}

function parseOptionalValue(
  value: unknown,
): { readonly value: VariableValue | undefined } | undefined {
  if (value === null) return { value: undefined }
  const parsed = parseValue(value)
  return parsed && { value: parsed }
}

/** @param keep what is to be kept of bytes; those of a message share the memory of a datagram */
function parseValue(value: unknown, keep: Keep = copied): VariableValue | undefined {
  if (!Array.isArray(value) || value.length !== VALUE_FIELDS) return undefined
  const fields = value as readonly unknown[]
  const name = parseLeadingVersion(fields)
  const bytes = fields[3]
  const applied = parseApplied(fields[4])
  const past = fields[5]
  if (name === undefined || applied === undefined || !isPast(past, name.version)) return undefined
  if (bytes !== null && !(bytes instanceof Uint8Array)) return undefined
  if (bytes !== null && bytes.length > VALUE_BYTES_MAX) return undefined
  return {
    bytes: bytes === null ? undefined : keep(bytes),
    version: name.version,
    writer: name.writer,
    applied,
    past: past.length === 0 ? NOTHING : keep(past),
  }
}

function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

const NOTHING = new Uint8Array()

function parseApplied(value: unknown): AppliedOperation[] | undefined {
  if (!Array.isArray(value) || value.length % 3 !== 0) return undefined
  const fields = value as readonly unknown[]
  const applied: AppliedOperation[] = []
  for (let at = 0; at < fields.length; at += 3) {
    const host = fields[at]
    const operation = fields[at + 1]
    const version = fields[at + 2]
    if (!isHostId(host) || !isTime(operation) || !isTime(version)) return undefined
    applied.push({ host, operation, version })
  }
  return applied
}

function versionFields({ version, writer }: VersionName): readonly unknown[] {
  return [version, writer.host, writer.time]
}

const VERSION_FIELDS = 3
const VALUE_FIELDS = VERSION_FIELDS + 3

function parseVersion(value: unknown): VersionName | undefined {
  if (!Array.isArray(value) || value.length !== VERSION_FIELDS) return undefined
  return parseLeadingVersion(value)
}

/** The first fields. */
function parseLeadingVersion(fields: readonly unknown[]): VersionName | undefined {
  const version = fields[0]
  const host = fields[1]
  const time = fields[2]
  if (!isTime(version) || version === 0 || !isHostId(host) || !isTime(time)) return undefined
  return { version, writer: { host, time } }
}

function parseListed(value: unknown): { name: string; version: VersionName } | undefined {
  if (!Array.isArray(value)) return undefined
  const [name, ...fields] = value as unknown[]
  const version = parseVersion(fields)
  return isName(name) && version !== undefined ? { name, version } : undefined
}

function parseEntry(value: unknown): { name: string; value: VariableValue } | undefined {
  if (!Array.isArray(value)) return undefined
  const [name, fields] = value as unknown[]
  const parsed = parseValue(fields)
  return isName(name) && parsed !== undefined ? { name, value: parsed } : undefined
}

function recordFields({ name, accepted, isChosen }: CopiedRecord): readonly unknown[] {
  return [name, ballotFields(accepted), isChosen]
}

function parseCopied(fields: unknown): CopiedRecord | undefined {
  if (!Array.isArray(fields)) return undefined
  const [name, ballot, isChosen] = fields as unknown[]
  const accepted = parseBallot(ballot)
  if (!isName(name) || accepted === undefined) return undefined
  return typeof isChosen === 'boolean' ? { name, accepted, isChosen } : undefined
}
