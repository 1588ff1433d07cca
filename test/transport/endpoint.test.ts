import test from 'ava'

import { World } from '../helpers/pair.ts'

import type { ChannelId } from '../../src/transport/endpoint.ts'
import type { Faults } from '../helpers/pair.ts'

const CHANNELS = [0, 1, 2, 3] as const
const FAULTS: readonly (readonly [string, Partial<Faults>])[] = [
  ['no fault', {}],
  ['10 % lost', { drop: 0.1 }],
  ['30 % lost', { drop: 0.3 }],
  ['50 % lost', { drop: 0.5 }],
  ['each doubled, up to five times', { duplicate: 1, copies: 5, jitter: 1 }],
  ['reordering', { jitter: 10 }],
  ['delay and jitter', { delay: 50, jitter: 30 }],
  ['flipped bits', { corrupt: 0.2 }],
  ['all at once', { drop: 0.3, duplicate: 0.3, copies: 5, jitter: 20, delay: 5, corrupt: 0.1 }],
]

for (const [name, faults] of FAULTS) {
  for (const channel of CHANNELS) {
    test(`128 payloads over channel ${channel} with ${name} arrive exactly once and in order`, t => {
      for (const seed of [1, 2, 3]) {
        const world = new World(seed, { faults })
        world.connect()
        for (let i = 0; i < 128; i++) {
          world.at(world.random.between(0, 50), () => {
            world.host(1).send(2, channel, `a${i}`)
            world.host(2).send(1, ((channel + 1) % 4) as ChannelId, `b${i}`)
          })
        }
        world.run(60_000, () => world.host(2).deliveries.length === 128 && world.undelivered === 0)
        t.is(world.host(2).deliveries.length, 128, `seed ${seed}`)
        t.is(world.host(1).deliveries.length, 128, `seed ${seed}`)
        t.is(world.host(1).log.length, 1, `seed ${seed}`)
      }
    })
  }
}
