import test from 'ava'

import { Site } from './helpers/site-of-nodes.ts'

import type { Command, Response } from '../src/node.ts'

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
