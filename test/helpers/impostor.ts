import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { toHex } from '../../src/transport/bytes.ts'
import {
  decodeFrames,
  PacketType,
  PacketWriter,
  readIndex,
  readNumber,
} from '../../src/transport/packet.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { clusterHash } from '../../src/transport/seal.ts'

import type { Frame } from '../../src/transport/packet.ts'
import type { HelloHeader, Introduction, Keys } from '../../src/transport/seal.ts'
import type { World } from './pair.ts'

/** Host 2 of a world as a member that breaks the rules: it writes every packet by hand. */
export class Impostor {
  /** What host 1 has sent under the present keys. */
  readonly frames: Frame[] = []
  /** The number of host 1's last packet. */
  largest = 0
  isAnswering = false
  readonly #world: World
  readonly #seal = new ClearSeal(new Random(77))
  #keys: Keys | undefined
  #index = 0
  #next = 0

  constructor(world: World) {
    this.#world = world
    world.host(2).crash()
    world.isChecking = false
    world.intercept = ({ to, bytes }) => {
      if (to !== 2) return false
      if (bytes[0] === PacketType.hello && this.isAnswering) this.#answer(bytes)
      if (bytes[0] === PacketType.data) this.#receive(bytes)
      return true
    }
  }

  /** A HELLO to host 1 that is right but for what is said. */
  hello(header: Partial<HelloHeader> = {}, change: Partial<Introduction> = {}): Uint8Array {
    const { tableDigest } = this.#world.configOf(2)
    return this.#seal.call(
      { index: 4711, from: 2, to: 1, cluster: clusterHash('home'), ...header },
      {
        incarnation: { counter: 5, life: 'abcdef0123456789' },
        datagramMax: 1200,
        windowBytes: 256 * 1024,
        ackDelayMs: 2,
        tableDigest: toHex(tableDigest),
        tableLine: 0,
        ...change,
      },
    ).bytes
  }

  /** Answers the next HELLO of host 1, which then has a session. */
  connect(): void {
    this.isAnswering = true
    const host = this.#world.host(1)
    assert(
      this.#world.run(5000, () => host.up.has(2)),
      'host 1 has a session',
    )
    this.isAnswering = false
  }

  /** One packet with whatever `write` puts in. */
  send(write: (writer: PacketWriter) => void, number: number = this.#next++): void {
    assert(this.#keys !== undefined, 'it is connected')
    const writer = new PacketWriter()
    writer.begin(this.#index, number)
    write(writer)
    const length = this.#keys.seal(number, writer.bytes, writer.length)
    this.#world.inject(2, 1, writer.bytes.slice(0, length))
    this.#world.run(1)
  }

  #answer(hello: Uint8Array): void {
    const own = this.#seal.receive(this.hello())
    const received = this.#seal.receive(hello)
    assert(typeof own !== 'string' && typeof received !== 'string', 'both HELLOs are whole')
    const introduction = own.read()
    assert(typeof introduction !== 'string', 'its own HELLO can be read')
    const answer = received.answer(4711, introduction)
    assert(answer !== undefined, 'an answer is possible')
    const { bytes, keys } = answer
    this.#keys = keys
    this.#index = readIndex(hello)
    this.#next = 0
    this.#world.inject(2, 1, bytes, 0.1)
  }

  #receive(packet: Uint8Array): void {
    assert(this.#keys !== undefined, 'it is connected')
    this.largest = readNumber(packet)
    const opened = this.#keys.open(this.largest, packet)
    if (opened === undefined) return
    const frames = decodeFrames(opened)
    assert(!('malformed' in frames), 'host 1 sends proper frames')
    this.frames.push(...frames)
  }
}
