import { unreachable } from '../lib/assert.ts'
import type { HostId } from './clock.ts'
import { pastOf } from './past.ts'

/** Bytes of one value. */
export const VALUE_BYTES_MAX: number = 64 * 1024

/** Who wrote a version: the host, and the Lamport time of its operation. The pair is unique. */
export type Writer = { readonly host: HostId; readonly time: number }

/** The newest operation of one host that a value contains, and the version that it made. */
export type AppliedOperation = {
  readonly host: HostId
  readonly operation: number
  readonly version: number
}

/** What the register of a variable holds (a *chosen* value, once a majority has accepted it). */
export type VariableValue = {
  /** `undefined`: unset; the rest stays, so that versions rise for ever. */
  readonly bytes: Uint8Array | undefined
  readonly version: number
  readonly writer: Writer
  /** By which a host that tries again finds that it need not. */
  readonly applied: readonly AppliedOperation[]
  /** The versions before, see `past.ts`. */
  readonly past: Uint8Array
}

/** Names one value of a variable: there are never two of one version by one writer. */
export type VersionName = { readonly version: number; readonly writer: Writer }

export function isSameVersion(a: VersionName, b: VersionName): boolean {
  const isSameWriter = a.writer.host === b.writer.host && a.writer.time === b.writer.time
  return isSameWriter && a.version === b.version
}

/** A shared variable as a client is told of it. */
export type Variable = {
  readonly name: string
  /** `undefined`: not set, or unset again. Nobody changes them. */
  readonly bytes: Uint8Array | undefined
  /** Rises by one with each change, for ever; 0: it was never set. */
  readonly version: number
  /** `undefined`: it was never set. */
  readonly writer: Writer | undefined
}

/** On what a change rests. */
export type Condition =
  | { readonly type: 'always' }
  /** Only while the variable has this version; 0: only if it was never set. */
  | { readonly type: 'version'; readonly version: number }
  /** Only if it has no value: never set, or unset. */
  | { readonly type: 'absent' }

/** One version of a variable, for `history`. */
export type PastVersion = {
  readonly version: number
  readonly writer: Writer
  /** Bytes of its value; `undefined`: it was unset. */
  readonly size: number | undefined
  /** `undefined`: unset, or no longer kept by this host. */
  readonly bytes: Uint8Array | undefined
}

/** What one host knows of all variables. */
export type VariablesStatus = {
  /** With a value. */
  readonly count: number
  /** Bytes of all values. */
  readonly bytes: number
  /** Whether everything that a majority knew when this host joined it is known here too. */
  readonly complete: boolean
}

/** What clients are told of a value. */
export function variableOf(name: string, value: VariableValue | undefined): Variable {
  if (value === undefined) return { name, bytes: undefined, version: 0, writer: undefined }
  const { bytes, version, writer } = value
  return { name, bytes, version, writer }
}

/** Whether a change may be made to what there is. */
export function isMet(condition: Condition, current: VariableValue | undefined): boolean {
  switch (condition.type) {
    case 'always':
      return true
    case 'version':
      return (current?.version ?? 0) === condition.version
    case 'absent':
      return current?.bytes === undefined
    default:
      return unreachable(condition)
  }
}

/** The value after `current`, made by this operation of this host. */
export function nextValue(
  current: VariableValue | undefined,
  bytes: Uint8Array | undefined,
  writer: Writer,
): VariableValue {
  const version = (current?.version ?? 0) + 1
  const others = (current?.applied ?? []).filter(({ host }) => host !== writer.host)
  const applied = [...others, { host: writer.host, operation: writer.time, version }]
  return { bytes, version, writer, applied, past: pastOf(current) }
}
