import test from 'ava'
import type { Token } from '../../src/core/clock.ts'
import type { CommandId, NodeEvent, Response, StoreEntry } from '../../src/core/command.ts'
import { Host } from '../../src/core/host.ts'
import type { Message } from '../../src/core/message.ts'
import { RULES } from '../../src/core/rules.ts'
import { NOTHING_DURABLE, recover, type Durable } from '../../src/core/store.ts'
import { Random } from '../../src/lib/random.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const TIMING = {
  heartbeat: milliseconds(50),
  suspect: milliseconds(250),
  lease: milliseconds(300),
  drift: 0.02,
}

/** Host 1 of a site, alone with its disk; a test plays the rest. */
class Lone {
  readonly host: Host
  readonly sent: { to: number; message: Message }[] = []
  readonly responses = new Map<CommandId, Response>()
  readonly events: NodeEvent[] = []
  readonly incarnations: number[] = []
  readonly disk = new Map<string, Uint8Array>()
  unsynced: { lsn: number; entries: readonly StoreEntry[] }[] = []
  now = 0

  constructor(votes: readonly number[], durable: Durable = NOTHING_DURABLE) {
    const hosts = votes.map((share, i) => ({ id: i + 1, name: `h${i + 1}`, votes: share }))
    const config = { self: 1, hosts, timing: TIMING }
    this.host = new Host(config, durable, new Random(1), RULES, {
      send: (to, message) => this.sent.push({ to, message }),
      sendHeartbeat: () => undefined,
      reincarnate: incarnation => this.incarnations.push(incarnation),
      append: (lsn, entries) => this.unsynced.push({ lsn, entries }),
      respond: (id, response) => this.responses.set(id, response),
      event: event => this.events.push(event),
      trace: () => undefined,
      isDrained: () => true,
      isCongested: () => false,
    })
  }

  sync(): this {
    for (let batch = this.unsynced.shift(); batch !== undefined; batch = this.unsynced.shift()) {
      for (const { key, value } of batch.entries) this.disk.set(key, value)
      this.host.synced(toInstant(this.now), batch.lsn)
    }
    return this
  }

  run(ms: number): this {
    for (const end = this.now + ms; this.now < end; this.now += 10) {
      this.host.tick(toInstant(this.now))
      this.sync()
    }
    return this
  }

  acquire(id: CommandId, name = 'door'): Token | undefined {
    const wanted = { names: [name], limit: 1, wait: undefined, info: '' }
    this.host.execute(toInstant(this.now), id, { type: 'acquire', ...wanted })
    return this.token(id)
  }

  token(id: CommandId): Token | undefined {
    const response = this.responses.get(id)
    return response?.type === 'granted' ? response.token : undefined
  }

  release(id: CommandId, token: Token): string | undefined {
    this.host.execute(toInstant(this.now), id, { type: 'release', token })
    return this.responses.get(id)?.type
  }
}

test('a host alone founds itself, waits one lease for nothing, and grants', t => {
  const lone = new Lone([1]).run(500)
  const first = lone.acquire(1)
  t.not(first, undefined)
  t.is(lone.acquire(2), undefined)
  t.is(lone.release(3, first ?? 0), 'released')
  t.true((lone.token(2) ?? 0) > (first ?? 0))
})

test('until its incarnation is durable a host neither founds nor speaks', t => {
  const lone = new Lone([1, 1])
  lone.host.open(toInstant(0), 2, 1)
  for (lone.now = 0; lone.now < 500; lone.now += 10) lone.host.tick(toInstant(lone.now))
  t.false(lone.host.isAwake)
  t.deepEqual(lone.sent, [])
  lone.sync().run(100)
  t.true(lone.host.isAwake)
  t.true(lone.sent.length > 0)
})

test('after a restart tokens go on above those of before, and a lease is waited out', t => {
  const before = new Lone([1]).run(500)
  const first = before.acquire(1) ?? 0
  const durable = recover(before.disk)
  if ('damaged' in durable) throw new Error(durable.damaged)
  const lone = new Lone([1], durable).run(100)
  t.is(lone.host.incarnation, before.host.incarnation + 1)
  lone.acquire(1)
  lone.run(150)
  t.is(lone.token(1), undefined)
  lone.run(400)
  t.true((lone.token(1) ?? 0) > first)
})

test('a new incarnation tells its holders, asks again for who waits, and speaks when durable', t => {
  const lone = new Lone([1]).run(500)
  const held = lone.acquire(1) ?? 0
  lone.acquire(2)
  const { incarnation } = lone.host
  lone.host.rebirth(toInstant(lone.now), 'suspended')
  t.deepEqual(
    lone.events.filter(({ type }) => type === 'lost'),
    [{ type: 'lost', token: held, cause: 'incarnation', reason: 'suspended' }],
  )
  t.false(lone.host.isAwake)
  t.deepEqual(lone.incarnations, [])
  lone.sync()
  t.true(lone.host.isAwake)
  t.deepEqual(lone.incarnations, [incarnation + 1])
  t.is(lone.release(3, held), 'refused')
  lone.run(600)
  t.true((lone.token(2) ?? 0) > held)
})

test('a time too far ahead is refused, logged, and does not move the clock', t => {
  const lone = new Lone([1, 1]).run(50)
  lone.host.open(toInstant(lone.now), 2, 1)
  const { clock } = lone.host.status(toInstant(lone.now))
  const far = {
    type: 'blank',
    time: 2 ** 41,
    life: 1,
    phase: 0,
    floor: 0,
    remembers: false,
  } as const
  lone.host.deliver(toInstant(lone.now), 2, far)
  t.is(lone.host.status(toInstant(lone.now)).clock, clock)
  t.true(lone.events.some(event => event.type === 'log' && event.level === 'error'))
})

test('what is above the durable ceiling waits until a higher one is durable', t => {
  const lone = new Lone([1, 1]).run(50)
  lone.host.open(toInstant(lone.now), 2, 1)
  lone.sent.length = 0
  const blank = {
    type: 'blank',
    time: 500_000,
    life: 1,
    phase: 1,
    floor: 0,
    remembers: false,
  } as const
  lone.host.deliver(toInstant(lone.now), 2, blank)
  t.deepEqual(lone.sent, [])
  lone.sync()
  t.is(lone.sent[0]?.message.type, 'answer')
})

test('a blank host promises nothing', t => {
  const lone = new Lone([1, 1, 1]).run(50)
  lone.host.open(toInstant(lone.now), 2, 1)
  lone.sent.length = 0
  const ballot = { counter: 7, host: 2 }
  lone.host.deliver(toInstant(lone.now), 2, { type: 'prepare', time: 7, ballot })
  lone.sync()
  t.deepEqual(lone.sent, [])
  t.true(lone.host.isBlank)
})

test('leaving: waiters are refused, holders told; it goes when the last has let go', t => {
  const lone = new Lone([1]).run(500)
  const held = lone.acquire(1) ?? 0
  lone.acquire(2)
  lone.host.leave(toInstant(lone.now))
  const waiter = lone.responses.get(2)
  t.is(waiter?.type === 'refused' && waiter.reason, 'leaving')
  t.true(lone.events.some(event => event.type === 'lost' && event.token === held))
  lone.run(50)
  t.false(lone.events.some(({ type }) => type === 'left'))
  lone.release(3, held)
  lone.run(30)
  t.true(lone.events.some(({ type }) => type === 'left'))
})

test('found is refused with the reason where it cannot be', t => {
  const lone = new Lone([1, 1, 1]).run(100)
  lone.host.execute(toInstant(lone.now), 1, { type: 'found' })
  const response = lone.responses.get(1)
  t.is(response?.type === 'refused' && response.reason, 'not-blank')
  t.regex((response?.type === 'refused' && response.detail) || '', /a majority of votes/)
})

test('equal states have equal fingerprints, whenever they are', t => {
  const [one, other] = [new Lone([1, 1]), new Lone([1, 1])]
  one.run(20)
  other.run(20)
  const print = (lone: Lone): string => lone.host.fingerprint(toInstant(lone.now))
  t.is(print(one), print(other))
  other.acquire(1)
  t.not(print(one), print(other))
})
