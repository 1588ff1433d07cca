import type { HistoryEntry, VariableEntry, VarsEntry } from '../control/protocol.ts'
import { readValue } from '../control/values.ts'

/** A shared variable in one of its versions. */
export type Variable = {
  readonly name: string
  /** Text wherever it is UTF-8, else its bytes; `undefined` where it is not set. */
  readonly value: string | Uint8Array | undefined
  /** Rises by one with each change, for ever, an unset included; 0: it was never set. */
  readonly version: number
  /** The host that wrote it, and the Lamport time of that; `undefined` where it was never set. */
  readonly writer: { readonly host: string; readonly time: number } | undefined
}

/** The answer to `get`. */
export type Reading = Variable & {
  /** With `local` only: whether this host hears a majority, so that it is likely the newest. */
  readonly majority?: boolean
}

/** One of `vars`: it is set, and its `value` is there only if values were asked for. */
export type ListedVariable = Variable & {
  /** Bytes of the value. */
  readonly size: number
}

/** One of `history`. */
export type PastVersion = Variable & {
  /** This version is an unset. Else a value that is missing is no longer kept by this host. */
  readonly deleted: boolean
  /** Bytes of the value; `undefined` for an unset. */
  readonly size: number | undefined
}

/** What `watch` tells. */
export type Change = Variable & {
  /** It was unset; or, with `initial`, it is not set. */
  readonly deleted?: true
  /**
   * How many versions lie between this one and that before it which this watch has told, where
   * there are any: they came faster than they were taken, or while lamportd was away.
   */
  readonly skipped?: number
}

/** A variable from the wire. */
export function toVariable({ name, value, version, writer }: VariableEntry): Variable {
  return {
    name,
    value: value === undefined ? undefined : readValue(value),
    version,
    writer: writer === null ? undefined : { host: writer.host, time: writer.time },
  }
}

/** One line of `vars`. */
export function toListed(entry: VarsEntry): ListedVariable {
  return { ...toVariable(entry), size: entry.size }
}

/** One line of `history`. */
export function toPast(entry: HistoryEntry): PastVersion {
  return { ...toVariable(entry), deleted: entry.deleted === true, size: entry.size }
}
