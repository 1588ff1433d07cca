import { checkName, checkPrefix } from '../control/names.ts'
import { WAIT_MS } from '../control/protocol.ts'
import type {
  GetParams,
  HistoryParams,
  SetParams,
  UnsetParams,
  VariableEntry,
  VarsParams,
} from '../control/protocol.ts'
import { checkValue, encodeValue } from '../control/values.ts'
import {
  isGetResult,
  isHistoryResult,
  isNoMajorityData,
  isVariableEntry,
  isVarsResult,
  isVersionDiffersData,
} from './answers.ts'
import { LamportError } from './error.ts'
import type { Limits, Link } from './link.ts'
import type { Shape } from './shape.ts'
import { toListed, toPast, toVariable } from './variable.ts'
import type { ListedVariable, PastVersion, Reading, Variable } from './variable.ts'

/** How long the daemon may take for what it knows itself. */
const ANSWER_MS = 10_000

/** How much longer than `waitMs` an answer may take before the daemon counts as stopped. */
const MARGIN_MS = 30_000

export type GetOptions = {
  /** What this host knows, at once, even where no majority is heard: it may be old. */
  readonly local?: boolean | undefined
  /** How long a majority is waited for, in milliseconds; absent: 5,000. */
  readonly waitMs?: number | undefined
  /** Gives up; rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

export type UnsetOptions = {
  /** Only while it has this version, 0: was never set; else rejects with `versionDiffers`. */
  readonly ifVersion?: number | undefined
  /** How long a majority is waited for, in milliseconds; absent: 5,000. */
  readonly waitMs?: number | undefined
  /** Waits no longer; rejects with its reason. What was asked for may still take effect. */
  readonly signal?: AbortSignal | undefined
}

export type SetOptions = UnsetOptions & {
  /** Only if it is not set; else rejects with `versionDiffers`. Not together with `ifVersion`. */
  readonly create?: boolean | undefined
}

export type VarsOptions = {
  /** With their values. */
  readonly values?: boolean | undefined
  /** Gives up; rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** `Client.get`. */
export async function getVariable(
  link: Link,
  name: string,
  { local, waitMs, signal }: GetOptions,
): Promise<Reading> {
  refuse(checkName(name) ?? checkWait(waitMs))
  const params: GetParams = { name, local, waitMs }
  const limits = local === true ? { timeoutMs: ANSWER_MS } : limitsOf(waitMs)
  const result = await call(link, 'get', params, isGetResult, { ...limits, signal })
  const variable = toVariable(result)
  const { majority } = result
  return majority === undefined ? variable : { ...variable, majority }
}

/** `Client.set`. */
export async function setVariable(
  link: Link,
  name: string,
  value: string | Uint8Array,
  { ifVersion, create, waitMs, signal }: SetOptions,
): Promise<Variable> {
  refuse(checkName(name) ?? checkGiven(value) ?? checkChange({ ifVersion, waitMs }))
  if (create === true && ifVersion !== undefined) {
    refuse('create and ifVersion exclude each other (give one of them)')
  }
  const field = typeof value === 'string' ? value : encodeValue(value)
  const params: SetParams = { name, value: field, ifVersion, create, waitMs }
  return change(link, 'set', params, signal)
}

/** `Client.unset`. */
export async function unsetVariable(
  link: Link,
  name: string,
  { ifVersion, waitMs, signal }: UnsetOptions,
): Promise<Variable> {
  refuse(checkName(name) ?? checkChange({ ifVersion, waitMs }))
  const params: UnsetParams = { name, ifVersion, waitMs }
  return change(link, 'unset', params, signal)
}

/** `Client.vars`. */
export async function* listVariables(
  link: Link,
  prefix: string,
  { values, signal }: VarsOptions,
): AsyncGenerator<ListedVariable, void, undefined> {
  refuse(checkPrefix(prefix))
  let after: string | null = ''
  while (after !== null) {
    const params: VarsParams = { prefix, values, after: after === '' ? undefined : after }
    const options = { timeoutMs: ANSWER_MS, signal }
    const page = await call(link, 'vars', params, isVarsResult, options)
    for (const entry of page.variables) yield toListed(entry)
    after = page.next
  }
}

/** `Client.history`. */
export async function readHistory(link: Link, name: string): Promise<readonly PastVersion[]> {
  refuse(checkName(name))
  const params: HistoryParams = { name }
  const options = { timeoutMs: ANSWER_MS }
  return (await call(link, 'history', params, isHistoryResult, options)).map(toPast)
}

async function change(
  link: Link,
  method: 'set' | 'unset',
  params: SetParams | UnsetParams,
  signal: AbortSignal | undefined,
): Promise<Variable> {
  const limits = { ...limitsOf(params.waitMs), signal }
  try {
    const entry = await call<VariableEntry>(link, method, params, isVariableEntry, limits)
    return toVariable(entry)
  } catch (error) {
    throw error instanceof LamportError ? explain(error, params.name) : error
  }
}

/** With what it says of the variable, and by its own name where nobody knows what has become of it. */
function explain(error: LamportError, name: string): LamportError {
  const { code, message, data } = error
  if (code === 'versionDiffers' && isVersionDiffersData(data)) {
    return new LamportError(code, message, data, { current: toVariable(data.current) })
  }
  if (code === 'noMajority' && isNoMajorityData(data) && data.effect === 'unknown') {
    const seen = data.seen === undefined ? {} : { seen: toVariable(data.seen) }
    return new LamportError('uncertain', message, data, seen)
  }
  if (code === 'disconnected' || code === 'timeout' || code === 'protocol') {
    const what = `whether ${name} has been changed is not known: ${message}`
    return new LamportError('uncertain', what, data)
  }
  return error
}

/** What waits for a majority waits first, and as long, for a lamportd that is away. */
function limitsOf(waitMs: number = WAIT_MS): Limits {
  return { timeoutMs: waitMs + MARGIN_MS, connectMs: waitMs }
}

function call<T>(
  link: Link,
  method: string,
  params: unknown,
  shape: Shape<T>,
  limits: Limits,
): Promise<T> {
  const take = (result: unknown): T | undefined => (shape(result) ? result : undefined)
  return link.call(method, params, take, limits)
}

function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new LamportError('argument', problem)
}

/** Programs that are not TypeScript give anything. */
function checkGiven(value: unknown): string | undefined {
  if (typeof value === 'string' || value instanceof Uint8Array) return checkValue(value)
  return `a value is a text or a Uint8Array, not ${typeof value} (give String(…), or its bytes)`
}

function checkChange(options: UnsetOptions): string | undefined {
  const { ifVersion, waitMs } = options
  if (ifVersion !== undefined && !(Number.isSafeInteger(ifVersion) && ifVersion >= 0)) {
    return `ifVersion is a version, or 0 for never set, not ${ifVersion}`
  }
  return checkWait(waitMs)
}

function checkWait(waitMs: number | undefined): string | undefined {
  if (waitMs === undefined || (waitMs >= 0 && waitMs < Infinity)) return undefined
  return `waitMs is milliseconds from 0, not ${waitMs}`
}
