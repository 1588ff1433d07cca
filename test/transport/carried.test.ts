import test from 'ava'
import { World } from '../helpers/pair.ts'

test('whoever traces is told what is taken for lost and what goes again, each by its payload', t => {
  const world = new World(1)
  world.connect()
  world.run(20)
  const [one, two] = [world.host(1), world.host(2)]
  one.send(2, 0, 'calm')
  world.run(20)
  t.deepEqual(one.carried, [])
  let left = 1
  world.intercept = ({ from }) => from === 1 && left-- > 0
  one.send(2, 0, 'lost')
  world.run(50)
  t.deepEqual(
    two.deliveries.map(({ text }) => text),
    ['calm', 'lost'],
  )
  t.true(one.carried.includes('retransmit lost'))
  t.true(one.carried.every(line => line.endsWith(' lost')))
  // Those behind it show that it is gone, before any timer does.
  left = 1
  for (const text of ['a', 'b', 'c', 'd', 'e']) {
    one.send(2, 0, text)
    world.run(0.05)
  }
  world.run(50)
  t.true(one.carried.includes('lose a'))
  t.true(one.carried.includes('retransmit a'))
  t.deepEqual(two.carried, [])
})
