import { randomInt } from 'node:crypto'
import { createCrypto } from '../../src/daemon/crypto.ts'
import { Driver } from '../../src/daemon/driver.ts'
import { keepCollectionsShort } from '../../src/daemon/heap.ts'
import { createLog } from '../../src/daemon/log.ts'
import { Network } from '../../src/daemon/network.ts'
import { createBootClock, SleepDetector } from '../../src/daemon/sleep.ts'
import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { Endpoint } from '../../src/transport/endpoint.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'

import type { Driven } from '../../src/daemon/driver.ts'
import type { Instant } from '../../src/lib/time.ts'
import type { Effect, Input } from '../../src/node.ts'
import type { ChannelId } from '../../src/transport/endpoint.ts'
import type { Deliver, Ends, Line } from './transport.ts'

const CLUSTER = 'bench'
/** Both ends have it; what it is sealed with costs the same whatever it is. */
const KEY = new Uint8Array(32).fill(1)

/** The channel of locks, and the one of what is long. */
const LOCKS = 0
const BULK = 3

/** lamportd's transport, sealed, driven by its driver on its socket; only the node in between is not there. */
export function openLamport(ends: Ends, deliver: Deliver): Promise<readonly Line[]> {
  keepCollectionsShort()
  return Promise.all(
    Array.from({ length: ends.pairs }, (_, pair) => {
      return new Promise<Line>(resolve => {
        const line: LamportLine = new LamportLine(ends, pair, deliver, () => resolve(line))
      })
    }),
  )
}

/** A process looks at the machine's clocks once, however many lines it has. */
const SLEEP = new SleepDetector(createBootClock())

/** Stands where lamportd has its node: what comes in goes to an endpoint, and nothing else happens. */
class LamportLine implements Driven, Line {
  readonly #endpoint: Endpoint
  readonly #driver: Driver
  readonly #network: Network
  readonly #other: number
  readonly #waiting: { readonly channel: ChannelId; readonly payload: Uint8Array }[] = []
  #effects: Effect[] = []
  #now: Instant | undefined

  constructor({ own, other, port, side }: Ends, pair: number, deliver: Deliver, up: () => void) {
    const [self, peer] = side === 'a' ? [1, 2] : [2, 1]
    this.#other = peer
    const at = port + pair
    const log = createLog(line => process.stderr.write(line), false)
    this.#network = new Network(log, {
      receive: (from, bytes) => this.#driver.drive({ type: 'datagram', from, bytes }),
      failed: refusal => log.error(refusal.message),
      bound: bytes => this.#endpoint.fitReceiveBuffer(bytes),
    })
    this.#endpoint = new Endpoint(
      {
        cluster: CLUSTER,
        self,
        tableDigest: new Uint8Array(8),
        describeDifference: () => 'nothing',
        incarnation: 1,
        peers: [{ id: peer, address: { ip: other, port: at } }],
      },
      {
        transmit: (to, bytes) => this.#effects.push({ type: 'datagram', to, bytes }),
        deliver: (_from, _channel, payload) => deliver(pair, payload),
        deliverDatagram: () => undefined,
        sessionUp: up,
        sessionLost: (_peer, _end, reason) => log.error(reason),
        notice: (_peer, text) => log.error(text),
      },
      new Random(randomInt(2 ** 32)),
      new NoiseSeal(createCrypto(), CLUSTER, [KEY]),
    )
    this.#driver = new Driver(
      this,
      {
        transmit: (to, bytes) => this.#network.send(to, bytes),
        append: () => undefined,
        respond: () => undefined,
        notify: () => undefined,
      },
      SLEEP,
    )
    this.#network.bind({ ip: own, port: at })
    this.#driver.drive({ type: 'tick' })
  }

  send(message: Uint8Array): void {
    this.#send(LOCKS, message)
  }

  sendBulk(message: Uint8Array): void {
    this.#send(BULK, message)
  }

  step(now: Instant, input: Input): readonly Effect[] {
    this.#now = now
    if (input.type === 'datagram') this.#endpoint.receive(now, input.from, input.bytes)
    else if (input.type === 'tick') this.#endpoint.tick(now)
    else if (input.type === 'command') {
      const { channel, payload } = this.#waiting.shift() ?? {}
      assert(channel !== undefined && payload !== undefined, 'a command is to send something')
      this.#endpoint.send(now, this.#other, channel, payload)
    }
    this.#now = undefined
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  get deadline(): Instant {
    return this.#endpoint.deadline
  }

  status(): never {
    throw new Error('a transport has no status')
  }

  why(): never {
    throw new Error('a transport has no locks')
  }

  locks(): never {
    throw new Error('a transport has no locks')
  }

  variable(): never {
    throw new Error('a transport has no variables')
  }

  variables(): never {
    throw new Error('a transport has no variables')
  }

  history(): never {
    throw new Error('a transport has no variables')
  }

  /** As a client's command, or an answer given while a message is delivered. */
  #send(channel: ChannelId, payload: Uint8Array): void {
    if (this.#now !== undefined) {
      this.#endpoint.send(this.#now, this.#other, channel, payload)
      return
    }
    this.#waiting.push({ channel, payload })
    this.#driver.drive({ type: 'command', id: 0, command: { type: 'found' } })
  }
}
