import test from 'ava'
import { LamportClock } from '../../src/core/clock.ts'
import { Founding, type ReadyRecord } from '../../src/core/founding.ts'
import type { Recovered } from '../../src/core/recovery.ts'
import type { BlankMessage } from '../../src/core/message.ts'
import { NO_BALLOT, type AcceptorRecord } from '../../src/core/register.ts'
import type { SafetyTable } from '../../src/core/table.ts'
import { nextView, type View } from '../../src/core/view.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

const TIMING = { heartbeat: milliseconds(50), suspect: milliseconds(250) }
/** Of a host that has had its vote from the beginning. */
function tableOf(votes: readonly number[], ids = votes.map((_, i) => i + 1)): SafetyTable {
  const hosts = votes.map((share, i) => ({ id: ids[i] ?? 0, votes: share }))
  return { hosts, timing: { lease: milliseconds(300), drift: 0.02 } }
}

/** No variable was ever set. */
const NO_COPIES = { begin: () => undefined, isComplete: () => true }

const EMPTY: AcceptorRecord<View> = { promised: NO_BALLOT, accepted: NO_BALLOT, value: undefined }

type Member = {
  founding: Founding
  clock: LamportClock
  acceptor: AcceptorRecord<View>
  recovery: Recovered | undefined
  floor: number
  pledged: SafetyTable | undefined
}

/** Foundings whose messages arrive at once, where both ends are connected. */
class Site {
  readonly members = new Map<number, Member>()
  readonly #table: SafetyTable
  #now = 0

  constructor(votes: readonly number[]) {
    this.#table = tableOf(votes)
  }

  of(id: number): Founding {
    return this.members.get(id)!.founding
  }

  /** A host that comes up, blank unless it has a record, and is connected to those that are up. */
  start(id: number, life = 100 + id, record?: ReadyRecord, acceptor = EMPTY): Member {
    const clock = new LamportClock(1000 * id)
    const member: Member = {
      clock,
      acceptor,
      recovery: undefined,
      floor: 0,
      pledged: undefined,
      founding: undefined as unknown as Founding,
    }
    const recovered = { ready: record, pledged: undefined }
    member.founding = new Founding({ id, life }, this.#table, clock, TIMING, recovered, NO_COPIES, {
      send: (to, message) => to.forEach(other => this.#deliver(id, other, message)),
      ready: (ready, recovery) => {
        member.recovery = recovery
        member.founding.becameReady(ready)
      },
      raiseFloor: counter => {
        member.floor = counter
        return 0
      },
      acceptorRecord: () => member.acceptor,
      knownIncarnation: host => 10 * id + host,
      pledge: table => (member.pledged = table),
    })
    this.members.set(id, member)
    for (const other of this.members.keys()) if (other !== id) this.#connect(id, other)
    return member
  }

  stop(id: number): void {
    this.members.delete(id)
    for (const { founding } of this.members.values()) founding.close(id)
  }

  run(ms = 300): void {
    for (const end = this.#now + ms; this.#now < end; this.#now += 50) {
      for (const { founding } of this.members.values()) founding.tick(toInstant(this.#now))
    }
  }

  found(id: number): string | undefined {
    return this.of(id).found(toInstant(this.#now))
  }

  get ready(): number[] {
    return [...this.members].filter(([, { founding }]) => !founding.isBlank).map(([id]) => id)
  }

  #connect(a: number, b: number): void {
    this.of(a).open(b)
    this.of(b).open(a)
  }

  #deliver(from: number, to: number, message: BlankMessage): void {
    const member = this.members.get(to)
    if (member === undefined) return
    member.clock.witness(message.time)
    member.founding.receive(toInstant(this.#now), from, message)
  }
}

const THREE = tableOf([1, 1, 1])

const name = (host: number): string => `h${host}`

test('a site of one host founds itself', t => {
  const site = new Site([1])
  site.start(1)
  site.run()
  t.deepEqual(site.ready, [1])
})

test('hosts found when all of them are there and blank, and not before', t => {
  const site = new Site([1, 1, 1])
  site.start(1)
  site.start(2)
  site.run()
  t.deepEqual(site.ready, [])
  t.regex(site.of(1).waitsFor(name) ?? '', /the first start of h3/)
  site.start(3)
  site.run()
  t.deepEqual(site.ready, [1, 2, 3])
  t.is(site.of(1).waitsFor(name), undefined)
})

test('the operator founds with a majority of blank hosts, and those it founded with follow', t => {
  const site = new Site([1, 1, 1])
  site.start(1)
  t.regex(site.found(1) ?? '', /a majority of votes/)
  site.start(2)
  t.regex(site.found(1) ?? '', /host 2 has not said yet/)
  site.run()
  t.is(site.found(1), undefined)
  site.run()
  t.deepEqual(site.ready, [1, 2])
  t.regex(site.found(1) ?? '', /not blank/)
})

test('a host of many votes does not found alone either, but where it is the whole site', t => {
  const site = new Site([3, 1])
  site.start(1)
  site.run()
  t.deepEqual(site.ready, [])
})

test('nobody founds beside a host that is not blank, though it has gone silent since', t => {
  const site = new Site([1, 1, 1])
  site.start(3, 103, { founders: new Map(), newcomers: new Map(), table: THREE })
  site.start(1)
  site.run()
  t.regex(site.found(1) ?? '', /host 3 is not blank/)
  site.stop(3)
  t.regex(site.found(1) ?? '', /a host that is not blank was met/)
})

test('a blank host that is not heard any more is not founded with', t => {
  const site = new Site([1, 1, 1])
  site.start(1)
  site.start(2)
  site.run()
  // Its session is not known to have ended.
  site.members.delete(2)
  site.run(500)
  t.regex(site.found(1) ?? '', /a majority of votes/)
})

test('a host with a lost disk recovers from all the others what any of them has accepted', t => {
  const site = new Site([1, 1, 1])
  const view = nextView(
    undefined,
    new Map([
      [1, 1],
      [2, 1],
    ]),
    true,
  )
  const [older, newer] = [5, 9].map(counter => ({
    promised: { counter, host: 1 },
    accepted: { counter, host: 1 },
    value: nextView(
      counter === 9 ? view : undefined,
      new Map([
        [1, 1],
        [2, 1],
      ]),
      true,
    ),
  }))
  const ready = { founders: new Map([[3, 999]]), newcomers: new Map(), table: THREE }
  const one = site.start(1, 101, ready, older)
  const three = site.start(3)
  site.run()
  t.deepEqual(site.ready, [1])
  t.regex(site.of(3).waitsFor(name) ?? '', /recovery from all other hosts: h2 must answer/)
  const two = site.start(2, 102, ready, newer)
  site.run()
  t.deepEqual(site.ready, [1, 3, 2])
  const { acceptor, knownIncarnation } = three.recovery!
  t.is(acceptor.value?.number, 2)
  t.is(knownIncarnation, 23)
  // Both refuse, and it refuses itself, whatever was under way in its old life.
  t.is(one.floor, acceptor.promised.counter)
  t.is(two.floor, acceptor.promised.counter)
  t.true(acceptor.promised.counter > 2000)
})

test('where too many disks are lost, it waits for the word of the operator and says so', t => {
  const site = new Site([1, 1, 1])
  site.start(1, 101, { founders: new Map(), newcomers: new Map(), table: THREE })
  site.start(2)
  site.start(3)
  site.run()
  t.deepEqual(site.ready, [1])
  t.regex(site.of(3).waitsFor(name) ?? '', /too many hosts are blank \(h2, this one\)/)
  t.is(site.found(3), undefined)
  t.not(site.members.get(3)!.recovery, undefined)
  site.run()
  t.deepEqual(site.ready, [1, 2, 3])
})

test('a founder tells a slower one that it was founded with, though both restarted', t => {
  const site = new Site([1, 1, 1])
  site.start(1, 101, {
    founders: new Map([
      [2, 102],
      [3, 103],
    ]),
    newcomers: new Map(),
    table: THREE,
  })
  site.start(2, 102)
  site.run()
  t.deepEqual(site.ready, [1, 2])
  // Another disk has another name.
  site.start(3, 777)
  site.run()
  t.not(site.members.get(3)!.recovery, undefined)
})
