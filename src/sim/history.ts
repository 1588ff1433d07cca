import type { HostId } from '../core/clock.ts'
import type { Condition, Writer } from '../core/variable.ts'
import { unreachable } from '../lib/assert.ts'
import { toInstant, type Instant } from '../lib/time.ts'

/** What a client asked of a register. */
export type Operation =
  | { readonly type: 'get' }
  | {
      readonly type: 'change'
      /** `undefined`: unset. */
      readonly value: string | undefined
      readonly condition: Condition
    }

/** What a register held at one moment, as a client was told. */
export type Held = {
  /** 0: it was never set. */
  readonly version: number
  /** `undefined`: not set, or unset. */
  readonly value: string | undefined
  /** `undefined`: not known, or never set. */
  readonly writer: Writer | undefined
}

/** What became of an operation, as far as its client knows. */
export type Outcome =
  | ({ readonly type: 'value' } & Held)
  /** The change made this version. */
  | {
      readonly type: 'changed'
      readonly version: number
      readonly writer: Writer | undefined
    }
  /** The condition did not hold, for this was there. */
  | ({ readonly type: 'differs' } & Held)
  /** It takes effect once, at any time after its beginning; or never. */
  | { readonly type: 'uncertain' }
  /** It took no effect, and told its client nothing. */
  | { readonly type: 'none' }

/** One operation on one register, in the time of an onlooker who sees all clients. */
export type Entry = {
  readonly name: string
  readonly client: string
  /** Whom it asked; `undefined`: not known. */
  readonly host: HostId | undefined
  readonly invoked: Instant
  /** `undefined`: there was no answer. */
  readonly returned: Instant | undefined
  readonly operation: Operation
  readonly outcome: Outcome
}

/** Whether a change that rests on this changes what is held. */
export function holds(
  condition: Condition,
  { version, value }: Pick<Held, 'version' | 'value'>,
): boolean {
  switch (condition.type) {
    case 'always':
      return true
    case 'version':
      return version === condition.version
    case 'absent':
      return value === undefined
    default:
      return unreachable(condition)
  }
}

export type BadLine = { readonly line: number; readonly reason: string }

/**
 * One line of JSON for each operation, so that a history of real daemons, written by whoever drove
 * them, is checked in the same way. `null` is a value that is not set; what is not known is left out.
 */
export function formatHistory(entries: readonly Entry[]): string {
  return entries.map(entry => `${JSON.stringify(fieldsOf(entry))}\n`).join('')
}

/** Reads what `formatHistory` writes; empty lines count for nothing. */
export function parseHistory(text: string): readonly Entry[] | BadLine {
  const entries: Entry[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const entry = parseLine(line)
    if (typeof entry === 'string') return { line: index + 1, reason: entry }
    entries.push(entry)
  }
  return entries
}

function fieldsOf({ name, client, host, invoked, returned, operation, outcome }: Entry): unknown {
  return {
    name,
    client,
    host,
    invoked,
    returned,
    operation:
      operation.type === 'get' ? operation : { ...operation, value: operation.value ?? null },
    outcome: 'value' in outcome ? { ...outcome, value: outcome.value ?? null } : outcome,
  }
}

/** What is wrong with a line; thrown in this file alone, and caught where a line begins. */
class Mistake extends Error {}

type Fields = Readonly<Record<string, unknown>>

function parseLine(line: string): Entry | string {
  try {
    return entryOf(JSON.parse(line))
  } catch (error) {
    if (error instanceof Mistake) return error.message
    if (error instanceof SyntaxError) return `not JSON: ${error.message}`
    throw error
  }
}

function entryOf(value: unknown): Entry {
  const fields = fieldsAt(value, 'a line', [
    'name',
    'client',
    'host',
    'invoked',
    'returned',
    'operation',
    'outcome',
  ])
  const invoked = instantOf(fields.invoked, 'invoked')
  const returned =
    fields.returned === undefined ? undefined : instantOf(fields.returned, 'returned')
  const operation = operationOf(fields.operation)
  const outcome = outcomeOf(fields.outcome)
  expect(returned === undefined || returned >= invoked, 'it returned before it was invoked')
  const isAnswered = outcome.type !== 'uncertain' && outcome.type !== 'none'
  expect(!isAnswered || returned !== undefined, `outcome ${outcome.type} without returned`)
  const fits =
    operation.type === 'get' ? ['value', 'none'] : ['changed', 'differs', 'uncertain', 'none']
  expect(fits.includes(outcome.type), `${outcome.type} is no outcome of a ${operation.type}`)
  return {
    name: textOf(fields.name, 'name'),
    client: textOf(fields.client, 'client'),
    host: fields.host === undefined ? undefined : countOf(fields.host, 'host'),
    invoked,
    returned,
    operation,
    outcome,
  }
}

function operationOf(value: unknown): Operation {
  const { type } = fieldsAt(value, 'operation')
  if (type === 'get') {
    fieldsAt(value, 'operation', ['type'])
    return { type }
  }
  expect(type === 'change', 'operation.type is neither get nor change')
  const fields = fieldsAt(value, 'operation', ['type', 'value', 'condition'])
  return {
    type: 'change',
    value: contentOf(fields.value, 'operation.value'),
    condition: conditionOf(fields.condition),
  }
}

function conditionOf(value: unknown): Condition {
  const { type } = fieldsAt(value, 'condition')
  if (type === 'always' || type === 'absent') {
    fieldsAt(value, 'condition', ['type'])
    return { type }
  }
  expect(type === 'version', 'condition.type is none of always, version and absent')
  const { version } = fieldsAt(value, 'condition', ['type', 'version'])
  return { type: 'version', version: countOf(version, 'condition.version') }
}

function outcomeOf(value: unknown): Outcome {
  const { type } = fieldsAt(value, 'outcome')
  if (type === 'uncertain' || type === 'none') {
    fieldsAt(value, 'outcome', ['type'])
    return { type }
  }
  if (type === 'changed') {
    const { version, writer } = fieldsAt(value, 'outcome', ['type', 'version', 'writer'])
    return { type, version: countOf(version, 'outcome.version'), writer: writerOf(writer) }
  }
  expect(
    type === 'value' || type === 'differs',
    'outcome.type is none of value, changed, differs, uncertain and none',
  )
  const fields = fieldsAt(value, 'outcome', ['type', 'version', 'value', 'writer'])
  return {
    type,
    version: countOf(fields.version, 'outcome.version'),
    value: contentOf(fields.value, 'outcome.value'),
    writer: writerOf(fields.writer),
  }
}

function writerOf(value: unknown): Writer | undefined {
  if (value === undefined) return undefined
  const { host, time } = fieldsAt(value, 'writer', ['host', 'time'])
  return { host: countOf(host, 'writer.host'), time: countOf(time, 'writer.time') }
}

/** An object, and of these fields at most: one that is misspelt would be missed without a word. */
function fieldsAt(value: unknown, what: string, known?: readonly string[]): Fields {
  expect(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `${what} is not an object`,
  )
  for (const key of Object.keys(value)) {
    expect(known?.includes(key) ?? true, `${what} has a field that is not known: ${key}`)
  }
  return { ...value }
}

function textOf(value: unknown, what: string): string {
  expect(typeof value === 'string' && value !== '', `${what} is not a text`)
  return value
}

/** `null`, not left out: whoever forgets a value has not unset it. */
function contentOf(value: unknown, what: string): string | undefined {
  expect(value === null || typeof value === 'string', `${what} is neither a text nor null`)
  return value ?? undefined
}

function countOf(value: unknown, what: string): number {
  const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  expect(isCount, `${what} is not a whole number`)
  return value
}

function instantOf(value: unknown, what: string): Instant {
  const isInstant = typeof value === 'number' && Number.isFinite(value)
  expect(isInstant, `${what} is not a number of milliseconds`)
  return toInstant(value)
}

function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Mistake(otherwise)
}

/** An entry in words, for people. */
export function describeEntry(entry: Entry): string {
  const { client, host, invoked, returned } = entry
  const at = host === undefined ? '' : ` at host ${host}`
  const end = returned === undefined ? '' : returned.toFixed(1)
  const span = `${invoked.toFixed(1)}..${end} ms`
  return `client ${client}${at}: ${asked(entry.operation)} in ${span}: ${told(entry.outcome)}`
}

function asked(operation: Operation): string {
  if (operation.type === 'get') return 'get'
  const { value, condition } = operation
  const what = value === undefined ? 'unset' : `set ${JSON.stringify(value)}`
  switch (condition.type) {
    case 'always':
      return what
    case 'version':
      return `${what} if version ${condition.version}`
    case 'absent':
      return `${what} if absent`
    default:
      return unreachable(condition)
  }
}

function told(outcome: Outcome): string {
  switch (outcome.type) {
    case 'value':
      return describeHeld(outcome)
    case 'changed':
      return `made version ${outcome.version}${describeWriter(outcome.writer)}`
    case 'differs':
      return `differs from ${describeHeld(outcome)}`
    case 'uncertain':
      return 'uncertain'
    case 'none':
      return 'no effect'
    default:
      return unreachable(outcome)
  }
}

function describeHeld({ version, value, writer }: Held): string {
  const content = value === undefined ? 'not set' : JSON.stringify(value)
  return `version ${version}${describeWriter(writer)}, ${content}`
}

function describeWriter(writer: Writer | undefined): string {
  return writer === undefined ? '' : ` of ${writer.host}@${writer.time}`
}
