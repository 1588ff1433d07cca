import type { Instant } from '../lib/time.ts'
import type { HostId } from './clock.ts'
import type { CommandId, Response } from './command.ts'
import { isMet, nextValue, variableOf, type Condition, type VariableValue } from './variable.ts'

/** What is to be done with one register, by a round of CASPaxos. */
export type Operation = {
  readonly name: string
  /** `undefined`: for this host's own sake. */
  readonly id: CommandId | undefined
  readonly deadline: Instant
  readonly work:
    | { readonly type: 'read' }
    /** As a read; and all who can be reached accept what it finds. */
    | { readonly type: 'spread' }
    | {
        readonly type: 'change'
        readonly bytes: Uint8Array | undefined
        readonly condition: Condition
      }
}

/** The host that does it, and the Lamport time at which its turn came: its name in the value. */
export type OperationName = { readonly host: HostId; readonly time: number }

/**
 * What an operation makes of a value, and what its client is told once that is chosen: the change
 * function of CASPaxos (§2.2). `value` is `current` itself where nothing is to be changed.
 *
 * @param looksForItself whether it looks first if it is contained already, as it is after a round
 *   whose answers were lost; the rule `registerApplied`
 */
export function applied(
  { name, work }: Operation,
  { host, time }: OperationName,
  current: VariableValue | undefined,
  looksForItself: boolean,
): { readonly value: VariableValue | undefined; readonly response: Response } {
  if (work.type !== 'change') {
    return { value: current, response: { type: 'value', variable: variableOf(name, current) } }
  }
  const writer = { host, time }
  const own = looksForItself
    ? current?.applied.find(done => done.host === host && done.operation === time)
    : undefined
  if (own !== undefined) {
    const variable = { name, bytes: work.bytes, version: own.version, writer }
    return { value: current, response: { type: 'changed', variable } }
  }
  if (!isMet(work.condition, current)) {
    return { value: current, response: { type: 'differs', current: variableOf(name, current) } }
  }
  const value = nextValue(current, work.bytes, writer)
  return { value, response: { type: 'changed', variable: variableOf(name, value) } }
}
