import test from 'ava'
import type { Response } from '../../src/core/command.ts'
import { acceptedEntry, chosenEntry } from '../../src/core/store.ts'
import { nextValue, VALUE_BYTES_MAX } from '../../src/core/variable.ts'
import { VALUES_BYTES_MAX, VARIABLES_MAX } from '../../src/core/variables.ts'
import { milliseconds } from '../../src/lib/time.ts'
import type { VariableMessage } from '../../src/core/message.ts'
import { toInstant } from '../../src/lib/time.ts'
import { VariablesSite } from '../helpers/variables.ts'

function versionOf(response: Response | undefined): number | string | undefined {
  if (response === undefined) return undefined
  if (response.type === 'value' || response.type === 'changed') return response.variable.version
  return response.type === 'differs' ? `differs ${response.current.version}` : response.type
}

test('what one host sets, every host has', t => {
  const site = new VariablesSite(3).settle()
  const id = site.set(1, 'a')
  site.settle()
  t.is(versionOf(site.responses.get(id)), 1)
  t.deepEqual(
    [1, 2, 3].map(host => site.text(host)),
    ['a', 'a', 'a'],
  )
})

test('one host that sets again and again needs one round trip: no PREPARE after the first', t => {
  const site = new VariablesSite(3).settle()
  for (const text of 'abcde') {
    site.set(1, text)
    site.settle()
  }
  t.is(site.counts.get('variable-prepare'), 2)
  t.is(site.counts.get('variable-accept'), 10)
  t.is(site.text(3), 'e')
  // Another one takes over, and the first finds out.
  site.set(2, 'f')
  site.settle()
  t.is(site.counts.get('variable-prepare'), 4)
  site.set(1, 'g')
  site.settle()
  t.is(site.text(3), 'g')
  t.is(site.host(3).variable('x').version, 7)
})

test('a read is one round trip, and writes nothing', t => {
  const site = new VariablesSite(3).settle()
  site.set(1, 'a')
  site.settle()
  const records = [1, 2, 3].map(host => new Map(site.disk(host)))
  const id = site.get(2)
  site.settle()
  t.is(versionOf(site.responses.get(id)), 1)
  t.is(site.counts.get('variable-read'), 2)
  t.is(site.counts.get('variable-prepare'), 2)
  t.deepEqual(
    [1, 2, 3].map(host => new Map(site.disk(host))),
    records,
  )
})

test('what was never set is read as such', t => {
  const site = new VariablesSite(3).settle()
  const id = site.get(2)
  site.settle()
  const response = site.responses.get(id)
  t.like(response, { type: 'value', variable: { name: 'x', version: 0, bytes: undefined } })
})

test('conditions: a version, and the absence of a value', t => {
  const site = new VariablesSite(3).settle()
  const step = (
    host: number,
    text: string | undefined,
    condition: Parameters<VariablesSite['set']>[2],
  ): unknown => {
    const id = site.set(host, text, condition)
    site.settle()
    return versionOf(site.responses.get(id))
  }
  t.is(step(1, 'a', { type: 'version', version: 1 }), 'differs 0')
  t.is(step(1, 'a', { type: 'absent' }), 1)
  t.is(step(2, 'b', { type: 'absent' }), 'differs 1')
  t.is(step(2, 'b', { type: 'version', version: 1 }), 2)
  t.is(step(3, 'c', { type: 'version', version: 1 }), 'differs 2')
  t.is(step(3, undefined, { type: 'version', version: 2 }), 3)
  t.is(step(1, 'd', { type: 'absent' }), 4)
  t.is(site.text(2), 'd')
})

test('three hosts that write at the same instant all write, one after the other', t => {
  const site = new VariablesSite(3).settle()
  const ids = [1, 2, 3].map(host => site.set(host, `of ${host}`))
  site.settle().pass(2000)
  t.deepEqual(ids.map(id => versionOf(site.responses.get(id))).sort(), [1, 2, 3])
  const [first, ...others] = [1, 2, 3].map(host => site.text(host))
  t.deepEqual(others, [first, first])
})

test('without a majority nothing is written, and it is said', t => {
  const site = new VariablesSite(3).settle()
  site.stop(2).stop(3)
  const id = site.set(1, 'a')
  site.settle().pass(5100)
  t.like(site.responses.get(id), { type: 'refused', reason: 'no-majority' })
  const read = site.get(1)
  site.settle().pass(5100)
  t.like(site.responses.get(read), { type: 'refused', reason: 'no-majority' })
})

test('a change whose ACCEPT was sent is uncertain at its deadline', t => {
  const site = new VariablesSite(3).settle()
  site.set(1, 'a')
  site.settle()
  site.isLost = ({ from, to }) => from !== to
  const id = site.set(1, 'b')
  site.settle().pass(5100)
  t.like(site.responses.get(id), { type: 'uncertain', seen: { version: 1 } })
})

test('a change is not made twice where its answers are lost', t => {
  const site = new VariablesSite(3).settle()
  site.isLost = ({ message, from }) => message.type === 'variable-accepted' && from !== 1
  const id = site.set(1, 'a')
  site.settle()
  t.is(site.responses.get(id), undefined)
  site.isLost = () => false
  // Another host finds what was accepted, and goes on from there.
  site.set(2, 'b')
  site.settle()
  t.is(site.text(2), 'b')
  site.pass(3000)
  t.is(versionOf(site.responses.get(id)), 1)
  t.is(site.host(3).variable('x').version, 2)
})

test('an answer leaves only when what it speaks of is on the disk', t => {
  const site = new VariablesSite(3).settle()
  site.isDiskFast = false
  const id = site.set(1, 'a')
  site.settle()
  t.is(site.responses.get(id), undefined)
  site.sync(1).settle()
  t.is(site.responses.get(id), undefined, 'one promise is no majority')
  site.sync(2).settle()
  t.is(site.responses.get(id), undefined)
  site.sync(2).sync(3).settle()
  t.is(versionOf(site.responses.get(id)), 1)
})

test('a proposer that dies between ACCEPT and LEARN leaves no doubt behind', t => {
  const site = new VariablesSite(3).settle()
  site.isLost = ({ message }) => message.type === 'variable-accepted'
  site.set(1, 'a')
  site.settle()
  site.stop(1)
  site.isLost = () => false
  t.is(site.text(2), undefined)
  site.pass(1500)
  t.is(site.text(2), 'a')
  t.is(site.text(3), 'a')
})

test('who missed a change finds it out by digests', t => {
  const site = new VariablesSite(3).settle()
  site.isLost = ({ to, from }) => to === 3 || from === 3
  site.set(1, 'a')
  site.settle()
  site.isLost = () => false
  t.is(site.text(3), undefined)
  site.pass(2500)
  t.is(site.text(3), 'a')
})

test('a host that starts again knows what it knew', t => {
  const site = new VariablesSite(3).settle()
  site.set(1, 'a')
  site.settle()
  site.set(1, 'b')
  site.settle()
  site.stop(1).stop(2).stop(3)
  site.start(1)
  t.is(site.text(1), 'a', 'that b was chosen was not written yet')
  site.start(2).settle().pass(1500)
  t.is(site.text(1), 'b')
  site.pass(3000)
  site.stop(1).start(1)
  t.is(site.text(1), 'b')
})

test('a host that accepts what it had learned already starts again with it', t => {
  const site = new VariablesSite(3).settle()
  site.set(1, 'a')
  // By then its disk says that version 1 was chosen, whose value stands beside that.
  site.settle().pass(2500)
  const late: VariableMessage[] = []
  site.isLost = ({ to, message }) => {
    if (to !== 3 || message.type !== 'variable-accept') return false
    late.push(message)
    return true
  }
  site.set(1, 'b')
  site.settle()
  t.is(site.text(3), 'b')
  for (const message of late) site.host(3).receive(toInstant(site.now), 1, message)
  site.stop(3).start(3)
  t.is(site.text(3), 'b')
})

test('history tells who wrote what, also where the values are gone', t => {
  const site = new VariablesSite(3).settle()
  for (let i = 1; i <= 40; i++) {
    site.set(1 + (i % 3), `value ${i}`)
    site.settle().pass(20)
  }
  const history = site.host(2).history('x')
  t.is(history.length, 32)
  t.deepEqual(
    history.map(({ version }) => version),
    Array.from({ length: 32 }, (_, i) => 40 - i),
  )
  t.deepEqual(
    history.map(({ writer }) => writer.host),
    Array.from({ length: 32 }, (_, i) => 1 + ((40 - i) % 3)),
  )
  t.is(new TextDecoder().decode(history[31]?.bytes), 'value 9')
  site.pass(3000)
  site.stop(2).start(2).settle()
  const after = site.host(2).history('x')
  t.deepEqual(
    after.map(({ version, writer, size }) => [version, writer, size]),
    history.map(({ version, writer, size }) => [version, writer, size]),
  )
  t.is(after[1]?.bytes, undefined)
})

/** Host 1 starts again with so many variables on its disk, of so many bytes each. */
function withMany(count: number, size: number): VariablesSite {
  const site = new VariablesSite(1).settle()
  site.stop(1)
  const value = nextValue(undefined, new Uint8Array(size), { host: 1, time: 1 })
  const ballot = { counter: 1, host: 1 }
  for (let i = 0; i < count; i++) {
    const { version, writer } = value
    const record = { promised: ballot, accepted: ballot, value }
    for (const { key, value: bytes } of [
      acceptedEntry(`v${i}`, record),
      chosenEntry(`v${i}`, { version, writer }),
    ])
      site.disk(1).set(key, bytes)
  }
  return site.start(1)
}

function change(site: VariablesSite, name: string, bytes: Uint8Array | undefined): unknown {
  const wait = milliseconds(5000)
  const id = site.do(1, { type: 'change', name, bytes, condition: { type: 'always' }, wait })
  site.settle()
  return site.responses.get(id)
}

test('there are so many names and no more; what there is can still be changed', t => {
  const site = withMany(VARIABLES_MAX, 1)
  t.like(change(site, 'one more', new Uint8Array(1)), { type: 'refused', reason: 'limit' })
  t.like(change(site, 'v7', new Uint8Array(2)), { type: 'changed' })
  t.like(change(site, 'v7', undefined), { type: 'changed' })
})

test('all values together have so many bytes and no more; a shorter one can always be set', t => {
  const site = withMany(VALUES_BYTES_MAX / VALUE_BYTES_MAX, VALUE_BYTES_MAX)
  t.like(change(site, 'one more', new Uint8Array(1)), { type: 'refused', reason: 'limit' })
  t.like(change(site, 'v7', new Uint8Array(VALUE_BYTES_MAX - 1)), { type: 'changed' })
  t.like(change(site, 'one more', new Uint8Array(1)), { type: 'changed' })
})

test('only so many operations are carried at a time, and the next is refused as busy', t => {
  const site = new VariablesSite(3).settle()
  const first = site.get(1)
  for (let i = 1; i < 10_000; i++) {
    site.get(1)
    site.messages.length = 0
  }
  t.is(site.responses.get(first), undefined)
  for (const id of [site.get(1), site.set(1, 'a')]) {
    t.like(site.responses.get(id), { type: 'refused', reason: 'busy' })
  }
})

test('a host that leaves refuses what has had no effect, and what comes later', t => {
  const site = new VariablesSite(3).settle()
  site.isLost = ({ from, to }) => from !== to
  const [set, get] = [site.set(1, 'a'), site.get(1)]
  site.host(1).leave()
  for (const id of [set, get, site.set(1, 'b')]) {
    t.like(site.responses.get(id), { type: 'refused', reason: 'leaving' })
  }
})

test('to spread a value has all who are there accept it, and changes nothing', t => {
  const site = new VariablesSite(3).settle()
  site.set(1, 'a')
  site.settle()
  site.stop(3)
  site.set(1, 'b')
  site.settle()
  site.start(3).settle().pass(3000)
  t.deepEqual([site.text(3), site.host(3).isWhole, site.host(2).isWhole], ['b', false, true])
  // Started again, it finds out from its disk.
  site.stop(3)
  site.start(3).settle().pass(3000)
  t.false(site.host(3).isWhole)
  const id = site.do(2, { type: 'get', name: 'x', wait: milliseconds(5000), spread: true })
  site.settle()
  t.is(versionOf(site.responses.get(id)), 2)
  t.deepEqual([site.text(3), site.host(3).isWhole], ['b', true])
  site.stop(3)
  t.true(site.start(3).host(3).isWhole)
  // Of a name that was never set there is nothing to accept.
  const none = site.do(2, { type: 'get', name: 'y', wait: milliseconds(5000), spread: true })
  site.settle()
  t.is(versionOf(site.responses.get(none)), 0)
  t.deepEqual(site.host(2).names(), ['x'])
})

test('a host lets be set what it may carry, and takes what others let be set', t => {
  const site = new VariablesSite(3, undefined, { names: 2, bytes: 10 }).settle()
  const wait = milliseconds(5000)
  const set = (name: string, length: number): string | undefined => {
    const bytes = new Uint8Array(length)
    const condition = { type: 'always' } as const
    const id = site.do(1, { type: 'change', name, bytes, condition, wait })
    site.settle()
    const response = site.responses.get(id)
    return response?.type === 'refused' ? `${response.reason}: ${response.detail}` : response?.type
  }
  t.is(set('a', 6), 'changed')
  t.is(set('b', 5), 'limit: all values together have at most 10 bytes')
  t.is(set('b', 4), 'changed')
  t.is(set('c', 0), 'limit: there are 2 names of variables already, unset ones included')
  t.is(set('b', 2), 'changed')
})
