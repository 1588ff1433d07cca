import test from 'ava'

import { World } from '../helpers/pair.ts'

test('a machine that begins another incarnation has sessions with all others again', t => {
  const world = new World(1, { hosts: 3 })
  world.connect()
  world.host(2).reincarnate(2)
  t.true(world.run(5000, () => world.isConnected && world.host(1).up.get(2) === 2))
  world.run(5000)
  t.deepEqual([...world.host(1).up].sort(), [
    [2, 2],
    [3, 1],
  ])
  t.deepEqual([...world.host(2).up].sort(), [
    [1, 1],
    [3, 1],
  ])
  world.host(1).send(2, 0, 'to the new one')
  world.run(100)
  t.is(world.host(2).deliveries.at(-1)?.text, 'to the new one')
  t.is(world.host(1).log.filter(line => line.startsWith('lost')).length, 1)
})
