import fc from 'fast-check'
import type { Condition, Writer } from '../../src/core/variable.ts'
import { toInstant } from '../../src/lib/time.ts'
import type { Entry, Held, Operation, Outcome } from '../../src/sim/history.ts'

/** What becomes of an operation: its answer is lost after it took effect, or before it can. */
type Fate = 'answered' | 'lost' | 'late' | 'never'

type Plan = {
  readonly client: number
  /** From the return of the client's last operation. */
  readonly pause: number
  /** From the invocation to the linearization point, and from there to the return. */
  readonly before: number
  readonly after: number
  readonly operation: Operation
  readonly fate: Fate
}

/** Operations of a client are those of one host. */
export function hostOf(client: number): number {
  return 1 + (client % 3)
}

/** `values`: so many different ones; 0: each change has one of its own. */
export function plans(options: {
  readonly length: number
  readonly values: number
}): fc.Arbitrary<readonly Plan[]> {
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    fc.constant({ type: 'always' } as const),
    fc.constant({ type: 'absent' } as const),
    fc.record({ type: fc.constant('version' as const), version: fc.nat(6) }),
  )
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    fc.constant({ type: 'get' } as const),
    fc.record({
      type: fc.constant('change' as const),
      value: fc.option(fc.nat(Math.max(0, options.values - 1)).map(String), {
        nil: undefined,
        freq: 2,
      }),
      condition,
    }),
  )
  const plan = fc.record({
    client: fc.nat(3),
    pause: fc.nat(8),
    before: fc.nat(8),
    after: fc.nat(8),
    operation,
    fate: fc.constantFrom<Fate>('answered', 'answered', 'answered', 'lost', 'late', 'never'),
  })
  return fc
    .array(plan, { minLength: 1, maxLength: options.length })
    .map(all => (options.values > 0 ? all : all.map(unique)))
}

function unique(plan: Plan, index: number): Plan {
  const { operation } = plan
  if (operation.type === 'get' || operation.value === undefined) return plan
  return { ...plan, operation: { ...operation, value: `v${index}` } }
}

/** What clients of a real register, which does one thing at a time, would see. */
export function play(all: readonly Plan[]): readonly Entry[] {
  const free = new Map<number, number>()
  const calls = all.map((plan, index) => {
    const { client, pause, before, after, fate } = plan
    const invoked = (free.get(client) ?? 0) + pause
    const point = invoked + before + (fate === 'late' ? 40 : 0)
    const returned = invoked + before + after
    free.set(client, returned + 1)
    return { plan, index, invoked, point, returned }
  })
  const answers = new Map<number, Outcome>()
  let held: Held = { version: 0, value: undefined, writer: undefined }
  for (const { plan, index } of [...calls].sort((a, b) => a.point - b.point)) {
    const { operation, fate, client } = plan
    if (fate === 'never') continue
    const [next, outcome] = apply(held, operation, { host: hostOf(client), time: 100 + index })
    held = next
    answers.set(index, outcome)
  }
  return calls.map(({ plan, index, invoked, returned }) => {
    const { operation, client, fate } = plan
    const lost: Outcome = { type: operation.type === 'get' ? 'none' : 'uncertain' }
    return {
      name: 'x',
      client: `c${client}`,
      host: hostOf(client),
      invoked: toInstant(invoked),
      returned: fate === 'answered' ? toInstant(returned) : undefined,
      operation,
      outcome: fate === 'answered' ? (answers.get(index) ?? lost) : lost,
    }
  })
}

function apply(held: Held, operation: Operation, writer: Writer): [Held, Outcome] {
  if (operation.type === 'get') return [held, { type: 'value', ...held }]
  if (!holds(operation.condition, held)) return [held, { type: 'differs', ...held }]
  const version = held.version + 1
  return [
    { version, value: operation.value, writer },
    { type: 'changed', version, writer },
  ]
}

function holds(condition: Condition, { version, value }: Held): boolean {
  if (condition.type === 'version') return version === condition.version
  return condition.type === 'always' || value === undefined
}

/** What one step of an order says of a version: who made it, or what was told of it. */
type Claim = Held & { readonly maker: number | undefined }

/** Tries every order, and to leave out any of the uncertain changes: only for a few operations. */
export function isLinearizableByForce(entries: readonly Entry[]): boolean {
  const all = entries.filter(({ outcome }) => outcome.type !== 'none')
  const extend = (rest: readonly Entry[], held: Held, claims: readonly Claim[]): boolean => {
    if (rest.every(({ outcome }) => outcome.type === 'uncertain') && isConsistent(claims)) {
      return true
    }
    return rest.some(entry => {
      const isPreceded = rest.some(
        ({ returned, outcome }) =>
          outcome.type !== 'uncertain' && returned !== undefined && returned < entry.invoked,
      )
      if (isPreceded) return false
      const others = rest.filter(other => other !== entry)
      const { operation, outcome, host } = entry
      if (outcome.type === 'value' || outcome.type === 'differs') {
        if (outcome.version !== held.version || outcome.value !== held.value) return false
        if (operation.type === 'change' && holds(operation.condition, held)) return false
        return extend(others, held, [...claims, { ...outcome, maker: undefined }])
      }
      if (operation.type === 'get' || !holds(operation.condition, held)) return false
      const version = held.version + 1
      if (outcome.type === 'changed' && outcome.version !== version) return false
      const writer = outcome.type === 'changed' ? outcome.writer : undefined
      const next = { version, value: operation.value, writer }
      return extend(others, next, [...claims, { ...next, maker: host }])
    })
  }
  return extend(all, { version: 0, value: undefined, writer: undefined }, [])
}

/** A version has one writer, who is of the host that made it, and no writer has two versions. */
function isConsistent(claims: readonly Claim[]): boolean {
  const known = claims.filter(({ writer }) => writer !== undefined)
  const isSame = (a: Claim, b: Claim): boolean =>
    a.writer?.host === b.writer?.host && a.writer?.time === b.writer?.time
  return known.every(
    claim =>
      claim.version > 0 &&
      known.every(other => isSame(claim, other) === (claim.version === other.version)) &&
      claims.every(
        ({ version, maker }) =>
          version !== claim.version || maker === undefined || maker === claim.writer?.host,
      ),
  )
}
