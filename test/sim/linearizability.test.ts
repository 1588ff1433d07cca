import fc from 'fast-check'
import test, { type ExecutionContext } from 'ava'
import type { Condition } from '../../src/core/variable.ts'
import { Random } from '../../src/lib/random.ts'
import { toInstant } from '../../src/lib/time.ts'
import { checkHistory, WORK_MAX } from '../../src/sim/disorder.ts'
import type { Entry, Operation, Outcome } from '../../src/sim/history.ts'
import { decide } from '../../src/sim/linearizability.ts'
import { isLinearizableByForce, plans, play } from '../helpers/histories.ts'

const always: Condition = { type: 'always' }
const absent: Condition = { type: 'absent' }
const uncertain: Outcome = { type: 'uncertain' }

function entry(
  [invoked, returned]: readonly [number, number | undefined],
  operation: Operation,
  outcome: Outcome,
): Entry {
  return {
    name: 'x',
    client: `c${invoked}`,
    host: undefined,
    invoked: toInstant(invoked),
    returned: returned === undefined ? undefined : toInstant(returned),
    operation,
    outcome,
  }
}

type Span = readonly [number, number]

function get(span: Span, version: number, value?: string): Entry {
  return entry(span, { type: 'get' }, { type: 'value', version, value, writer: undefined })
}

function set(span: Span, value: string | undefined, version: number, condition = always): Entry {
  const operation = { type: 'change', value, condition } as const
  return entry(span, operation, { type: 'changed', version, writer: undefined })
}

function maybe(invoked: number, value: string | undefined, condition = always): Entry {
  return entry([invoked, undefined], { type: 'change', value, condition }, uncertain)
}

function refused(span: Span, condition: Condition, version: number, value?: string): Entry {
  const operation = { type: 'change', value: 'other', condition } as const
  return entry(span, operation, { type: 'differs', version, value, writer: undefined })
}

function only(version: number): Condition {
  return { type: 'version', version }
}

const good: readonly (readonly [string, readonly Entry[]])[] = [
  ['nothing at all', []],
  ['a register that was never set', [get([0, 1], 0)]],
  ['what overlaps comes in either order', [set([0, 5], 'a', 2), set([1, 4], 'b', 1)]],
  ['a read beside a change sees the old value', [set([0, 5], 'a', 1), get([1, 4], 0)]],
  ['a read beside a change sees the new value', [set([0, 5], 'a', 1), get([1, 4], 1, 'a')]],
  ['versions that nobody tells of', [maybe(0, 'a'), maybe(0, 'b'), set([1, 2], 'c', 3)]],
  ['an uncertain change that came late', [maybe(0, 'a'), get([5, 6], 0), get([7, 8], 1, 'a')]],
  ['an uncertain change that never came', [maybe(0, 'a'), get([5, 6], 0)]],
  ['compare and set', [set([0, 1], 'a', 1), set([2, 3], 'b', 2, only(1))]],
  ['a refusal', [set([0, 1], 'a', 1), refused([2, 3], only(0), 1, 'a')]],
  ['a refusal while another changes', [set([0, 9], 'a', 1), refused([2, 3], only(1), 0)]],
  [
    'a creation after an unset',
    [set([0, 1], 'a', 1), set([2, 3], undefined, 2), set([4, 5], 'b', 3, absent)],
  ],
  [
    'an uncertain creation between two unsets',
    [set([0, 1], undefined, 1), maybe(2, 'a', absent), set([3, 4], undefined, 3)],
  ],
]

for (const [name, entries] of good)
  test(`in order: ${name}`, t => {
    t.is(decide(entries, WORK_MAX), 'linearizable')
    t.true(isLinearizableByForce(entries))
  })

const bad: readonly (readonly [string, readonly Entry[], RegExp])[] = [
  ['a stale read', [set([0, 1], 'a', 1), get([2, 3], 0)], /explains: client c0.*; client c2/],
  ['a lost update', [set([0, 1], 'a', 1), set([2, 3], 'b', 1)], /explains: client c0.*; client c2/],
  [
    'two successes of one compare and set',
    [set([0, 1], 'a', 1), set([2, 9], 'b', 2, only(1)), set([3, 8], 'c', 2, only(1))],
    /client c2.*; client c3.*; whatever became of client c0: set "a" in 0.0.. ms: uncertain/,
  ],
  [
    'a read that goes backwards',
    [maybe(0, 'a'), get([1, 2], 1, 'a'), get([3, 4], 0)],
    /client c1.*; client c3/,
  ],
  [
    'an uncertain change that took effect twice',
    [maybe(0, 'a'), get([1, 2], 1, 'a'), set([3, 4], 'b', 2), get([5, 6], 3, 'a')],
    /client c5.*whatever became of client c0/,
  ],
  ['a change that came before it was asked for', [get([0, 1], 1, 'a'), maybe(2, 'a')], /client c0/],
  ['a version that nobody made', [get([0, 1], 1, 'a')], /client c0/],
  ['a value that nobody wrote', [set([0, 1], 'a', 1), get([2, 3], 1, 'b')], /client c2.*whatever/],
  [
    'a change that said it did not match after taking effect',
    [refused([0, 9], only(0), 1, 'other'), get([2, 3], 1, 'other')],
    /client c0/,
  ],
  [
    'a creation over a value',
    [set([0, 1], 'a', 1), set([2, 3], 'b', 2, absent)],
    /client c2.*whatever/,
  ],
  [
    'a refusal although the condition held',
    [set([0, 1], 'a', 1), refused([2, 3], only(1), 1, 'a')],
    /client c2/,
  ],
  [
    'a compare and set of another version',
    [set([0, 1], 'a', 1), set([2, 3], 'b', 2, only(0))],
    /client c2/,
  ],
  ['version 0 with a value', [get([0, 1], 0, 'a')], /client c0/],
]

for (const [name, entries, text] of bad)
  test(`not in order: ${name}`, t => {
    t.is(decide(entries, WORK_MAX), 'not linearizable')
    t.false(isLinearizableByForce(entries))
    const { disorders } = checkHistory(entries, WORK_MAX)
    t.is(disorders.length, 1)
    t.regex(disorders[0]?.text ?? '', text)
  })

test('writers tell versions apart: one has one, and none has two', t => {
  const read = (span: Span, version: number, time: number): Entry =>
    entry(
      span,
      { type: 'get' },
      { type: 'value', version, value: undefined, writer: { host: 1, time } },
    )
  const unsets = [maybe(0, undefined), maybe(0, undefined)].map(each => ({ ...each, host: 1 }))
  const check = (entries: readonly Entry[]): boolean => {
    t.is(decide(entries, WORK_MAX) === 'linearizable', isLinearizableByForce(entries))
    return isLinearizableByForce(entries)
  }
  t.true(check([...unsets, read([1, 2], 1, 5), read([3, 4], 2, 6)]))
  t.false(check([...unsets, read([1, 2], 1, 5), read([3, 4], 1, 6)]))
  t.false(check([...unsets, read([1, 2], 1, 5), read([3, 4], 2, 5)]))
  t.false(check([...unsets.map(each => ({ ...each, host: 2 })), read([1, 2], 1, 5)]))
})

test('the smallest history that cannot be ordered is shown, and when it was seen', t => {
  const before = Array.from({ length: 30 }, (_, i) => set([10 * i, 10 * i + 5], `v${i}`, i + 1))
  const after = Array.from({ length: 30 }, (_, i) => set([500 + i, 500.5 + i], `w${i}`, i + 31))
  const entries = [...before, get([310, 315], 29, 'v28'), ...after]
  const [disorder] = checkHistory(entries, WORK_MAX).disorders
  t.is(disorder?.at, toInstant(315))
  t.is(
    disorder?.text,
    'no order of x explains: client c290: set "v29" in 290.0..295.0 ms: made version 30; ' +
      'client c310: get in 310.0..315.0 ms: version 29, "v28"; whatever became of 29 others',
  )
})

test('each register is checked by itself', t => {
  const broken = [set([0, 1], 'a', 1), get([2, 3], 0)].map(each => ({ ...each, name: 'y' }))
  const verdict = checkHistory([set([0, 1], 'a', 1), ...broken], WORK_MAX)
  t.is(verdict.registers, 2)
  t.deepEqual(
    verdict.disorders.map(({ name }) => name),
    ['y'],
  )
})

test('a history that takes too much work is said to be too large, and not to be right', t => {
  const entries = [
    ...Array.from({ length: 20 }, (_, i) => maybe(i, `v${i}`)),
    set([30, 31], 'x', 21),
  ]
  t.is(decide(entries, WORK_MAX), 'linearizable')
  t.is(decide(entries, 10), 'too large')
  t.deepEqual(checkHistory(entries, 10).tooLarge, ['x'])
})

test('what clients of a real register see can be ordered, with answers lost and changes late', t => {
  for (const values of [0, 1, 3])
    fc.assert(
      fc.property(plans({ length: 40, values }), all => {
        t.is(decide(play(all), WORK_MAX), 'linearizable')
      }),
      { numRuns: 300 },
    )
})

/** One thing that a client was told becomes another. */
function retold({ outcome, ...rest }: Entry, [first, second]: readonly [number, number]): Entry {
  const version = 'version' in outcome ? Math.max(0, outcome.version + (first % 3) - 1) : 0
  const value = second % 4 === 0 ? undefined : String(second % 3)
  switch (outcome.type) {
    case 'value':
    case 'differs':
      return { ...rest, outcome: first < 3 ? { ...outcome, version } : { ...outcome, value } }
    case 'changed':
      return { ...rest, outcome: { ...outcome, version } }
    case 'uncertain':
    case 'none':
      return { ...rest, outcome }
  }
}

test('the search agrees with trying every order', t => {
  const counts = { linearizable: 0, 'not linearizable': 0, 'too large': 0 }
  const change = fc.record({ at: fc.nat(6), how: fc.tuple(fc.nat(5), fc.nat(11)) })
  const masks = fc.tuple(fc.nat(127), fc.nat(127))
  fc.assert(
    fc.property(plans({ length: 7, values: 2 }), fc.option(change), masks, (all, lie, unknown) => {
      const entries = play(all)
        .map((each, i) => (i === lie?.at ? retold(each, lie.how) : each))
        .map((each, i) => withoutNames(each, [hasBit(unknown[0], i), hasBit(unknown[1], i)]))
      const decision = decide(entries, WORK_MAX)
      counts[decision] += 1
      t.is(decision === 'linearizable', isLinearizableByForce(entries), JSON.stringify(entries))
    }),
    { numRuns: Number(process.env.HISTORIES ?? 5000) },
  )
  t.is(counts['too large'], 0)
  t.true(counts.linearizable > 500 && counts['not linearizable'] > 500, JSON.stringify(counts))
})

function hasBit(mask: number, bit: number): boolean {
  return (mask & (1 << bit)) !== 0
}

/** As if it were not known which host was asked, or who wrote what was told. */
function withoutNames(each: Entry, [host, writer]: readonly [boolean, boolean]): Entry {
  const { outcome } = each
  return {
    ...each,
    host: host ? undefined : each.host,
    outcome: 'writer' in outcome && writer ? { ...outcome, writer: undefined } : outcome,
  }
}

/** Of all entries, those that can be falsified so, or none. */
type Falsify = (entries: readonly Entry[]) => readonly Entry[] | undefined

const lies: readonly (readonly [string, Falsify])[] = [
  [
    'a stale read',
    entries => {
      const held = entries.flatMap(({ outcome }) => (outcome.type === 'value' ? [outcome] : []))
      return replaceOne(entries, each => {
        if (each.outcome.type !== 'value') return undefined
        const newest = Math.max(
          0,
          ...entries.filter(other => endsBefore(other, each)).map(versionOf),
        )
        const old = held.find(({ version }) => version < newest)
        return old === undefined ? undefined : { ...each, outcome: old }
      })
    },
  ],
  [
    'a lost update',
    entries => {
      const maker = entries.find(({ outcome }) => outcome.type === 'changed')
      return replaceOne(entries, each => {
        if (maker === undefined || each === maker || each.outcome.type !== 'changed')
          return undefined
        return { ...each, outcome: { ...each.outcome, version: versionOf(maker) } }
      })
    },
  ],
  [
    'two successes of one compare and set',
    entries => {
      const maker = entries.find(
        ({ operation, outcome }) =>
          operation.type === 'change' &&
          operation.condition.type === 'version' &&
          outcome.type === 'changed',
      )
      return maker === undefined ? undefined : [...entries, { ...maker, client: 'other' }]
    },
  ],
  [
    'a read that goes backwards',
    entries => {
      const reads = entries.filter(({ outcome }) => outcome.type === 'value')
      const [first, second] =
        reads.flatMap(a =>
          reads.filter(b => endsBefore(a, b) && versionOf(a) < versionOf(b)).map(b => [a, b]),
        )[0] ?? []
      if (first === undefined || second === undefined) return undefined
      return entries.map(each => {
        if (each === first) return { ...each, outcome: second.outcome }
        return each === second ? { ...each, outcome: first.outcome } : each
      })
    },
  ],
  [
    'an uncertain change that took effect twice',
    entries => {
      const values = new Map(
        entries.flatMap(({ operation, outcome }) =>
          operation.type === 'change' && outcome.type === 'uncertain'
            ? [[operation.value, operation] as const]
            : [],
        ),
      )
      const seen = entries.find(
        ({ outcome }) =>
          outcome.type === 'value' && outcome.value !== undefined && values.has(outcome.value),
      )
      if (seen?.outcome.type !== 'value') return undefined
      const version = Math.max(...entries.map(versionOf)) + 1
      const at = toInstant(1000)
      const again = { ...seen.outcome, version, writer: undefined }
      return [...entries, { ...seen, invoked: at, returned: at, outcome: again }]
    },
  ],
]

function endsBefore(a: Entry, b: Entry): boolean {
  return a.outcome.type !== 'none' && a.returned !== undefined && a.returned < b.invoked
}

function versionOf({ outcome }: Entry): number {
  return 'version' in outcome ? outcome.version : 0
}

function replaceOne(
  entries: readonly Entry[],
  change: (entry: Entry) => Entry | undefined,
): readonly Entry[] | undefined {
  const index = entries.findIndex(each => change(each) !== undefined)
  return index < 0
    ? undefined
    : entries.map((each, i) => (i === index ? (change(each) ?? each) : each))
}

for (const [name, falsify] of lies)
  test(`a history with ${name} cannot be ordered`, t => {
    let count = 0
    fc.assert(
      fc.property(plans({ length: 40, values: 0 }), all => {
        const entries = falsify(play(all))
        // Most plans have nothing that this could be done to: they do not count.
        fc.pre(entries !== undefined)
        count += 1
        const { disorders } = checkHistory(entries, WORK_MAX)
        t.is(disorders.length, 1)
        t.true((disorders[0]?.entries.length ?? 0) <= 6, disorders[0]?.text)
      }),
      { numRuns: 40, maxSkipsPerRun: 1000 },
    )
    t.true(count >= 40, `${count} histories`)
  })

/** So many operations of one register, by ten clients at once, and this share of them uncertain. */
function busy(random: Random, length: number, share: number): readonly Entry[] {
  const pick = (): Operation => {
    const draw = random.fraction()
    if (draw < 0.3) return { type: 'get' }
    const value = random.chance(0.2) ? undefined : `v${random.word()}`
    const condition = random.pick([always, always, absent, only(random.below(length / 2))])
    return { type: 'change', value, condition }
  }
  return play(
    Array.from({ length }, () => ({
      client: random.below(10),
      pause: random.below(5),
      before: random.below(20),
      after: random.below(20),
      operation: pick(),
      fate: random.chance(share) ? random.pick(['lost', 'late', 'never'] as const) : 'answered',
    })),
  )
}

function tally(t: ExecutionContext, share: number): number {
  let uncertainMost = 0
  for (let seed = 1; seed <= 50; seed++) {
    const entries = busy(new Random(seed), 400, share)
    uncertainMost = Math.max(
      uncertainMost,
      entries.filter(({ outcome }) => outcome.type === 'uncertain').length,
    )
    // Far from what would be too much.
    t.is(decide(entries, 500_000), 'linearizable', `seed ${seed}`)
  }
  return uncertainMost
}

test('some hundred operations with dozens of uncertain ones take little work', t => {
  t.true(tally(t, 0.15) > 50)
  t.true(tally(t, 0.5) > 130)
})
