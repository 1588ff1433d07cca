import test from 'ava'
import type { HostId, Token } from '../../src/core/clock.ts'
import type { CommandId } from '../../src/core/command.ts'
import type { Rules } from '../../src/core/rules.ts'
import { Schedule } from '../helpers/schedule.ts'

/** The daemon of this host is killed and started again at once. */
function restart(s: Schedule, host: HostId): Schedule {
  s.world.crash(host)
  s.world.boot(host)
  return s.run(1)
}

/** Its client asks for the lock that it believes in. */
function adopt(s: Schedule, host: HostId, token: Token): CommandId {
  const id = s.world.adopt(host, token)
  if (id === undefined) throw new Error('its client believes in nothing any more')
  return id
}

function believes(s: Schedule, token: Token): boolean {
  return s.world.beliefs().some(belief => belief.token === token)
}

/** Of four hosts the last has left. */
function withoutFour(rules: Partial<Rules>): Schedule {
  const s = new Schedule({ rules, votes: [1, 1, 1, 1] }).start()
  s.world.leave(4)
  return s.until(() => s.members(1) === '1 2 3')
}

for (const host of [1, 3]) {
  test(`a lock goes on over a restart of the daemon of host ${host}, and others wait for its end`, t => {
    const s = new Schedule().start()
    const token = s.hold(host)
    restart(s, host)
    const { views } = s.world.counts
    const adopted = adopt(s, host, token)
    s.until(() => s.token(adopted) === token, 200)
    // The old incarnation has made room for the new one in one view.
    t.is(s.world.counts.views, views + 1)
    const next = s.acquire(2)
    // Longer than any lease or ghost of before.
    s.run(2000)
    t.true(believes(s, token))
    t.is(s.token(next), undefined)
    s.world.release(host, token)
    s.until(() => s.token(next) !== undefined, 10)
    t.deepEqual(s.violations, [])
  })
}

test('once adopted it is a request like any other: its host dies, and it is a ghost', t => {
  const s = new Schedule().start()
  const token = s.hold(1)
  restart(s, 1)
  const adopted = adopt(s, 1, token)
  s.until(() => s.token(adopted) === token, 200).run(1000)
  s.world.crash(1, 'all')
  const next = s.acquire(2)
  s.until(() => !believes(s, token), 1000)
  t.is(s.token(next), undefined)
  s.until(() => s.token(next) !== undefined, 1000)
  t.deepEqual(s.violations, [])
})

test('a host that comes in later learns of it from its owner', t => {
  const s = withoutFour({})
  const token = s.hold(1)
  restart(s, 1)
  const adopted = adopt(s, 1, token)
  s.until(() => s.token(adopted) === token, 200)
  s.world.boot(4)
  s.until(() => s.members(1) === '1 2 3 4').run(100)
  const next = s.acquire(4)
  s.run(1000)
  t.is(s.token(next), undefined)
  s.world.release(1, token)
  s.until(() => s.token(next) !== undefined, 10)
  t.deepEqual(s.violations, [])
})

test('what another asks for, or what was given back, is refused', t => {
  const s = new Schedule().start()
  const token = s.hold(1)
  const other = s.hold(2, 'window')
  restart(s, 1)
  s.until(() => s.members(1) === '1 2 3')
  const refused = [
    s.world.adoptLate(1, other, 'window'),
    s.world.adoptLate(1, token, 'window'),
    s.world.adoptLate(1, token + 1024, 'door'),
  ]
  s.run(50)
  for (const id of refused) t.like(s.responses.get(id), { type: 'refused', reason: 'not-held' })
  const adopted = adopt(s, 1, token)
  s.until(() => s.token(adopted) === token, 100)
  const twice = s.world.adoptLate(1, token, 'door')
  s.run(50)
  t.like(s.responses.get(twice), { type: 'refused', reason: 'not-held' })
  t.deepEqual(s.violations, [])
})

/** Host 2 hears of the adoption when its ghost has long ended. */
function adoptUnheard(rules: Partial<Rules>): Schedule {
  const s = new Schedule({ rules }).start()
  const token = s.hold(1)
  restart(s, 1).block(1, 2, 'adopt')
  adopt(s, 1, token)
  const next = s.acquire(2)
  s.run(800).unblock()
  s.until(() => s.token(next) !== undefined)
  return s
}

test('a ghost is adopted when all have said that it stands', t => {
  t.deepEqual(adoptUnheard({}).violations, [])
  t.regex(adoptUnheard({ adoptionReplies: false }).violations[0] ?? '', /are inside door/)
})

/** Of the others, host 1 hears late that the ghost stood; it has ended, and host 2 is inside. */
function adoptEnded(rules: Partial<Rules>): Schedule {
  const s = new Schedule({ rules }).start()
  const token = s.hold(1)
  s.block(2, 1, 'sync').block(3, 1, 'sync')
  restart(s, 1).until(() => s.members(1) === '1 2 3')
  s.until(() => !believes(s, token))
  s.run(100)
  s.unblock()
  s.hold(2)
  const late = s.world.adoptLate(1, token, 'door')
  s.run(100)
  if (s.violations.length === 0 && s.token(late) !== undefined) throw new Error('it was granted')
  return s
}

test('a ghost that has ended for one is adopted by nobody, whatever its client says', t => {
  t.deepEqual(adoptEnded({}).violations, [])
  t.regex(adoptEnded({ adoptionStands: false }).violations.join(), /are inside door/)
})

/** Host 3 does not answer, and the view changes: what host 2 has let go must count for it again. */
function viewMeanwhile(rules: Partial<Rules>): Schedule {
  const s = withoutFour(rules)
  const token = s.hold(1)
  restart(s, 1).block(3, 1, 'reply')
  adopt(s, 1, token)
  s.until(() => s.members(1) === '1 2 3').run(5)
  s.world.boot(4)
  s.until(() => s.members(2) === '1 2 3 4')
  const next = s.acquire(2)
  if (!believes(s, token)) throw new Error('the schedule takes too long')
  s.until(() => !believes(s, token))
  s.unblock().until(() => s.token(next) !== undefined, 1000)
  return s
}

test('an adoption that a new view cuts short leaves the ghost as it was', t => {
  t.deepEqual(viewMeanwhile({}).violations, [])
  t.regex(viewMeanwhile({ adoptionReturns: false }).violations[0] ?? '', /are inside door/)
})
