import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { PAYLOAD_MAX } from '../../src/transport/channel.ts'
import { DATAGRAM_MAX } from '../../src/transport/packet.ts'
import { World } from '../helpers/pair.ts'
import { describeState } from '../helpers/privates.ts'
import { framesAsSent } from './frames.ts'
import { Hostile } from './hostile.ts'
import { clearSeal } from './seals.ts'

import type { ChannelId } from '../../src/transport/endpoint.ts'
import type { Target } from './engine.ts'
import type { CreateSeal } from './seals.ts'

/** Inputs between two steps of the clock, and between two looks at how much is held. */
const STEP_EVERY = 8
const LOOK_EVERY = 100_000
/** Of so many packets one is noise inside; the others are frames that say anything. */
const RAW_EVERY = 16
/** No table may have more entries than this: early segments of four channels, and rings of bits. */
const ENTRIES_MAX = 2048
/** What two honest hosts have told each other arrives in this time, whatever a third one does. */
const HONEST_MS = 3000

/**
 * Packets of a member that has the keys and follows no rule: anything in frames, and any HELLO. Its
 * own session may end by that. Nothing throws, nothing grows, and a third host notices nothing.
 */
export class Member implements Target {
  readonly name = 'member'
  readonly sources: RegExp = /\/transport\/\w+\.js$/
  readonly lengthMax: number = DATAGRAM_MAX
  readonly seeds: readonly Uint8Array[] = framesAsSent()
  readonly #random: Random
  readonly #world: World
  readonly #hostile: Hostile
  readonly #sent: number[] = [0, 0, 0, 0]
  readonly #got: number[] = [0, 0, 0, 0]
  #inputs = 0
  #sizes: ReadonlyMap<string, number> = new Map()

  constructor(createSeal: CreateSeal = clearSeal, seed = 1) {
    this.#random = new Random(seed)
    const world = new World(seed, { hosts: 3, seal: (_, life) => createSeal(life) })
    this.#world = world
    world.isChecking = false
    this.#hostile = new Hostile(world, seed, createSeal)
    const host = world.host(1)
    host.onDeliver = ({ from, channel, text }) => {
      assert(text.length <= PAYLOAD_MAX, 'no payload is longer than 1 MiB')
      if (from !== 3) return
      assert(text === `${this.#got[channel]}`, 'what an honest host says comes once and in order')
      this.#got[channel] = (this.#got[channel] as number) + 1
    }
    world.run(1000, () => host.up.has(3))
  }

  /** The largest that each table of the endpoint has been. */
  get sizes(): ReadonlyMap<string, number> {
    return this.#sizes
  }

  take(input: Uint8Array): void {
    const random = this.#random
    this.#hostile.connect()
    if (random.below(256) === 0) this.#hostile.call(input)
    // Noise mostly ends the session, and the next one has to be agreed on.
    if (random.below(RAW_EVERY) === 0) this.#hostile.send(input)
    else this.#hostile.say(input)
    this.#inputs++
    if (this.#inputs % STEP_EVERY === 0) this.#step()
    if (this.#inputs % LOOK_EVERY === 0) this.#look()
  }

  finish(): void {
    this.#look()
    this.#world.run(HONEST_MS)
    assert(this.#got.join() === this.#sent.join(), 'everything an honest host says arrives')
    assert(
      this.#world.host(1).log.filter(line => line.includes(' 3.')).length === 1,
      'no session of honest hosts ends',
    )
  }

  /** Time goes on, and everybody has something to say. */
  #step(): void {
    const [random, world] = [this.#random, this.#world]
    const channel = random.below(4) as ChannelId
    const [one, three] = [world.host(1), world.host(3)]
    if (three.up.has(1) && three.endpoint.peer(1).queuedBytes < 1000) {
      three.endpoint.send(world.now, 1, channel, Buffer.from(`${this.#sent[channel]}`))
      this.#sent[channel] = (this.#sent[channel] as number) + 1
    }
    if (one.up.has(2) && one.endpoint.peer(2).queuedBytes < 100_000) {
      const length = random.chance(0.1) ? random.below(3000) : random.below(100)
      one.endpoint.send(world.now, 2, channel, new Uint8Array(length))
      one.endpoint.sendDatagram(world.now, 2, new Uint8Array(40))
    }
    one.deliveries.length = 0
    one.datagrams.length = 0
    if (one.log.length > 1000) one.log.splice(500)
    one.notices.length = 0
    world.run(random.between(0, 2))
  }

  #look(): void {
    const sizes = new Map(this.#sizes)
    for (const [path, size] of describeState(this.#world.host(1).endpoint).sizes) {
      assert(size <= ENTRIES_MAX, `${path} has only so many entries, and not ${size}`)
      sizes.set(path, Math.max(size, sizes.get(path) ?? 0))
    }
    this.#sizes = sizes
  }
}
