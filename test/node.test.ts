import test from 'ava'

import { decodeAbout, encodeAbout, ABOUT_MAX } from '../src/core/about.ts'
import { encode } from '../src/lib/cbor.ts'
import { milliseconds } from '../src/lib/time.ts'

import { Site } from './helpers/site-of-nodes.ts'

import type { Command, NodeConfig, Response } from '../src/node.ts'

/** An acquire as large as any. */
function large(i: number): Command {
  const names = Array.from(
    { length: 64 },
    (_, k) => `${`${i}`.padStart(5, '0')}${`${k}`.padStart(250, '0')}`,
  )
  return { type: 'acquire', names, limit: 1, wait: undefined, info: '' }
}

test('above the high-water mark of a member new requests are refused as busy, then taken again', t => {
  const site = new Site([1, 2, 3])
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.run(100)
  site.isCut = (from, to) => from === 1 && to === 2
  let taken = 0
  let refusal: Response | undefined
  while (refusal === undefined && taken < 100) {
    refusal = site.command(1, large(taken++))
    site.run(1)
  }
  t.true(taken > 10 && taken < 25, `${taken} requests of 16 KiB`)
  t.deepEqual(refusal, {
    type: 'refused',
    reason: 'busy',
    detail: 'host2 (2) does not keep up with what it is sent',
  })
  // What is there already can be withdrawn all the same.
  site.give(1, { type: 'cancel', id: 1 })
  t.is(site.responses.get(1)?.type, 'cancelled')
  site.isCut = () => false
  site.run(1500)
  t.is(site.command(1, large(101)), undefined)
  t.is(site.node(1).status(site.now).incarnation, 1)
})

test('what waits for a host outside the view makes nobody busy', t => {
  const site = new Site([1, 2, 3])
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.isCut = (from, to) => from === 2 || to === 2
  for (let i = 0; i < 40; i++) site.command(1, large(i))
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 2))
  site.run(1000)
  t.is(site.command(1, large(50))?.type, undefined)
})

test('each host hears what the others say of themselves, and anew after a new session', t => {
  const site = new Site([1, 2, 3], undefined, config => {
    return config.self === 3 ? config : { ...config, about: `I am ${config.self}` }
  })
  const heard = (host: number): unknown =>
    site
      .node(host)
      .status(site.now)
      .peers.map(({ about }) => about)
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.run(100)
  t.deepEqual(heard(1), ['I am 2', undefined])
  t.deepEqual(heard(2), ['I am 1', undefined])
  t.deepEqual(heard(3), ['I am 1', 'I am 2'])
  t.is(decodeAbout(encodeAbout('x'.repeat(ABOUT_MAX))), 'x'.repeat(ABOUT_MAX))
  t.is(decodeAbout(encodeAbout('x'.repeat(ABOUT_MAX + 1))), undefined)
  for (const payload of [
    encode([255, 0]),
    encode([254, 0, 'x']),
    encode([255, 0, 7]),
    encode('x'),
  ]) {
    t.is(decodeAbout(payload), undefined)
  }
})

test('a host whose hosts.yml names one more is told by both, until it has the same', t => {
  const add = (config: NodeConfig): NodeConfig => {
    const stranger = { ...config.hosts[0]!, id: 9, name: 'nine', address: undefined }
    return config.self === 1 ? config : { ...config, hosts: [...config.hosts, stranger] }
  }
  const site = new Site([1, 2], undefined, add)
  site.run(25_000)
  const [peer] = site.node(1).status(site.now).peers
  t.is(
    peer?.notice,
    'host 2 has another hosts.yml, with a host 9 (here there is none); it is ignored until both files agree',
  )
  const [other] = site.node(2).status(site.now).peers
  t.regex(other?.notice ?? '', /^host 1 has another hosts.yml, with no host 9 \(here votes: 1\)/)
})

test('whether every host has the same values, and each disk has accepted them', t => {
  const site = new Site([1, 2, 3])
  const states = (host: number): unknown =>
    site
      .node(host)
      .status(site.now)
      .peers.map(({ copy }) => [copy?.agrees, copy?.whole])
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  const set = (name: string): void => {
    const bytes = new Uint8Array([1])
    const wait = milliseconds(5000)
    site.command(1, { type: 'change', name, bytes, condition: { type: 'always' }, wait })
  }
  set('x')
  site.run(1000)
  t.deepEqual([states(1), states(3)], Array(2).fill(Array(2).fill([true, true])))
  // What host 3 misses it learns from the others, but it has not voted for it.
  site.isCut = (from, to) => from === 3 || to === 3
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 2))
  set('y')
  site.run(1000)
  site.isCut = () => false
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.run(5000)
  t.deepEqual(site.node(3).variableNames(), ['x', 'y'])
  t.deepEqual(states(1), [
    [true, true],
    [true, false],
  ])
  t.false(site.node(3).status(site.now).whole)
  site.command(1, { type: 'get', name: 'y', wait: milliseconds(5000), spread: true })
  site.run(1000)
  t.deepEqual([states(1), states(3)], Array(2).fill(Array(2).fill([true, true])))
  t.true(site.node(3).status(site.now).whole)
})
