import test from 'ava'
import type { HostId } from '../../src/core/clock.ts'
import type { Rules } from '../../src/core/rules.ts'
import { milliseconds } from '../../src/lib/time.ts'
import type { WorldTable } from '../../src/sim/ideal-machine.ts'
import { Schedule } from '../helpers/schedule.ts'

/** A hosts.yml with these votes, by id. */
function table(
  s: Schedule,
  votes: Readonly<Record<HostId, number>>,
  lease = s.world.machine(1).table.timing.lease,
): WorldTable {
  const hosts = Object.entries(votes).map(([id, share]) => ({
    id: Number(id),
    name: `h${id}`,
    votes: share,
  }))
  return { hosts, timing: { ...s.world.machine(1).table.timing, lease } }
}

function restart(s: Schedule, ids: readonly HostId[], file: WorldTable): Schedule {
  for (const id of ids) {
    s.world.edit(id, file)
    if (s.world.machine(id).isUp) s.world.crash(id, 'all')
  }
  for (const id of ids) s.world.boot(id)
  return s
}

function hasMajority(s: Schedule, id: HostId): boolean {
  return s.world.machine(id).host.status(s.world.reading(id)).majority
}

function blank(s: Schedule, id: HostId): string {
  return s.world.machine(id).host.status(s.world.reading(id)).blank ?? ''
}

/** Three hosts with the fourth not yet bought. */
function three(rules: Partial<Rules> = {}): Schedule {
  const s = new Schedule({ votes: [1, 1, 1, 1], rules })
  const file = table(s, { 1: 1, 2: 1, 3: 1 })
  for (const id of s.world.ids) s.world.edit(id, file)
  return s.start()
}

test('with the same new hosts.yml on all hosts, a host is added and tokens go on rising', t => {
  const s = three()
  const before = s.hold(1)
  restart(s, [1, 2, 3, 4], table(s, { 1: 1, 2: 1, 3: 1, 4: 1 })).run(3000)
  for (const id of [1, 2, 3, 4]) t.is(s.members(id), '1 2 3 4')
  t.true(s.hold(4) > before)
  t.deepEqual(s.violations, [])
})

test('one host grows to three', t => {
  const s = new Schedule({ votes: [1, 1, 1] })
  s.world.edit(1, table(s, { 1: 1 }))
  s.start([1])
  const before = s.hold(1)
  restart(s, [1, 2, 3], table(s, { 1: 1, 2: 1, 3: 1 })).run(3000)
  for (const id of [1, 2, 3]) t.is(s.members(id), '1 2 3')
  t.true(s.hold(3) > before)
})

test('a host whose hosts.yml alone differs has no vote and says so, and the others go on', t => {
  const s = three()
  restart(s, [3], table(s, { 1: 1, 2: 1, 3: 2 })).run(3000)
  t.is(s.members(1), '1 2')
  t.is(s.view(3), '-')
  t.regex(blank(s, 3), /h1 \(1\), h2 \(2\) \(hosts.yml has changed since this host voted/)
  s.hold(1)
  restart(s, [3], table(s, { 1: 1, 2: 1, 3: 1 })).run(5000)
  for (const id of [1, 2, 3]) t.is(s.members(id), '1 2 3')
  t.deepEqual(s.violations, [])
})

test('a change that has begun leaves the old table no majority, until it is taken back', t => {
  const s = three()
  const wider = table(s, { 1: 1, 2: 1, 4: 1 })
  // Host 3 is taken out but goes on running; host 4 never comes up, and so nobody votes by the new.
  restart(s, [1, 2], wider).run(3000)
  s.world.edit(2, table(s, { 1: 1, 2: 1, 3: 1 }))
  s.world.crash(2, 'all')
  s.world.boot(2)
  s.run(3000)
  // It has pledged nothing yet: the old table still has its majority.
  t.is(s.members(2), '2 3')
  s.hold(2)
  restart(s, [2, 4], wider).run(3000)
  for (const id of [1, 2, 4]) t.is(s.members(id), '1 2 4')
  t.false(hasMajority(s, 3))
  // Now the old file again on host 2: it is bound to the new table, and 3 has no majority with it.
  restart(s, [2], table(s, { 1: 1, 2: 1, 3: 1 })).run(3000)
  t.false(hasMajority(s, 2))
  t.false(hasMajority(s, 3))
  t.is(s.members(1), '1 4')
  restart(s, [2], wider).run(5000)
  for (const id of [1, 2, 4]) t.is(s.members(id), '1 2 4')
  t.deepEqual(s.violations, [])
})

test('without a majority of the hosts that were, a table waits for the operator', t => {
  const s = three()
  const before = s.hold(3)
  for (const id of [2, 3]) s.world.crash(id, 'all')
  restart(s, [1], table(s, { 1: 1 })).run(3000)
  t.is(s.view(1), '-')
  t.regex(
    blank(s, 1),
    /the operator: hosts.yml does not name host 2, host 3, and too few of the others voted/,
  )
  s.world.found(1)
  s.run(2000)
  t.is(s.members(1), '1')
  t.true(s.hold(1) > before)
})

/** A holder is cut off with a long lease, and the others go on without it, with a short one. */
function shorten(rules: Partial<Rules>): readonly string[] {
  const s = new Schedule({ votes: [1, 1, 1], rules })
  const long = table(s, { 1: 1, 2: 1, 3: 1 }, milliseconds(3000))
  for (const id of s.world.ids) s.world.edit(id, long)
  s.start()
  s.hold(3)
  s.world.cut(1, 3)
  s.world.cut(2, 3)
  restart(s, [1, 2], table(s, { 1: 1, 2: 1 }, milliseconds(100)))
  s.acquire(1)
  s.run(6000)
  return s.violations
}

test('a lease that was shortened in hosts.yml is waited out as it was promised', t => {
  t.deepEqual(shorten({}), [])
  t.not(shorten({ oneTable: false }).length, 0)
})
