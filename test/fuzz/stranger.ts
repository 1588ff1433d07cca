import { createHash } from 'node:crypto'

import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { DATAGRAM_MAX, PacketType, readIndex } from '../../src/transport/packet.ts'
import { answerIndex, HELLO_SIZE } from '../../src/transport/seal.ts'
import { addressOf, World } from '../helpers/pair.ts'
import { clearSeal } from './seals.ts'
import { describeState, firstDifference } from '../helpers/privates.ts'

import type { Instant } from '../../src/lib/time.ts'
import type { Address, Endpoint, PeerId } from '../../src/transport/endpoint.ts'
import type { Seal } from '../../src/transport/seal.ts'
import type { Target } from './engine.ts'
import type { Field } from './mutator.ts'
import type { CreateSeal } from './seals.ts'

/** Inputs between two steps of the world's clock, and steps in the life of one world. */
const ROUND = 2000
const ROUNDS = 50
/** Rounds between two looks at all that the endpoint holds. */
const LOOK_EVERY = 10
/** In one of so many worlds: of each look V8's inspector keeps a little for good. */
const LOOK_IN = 8
const STEP_MS = 7.3
const WORLDS = 16

/** In which the header of every kind of packet, and the numbers in a handshake, are changed. */
const FIELDS: readonly Field[] = [
  { at: 0, size: 1 },
  { at: 1, size: 3 },
  { at: 4, size: 4 },
  { at: 4, size: 1 },
  { at: 7, size: 1 },
  { at: 8, size: 2 },
  { at: 10, size: 2 },
  { at: 12, size: 4 },
]

/** What is counted, and what people are told: the only things that a stranger may change. */
const LEFT_OUT = new Set([
  '#counters',
  'counters',
  '#notices',
  '#strangers',
  '#now',
  'now',
  'failures',
  '#nonce',
])

export type Receive = (endpoint: Endpoint, now: Instant, from: Address, bytes: Uint8Array) => void

/**
 * Packets from somebody without the keys: at host 1, which has a session with host 2, calls a host 3
 * that is not there, and has answered a host 4 that does not hear it. Nothing may change by them: not
 * what the endpoint holds, and not one byte of what it sends afterwards.
 */
export class Stranger implements Target {
  readonly name = 'stranger'
  readonly sources: RegExp = /\/transport\/\w+\.js$/
  readonly lengthMax: number = DATAGRAM_MAX + 40
  readonly fields: readonly Field[] = FIELDS
  readonly #random = new Random(1)
  readonly #seal: Seal
  readonly #receive: Receive
  readonly #createSeal: CreateSeal
  #seeds: Uint8Array[] = []
  /** What a world sends that nobody disturbs. */
  readonly #undisturbed = new Map<number, string>()
  #seed = 0
  #world: World
  #inputs = 0
  #transmitted = 0
  #state: string | undefined
  /** The indices that lead to what host 1 has begun with a host. */
  #open = new Map<PeerId, readonly number[]>()

  constructor(
    createSeal: CreateSeal = clearSeal,
    receive: Receive = (endpoint, now, from, bytes) => {
      endpoint.receive(now, from, bytes)
    },
  ) {
    this.#createSeal = createSeal
    this.#seal = createSeal(1)
    this.#receive = receive
    this.#world = this.#begin()
  }

  get seeds(): readonly Uint8Array[] {
    return this.#seeds
  }

  take(input: Uint8Array): void {
    const world = this.#world
    const { endpoint } = world.host(1)
    const { deadline } = endpoint
    this.#receive(endpoint, world.now, this.#source(input), input)
    assert(world.datagrams === this.#transmitted, 'a stranger is not answered')
    assert(endpoint.deadline === deadline, 'a stranger moves no deadline')
    this.#inputs++
    if (this.#inputs % ROUND === 0) this.#step()
  }

  finish(): void {
    while (this.#inputs % (ROUND * ROUNDS) !== 0) {
      this.#inputs += ROUND - (this.#inputs % ROUND)
      this.#step()
    }
  }

  #step(): void {
    const round = (this.#inputs / ROUND) % ROUNDS
    if (this.#state !== undefined) {
      const now = describe(this.#world)
      assert(now === this.#state, firstDifference(this.#state, now))
      this.#state = undefined
    }
    if (round === 0) {
      this.#compare()
      this.#seed = (this.#seed + 1) % WORLDS
      this.#world = this.#begin()
      return
    }
    advance(this.#world, round)
    this.#seeds = this.#captured()
    this.#transmitted = this.#world.datagrams
    if (this.#seed % LOOK_IN === 0 && round % LOOK_EVERY === 0) this.#state = describe(this.#world)
  }

  #begin(): World {
    const world = newWorld(this.#seed, this.#createSeal)
    this.#world = world
    this.#seeds = this.#captured()
    this.#transmitted = world.datagrams
    return world
  }

  /** Packets that were sent and have arrived, all of host 1's world. */
  #captured(): Uint8Array[] {
    const { wire, now } = this.#world
    const last = (to: PeerId, type: number): Uint8Array | undefined =>
      wire.findLast(each => each.from === 1 && each.to === to && each.bytes[0] === type)?.bytes
    for (const host of [3, 4]) {
      const hello = last(host, PacketType.hello)
      const answer = last(host, PacketType.helloAck)
      this.#open.set(host, [
        ...(hello === undefined ? [] : [readIndex(hello)]),
        ...(answer === undefined ? [] : [answerIndex(answer)]),
      ])
    }
    return wire
      .filter(({ at }) => at < now - 1)
      .slice(-300)
      .map(({ bytes }) => bytes)
  }

  /** The world goes on by itself, and then must have sent just what it sends undisturbed. */
  #compare(): void {
    const seed = this.#seed
    const disturbed = end(this.#world)
    const known = this.#undisturbed.get(seed)
    if (known === digest(disturbed)) return
    const undisturbed = lifeOf(seed, this.#createSeal)
    this.#undisturbed.set(seed, digest(undisturbed))
    assert(disturbed === undisturbed, firstDifference(undisturbed, disturbed))
  }

  /** From the right address, or from a wrong one. */
  #source(input: Uint8Array): Address {
    const random = this.#random
    switch (this.#isWhole(input) ? 0 : random.below(8)) {
      case 0:
        return { ip: '10.0.0.77', port: 7411 }
      case 1:
        return { ip: '10.0.0.2', port: 7412 }
      case 2:
      case 3:
        return addressOf(this.#mayCome(input, 3) ? 3 : 2)
      case 4:
      case 5:
        return addressOf(this.#mayCome(input, 4) ? 4 : 2)
      default:
        return addressOf(2)
    }
  }

  /** Somebody who has a key made it: from the right address it counts, if only against a flood. */
  #isWhole(input: Uint8Array): boolean {
    if (input.length !== HELLO_SIZE || input[0] !== PacketType.hello) return false
    return typeof this.#seal.receive(input) !== 'string'
  }

  /**
   * One thing is meant to have an effect where there is no session: data under an index that is not
   * known, which shows that the sender believes in a session.
   */
  #mayCome(input: Uint8Array, from: 3 | 4): boolean {
    if (input[0] !== PacketType.data || input.length < 24) return true
    return this.#open.get(from)?.includes(readIndex(input)) === true
  }
}

/** Host 1 with a session, an attempt and slots: everything that a packet can be for. */
function newWorld(seed: number, createSeal: CreateSeal): World {
  const world = new World(seed + 1, { hosts: 4, seal: (_, life) => createSeal(100 * seed + life) })
  world.isRecording = true
  world.host(3).crash()
  world.isCut = (_, to) => to === 4
  assert(
    world.run(60_000, () => world.host(1).up.has(2) && world.host(2).up.has(1)),
    'hosts 1 and 2 have a session',
  )
  world.run(40)
  return world
}

/** A step of the world's life: some payloads each way, and time. */
function advance(world: World, round: number): void {
  const channel = (round % 4) as 0 | 1 | 2 | 3
  world.host(1).send(2, channel, `one ${round} ${'.'.repeat((round * 37) % 300)}`)
  world.host(2).send(1, channel, `two ${round}`)
  if (round % 16 === 0) world.host(1).send(2, 3, new Uint8Array(5000).fill(round))
  world.run(STEP_MS)
}

/** The whole life of a world that nobody disturbs. */
function lifeOf(seed: number, createSeal: CreateSeal): string {
  const world = newWorld(seed, createSeal)
  for (let round = 1; round < ROUNDS; round++) advance(world, round)
  return end(world)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

/** Everything that was sent, when and where to. */
function end(world: World): string {
  world.run(3000)
  assert(world.undelivered === 0, 'everything has been delivered')
  const { wire } = world
  const logs = [...world.hosts.values()].map(({ log }) => log.join())
  const sent = wire.map(
    ({ at, from, to, bytes }) => `${at} ${from}>${to} ${Buffer.from(bytes).toString('base64')}`,
  )
  return [...logs, ...sent].join('\n')
}

function describe(world: World): string {
  return describeState(world.host(1).endpoint, field => LEFT_OUT.has(field)).text
}
