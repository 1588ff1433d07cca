import test from 'ava'
import { Claims, type Wanted } from '../../src/core/claims.ts'
import type { Token } from '../../src/core/clock.ts'
import { tokenOf } from '../../src/core/clock.ts'
import { LamportClock } from '../../src/core/clock.ts'
import { Lease } from '../../src/core/lease.ts'
import { Mutex } from '../../src/core/mutex.ts'
import { RULES } from '../../src/core/rules.ts'
import { Votes } from '../../src/core/view.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'
import { firstView } from '../helpers/mutexes.ts'

const at = toInstant

const SYNC = { type: 'sync', basis: true, requests: [], ghosts: [], last: true } as const

/** The claims of host 1; what other hosts send is put in by hand. */
function host(others: number[]) {
  const log: string[] = []
  const tokens = new Map<number, Token>()
  const votes = new Votes([{ id: 1, votes: 1 }])
  const lease = new Lease(1, votes, milliseconds(2000))
  const self = { id: 1, incarnation: 1 }
  const mutex = new Mutex(self, new LamportClock(0), lease, milliseconds(2160), RULES, 1, {
    send: (to, message) => {
      if (to.length > 0) log.push(`${message.type} to ${to.join(' ')}`)
    },
    requested: () => undefined,
    granted: request => claims.entered(tokenOf(request)),
    left: () => undefined,
    lost: token => claims.lost(token),
    changed: () => undefined,
    unstamped: token => claims.unstamped(token),
  })
  const claims = new Claims(mutex, milliseconds(3000), {
    granted: (id, token) => {
      tokens.set(id, token)
      log.push(`granted ${id}`)
    },
    refused: (id, reason) => log.push(`refused ${id} ${reason}`),
    cancelled: (id, wasGranted) =>
      log.push(`cancelled ${id} ${wasGranted ? 'granted' : 'waiting'}`),
    queued: (id, position) => log.push(`queued ${id} ${position}`),
    mayStamp: () => isClockReady,
    explain: () => 'why',
  })
  let isClockReady = true
  for (const other of others) mutex.open(at(0), other, 1)
  mutex.install(at(0), firstView([1, ...others]))
  log.length = 0
  const sync = (from: number): void => {
    mutex.receive(at(0), from, { ...SYNC, view: 1, time: 1 })
    claims.settle(at(0))
    log.length = 0
  }
  const setClockReady = (isReady: boolean): void => {
    isClockReady = isReady
  }
  return { claims, mutex, log, tokens, sync, setClockReady }
}

function wanted(wait?: number, names = ['door'], limit = 1): Wanted {
  return { names, limit, wait: wait === undefined ? undefined : milliseconds(wait), info: '' }
}

test('a request is not stamped before all others have been heard, and then at once', t => {
  const { claims, mutex, log } = host([2])
  claims.acquire(at(0), 7, wanted())
  t.deepEqual(log, [])
  mutex.receive(at(0), 2, { ...SYNC, view: 1, time: 1 })
  claims.settle(at(0))
  t.deepEqual(log, ['request to 2'])
})

test('a try-lock with nothing before it waits for the answer and is granted', t => {
  const { claims, mutex, log, sync } = host([2])
  sync(2)
  claims.acquire(at(0), 7, wanted(0))
  t.deepEqual(log, ['request to 2'])
  mutex.receive(at(1), 2, {
    type: 'reply',
    view: 1,
    time: 9,
    request: mutex.queue.line('door')[0]!.request.time,
  })
  t.deepEqual(log, ['request to 2', 'granted 7'])
})

test('a try-lock is refused without a message when something is known to precede', t => {
  const { claims, log } = host([])
  claims.acquire(at(0), 1, wanted())
  claims.acquire(at(0), 2, wanted(0))
  t.deepEqual(log, ['granted 1', 'refused 2 not-acquired'])
})

test('a try-lock is refused, and withdrawn, as soon as an earlier request arrives', t => {
  const { claims, mutex, log, sync } = host([2])
  sync(2)
  for (let i = 0; i < 5; i++) claims.acquire(at(0), i, wanted(undefined, [`other${i}`]))
  log.length = 0
  claims.acquire(at(0), 7, wanted(0))
  mutex.receive(at(1), 2, {
    type: 'request',
    view: 1,
    time: 2,
    names: ['door'],
    limit: 1,
    info: '',
    span: 1,
  })
  claims.settle(at(1))
  t.deepEqual(log, ['request to 2', 'reply to 2', 'release to 2', 'refused 7 not-acquired'])
})

test('a try-lock that can get no answer is refused for want of a majority', t => {
  const { claims, log } = host([2])
  claims.acquire(at(0), 7, wanted(0))
  t.is(claims.deadline, at(3000))
  claims.tick(at(2999))
  t.deepEqual(log, [])
  claims.tick(at(3000))
  t.deepEqual(log, ['refused 7 no-majority'])
})

test('a wait ends with not-acquired where others precede, and with no-majority where a REPLY is missing', t => {
  const { claims, mutex, log, sync } = host([2])
  sync(2)
  mutex.receive(at(0), 2, {
    type: 'request',
    view: 1,
    time: 1,
    names: ['door'],
    limit: 1,
    info: '',
    span: 1,
  })
  log.length = 0
  claims.acquire(at(0), 1, wanted(500))
  claims.acquire(at(0), 2, wanted(500, ['window']))
  claims.tick(at(500))
  t.deepEqual(
    log.filter(line => !line.includes(' to ')),
    ['queued 1 1', 'refused 1 not-acquired', 'refused 2 no-majority'],
  )
  t.is(mutex.queue.size, 1)
})

test('a wait that has been granted no longer ends', t => {
  const { claims, log } = host([])
  claims.acquire(at(0), 1, wanted(500))
  claims.tick(at(10_000))
  t.deepEqual(log, ['granted 1'])
})

test('cancel drops what is unstamped, RELEASEs what waits, and releases what was granted', t => {
  const { claims, mutex, log, sync } = host([2])
  claims.acquire(at(0), 1, wanted())
  claims.cancel(at(0), 1)
  t.deepEqual(log, ['cancelled 1 waiting'])
  sync(2)
  claims.acquire(at(0), 2, wanted())
  claims.cancel(at(0), 2)
  t.deepEqual(log, ['request to 2', 'release to 2', 'cancelled 2 waiting'])
  log.length = 0
  claims.acquire(at(0), 3, wanted())
  mutex.receive(at(1), 2, {
    type: 'reply',
    view: 1,
    time: 9,
    request: mutex.queue.line('door')[0]!.request.time,
  })
  claims.cancel(at(1), 3)
  t.deepEqual(log, ['request to 2', 'granted 3', 'release to 2', 'cancelled 3 granted'])
  claims.cancel(at(1), 3)
  t.is(log.length, 4)
})

test('only what is held can be released, and once', t => {
  const { claims, tokens } = host([])
  t.false(claims.release(at(0), 5))
  claims.acquire(at(0), 1, wanted())
  claims.acquire(at(0), 2, wanted())
  const token = tokens.get(1)!
  t.false(claims.release(at(0), token + 1024))
  t.true(claims.release(at(0), token))
  t.false(claims.release(at(0), token))
  t.true(tokens.has(2))
})

test('a position is told at once, and later when it has changed, at most once a second', t => {
  const { claims, tokens, log } = host([])
  for (let id = 1; id <= 4; id++) claims.acquire(at(0), id, wanted())
  t.deepEqual(log, ['granted 1', 'queued 2 1', 'queued 3 2', 'queued 4 3'])
  log.length = 0
  claims.release(at(10), tokens.get(1)!)
  t.deepEqual(log, ['granted 2'])
  t.is(claims.deadline, at(1000))
  claims.tick(at(1000))
  t.deepEqual(log, ['granted 2', 'queued 3 1', 'queued 4 2'])
})

test('a request is not stamped while the clock has no room below its durable ceiling', t => {
  const { claims, log, setClockReady } = host([])
  setClockReady(false)
  claims.acquire(at(0), 1, wanted())
  t.deepEqual(log, [])
  setClockReady(true)
  claims.settle(at(1))
  t.deepEqual(log, ['granted 1'])
})

test('a request whose timestamp is lost with its incarnation is stamped again', t => {
  const { claims, mutex, log } = host([])
  claims.acquire(at(0), 1, wanted())
  claims.acquire(at(0), 2, wanted())
  mutex.expel(2, 'test')
  t.deepEqual(log, ['granted 1', 'queued 2 1'])
  t.false(claims.release(at(1), mutex.held()[0] ?? 0))
  claims.cancel(at(1), 2)
  t.is(log.at(-1), 'cancelled 2 waiting')
})

test('a host that leaves refuses who waits and who comes, and keeps who holds', t => {
  const { claims, tokens, log } = host([])
  claims.acquire(at(0), 1, wanted())
  claims.acquire(at(0), 2, wanted())
  log.length = 0
  claims.leave(at(1))
  claims.acquire(at(1), 3, wanted())
  t.deepEqual(log, ['refused 2 leaving', 'refused 3 leaving'])
  t.true(claims.release(at(2), tokens.get(1)!))
})

test('a host carries only so many requests, and the next is refused as busy', t => {
  const { claims, log, sync, setClockReady } = host([2])
  sync(2)
  setClockReady(false)
  for (let id = 0; id < 50_000; id++) claims.acquire(at(0), id, wanted())
  t.false(log.some(line => line.startsWith('refused')))
  claims.acquire(at(0), 50_000, wanted())
  t.deepEqual(log, ['refused 50000 busy'])
  claims.cancel(at(1), 7)
  claims.acquire(at(1), 50_001, wanted())
  t.false(log.includes('refused 50001 busy'))
})
