import { assert } from '../../src/lib/assert.ts'
import { Random } from '../../src/lib/random.ts'
import { toInstant } from '../../src/lib/time.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'
import { Endpoint } from '../../src/transport/endpoint.ts'

import type { Instant } from '../../src/lib/time.ts'
import type {
  SessionEnd,
  Address,
  ChannelId,
  EndpointConfig,
  PeerId,
} from '../../src/transport/endpoint.ts'
import type { Seal } from '../../src/transport/seal.ts'

/** What the network does to a datagram. Times are in milliseconds. */
export type Faults = {
  /** One way. */
  delay: number
  /** Up to so much more, which also reorders. */
  jitter: number
  /** The share of datagrams that vanish. */
  drop: number
  /** The share of datagrams that arrive several times. */
  duplicate: number
  /** How often those arrive at most. */
  copies: number
  /** The share of datagrams of which a bit is turned over. */
  corrupt: number
}

/** A LAN with a round trip of 0.2 ms. */
export const LAN: Faults = { delay: 0.1, jitter: 0, drop: 0, duplicate: 0, copies: 2, corrupt: 0 }

export type Datagram = {
  readonly at: number
  readonly from: PeerId
  readonly to: PeerId
  readonly bytes: Uint8Array
}

export type Delivery = {
  readonly at: number
  readonly from: PeerId
  readonly channel: ChannelId
  readonly text: string
}

/** The address of a host of these tests. */
export function addressOf(id: PeerId): Address {
  return { ip: `10.0.0.${id}`, port: 7411 }
}

/** One endpoint with its owner, who writes everything down. */
export class TestHost {
  readonly id: PeerId
  readonly deliveries: Delivery[] = []
  readonly datagrams: Delivery[] = []
  readonly log: string[] = []
  readonly notices: string[] = []
  /** What was taken for lost and what went again, as `lose PAYLOAD`. */
  readonly carried: string[] = []
  /** The incarnation of each peer that has a session. */
  readonly up: Map<PeerId, number> = new Map<PeerId, number>()
  endpoint: Endpoint
  incarnation: number
  isRunning = true
  /** Called on each delivery, to answer. */
  onDeliver: (delivery: Delivery, payload: Uint8Array) => void = () => undefined
  onLost: (peer: PeerId) => void = () => undefined
  onUp: (peer: PeerId) => void = () => undefined
  readonly #world: World

  constructor(world: World, config: EndpointConfig) {
    this.#world = world
    this.id = config.self
    this.incarnation = config.incarnation
    this.endpoint = this.#start(config)
  }

  /** The process begins anew and remembers nothing. */
  restart(incarnation: number, change: Partial<EndpointConfig> = {}): void {
    this.up.clear()
    this.log.push('restart')
    this.incarnation = incarnation
    this.isRunning = true
    this.endpoint = this.#start({ ...this.#world.configOf(this.id), incarnation, ...change })
  }

  crash(): void {
    this.isRunning = false
    this.up.clear()
  }

  reincarnate(incarnation: number): void {
    this.incarnation = incarnation
    this.endpoint.reincarnate(this.#world.now, incarnation)
  }

  send(to: PeerId, channel: ChannelId, content: string | Uint8Array): boolean {
    const payload = typeof content === 'string' ? Buffer.from(content) : content
    const incarnation = this.up.get(to)
    assert(incarnation !== undefined, 'a session is up')
    const text = describe(payload)
    this.#world.sent(this.#stream(this.id, this.incarnation, to, incarnation, channel), text)
    return this.endpoint.send(this.#world.now, to, channel, payload)
  }

  #start(config: EndpointConfig): Endpoint {
    const world = this.#world
    const life = world.nextLife()
    const isCurrent = (): boolean => world.isCurrentLife(this.id, life)
    world.setLife(this.id, life)
    const output = {
      transmit: (to: Address, bytes: Uint8Array) => {
        if (isCurrent()) world.transmit(this.id, to, bytes)
      },
      deliver: (from: PeerId, channel: ChannelId, payload: Uint8Array) => {
        const text = describe(payload)
        const incarnation = this.up.get(from)
        assert(incarnation !== undefined, 'nothing is delivered without a session')
        const delivery = { at: world.now, from, channel, text }
        world.delivered(this.#stream(from, incarnation, this.id, this.incarnation, channel), text)
        this.deliveries.push(delivery)
        this.onDeliver(delivery, payload)
      },
      carried: (what: 'lose' | 'retransmit', _to: PeerId, payload: Uint8Array) => {
        this.carried.push(`${what} ${describe(payload)}`)
      },
      deliverDatagram: (from: PeerId, payload: Uint8Array) => {
        assert(this.up.has(from), 'no datagram is delivered without a session')
        this.datagrams.push({ at: world.now, from, channel: 0, text: describe(payload) })
      },
      sessionUp: (peer: PeerId, incarnation: number) => {
        assert(!this.up.has(peer), 'a session that is up does not come up')
        this.up.set(peer, incarnation)
        this.log.push(`up ${peer}.${incarnation}`)
        this.onUp(peer)
      },
      sessionLost: (peer: PeerId, _end: SessionEnd, reason: string) => {
        const incarnation = this.up.get(peer)
        assert(incarnation !== undefined, 'only a session that is up is lost')
        this.up.delete(peer)
        this.log.push(`lost ${peer}.${incarnation}: ${reason}`)
        this.onLost(peer)
      },
      notice: (peer: PeerId | undefined, text: string) => {
        this.notices.push(`${peer ?? '?'}: ${text}`)
      },
    }
    return new Endpoint(config, output, world.random.fork(), world.createSeal(config, life))
  }

  #stream(from: PeerId, a: number, to: PeerId, b: number, channel: ChannelId): string {
    return `${from}.${a}>${to}.${b}/${channel}`
  }
}

function describe(payload: Uint8Array): string {
  if (payload.length <= 200) return Buffer.from(payload).toString()
  let hash = payload.length
  for (const byte of payload) hash = (Math.imul(hash, 31) + byte) | 0
  return `${payload.length} bytes, ${hash}`
}

type Happening = { readonly at: number; readonly order: number; readonly run: () => void }

/** What is to happen, the earliest first: a binary heap. */
class Queue {
  readonly #heap: Happening[] = []

  get first(): Happening | undefined {
    return this.#heap[0]
  }

  push(happening: Happening): void {
    let i = this.#heap.push(happening) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!isBefore(this.#heap[i]!, this.#heap[parent]!)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  shift(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    for (let i = 0; ;) {
      let least = i
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.#heap.length && isBefore(this.#heap[child]!, this.#heap[least]!)) {
          least = child
        }
      }
      if (least === i) return
      this.#swap(i, least)
      i = least
    }
  }

  #swap(i: number, j: number): void {
    const item = this.#heap[i]!
    this.#heap[i] = this.#heap[j]!
    this.#heap[j] = item
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Endpoints, a network with faults between them, and a clock that jumps. One seed decides all. */
export class World {
  readonly random: Random
  readonly hosts: Map<PeerId, TestHost> = new Map<PeerId, TestHost>()
  /** Everything that was put on the wire, if `isRecording`. */
  readonly wire: Datagram[] = []
  faults: Faults
  isRecording = false
  /** Off where a peer's packets are written by hand. */
  isChecking = true
  /** Whether a datagram's path is cut. */
  isCut: (from: PeerId, to: PeerId) => boolean = () => false
  /** Called with each datagram that is put on the wire: true takes it off again. */
  intercept: (datagram: Datagram) => boolean = () => false
  datagrams = 0
  readonly createSeal: (config: EndpointConfig, life: number) => Seal
  #now = 0
  #order = 0
  readonly #queue = new Queue()
  readonly #sent = new Map<string, string[]>()
  readonly #delivered = new Map<string, number>()
  readonly #lives = new Map<PeerId, number>()
  #life = 0
  readonly #configs: Map<PeerId, EndpointConfig>

  constructor(
    seed: number,
    options: {
      readonly hosts?: number
      readonly faults?: Partial<Faults>
      readonly change?: (config: EndpointConfig) => EndpointConfig
      /** What seals the packets of a host's life; nothing really does where this is left out. */
      readonly seal?: (config: EndpointConfig, life: number) => Seal
    } = {},
  ) {
    this.random = new Random(seed)
    this.faults = { ...LAN, ...options.faults }
    this.createSeal = options.seal ?? ((_config, life) => new ClearSeal(new Random(life)))
    const ids = Array.from({ length: options.hosts ?? 2 }, (_, i) => i + 1)
    this.#configs = new Map(
      ids.map(self => {
        const peers = ids.filter(id => id !== self).map(id => ({ id, address: addressOf(id) }))
        const tableDigest = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])
        const described = { tableDigest, describeDifference: () => 'votes' }
        const config = { cluster: 'home', self, ...described, incarnation: 1, peers }
        return [self, options.change?.(config) ?? config]
      }),
    )
    for (const [id, config] of this.#configs) this.hosts.set(id, new TestHost(this, config))
  }

  get now(): Instant {
    return toInstant(this.#now)
  }

  host(id: PeerId): TestHost {
    const host = this.hosts.get(id)
    assert(host !== undefined, 'the host is there')
    return host
  }

  configOf(id: PeerId): EndpointConfig {
    const config = this.#configs.get(id)
    assert(config !== undefined, 'the host is configured')
    return config
  }

  /** All have sessions with all. */
  get isConnected(): boolean {
    return [...this.hosts.values()].every(host => host.up.size === this.hosts.size - 1)
  }

  at(delay: number, run: () => void): void {
    this.#queue.push({ at: this.#now + delay, order: this.#order++, run })
  }

  transmit(from: PeerId, address: Address, bytes: Uint8Array): void {
    const to = [...this.hosts.keys()].find(id => addressOf(id).ip === address.ip)
    if (to === undefined) return
    const datagram = { at: this.#now, from, to, bytes: bytes.slice() }
    this.datagrams++
    if (this.isRecording) this.wire.push(datagram)
    if (this.intercept(datagram) || this.isCut(from, to)) return
    const { random, faults } = this
    if (random.chance(faults.drop)) return
    const copies = random.chance(faults.duplicate) ? 1 + random.below(faults.copies) : 1
    for (let i = 0; i < copies; i++) {
      const copy = datagram.bytes.slice()
      if (random.chance(faults.corrupt)) {
        const at = random.below(copy.length)
        copy[at] = copy[at]! ^ (1 << random.below(8))
      }
      this.inject(from, to, copy, faults.delay + random.between(0, faults.jitter))
    }
  }

  /** Lets the bytes arrive, as if from the address of `from`. */
  inject(from: PeerId, to: PeerId, bytes: Uint8Array, delay = 0): void {
    this.at(delay, () => {
      const host = this.host(to)
      if (host.isRunning) host.endpoint.receive(this.now, addressOf(from), bytes)
    })
  }

  /** Runs for so long, or until the condition holds; false if it did not. */
  run(duration: number, until: () => boolean = () => false): boolean {
    const end = this.#now + duration
    let idle = 0
    while (!until()) {
      const next = this.#queue.first
      let at = next?.at ?? Infinity
      for (const host of this.hosts.values()) {
        if (host.isRunning) at = Math.min(at, Math.max(this.#now, host.endpoint.deadline))
      }
      if (at > end) {
        this.#now = end
        return until()
      }
      idle = at > this.#now ? 0 : idle + 1
      assert(idle < 100_000, 'time goes on')
      this.#now = at
      // What arrives at one instant is handled before the tick, as in the daemon.
      if (next !== undefined && next.at <= at) {
        this.#queue.shift()
        next.run()
      } else {
        for (const host of this.hosts.values()) {
          if (host.isRunning && host.endpoint.deadline <= at) host.endpoint.tick(this.now)
        }
      }
      this.#check()
    }
    return true
  }

  /** Runs until all sessions are up. */
  connect(): void {
    assert(
      this.run(60_000, () => this.isConnected),
      'all sessions come up',
    )
  }

  sent(stream: string, text: string): void {
    const texts = this.#sent.get(stream)
    if (texts === undefined) this.#sent.set(stream, [text])
    else texts.push(text)
  }

  /** The invariant of every channel: what is delivered is a prefix of what was sent. */
  delivered(stream: string, text: string): void {
    if (!this.isChecking) return
    const count = this.#delivered.get(stream) ?? 0
    const expected = this.#sent.get(stream)?.[count]
    assert(expected === text, `${stream}: ${text} is delivered where ${expected} is next`)
    this.#delivered.set(stream, count + 1)
  }

  /** Payloads that were sent and are not delivered yet. */
  get undelivered(): number {
    let count = 0
    for (const [stream, texts] of this.#sent) {
      count += texts.length - (this.#delivered.get(stream) ?? 0)
    }
    return count
  }

  nextLife(): number {
    return ++this.#life
  }

  setLife(id: PeerId, life: number): void {
    this.#lives.set(id, life)
  }

  isCurrentLife(id: PeerId, life: number): boolean {
    return this.#lives.get(id) === life && this.hosts.get(id)?.isRunning !== false
  }

  #check(): void {
    for (const host of this.hosts.values()) {
      for (const peer of host.up.keys()) {
        const { inFlight } = host.endpoint.peer(peer)
        assert(inFlight <= 64 + 4 + 2, 'not too much is in flight')
      }
    }
  }
}
