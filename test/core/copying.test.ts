import test from 'ava'
import { LamportClock } from '../../src/core/clock.ts'
import { Copying, Snapshots, type CopyMessage, type FullRecord } from '../../src/core/copying.ts'
import { nextValue, type VariableValue } from '../../src/core/variable.ts'

const FLOOR = 100

function valueOf(text: string, size = 1000): VariableValue {
  return nextValue(undefined, new Uint8Array(size), { host: 1, time: text.length + 1 })
}

function record(name: string, counter: number, value = valueOf(name), isChosen = true): FullRecord {
  return { name, accepted: { counter, host: 1 }, value, isChosen }
}

type Sent = { readonly from: number; readonly to: number; readonly message: CopyMessage }

/** Host 9, which recovers, and others that have kept what they had; messages go when told to. */
class Recovering {
  readonly copying: Copying
  readonly #clock = new LamportClock(1)
  readonly #others = new Map<
    number,
    { readonly snapshots: Snapshots; records: readonly FullRecord[] }
  >()
  #messages: Sent[] = []
  readonly counts: Map<string, number> = new Map<string, number>()

  constructor(others: Readonly<Record<number, readonly FullRecord[]>>) {
    const ids = Object.keys(others).map(Number)
    this.copying = new Copying(ids, this.#clock, (to, message) => {
      this.#messages.push({ from: 9, to, message })
    })
    for (const id of ids) {
      const snapshots = new Snapshots(this.#clock, (to, message) => {
        this.#messages.push({ from: id, to, message })
      })
      this.#others.set(id, { snapshots, records: others[id] ?? [] })
    }
  }

  begin(host: number): this {
    const other = this.#others.get(host)
    const count = other?.snapshots.take(9, 7, FLOOR, () => [...other.records]) ?? 0
    this.copying.begin(host, FLOOR, count)
    return this
  }

  lose(host: number): this {
    this.copying.forget(host)
    this.#others.get(host)?.snapshots.forget(9)
    this.#messages = this.#messages.filter(({ from, to }) => from !== host && to !== host)
    return this
  }

  /** It has these from now on, and says so once its channels are open again. */
  change(host: number, records: readonly FullRecord[]): this {
    const other = this.#others.get(host)
    if (other !== undefined) other.records = records
    return this
  }

  /** What this host has sent comes after all else. */
  delay(host: number): this {
    const isLate = ({ from }: Sent): boolean => from === host
    this.#messages.sort((a, b) => Number(isLate(a)) - Number(isLate(b)))
    return this
  }

  settle(most = Infinity): this {
    for (let done = 0; done < most && this.#messages.length > 0; done++) {
      const { from, to, message } = this.#messages.shift() as Sent
      const key = `${message.type} ${from}`
      this.counts.set(key, 1 + (this.counts.get(key) ?? 0))
      const snapshots = this.#others.get(to)?.snapshots
      if (message.type === 'fetch') snapshots?.list(from, message.floor, message.index)
      else if (message.type === 'copy') snapshots?.give(from, message.floor, message.names)
      else this.copying.receive(from, message)
    }
    return this
  }

  isComplete(): boolean {
    return [...this.#others.keys()].every(host => this.copying.isComplete(host, FLOOR))
  }
}

const many = (count: number): FullRecord[] =>
  Array.from({ length: count }, (_, i) => record(`v${i}`, i + 1, valueOf('x'), i % 2 === 0))

test('every value comes once, from each host as many as from the others', t => {
  const site = new Recovering({ 1: many(1200), 2: many(1200) })
  site.begin(1).settle()
  t.is(site.counts.get('copies 1'), undefined, 'the other one may know more')
  site.begin(2).settle()
  t.true(site.isComplete())
  t.is(site.counts.get('records 1'), 3)
  t.is(site.counts.get('copies 1'), 10)
  t.is(site.counts.get('copies 2'), 10)
  const copies = site.copying.take()
  t.is(copies.size, 1200)
  t.deepEqual(copies.get('v2'), {
    accepted: { counter: 3, host: 1 },
    value: valueOf('x'),
    isChosen: true,
  })
  t.false(copies.get('v3')?.isChosen)
})

test('of what several have accepted the highest ballot counts, whoever says it first', t => {
  const low = valueOf('low')
  const high = nextValue(low, undefined, { host: 2, time: 2 })
  for (const [first, second] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const site = new Recovering({
      1: [record('x', 5, high, false), record('y', 1, low)],
      2: [record('x', 4, low), record('y', 1, low, false)],
    })
    site.begin(first).settle().begin(second).settle()
    const copies = site.copying.take()
    t.deepEqual(copies.get('x')?.value, high)
    t.false(copies.get('x')?.isChosen)
    t.true(copies.get('y')?.isChosen, 'one of two who have it knows')
  }
})

test('hosts that have nothing are copied at once', t => {
  const site = new Recovering({ 1: [], 2: [] })
  t.false(site.begin(1).isComplete())
  t.true(site.begin(2).isComplete())
  t.false(site.copying.isComplete(1, FLOOR - 1))
  t.is(site.copying.take().size, 0)
})

test('a host that goes in the middle is asked again when it comes back, for what is missing', t => {
  const site = new Recovering({ 1: many(500), 2: many(500) })
  site.begin(1).begin(2).settle(12)
  site.lose(1).settle()
  t.false(site.isComplete())
  site.begin(1).settle()
  t.true(site.isComplete())
  t.is(site.copying.take().size, 500)
})

test('asked again, a host has as many as before', t => {
  const site = new Recovering({ 1: many(3) })
  site.begin(1).settle().begin(1).settle()
  t.is(site.counts.get('fetch 9'), 1)
})

test('a value that comes late is not taken for that of a newer ballot', t => {
  const low = valueOf('low')
  const high = nextValue(low, undefined, { host: 2, time: 2 })
  const site = new Recovering({ 1: [record('x', 4, low)], 2: [], 3: [record('x', 4, low)] })
  site.begin(1).begin(2).begin(3)
  // Both have said what they have; host 1 has been asked for the value, and answers.
  site.settle(5)
  t.is(site.counts.get('copy 9'), 1)
  site
    .lose(3)
    .change(3, [record('x', 5, high, false)])
    .begin(3)
  for (let i = 0; i < 2; i += 1) site.delay(1).settle(1)
  site.settle()
  t.true(site.isComplete())
  const copy = site.copying.take().get('x')
  t.deepEqual(copy, { accepted: { counter: 5, host: 1 }, value: high, isChosen: false })
})

test('where the only one who has the newest comes back without it, the others list theirs again', t => {
  const low = valueOf('low')
  const high = nextValue(low, undefined, { host: 2, time: 2 })
  const site = new Recovering({ 1: [record('x', 4, low)], 2: [record('x', 5, high, false)] })
  site.begin(1).begin(2).settle(4)
  site.lose(2).change(2, []).begin(2).settle()
  t.true(site.isComplete())
  t.deepEqual(site.copying.take().get('x')?.value, low)
})
