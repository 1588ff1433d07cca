import test from 'ava'
import { LamportClock } from '../../src/core/clock.ts'
import type { Sign } from '../../src/core/hearing.ts'
import { Lease } from '../../src/core/lease.ts'
import { Membership } from '../../src/core/membership.ts'
import type { RegisterMessage } from '../../src/core/message.ts'
import { NO_BALLOT, type AcceptorRecord, type Ballot } from '../../src/core/register.ts'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { nextView, Votes, type View } from '../../src/core/view.ts'
import { Random } from '../../src/lib/random.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const TIMING = { heartbeat: milliseconds(50), suspect: milliseconds(250) }

const VIEW = nextView(undefined, new Map([1, 2, 3].map(id => [id, 1])), true)

/** Host 1 of three, whose others a test plays. */
class Player {
  readonly sent: { to: number; message: RegisterMessage }[] = []
  readonly heartbeats = new Map<number, Sign>()
  readonly installed: number[] = []
  readonly saved: AcceptorRecord<View>[] = []
  readonly lease: Lease
  readonly membership: Membership
  now = 0

  constructor(record?: AcceptorRecord<View>, rules: Rules = RULES) {
    const votes = new Votes([1, 2, 3].map(id => ({ id, votes: 1 })))
    const clock = new LamportClock(100)
    this.lease = new Lease(1, votes, milliseconds(300))
    this.membership = new Membership(
      { id: 1, incarnation: 1 },
      [1, 2, 3],
      TIMING,
      votes,
      clock,
      this.lease,
      rules,
      new Random(1),
      record,
      {
        send: (to, message) => to.forEach(host => this.sent.push({ to: host, message })),
        sendHeartbeat: (to, heartbeat) => this.heartbeats.set(to, heartbeat),
        decided: view => this.installed.push(view.number),
        save: saved => this.saved.push(saved),
      },
    )
  }

  open(...hosts: number[]): this {
    for (const host of hosts) this.membership.open(toInstant(this.now), host, 1)
    return this
  }

  hear(from: number, more: Partial<Sign> = {}): void {
    const heard = [1, 2, 3].filter(host => host !== from)
    const basic = { incarnation: 1, stamp: this.now, echo: undefined, view: 0, heard }
    const sign = { ...basic, isCalm: false, isRare: false, ...more }
    this.membership.hear(toInstant(this.now), from, sign)
  }

  receive(from: number, message: RegisterMessage): void {
    this.membership.receive(toInstant(this.now), from, message)
  }

  /** Time goes on, while these hosts are heard. */
  run(ms: number, ...heard: number[]): this {
    for (const end = this.now + ms; this.now < end; this.now += 10) {
      if (this.now % 50 === 0) {
        for (const host of heard) this.hear(host, { view: this.membership.view?.number ?? 0 })
      }
      this.membership.tick(toInstant(this.now))
    }
    return this
  }

  learn(view: View): this {
    this.receive(2, { type: 'learn', time: 1, value: view })
    return this
  }

  types(): string[] {
    return this.sent.map(({ to, message }) => `${message.type}>${to}`)
  }

  /** Of its rounds, in order. */
  ballots(): Ballot[] {
    return this.sent.flatMap(({ to, message }) =>
      to === 2 && message.type === 'prepare' ? [message.ballot] : [],
    )
  }

  prepares(): number {
    return this.types().filter(type => type === 'prepare>2').length
  }
}

const ballot = (counter: number, host: number): { counter: number; host: number } => ({
  counter,
  host,
})

test('with a majority heard it proposes a view of those, and installs it when a majority accepts', t => {
  const player = new Player().open(2, 3).run(100, 2)
  const prepare = player.sent.find(({ message }) => message.type === 'prepare')?.message
  if (prepare?.type !== 'prepare') throw new Error('it does not propose')
  for (const from of [1, 2]) {
    player.receive(from, {
      type: 'promise',
      time: 1,
      ballot: prepare.ballot,
      accepted: NO_BALLOT,
      value: undefined,
    })
  }
  const accept = player.sent.find(({ message }) => message.type === 'accept')?.message
  t.deepEqual(accept?.type === 'accept' && [...accept.value.members.keys()], [1, 2])
  player.receive(1, { type: 'accepted', time: 1, ballot: prepare.ballot })
  t.deepEqual(player.installed, [])
  player.receive(2, { type: 'accepted', time: 1, ballot: prepare.ballot })
  t.deepEqual(player.installed, [1])
  t.true(player.types().includes('learn>3'))
})

test('while all is as wanted, it proposes nothing', t => {
  const player = new Player().open(2, 3)
  player.hear(2)
  player.hear(3)
  player.learn(VIEW).run(5000, 2, 3)
  t.is(player.prepares(), 0)
})

test('a member that has fallen silent is proposed away after suspect, not before', t => {
  const player = new Player().open(2, 3)
  player.hear(2)
  player.hear(3)
  player.learn(VIEW).run(240, 2)
  t.is(player.prepares(), 0)
  player.run(100, 2)
  t.is(player.prepares(), 1)
})

test('whoever waits for a member to return, and loses the majority, is not due for ever', t => {
  const player = new Player().open(2, 3)
  player.hear(2)
  player.hear(3)
  player.learn(VIEW).run(100, 2, 3)
  // The third is back in a new life, and nobody has heard it yet; then the channels end.
  player.membership.open(toInstant(player.now), 3, 2)
  player.run(10, 2)
  player.membership.close(2)
  player.membership.close(3)
  player.run(1000)
  const now = toInstant(player.now)
  player.membership.tick(now)
  t.true(player.membership.deadline(now) > now)
})

test('it leaves the round of another host alone for a while', t => {
  const player = new Player().open(2, 3)
  player.hear(2)
  player.hear(3)
  player.learn(VIEW).run(240, 2)
  player.receive(2, { type: 'prepare', time: 1, ballot: ballot(5000, 2) })
  player.run(50, 2)
  t.is(player.prepares(), 0)
  t.true(player.types().includes('promise>2'))
  player.run(300, 2)
  t.is(player.prepares(), 1)
})

test('a member that leaves is proposed away at once, however new the view is', t => {
  for (const isLate of [false, true]) {
    const player = new Player().open(2, 3)
    player.hear(2)
    player.hear(3)
    player.receive(2, { type: 'prepare', time: 1, ballot: ballot(5000, 2) })
    if (!isLate) player.learn(VIEW)
    player.membership.leave(2, 1)
    if (isLate) player.learn(VIEW)
    player.run(20, 3)
    t.is(player.prepares(), 1)
  }
})

test('rounds that fail become rarer: a slow disk needs time', t => {
  const player = new Player().open(2, 3)
  player.hear(2)
  player.learn(VIEW).run(20_000, 2)
  const rounds = player.prepares()
  t.true(rounds > 2 && rounds < 12, `${rounds} rounds in 20 s`)
})

test('those who answer late still bring a round to its end that was given up', t => {
  const player = new Player().open(2, 3).run(100, 2)
  const [first] = player.ballots()
  if (first === undefined) throw new Error('it does not propose')
  const answer = { time: 1, ballot: first }
  const promise = { ...answer, type: 'promise', accepted: NO_BALLOT, value: undefined } as const
  // Beyond the end of the round, before the next one.
  player.run(210, 2)
  player.receive(1, promise)
  t.false(player.types().includes('accept>2'))
  player.receive(2, promise)
  t.true(player.types().includes('accept>2'))
  player.run(450, 2)
  t.is(player.prepares(), 1, 'now it is waited for again')
  player.run(3000, 2)
  t.true(player.prepares() > 1)
  player.receive(1, { ...answer, type: 'accepted' })
  t.deepEqual(player.installed, [])
  player.receive(2, { ...answer, type: 'accepted' })
  t.deepEqual(player.installed, [1])
  t.true(player.types().includes('learn>3'))
})

test('a round is not waited for as long as a disk takes where channels are new', t => {
  const player = new Player().open(2, 3).run(100, 2)
  const [first] = player.ballots()
  if (first === undefined) throw new Error('it does not propose')
  // A majority takes 2 s to answer: rounds are given three times as long.
  player.now += 2000
  for (const from of [1, 2]) {
    player.receive(from, { type: 'conflict', time: 1, ballot: first, promised: ballot(1, 3) })
  }
  const before = player.prepares()
  while (player.prepares() === before && player.now < 60_000) player.run(10, 2)
  const begun = player.now
  player.open(3)
  const rounds = player.prepares()
  while (player.prepares() === rounds && player.now < 60_000) player.run(10, 2)
  // It ends within `suspect`, and the pause before the next is up to four times as long as that took.
  t.true(player.now - begun < 250 + 4 * 2100 + 50)
})

test('a round that was given up wants what is wanted by the time that it is answered', t => {
  const player = new Player().open(2, 3)
  player.hear(3)
  player.learn(VIEW).run(280, 2)
  t.is(player.prepares(), 1)
  const [first] = player.ballots()
  if (first === undefined) throw new Error('it does not propose')
  const record = { accepted: NO_BALLOT, value: VIEW }
  // The third is heard again: there is nothing to decide any more.
  player.run(30, 2, 3)
  player.receive(1, { type: 'promise', time: 1, ballot: first, ...record })
  player.receive(2, { type: 'promise', time: 1, ballot: first, ...record })
  t.false(player.types().includes('accept>2'))
})

test('it says no to a lower ballot, and saves before it says yes', t => {
  const player = new Player().open(2, 3)
  player.receive(2, { type: 'prepare', time: 1, ballot: ballot(50, 2) })
  player.receive(3, { type: 'prepare', time: 1, ballot: ballot(40, 3) })
  player.receive(3, { type: 'accept', time: 1, ballot: ballot(40, 3), value: VIEW })
  t.deepEqual(player.types(), ['promise>2', 'conflict>3', 'conflict>3'])
  t.is(player.saved.length, 1)
})

test('it echoes nobody whom the newest view it has accepted leaves out, itself included', t => {
  for (const rules of [RULES, { ...RULES, echoMembersOnly: false }]) {
    const player = new Player(undefined, rules).open(2, 3)
    const echo = (host: number): number | undefined => {
      player.run(50, 2, 3)
      return player.heartbeats.get(host)?.echo
    }
    t.not(echo(3), undefined)
    t.not(echo(2), undefined)
    const without = nextView(VIEW, new Map([[2, 1]]), true)
    player.receive(2, { type: 'accept', time: 1, ballot: ballot(9000, 2), value: without })
    t.not(echo(2), undefined)
    t.is(echo(3) === undefined, rules.echoMembersOnly)
    const now = toInstant(player.now)
    player.lease.echo(now, 2, now)
    t.is(player.lease.end(now) < player.now + 300, rules.echoMembersOnly)
  }
})

test('an ACCEPT that comes late, of a view before the one that is decided, takes nobody its echo', t => {
  const player = new Player().open(2, 3)
  const only = nextView(undefined, new Map([[2, 1]]), true)
  const all = nextView(only, new Map([1, 2, 3].map(id => [id, 1])), true)
  player.run(50, 2, 3)
  player.learn(all)
  player.receive(2, { type: 'accept', time: 1, ballot: ballot(9000, 2), value: only })
  player.run(50, 2, 3)
  t.not(player.heartbeats.get(3)?.echo, undefined)
  const now = toInstant(player.now)
  player.lease.echo(now, 2, now)
  t.is(player.lease.end(now) - now, 300, 'nor itself')
})

test('a view that was accepted late, after a newer one, is neither installed nor told', t => {
  const player = new Player().open(2, 3).run(100, 2)
  const [first] = player.ballots()
  if (first === undefined) throw new Error('it does not propose')
  const answer = { time: 1, ballot: first }
  for (const from of [1, 2]) {
    player.receive(from, { ...answer, type: 'promise', accepted: NO_BALLOT, value: undefined })
  }
  player.learn(nextView(VIEW, new Map([1, 2].map(id => [id, 1])), true))
  const before = player.types().filter(type => type.startsWith('learn')).length
  for (const from of [1, 2]) player.receive(from, { ...answer, type: 'accepted' })
  t.deepEqual(player.installed, [2])
  t.is(player.types().filter(type => type.startsWith('learn')).length, before)
})

test('whoever did not listen, or stood still, takes nobody for slow', t => {
  for (const end of ['excuse', 'reincarnate'] as const) {
    const player = new Player().open(2, 3).run(100, 2)
    const [first] = player.ballots()
    if (first === undefined) throw new Error('it does not propose')
    const now = toInstant(player.now + 3000)
    if (end === 'excuse') player.membership.excuse(now, milliseconds(2900))
    else player.membership.reincarnate(now, 2)
    player.now += 3000
    for (const from of [1, 2]) {
      player.receive(from, { type: 'conflict', time: 1, ballot: first, promised: ballot(1, 3) })
    }
    const rounds = player.prepares()
    player.run(1500, 2)
    t.true(player.prepares() > rounds + 1, end)
  }
})

test('a view that it has accepted and nobody tells it is driven to its end', t => {
  const record = { promised: ballot(10, 2), accepted: ballot(10, 2), value: VIEW }
  const player = new Player(record).open(2, 3)
  // Without a majority it could not: it does not try.
  player.run(500)
  t.is(player.prepares(), 0)
  player.run(300, 2)
  t.true(player.prepares() > 0)
})

test('one that has just started does not outbid those who will tell it', t => {
  const record = { promised: ballot(10, 2), accepted: ballot(10, 2), value: VIEW }
  const player = new Player(record).open(2, 3)
  for (let i = 0; i < 10; i++) {
    for (const host of [2, 3]) player.hear(host, { view: 1 })
    player.run(40)
  }
  t.is(player.prepares(), 0)
})

test('it tells a host what it has installed, at each heartbeat that shows it behind', t => {
  const player = new Player().open(2, 3).learn(VIEW)
  player.sent.length = 0
  player.hear(3, { view: 0 })
  player.hear(2, { view: 1 })
  t.deepEqual(player.types(), ['learn>3'])
})
