import test from 'ava'
import { SIMULATION_RULES } from '../../src/sim/simulation.ts'
import { runSeed, type SeedResult } from '../../src/sim/swarm.ts'

const results: readonly SeedResult[] = Array.from({ length: 30 }, (_, i) =>
  runSeed({ seed: 1000 + i, hosts: undefined, rules: SIMULATION_RULES }),
)

test('the seeds put every kind of fault to the test', t => {
  for (const fault of ['lost', 'duplicated', 'corrupted', 'severed', 'crashes'] as const)
    t.true(
      results.some(result => result.faults[fault] > 0),
      fault,
    )
  t.true(results.some(result => result.faults.lost === 0 && result.faults.crashes === 0))
})

test('hosts are few or many, and their ids near or far from each other', t => {
  t.deepEqual([...new Set(results.map(result => result.hosts.length))].sort(), [3, 5, 7])
  t.true(results.some(({ hosts }) => hosts.includes(10) && hosts.includes(2)))
  for (const { hosts } of results) t.is(new Set(hosts).size, hosts.length)
})

test('the number of hosts can be given', t => {
  for (const seed of [1, 2, 3, 4])
    t.is(runSeed({ seed, hosts: 4, rules: SIMULATION_RULES }).hosts.length, 4)
})

test('a slow disk without which nothing is decided, among proposers who outbid each other', t => {
  // The rounds of all were given up before that disk had answered, for a minute.
  const { violations, isStuck } = runSeed({
    seed: 40998,
    hosts: undefined,
    rules: SIMULATION_RULES,
  })
  t.deepEqual(violations, [])
  t.false(isStuck)
})

test('every run is served: what is asked is granted, or refused for a reason', t => {
  for (const { seed, grants, violations, isStuck } of results) {
    t.deepEqual(violations, [], `seed ${seed}`)
    t.false(isStuck, `seed ${seed}`)
    t.true(grants > 0, `seed ${seed}`)
  }
})
