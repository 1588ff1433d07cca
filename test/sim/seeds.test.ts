import test from 'ava'
import { parseSimArguments, simulatorFor, Tally, type SimArguments } from '../../src/sim/seeds.ts'
import { simulatorOf, type RunResult } from '../../src/sim/runs.ts'

function parsed(values: Parameters<typeof parseSimArguments>[0]): SimArguments {
  const options = parseSimArguments(values)
  if ('mistake' in options) throw new Error(options.mistake)
  return options
}

function mistake(values: Parameters<typeof parseSimArguments>[0]): string {
  const options = parseSimArguments(values)
  return 'mistake' in options ? options.mistake : 'none'
}

const result: RunResult = {
  simulator: 'depth',
  seed: 3,
  hosts: 3,
  hash: '0123456789abcdef',
  grants: 4,
  counts: { grants: 4, diskLosses: 2 },
  violations: [],
  isStuck: false,
}

test('seeds are one or a range, and hosts and rules are optional', t => {
  t.like(parsed({ seeds: '7' }), {
    first: 7,
    last: 7,
    mode: 'all',
    hosts: undefined,
    isVerbose: false,
  })
  t.like(parsed({ seeds: '1..1000', hosts: '3', verbose: true }), {
    first: 1,
    last: 1000,
    hosts: 3,
    isVerbose: true,
  })
  t.false(parsed({ break: 'totalOrder' }).rules.totalOrder)
  t.true(parsed({ break: 'totalOrder' }).rules.waitForReplies)
})

test('a wrong option is named, with what to write instead', t => {
  t.regex(mistake({ seeds: 'many' }), /many: not a range .*1\.\.1000/)
  t.regex(mistake({ seeds: '9..3' }), /the last precedes the first/)
  t.regex(mistake({ hosts: '1' }), /2 to/)
  t.regex(mistake({ hosts: 'x' }), /--hosts x/)
  t.regex(mistake({ mode: 'wide' }), /wide.*depth, breadth, all/)
  t.regex(mistake({ break: 'everything' }), /everything.*totalOrder/)
  t.regex(mistake({ break: 'toString' }), /no such rule/)
})

test('of the seeds of both simulators, most are for breadth', t => {
  const seeds = Array.from({ length: 60 }, (_, i) => i + 1)
  t.is(seeds.filter(seed => simulatorOf(seed) === 'depth').length, 10)
  t.is(simulatorFor(parsed({ seeds: '1..60' }), 6), 'depth')
  t.is(simulatorFor(parsed({ seeds: '1..60' }), 7), 'breadth')
  t.is(simulatorFor(parsed({ seeds: '1..60', mode: 'depth' }), 7), 'depth')
})

test('the seeds are printed first and last', t => {
  const tally = new Tally(parsed({ seeds: '3', mode: 'depth' }))
  t.regex(tally.headline, /^seeds 3\.\.3, depth$/)
  t.deepEqual(tally.add(result), [])
  t.deepEqual(tally.summary, [
    'depth: 1 runs, 4 grants, 2 disk losses, 0 violations, 0 stuck',
    'seeds 3..3, depth: 1 runs, 4 grants, 0 violations, 0 stuck',
  ])
  t.true(tally.isClean)
})

test('a violation is printed with its seed and time, and how to see it again', t => {
  const tally = new Tally(parsed({ seeds: '3', hosts: '3', break: 'totalOrder' }))
  const violations = [{ at: 1.5, text: '2 are inside door' }]
  t.deepEqual(tally.add({ ...result, violations }), [
    'seed 3 (depth, 3 hosts) at 1.500 ms: 2 are inside door',
    'again: npm run sim -- --seeds 3 --mode depth --hosts 3 --break totalOrder --verbose',
  ])
  t.false(tally.isClean)
})

test('a run that is stuck, missing, failed or without grants is not clean', t => {
  const one = parsed({ seeds: '3' })
  const stuck = new Tally(one)
  t.regex(stuck.add({ ...result, isStuck: true }).join(), /stuck/)
  t.false(stuck.isClean)
  t.false(new Tally(one).isClean)
  const idle = new Tally(one)
  idle.add({ ...result, grants: 0 })
  t.false(idle.isClean)
  const failed = new Tally(one)
  failed.add(result)
  failed.fail()
  t.false(failed.isClean)
})
