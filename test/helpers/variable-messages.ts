import fc from 'fast-check'
import type { CatchUpMessage, VariableMessage } from '../../src/core/message.ts'
import { nextValue, type VariableValue } from '../../src/core/variable.ts'

const time = fc.integer({ min: 0, max: 2 ** 43 - 1 })
const host = fc.integer({ min: 1, max: 1023 })
const ballot = fc.record({ counter: time, host: fc.integer({ min: 0, max: 1023 }) })
const name = fc.string({ minLength: 1, maxLength: 30 })
const writer = fc.record({ host, time })
const version = fc.record({ version: fc.integer({ min: 1, max: 2 ** 40 }), writer })

/** A value after some changes, as hosts make them. */
export const variableValue: fc.Arbitrary<VariableValue> = fc
  .array(fc.tuple(fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined }), writer), {
    minLength: 1,
    maxLength: 40,
  })
  .map(changes =>
    changes
      .slice(1)
      .reduce(
        (value, [bytes, by]) => nextValue(value, bytes, by),
        nextValue(undefined, ...first(changes)),
      ),
  )

function first(
  changes: [Uint8Array | undefined, { host: number; time: number }][],
): [Uint8Array | undefined, { host: number; time: number }] {
  return changes[0] ?? [undefined, { host: 1, time: 1 }]
}

const value = fc.option(variableValue, { nil: undefined })
const type = <T extends string>(text: T): fc.Arbitrary<T> => fc.constant(text)

/** Any message about variables, by its type. */
export const variableMessages: {
  readonly [T in (VariableMessage | CatchUpMessage)['type']]: fc.Arbitrary<
    Extract<VariableMessage | CatchUpMessage, { readonly type: T }>
  >
} = {
  'variable-prepare': fc.record({ type: type('variable-prepare'), time, name, ballot }),
  'variable-promise': fc.record({
    type: type('variable-promise'),
    time,
    name,
    ballot,
    accepted: ballot,
    value,
  }),
  'variable-conflict': fc.record({
    type: type('variable-conflict'),
    time,
    name,
    ballot,
    promised: ballot,
  }),
  'variable-accept': fc.record({
    type: type('variable-accept'),
    time,
    name,
    ballot,
    value: variableValue,
    next: ballot,
  }),
  'variable-accepted': fc.record({ type: type('variable-accepted'), time, name, ballot }),
  'variable-learn': fc.record({ type: type('variable-learn'), time, name, version }),
  'variable-read': fc.record({
    type: type('variable-read'),
    time,
    name,
    read: time,
    known: fc.option(version, { nil: undefined }),
  }),
  'variable-state': fc.record({
    type: type('variable-state'),
    time,
    name,
    read: time,
    accepted: ballot,
    value: fc.oneof(value, fc.constant('known' as const)),
  }),
  compare: fc.record({
    type: type('compare'),
    time,
    buckets: fc.array(fc.nat(), { maxLength: 256 }),
  }),
  listing: fc.record({
    type: type('listing'),
    time,
    entries: fc.array(fc.record({ name, version }), { maxLength: 5 }),
    last: fc.boolean(),
  }),
  want: fc.record({ type: type('want'), time, names: fc.array(name, { maxLength: 5 }) }),
  values: fc.record({
    type: type('values'),
    time,
    entries: fc.array(fc.record({ name, value: variableValue }), { maxLength: 3 }),
    last: fc.boolean(),
  }),
  fetch: fc.record({ type: type('fetch'), time, floor: time, index: time }),
  records: fc.record({
    type: type('records'),
    time,
    floor: time,
    index: time,
    records: fc.array(fc.record({ name, accepted: ballot, isChosen: fc.boolean() }), {
      maxLength: 3,
    }),
  }),
  copy: fc.record({
    type: type('copy'),
    time,
    floor: time,
    names: fc.array(name, { maxLength: 5 }),
  }),
  copies: fc.record({
    type: type('copies'),
    time,
    floor: time,
    entries: fc.array(fc.record({ name, value: variableValue }), { maxLength: 3 }),
    last: fc.boolean(),
  }),
}
