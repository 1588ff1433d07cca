import test from 'ava'
import { milliseconds } from '../../src/lib/time.ts'
import { Site } from '../helpers/site-of-nodes.ts'
import type { NodeConfig } from '../../src/node.ts'

const DAY_MS = 86_400_000

/** Locks and unlocks on one host, and sets a variable: true where all was done within a minute. */
function works(site: Site, host: number): boolean {
  const wait = milliseconds(60_000)
  const asked = site.ask(host, { type: 'acquire', names: ['door'], limit: 1, wait, info: '' })
  if (!site.run(60_000, () => site.responses.has(asked))) return false
  const granted = site.responses.get(asked)
  if (granted?.type !== 'granted') return false
  site.ask(host, { type: 'release', token: granted.token })
  const bytes = new Uint8Array([host])
  const condition = { type: 'always' } as const
  const set = site.ask(host, { type: 'change', name: 'x', bytes, condition, wait })
  return site.run(60_000, () => site.responses.get(set)?.type === 'changed')
}

function isWhole(site: Site): boolean {
  return site.node(1).status(site.now).view?.members.length === 3
}

/** Sparse enough that weeks pass in seconds. */
function slow(config: NodeConfig): NodeConfig {
  const [heartbeat, suspect] = [milliseconds(60_000), milliseconds(600_000)]
  return { ...config, timing: { heartbeat, suspect, lease: milliseconds(900_000), drift: 0.02 } }
}

test('nothing ends after 25 days, which is more than a timer of 2^31 ms', t => {
  const site = new Site([1, 2, 3], undefined, slow)
  t.true(site.run(DAY_MS, () => isWhole(site)))
  for (let day = 0; day < 25; day++) {
    site.run(DAY_MS)
    t.true(works(site, 1 + (day % 3)), `day ${day}`)
  }
  t.true(site.now > 2 ** 31)
  const { incarnation, view } = site.node(2).status(site.now)
  t.deepEqual([incarnation, view?.members], [1, [1, 2, 3]])
  const losses = site.events.filter(({ type }) => type === 'lost')
  t.deepEqual(losses, [])
})

for (const [name, at] of [
  ['2^31', 2 ** 31],
  ['2^32', 2 ** 32],
  ['2^40', 2 ** 40],
] as const) {
  test(`a clock that passes ${name} ms while hosts are at work is a number like others`, t => {
    const site = new Site([1, 2, 3], undefined, undefined, at - 30_000)
    t.true(site.run(20_000, () => isWhole(site)))
    t.true(works(site, 1))
    site.run(at - 50 - site.now)
    for (let i = 0; i < 30; i++) t.true(works(site, 1 + (i % 3)))
    site.run(20_000)
    t.true(site.now > at)
    t.is(site.node(3).status(site.now).incarnation, 1)
    t.true(isWhole(site) && works(site, 2))
  })
}
