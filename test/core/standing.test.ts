// Requests that stand: a host that asks again and again asks the others once for many entries.
import test from 'ava'
import { timestampOf, type HostId, type Token } from '../../src/core/clock.ts'
import { SPAN_MAX, tokenInUse } from '../../src/core/message.ts'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { nextView } from '../../src/core/view.ts'
import { toInstant, type Instant } from '../../src/lib/time.ts'
import { GRACE_MS, Mutexes, NOW } from '../helpers/mutexes.ts'

function standing(ids: readonly HostId[], rules: Rules = RULES): Mutexes {
  return new Mutexes(ids, rules, SPAN_MAX)
}

function enter(world: Mutexes, host: HostId, names = ['door']): Token {
  const token = world.request(host, names)
  world.settle()
  return token
}

function cycle(world: Mutexes, host: HostId, names = ['door']): Token {
  const token = enter(world, host, names)
  world.release(host, token)
  world.settle()
  return token
}

/** Host 1 has had it so often that its request stands, and nobody uses it. */
function idle(ids: readonly HostId[], names = ['door']): Mutexes {
  const world = standing(ids)
  for (let i = 0; i < 2; i++) cycle(world, 1, names)
  world.sent.length = 0
  return world
}

/** Likewise, and a client of host 1 is inside. */
function inside(ids: readonly HostId[]): { world: Mutexes; token: Token } {
  const world = idle(ids)
  return { world, token: enter(world, 1) }
}

test('who asks again and again asks the others once for 1, 4, 16, 64, 256 and 1024 entries', t => {
  const world = standing([1, 2, 3])
  const asked: number[] = []
  let last = 0
  for (let i = 0; i < 1 + 4 + 16 + 64 + 256 + 1024 + 1024; i++) {
    world.sent.length = 0
    const token = cycle(world, 1)
    t.true(token > last, 'tokens rise')
    last = token
    if (world.sent.includes('request 1>2')) asked.push(i)
  }
  t.deepEqual(asked, [0, 1, 5, 21, 85, 341, 1365])
})

test('who has asked often for the same names is likely to do so again', t => {
  const world = idle([1, 2])
  const { mutex } = world.of(1)
  for (let i = 0; i < 30; i++) cycle(world, 1)
  mutex.sweep(toInstant(20))
  world.settle()
  const spans: number[] = []
  const series = (ms: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const token = mutex.request(toInstant(ms), { names: ['door'], limit: 1, info: '' })
      world.settle()
      if (i < 2) spans.push([...mutex.queue.entries()][0]?.request.span ?? 0)
      mutex.release(toInstant(ms), token)
      world.settle()
    }
    mutex.sweep(toInstant(ms + 20))
    world.settle()
  }
  series(1000, 2)
  t.deepEqual(spans, [1, 32], 'as often as last time')
  series(2000, 2)
  t.deepEqual(spans.slice(2), [1, 4], 'which was twice')
})

test('nothing is sent for an entry on a request that stands, and each has a token of its own', t => {
  const world = idle([1, 2, 3])
  const tokens = [1, 2, 3].map(() => cycle(world, 1))
  t.deepEqual(world.sent, ['release 1>2', 'release 1>3'])
  const [first = 0] = tokens.map(token => timestampOf(token).time)
  t.deepEqual(
    tokens.map(token => timestampOf(token)),
    [0, 1, 2].map(i => ({ time: first + i, host: 1 })),
  )
})

test('the others go on at a time above all that was reserved', t => {
  const world = standing([1, 2])
  for (let i = 0; i < 21; i++) cycle(world, 1)
  const [entry] = world.of(2).mutex.queue.entries()
  t.is(entry, undefined)
  const request = world.request(1, ['door'])
  const reserved = timestampOf(request).time + 64
  t.true(world.of(1).clock.time >= reserved - 1)
  world.settle()
  t.true(timestampOf(world.request(2, ['roof'])).time >= reserved)
})

test('another host that asks has it at once: RELEASE goes before REPLY', t => {
  const world = idle([1, 2, 3])
  const before = cycle(world, 1)
  world.sent.length = 0
  const token = world.request(2, ['door'])
  world.deliver(2, 1)
  t.deepEqual(world.sent.slice(2), ['release 1>2', 'release 1>3', 'reply 1>2'])
  world.settle()
  t.true(world.of(2).held.has(token))
  t.true(token > before)
  world.release(2, token)
  world.settle()
  // It starts anew, as one that nobody else wanted.
  world.sent.length = 0
  cycle(world, 1)
  t.deepEqual(world.sent.slice(0, 2), ['request 1>2', 'request 1>3'])
})

test('another host that asks while a client is inside is next, whoever else asks here', t => {
  const { world, token } = inside([1, 2, 3])
  const other = enter(world, 2)
  const mine = enter(world, 1)
  t.true(other > token && mine > other)
  world.release(1, token)
  world.settle()
  t.deepEqual([...world.of(1).held], [])
  t.true(world.of(2).held.has(other))
  world.release(2, other)
  world.settle()
  t.true(world.of(1).held.has(mine))
})

test('a request that was under way when the names were reserved comes after those it did not see', t => {
  const world = standing([1, 2])
  cycle(world, 1)
  // Both ask; that of host 1 has four times, that of host 2 one between them.
  const mine = world.request(1, ['door'])
  const other = world.request(2, ['door'])
  const [first, second] = [timestampOf(mine).time, timestampOf(other).time]
  t.true(second >= first && second < first + 4, `${second} is among ${first} and the next three`)
  world.settle()
  t.true(world.of(1).held.has(mine))
  world.release(1, mine)
  const again = world.request(1, ['door'])
  world.settle()
  t.false(world.of(1).held.has(again))
  t.true(world.of(2).held.has(other))
})

test('one that nobody uses ends after a while', t => {
  const world = idle([1, 2])
  const { mutex } = world.of(1)
  t.is(mutex.sweepAt, toInstant(10))
  mutex.sweep(toInstant(10))
  t.is(mutex.sweepAt, toInstant(Infinity))
  t.deepEqual(world.sent, ['release 1>2'])
  world.settle()
  t.is(mutex.queue.size + world.of(2).mutex.queue.size, 0)
})

test('one stands for as long as it took to ask for it, and again is within that; but within bounds', t => {
  for (const [took, patience] of [
    [3, 10],
    [40, 40],
    [900, 200],
  ] as const) {
    const world = standing([1, 2])
    const { mutex, clock } = world.of(1)
    let now = 0
    const enter = (): { readonly token: Token; readonly span: number | undefined } => {
      const wish = { names: ['door'], limit: 1, info: '' }
      const token = mutex.request(toInstant(now), wish)
      world.deliver(1, 2)
      const reply = world.channels.get('2>1')?.shift()
      if (reply?.type !== 'reply') throw new Error('host 2 REPLIES')
      now += took
      clock.witness(reply.time)
      mutex.receive(toInstant(now), 2, reply)
      t.true(mutex.isHeld(token))
      return { token, span: mutex.queue.find(token)?.request.span }
    }
    let { token, span } = enter()
    t.is(span, 1)
    mutex.release(toInstant(now), token)
    world.deliver(1, 2)
    // A moment too late, and then just in time.
    now += patience + 0.1
    ;({ token, span } = enter())
    t.is(span, 1, `${took} ms`)
    mutex.release(toInstant(now), token)
    world.deliver(1, 2)
    now += patience
    ;({ token, span } = enter())
    t.is(span, 4, `${took} ms`)
    mutex.release(toInstant(now), token)
    t.is(mutex.sweepAt, toInstant(now + patience))
    mutex.sweep(toInstant(now + patience - 0.1))
    t.is(mutex.queue.size, 1)
    mutex.sweep(mutex.sweepAt)
    t.is(mutex.queue.size, 0)
    t.is(mutex.sweepAt, toInstant(Infinity))
  }
})

test('who has it is told to the others where it is somebody else than before', t => {
  const world = idle([1, 2])
  const { mutex } = world.of(1)
  const again = (info: string): Token => {
    const [token = 0] = mutex.held()
    if (token > 0) world.release(1, token)
    return mutex.request(NOW, { names: ['door'], limit: 1, info })
  }
  again('backup')
  t.deepEqual(world.sent, ['pass 1>2'])
  t.deepEqual(world.unhurried.slice(-1), ['pass 1>2'])
  const token = again('restore')
  t.deepEqual(world.sent, ['pass 1>2', 'pass 1>2'])
  world.settle()
  const [entry] = world.of(2).mutex.queue.entries()
  t.is(entry?.request.info, 'restore')
  t.is(entry && tokenInUse(entry.request), token)
})

test('by which token it is held is told to the others after a moment', t => {
  const world = idle([1, 2])
  const { mutex } = world.of(1)
  const token = mutex.request(toInstant(5), { names: ['door'], limit: 1, info: '' })
  mutex.sweep(toInstant(10))
  t.deepEqual(world.sent, [])
  t.is(mutex.sweepAt, toInstant(20))
  mutex.sweep(toInstant(20))
  t.deepEqual(world.sent, ['pass 1>2'])
  t.deepEqual(world.unhurried.slice(-1), ['pass 1>2'])
  t.is(mutex.sweepAt, toInstant(Infinity))
  world.settle()
  const [entry] = world.of(2).mutex.queue.entries()
  t.is(entry?.request.info, '')
  t.is(entry && tokenInUse(entry.request), token)
})

test('a client of this host with other wishes for the name is not kept out by one that nobody uses', t => {
  for (const [names, limit] of [
    [['door'], Infinity],
    [['door', 'roof'], 1],
  ] as const) {
    const world = idle([1, 2])
    t.true(world.of(1).mutex.wouldAdmit(names, limit))
    const token = world.request(1, names, limit)
    t.deepEqual(world.sent, ['release 1>2', 'request 1>2'])
    world.settle()
    t.true(world.of(1).held.has(token))
  }
})

test('several names at once stand together, and for these names only', t => {
  const world = idle([1, 2], ['a', 'b'])
  cycle(world, 1, ['a', 'b'])
  t.deepEqual(world.sent, [])
  cycle(world, 1, ['a'])
  t.deepEqual(world.sent.slice(0, 2), ['release 1>2', 'request 1>2'])
})

test('names that are long together never stand', t => {
  const world = standing([1, 2])
  const names = Array.from({ length: 5 }, (_, i) => `${i}${'n'.repeat(250)}`)
  for (let i = 0; i < 3; i++) cycle(world, 1, names)
  t.is(world.of(1).mutex.queue.size, 0)
  for (let i = 0; i < 3; i++) cycle(world, 1, names.slice(0, 4))
  t.is(world.of(1).mutex.queue.size, 1)
})

test('readers, semaphores and hosts without others never stand', t => {
  for (const limit of [2, Infinity]) {
    const world = standing([1, 2])
    for (let i = 0; i < 5; i++) {
      world.sent.length = 0
      const token = world.request(1, ['door'], limit)
      t.true(world.sent.includes('request 1>2'))
      world.settle()
      world.release(1, token)
      t.true(world.sent.includes('release 1>2'))
      world.settle()
    }
  }
  const alone = standing([1])
  for (let i = 0; i < 5; i++) cycle(alone, 1)
  t.is(alone.of(1).mutex.queue.size, 0)
})

test('who asks again after a longer while asks for one entry, as ever', t => {
  const world = standing([1, 2])
  const { mutex } = world.of(1)
  const at = (ms: number): Instant => toInstant(ms)
  const entry = (ms: number): void => {
    const token = mutex.request(at(ms), { names: ['door'], limit: 1, info: '' })
    world.settle()
    mutex.release(at(ms), token)
    world.settle()
  }
  for (const ms of [0, 11, 22]) entry(ms)
  t.is(mutex.queue.size, 0)
  entry(32)
  t.is(mutex.queue.size, 1, 'that was soon enough')
})

test('a try on another host is not refused for one that nobody uses', t => {
  const world = idle([1, 2])
  const { mutex } = world.of(2)
  enter(world, 1)
  world.release(1, [...world.of(1).held][0] ?? 0)
  t.true(mutex.wouldAdmit(['door'], 1))
  const token = world.request(2, ['door'])
  t.false(mutex.isKeptOut(token), 'host 1 has not said whether anybody uses it')
  world.settle()
  t.true(world.of(2).held.has(token))
})

test('a try on another host is refused as soon as its host has said that somebody is inside', t => {
  const { world } = inside([1, 2, 3])
  const { mutex } = world.of(2)
  const token = world.request(2, ['door'])
  world.deliver(2, 3)
  world.deliver(3, 2)
  t.false(mutex.isKeptOut(token))
  world.deliver(2, 1)
  while (world.deliver(1, 2));
  t.true(mutex.isKeptOut(token))
})

test('who leaves lets all go that nobody uses, and nothing stands any more', t => {
  const { world, token } = inside([1, 2])
  const { mutex } = world.of(1)
  for (let i = 0; i < 2; i++) cycle(world, 1, ['roof'])
  world.sent.length = 0
  mutex.leave(NOW)
  t.deepEqual(world.sent, ['release 1>2'])
  world.release(1, token)
  t.deepEqual(world.sent, ['release 1>2', 'release 1>2'])
  world.settle()
  t.is(world.of(2).mutex.queue.size, 0)
})

/** The next view has the same members. */
function sameAgain(world: Mutexes, host: HostId): void {
  const { mutex } = world.of(host)
  const members = [...(mutex.view?.members ?? [])].map(
    ([id, { incarnation }]) => [id, incarnation] as const,
  )
  mutex.install(NOW, nextView(mutex.view, new Map(members), false))
}

test('a new view ends those that nobody uses, and one with a client goes on', t => {
  const { world, token } = inside([1, 2])
  for (let i = 0; i < 2; i++) cycle(world, 1, ['roof'])
  for (const host of [1, 2]) sameAgain(world, host)
  world.settle()
  for (const host of [1, 2])
    t.deepEqual([...world.of(host).mutex.queue.names()], ['door'], `host ${host}`)
  const [entry] = world.of(2).mutex.queue.entries()
  t.is(entry && tokenInUse(entry.request), token)
  world.sent.length = 0
  world.release(1, token)
  t.deepEqual(world.sent, [], 'all have REPLIED in the new view: it stands again')
})

test('in a new view one does not stand before all have REPLIED there', t => {
  const { world, token } = inside([1, 2])
  sameAgain(world, 1)
  world.release(1, token)
  t.is(world.of(1).mutex.queue.size, 0)
})

test('one that nobody uses leaves a ghost like any other, for its host may be inside', t => {
  const world = idle([1, 2, 3])
  const { mutex } = world.of(2)
  mutex.install(
    NOW,
    nextView(
      mutex.view,
      new Map([
        [2, 1],
        [3, 1],
      ]),
      true,
    ),
  )
  t.is(mutex.queue.line('door')[0]?.ghostUntil, toInstant(GRACE_MS))
})

test('an expelled host forgets them, and asks for none of them again', t => {
  const { world, token } = inside([1, 2])
  for (let i = 0; i < 2; i++) cycle(world, 1, ['roof'])
  world.log.length = 0
  world.of(1).mutex.expel(2, 'why')
  t.deepEqual(world.log, [`1 loses ${token}`, `1 leaves 1@${timestampOf(token).time}`])
  t.is(world.of(1).mutex.queue.size, 0)
})

/** The life in which two clients of host 1 were inside, one after the other, has ended. */
function nextLife(): {
  readonly world: Mutexes
  readonly before: Token
  readonly last: Token
  readonly reply: (token: Token) => void
} {
  const { world, token: before } = inside([1, 2])
  world.release(1, before)
  const last = enter(world, 1)
  const [request] = [...world.of(2).mutex.queue.entries()].map(entry => entry.request)
  if (request === undefined) throw new Error('it stands')
  const { mutex } = world.of(1)
  mutex.expel(2, 'it ended')
  const lives = new Map([
    [1, 2],
    [2, 1],
  ])
  const again = nextView(mutex.view, lives, false)
  mutex.open(NOW, 2, 1)
  mutex.install(NOW, again)
  mutex.receive(NOW, 2, {
    type: 'sync',
    view: again.number,
    time: 5000,
    basis: true,
    requests: [],
    ghosts: [{ ...request, remaining: GRACE_MS }],
    last: true,
  })
  world.log.length = 0
  world.sent.length = 0
  const reply = (): void =>
    mutex.receive(NOW, 2, { type: 'reply', view: again.number, time: 5001, request: request.time })
  return { world, before, last, reply }
}

test('the next life adopts one by the token that is in use, and tells the others whose it is', t => {
  const { world, last, reply } = nextLife()
  const { mutex } = world.of(1)
  t.false(mutex.adopt(NOW, last + 10 * 1024, ['door']), 'it has no such timestamp')
  t.true(mutex.adopt(NOW, last, ['door']))
  t.deepEqual(world.sent, ['adopt 1>2'])
  t.false(mutex.isHeld(last))
  reply(last)
  t.true(mutex.isHeld(last))
  t.false(mutex.adopt(NOW, last - 1024, ['door']), 'its client had let go before')
  mutex.sweep(toInstant(10))
  t.deepEqual(world.sent, ['adopt 1>2', 'pass 1>2'])
  // Whose it was before is wrong, and whose it is only the last life knew.
  t.like(world.channels.get('1>2')?.at(-1), { type: 'pass', used: 2, info: '' })
  t.is(mutex.sweepAt, toInstant(Infinity))
})

test('nobody takes over when all clients of the last life must have stopped', t => {
  const { world, before, last, reply } = nextLife()
  const { mutex } = world.of(1)
  mutex.adopt(NOW, before, ['door'])
  reply(before)
  t.false(mutex.adopt(toInstant(2000), last, ['door']))
  t.true(mutex.isHeld(before))
  mutex.release(toInstant(2000), before)
  t.is(world.sent.at(-1), 'release 1>2')
})

test('who was inside last has it, also where one who had let go before asks first', t => {
  for (const when of ['waits', 'holds', 'has let go'] as const) {
    const { world, before, last, reply } = nextLife()
    const { mutex } = world.of(1)
    t.true(mutex.adopt(NOW, before, ['door']))
    if (when !== 'waits') reply(before)
    if (when === 'has let go') world.release(1, before)
    t.true(mutex.adopt(NOW, last, ['door']), when)
    if (when === 'waits') reply(last)
    t.true(mutex.isHeld(last), when)
    t.false(mutex.isHeld(before))
    const was = timestampOf(before).time
    const now = timestampOf(last).time
    const told = {
      waits: [`1 asks again for ${before}`],
      holds: [`1 enters 1@${was}`, `1 loses ${before}`, `1 leaves 1@${was}`],
      'has let go': [`1 enters 1@${was}`, `1 leaves 1@${was}`],
    }
    t.deepEqual(world.log, [...told[when], `1 enters 1@${now}`], when)
    t.false(mutex.adopt(NOW, before, ['door']))
    t.false(world.sent.includes('release 1>2'))
  }
})

test('one that was adopted stays for a lease, whoever lets go of it, and does not stand', t => {
  const { world, before, reply } = nextLife()
  const { mutex } = world.of(1)
  mutex.adopt(NOW, before, ['door'])
  reply(before)
  mutex.release(toInstant(5), before)
  t.is(mutex.keptUntil(before), toInstant(2000))
  t.is(mutex.sweepAt, toInstant(10))
  mutex.sweep(toInstant(10))
  t.is(mutex.sweepAt, toInstant(2000))
  mutex.sweep(toInstant(1999))
  t.deepEqual(world.sent, ['adopt 1>2'], 'a later client may be inside')
  t.false(mutex.wouldAdmit(['door'], 1))
  const next = mutex.request(toInstant(1999), { names: ['door'], limit: 1, info: '' })
  t.false(mutex.isHeld(next))
  mutex.sweep(toInstant(2000))
  t.is(world.sent.at(-1), 'release 1>2')
})

test('what another host says of a request changes who has it, and nothing else', t => {
  const world = standing([1, 2])
  enter(world, 2)
  sameAgain(world, 1)
  const { mutex } = world.of(1)
  const [entry] = mutex.queue.entries()
  const { time = 0 } = entry?.request ?? {}
  const claim = { time, names: ['roof'], limit: 5, info: 'other', span: 8, used: 7 }
  const view = mutex.view?.number ?? 0
  const sync = { type: 'sync', view, time: 900, basis: true, ghosts: [], last: true } as const
  mutex.receive(NOW, 2, { ...sync, requests: [claim] })
  t.deepEqual([...mutex.queue.names()], ['door'])
  const request = [...mutex.queue.entries()][0]?.request
  t.like(request, { names: ['door'], limit: 1, span: 1, used: 0 })
})

test('a ghost that takes a token of ours for its own is not taken for ours', t => {
  const { world, token } = inside([1, 2, 3])
  sameAgain(world, 1)
  const { mutex } = world.of(1)
  const { time } = timestampOf(token)
  const body = { names: ['roof'], limit: 1, info: '', host: 1, remaining: 500 }
  const ghost = { ...body, time: time - 2, span: 4, used: 2 }
  const view = mutex.view?.number ?? 0
  const sync = { type: 'sync', view, time: 900, basis: true, requests: [], last: true } as const
  mutex.receive(NOW, 2, { ...sync, ghosts: [ghost] })
  mutex.release(NOW, token)
  t.is(mutex.queue.line('roof').length, 1)
  mutex.sweep(toInstant(50))
  mutex.tick(toInstant(600))
  t.is(mutex.queue.line('roof').length, 0)
})
