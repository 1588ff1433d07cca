import type { LocksResult, StatusResult } from '../control/protocol.ts'

/** How things are. */
export type State = {
  /** One for each socket; `undefined` where lamportd does not answer. */
  readonly statuses: readonly (StatusResult | null)[]
  readonly locks: LocksResult
  readonly variables: readonly ShownVariable[]
  /** There are more variables than are shown. */
  readonly hasMore: boolean
  /** Why nothing is known. */
  readonly problem: string | null
}

export type ShownVariable = {
  readonly name: string
  readonly text: string
  readonly version: number
  readonly writer: string
}
