import { checkName, checkPrefix } from '../control/names.ts'
import { WAIT_MS } from '../control/protocol.ts'
import { decodeValue } from '../control/values.ts'
import type { Condition } from '../core/variable.ts'
import { milliseconds } from '../lib/time.ts'
import type { Duration } from '../lib/time.ts'
import { isInteger, isObject, show, unknownParam, wrongName, wrongWait } from './params.ts'
import type { Params, Wrong } from './params.ts'

/** Names that are watched: one, or all that begin so. */
export type Topic =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'prefix'; readonly prefix: string }

/** What a client may ask of shared variables, checked. */
export type VariableRequest =
  | {
      readonly type: 'get'
      readonly name: string
      readonly local: boolean
      readonly wait: Duration
    }
  | {
      readonly type: 'set' | 'unset'
      readonly name: string
      /** In memory of their own; `undefined`: unset. */
      readonly bytes: Uint8Array | undefined
      readonly condition: Condition
      readonly wait: Duration
    }
  | {
      readonly type: 'vars'
      readonly prefix: string
      readonly values: boolean
      /** Those that follow this one. */
      readonly after: string | undefined
    }
  | { readonly type: 'history'; readonly name: string }
  | { readonly type: 'watch'; readonly topic: Topic; readonly initial: boolean }
  | { readonly type: 'unwatch'; readonly watch: number }

/** The parser of each method's parameters. */
export const VARIABLE_METHODS: Readonly<
  Record<VariableRequest['type'], (params: Params) => VariableRequest | Wrong>
> = {
  get: parseGet,
  set: parseSet,
  unset: parseUnset,
  vars: parseVars,
  history: parseHistory,
  watch: parseWatch,
  unwatch: parseUnwatch,
}

function parseGet(params: Params): VariableRequest | Wrong {
  const { name, local, waitMs } = params
  const wrong =
    unknownParam(params, ['name', 'local', 'waitMs']) ??
    wrongName(name) ??
    wrongFlag('local', local) ??
    wrongWait(waitMs)
  if (wrong !== undefined) return wrong
  return { type: 'get', name: name as string, local: local === true, wait: waitOf(waitMs) }
}

function parseSet(params: Params): VariableRequest | Wrong {
  const { name, value, ifVersion, create, waitMs } = params
  const wrong =
    unknownParam(params, ['name', 'value', 'ifVersion', 'create', 'waitMs']) ??
    wrongName(name) ??
    wrongVersion(ifVersion) ??
    wrongFlag('create', create) ??
    wrongWait(waitMs)
  if (wrong !== undefined) return wrong
  if (create === true && ifVersion !== undefined) {
    return { wrong: 'create and ifVersion exclude each other (write one of them)' }
  }
  const parsed = parseValue(value)
  if ('wrong' in parsed) return parsed
  const condition: Condition = create === true ? { type: 'absent' } : conditionOf(ifVersion)
  const wait = waitOf(waitMs)
  return { type: 'set', name: name as string, bytes: parsed.bytes, condition, wait }
}

function parseUnset(params: Params): VariableRequest | Wrong {
  const { name, ifVersion, waitMs } = params
  const wrong =
    unknownParam(params, ['name', 'ifVersion', 'waitMs']) ??
    wrongName(name) ??
    wrongVersion(ifVersion) ??
    wrongWait(waitMs)
  if (wrong !== undefined) return wrong
  const [condition, wait] = [conditionOf(ifVersion), waitOf(waitMs)]
  return { type: 'unset', name: name as string, bytes: undefined, condition, wait }
}

function parseVars(params: Params): VariableRequest | Wrong {
  const { prefix = '', values, after } = params
  const wrong =
    unknownParam(params, ['prefix', 'values', 'after']) ??
    wrongPrefix(prefix) ??
    wrongFlag('values', values)
  if (wrong !== undefined) return wrong
  if (after !== undefined && (typeof after !== 'string' || checkName(after) !== undefined)) {
    return { wrong: `after is ${show(after)} (write what was next in the answer before)` }
  }
  return { type: 'vars', prefix: prefix as string, values: values === true, after }
}

function parseHistory(params: Params): VariableRequest | Wrong {
  const { name } = params
  const wrong = unknownParam(params, ['name']) ?? wrongName(name)
  return wrong ?? { type: 'history', name: name as string }
}

function parseWatch(params: Params): VariableRequest | Wrong {
  const { name, prefix, initial } = params
  const wrong = unknownParam(params, ['name', 'prefix', 'initial']) ?? wrongFlag('initial', initial)
  if (wrong !== undefined) return wrong
  if ((name === undefined) === (prefix === undefined)) {
    const what = name === undefined ? 'name is missing' : 'name and prefix exclude each other'
    return { wrong: `${what} (write a name, or the prefix of names)` }
  }
  if (prefix === undefined) {
    const topic: Topic = { type: 'name', name: name as string }
    return wrongName(name) ?? { type: 'watch', topic, initial: initial === true }
  }
  const topic: Topic = { type: 'prefix', prefix: prefix as string }
  return wrongPrefix(prefix) ?? { type: 'watch', topic, initial: initial === true }
}

function parseUnwatch(params: Params): VariableRequest | Wrong {
  const { watch } = params
  const wrong = unknownParam(params, ['watch'])
  if (wrong !== undefined) return wrong
  if (isInteger(watch, 0, Number.MAX_SAFE_INTEGER)) return { type: 'unwatch', watch }
  return { wrong: `watch is ${show(watch)} (write the number that watch answered)` }
}

function parseValue(value: unknown): { readonly bytes: Uint8Array } | Wrong {
  if (typeof value !== 'string' && !isBase64(value)) {
    return { wrong: `value is ${show(value)} (write a text, or {"base64": "…"})` }
  }
  const decoded = decodeValue(value)
  return 'problem' in decoded ? { wrong: decoded.problem } : decoded
}

function isBase64(value: unknown): value is { readonly base64: string } {
  return isObject(value) && typeof value.base64 === 'string' && Object.keys(value).length === 1
}

function wrongPrefix(prefix: unknown): Wrong | undefined {
  const wrong =
    typeof prefix === 'string'
      ? checkPrefix(prefix)
      : `prefix is ${show(prefix)} (write how the names begin, such as light/)`
  return wrong === undefined ? undefined : { wrong }
}

function wrongFlag(key: string, value: unknown): Wrong | undefined {
  if (value === undefined || typeof value === 'boolean') return undefined
  return { wrong: `${key} is ${show(value)} (write true or false, or leave it out)` }
}

function wrongVersion(ifVersion: unknown): Wrong | undefined {
  if (ifVersion === undefined || isInteger(ifVersion, 0, Number.MAX_SAFE_INTEGER)) return undefined
  const advice = 'write the version that it must have, 0 for never set, or leave it out'
  return { wrong: `ifVersion is ${show(ifVersion)} (${advice})` }
}

/** Of checked parameters. */
function conditionOf(ifVersion: unknown): Condition {
  if (ifVersion === undefined) return { type: 'always' }
  return { type: 'version', version: ifVersion as number }
}

/** Of checked parameters. */
function waitOf(waitMs: unknown): Duration {
  return milliseconds(waitMs === undefined ? WAIT_MS : (waitMs as number))
}
