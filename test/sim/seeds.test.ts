import test from 'ava'
import { parseSimArguments, Tally, type SimArguments } from '../../src/sim/seeds.ts'
import type { SeedResult } from '../../src/sim/swarm.ts'

function parsed(values: Parameters<typeof parseSimArguments>[0]): SimArguments {
  const options = parseSimArguments(values)
  if ('mistake' in options) throw new Error(options.mistake)
  return options
}

function mistake(values: Parameters<typeof parseSimArguments>[0]): string {
  const options = parseSimArguments(values)
  return 'mistake' in options ? options.mistake : 'none'
}

const result: SeedResult = {
  seed: 3,
  hash: '0123456789abcdef',
  hosts: [1, 2, 3],
  asked: 5,
  grants: 4,
  messages: 24,
  faults: { sent: 60, lost: 3, duplicated: 2, corrupted: 1, severed: 4, reboots: 5 },
  events: 200,
  simulatedMs: 1000,
  violations: [],
  isStuck: false,
}

test('seeds are one or a range, and hosts and rules are optional', t => {
  t.like(parsed({ seeds: '7' }), { first: 7, last: 7, hosts: undefined, isVerbose: false })
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
  t.regex(mistake({ break: 'everything' }), /everything.*totalOrder/)
  t.regex(mistake({ break: 'toString' }), /no such rule/)
})

test('the seeds are printed first and last', t => {
  const tally = new Tally(parsed({ seeds: '3' }))
  t.regex(tally.headline, /^seeds 3\.\.3/)
  t.deepEqual(tally.add(result), [])
  t.regex(
    tally.summary,
    /^seeds 3\.\.3.* 4 grants .*60 datagrams \(3 lost, 2 doubled, 1 corrupted, 4 cut off\), 5 reboots, 0 violations, 0 stuck$/,
  )
  t.true(tally.isClean)
})

test('a violation is printed with its seed and time, and how to see it again', t => {
  const tally = new Tally(parsed({ seeds: '3', hosts: '3', break: 'totalOrder' }))
  const violations = [{ at: 1.5, text: '2 are inside door' }]
  t.deepEqual(tally.add({ ...result, violations }), [
    'seed 3 at 1.500 ms: 2 are inside door',
    'again: npm run sim -- --seeds 3 --hosts 3 --break totalOrder --verbose',
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
