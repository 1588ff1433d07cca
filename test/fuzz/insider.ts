import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { decodeFrames, HEADER_SIZE } from '../../src/transport/packet.ts'
import { Site } from '../helpers/site-of-nodes.ts'

import type {
  HelloHeader,
  Introduction,
  KeyName,
  Keys,
  ReceivedHello,
  Seal,
  SentHello,
  Strange,
} from '../../src/transport/seal.ts'
import type { Target } from './engine.ts'

/** Changes what is in a packet, of whatever length it stays, before it is sealed. */
type Tamper = (inside: Uint8Array) => void

/** As another seal, but that packets say something else than their sender meant. */
class TamperingSeal implements Seal {
  readonly names: readonly KeyName[] = []
  readonly #seal: Seal
  readonly #tamper: Tamper

  constructor(seal: Seal, tamper: Tamper) {
    this.#seal = seal
    this.#tamper = tamper
  }

  call(header: HelloHeader, introduction: Introduction): SentHello {
    const hello = this.#seal.call(header, introduction)
    return {
      name: hello.name,
      bytes: hello.bytes,
      prove: cookie => hello.prove(cookie),
      read: answer => {
        const read = hello.read(answer)
        return typeof read === 'string' ? read : { ...read, keys: this.#wrap(read.keys) }
      },
    }
  }

  receive(hello: Uint8Array): ReceivedHello | Strange {
    const received = this.#seal.receive(hello)
    if (typeof received === 'string') return received
    return {
      name: received.name,
      bytes: received.bytes,
      read: () => received.read(),
      demand: cookie => received.demand(cookie),
      answer: (index, introduction) => {
        const answer = received.answer(index, introduction)
        return answer && { ...answer, keys: this.#wrap(answer.keys) }
      },
    }
  }

  mac(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
    return this.#seal.mac(secret, bytes)
  }

  createSecret(): Uint8Array {
    return this.#seal.createSecret()
  }

  #wrap(keys: Keys): Keys {
    return {
      name: keys.name,
      seal: (number, bytes, end) => {
        this.#tamper(bytes.subarray(HEADER_SIZE, end))
        return keys.seal(number, bytes, end)
      },
      open: (number, packet) => keys.open(number, packet),
      forget: () => keys.forget(),
    }
  }
}

const HOSTS = [1, 2, 3]
/** Worlds do not grow old: what has gone wrong in one is not what the next inputs meet. */
const WORLD_INPUTS = 2000

/**
 * A member whose messages are changed on their way into its packets: in proper frames, under its
 * keys. The others may be misled, for they trust it, but they go on.
 */
export class Insider implements Target {
  readonly name = 'insider'
  readonly sources: RegExp = /\/(core\/\w+|node)\.js$/
  readonly lengthMax = 16
  readonly seeds: readonly Uint8Array[] = [new Uint8Array(16)]
  readonly #random: Random
  #site: Site
  #armed: Uint8Array | undefined
  #inputs = 0

  constructor(seed = 1) {
    this.#random = new Random(seed)
    this.#site = this.#begin()
  }

  take(input: Uint8Array): void {
    this.#armed = input
    this.#inputs++
    if (this.#inputs % WORLD_INPUTS === 0) this.#site = this.#begin()
    const [random, site] = [this.#random, this.#site]
    const names = random.pick([['a'], ['b'], ['a', 'b'], ['c']])
    const wait = random.chance(0.5) ? undefined : (random.below(200) as never)
    const limit = random.pick([1, 1, 2, Infinity])
    site.command(random.pick(HOSTS), { type: 'acquire', names, limit, wait, info: '' })
    site.run(random.chance(0.05) ? 500 : 5)
  }

  #begin(): Site {
    this.#armed = undefined
    const tamper = (inside: Uint8Array): void => this.#tamper(inside)
    const site = new Site(HOSTS, host => {
      const seal = new ClearSeal(new Random(host))
      return host === 2 ? new TamperingSeal(seal, tamper) : seal
    })
    site.onResponse = (host, response) => {
      if (response.type === 'granted') site.later(host, { type: 'release', token: response.token })
    }
    assert(
      site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3),
      'there is a view of all',
    )
    return site
  }

  /** One message or heartbeat, in a few bytes. */
  #tamper(inside: Uint8Array): void {
    const armed = this.#armed
    if (armed === undefined || armed.length < 4) return
    const frames = decodeFrames(inside)
    assert(!('malformed' in frames), 'a host sends proper frames')
    const payloads = frames.flatMap(each =>
      each.type === 'segment' || each.type === 'datagram' ? [each.data] : [],
    )
    const [kind = 0, ...changes] = armed
    const data = payloads[kind % Math.max(1, payloads.length)]
    if (data === undefined || data.length === 0) return
    this.#armed = undefined
    for (let i = 0; i + 1 < Math.min(changes.length, 2 + (kind >> 5)); i += 2) {
      const at = (changes[i] ?? 0) % data.length
      const by = changes[i + 1] ?? 0
      // By one, or to anything: numbers that are near are believed more often.
      data[at] = by < 128 ? (data[at] ?? 0) + (by < 64 ? 1 : -1) : by << 1
    }
  }
}
