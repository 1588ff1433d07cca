import type { HostId } from './clock.ts'

/** Bytes of one value. */
export const VALUE_BYTES_MAX: number = 64 * 1024

/** Who wrote a version: the host, and the Lamport time of its operation. The pair is unique. */
export type Writer = { readonly host: HostId; readonly time: number }

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
