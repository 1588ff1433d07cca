import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import type { ExecutionContext } from 'ava'
import { Random } from '../../src/lib/random.ts'
import type { Host } from './cluster.ts'

/** What is recorded before the oldest is forgotten: enough for a test, whatever runs away. */
const RECORDED_MAX = 200_000

/** A burst of every host fits. */
const BUFFER_BYTES = 1024 * 1024

/** Chances are of each datagram by itself; times in milliseconds. */
export type Faults = {
  readonly loss: number
  /** It arrives twice. */
  readonly duplicate: number
  /** It is held back for a while, so that later ones overtake it. */
  readonly reorder: number
  /** How long one that is held back is, at most. */
  readonly holdMs: number
  /** How long each one takes. */
  readonly delayMs: number
}

export const NO_FAULTS: Faults = { loss: 0, duplicate: 0, reorder: 0, holdMs: 0, delayMs: 0 }

/** What came by. */
export type Datagram = {
  readonly from: number
  readonly to: number
  readonly bytes: Uint8Array
  /** As `performance.now()` has it. */
  readonly at: number
  readonly fate: 'passed' | 'lost' | 'cut' | 'taken'
}

export type RelayCounts = {
  passed: number
  lost: number
  cut: number
  duplicated: number
  held: number
  /** Taken by the test. */
  taken: number
  /** From an address that is no host's: a daemon sends from where it is bound. */
  stray: number
}

export type RelayOptions = {
  readonly seed: number
  readonly faults?: Partial<Faults>
}

/** A host, the address at which the others believe it to be, and where all that is it is bound. */
type End = { readonly host: Host; readonly face: Socket; readonly bound: string[] }

/**
 * Stands between the hosts of a cluster that was made `isRelayed`: each names the relay's address
 * for every other, and hears every other from there. All that they send each other comes by here,
 * in real datagrams: to be lost, doubled, held back, cut off and kept.
 */
export class Relay {
  /** May be changed at any time. */
  faults: Faults
  /** Takes what is not to go on; asked before chance is. */
  intercept: ((datagram: Datagram) => boolean) | undefined
  readonly counts: RelayCounts = {
    passed: 0,
    lost: 0,
    cut: 0,
    duplicated: 0,
    held: 0,
    taken: 0,
    stray: 0,
  }
  readonly seed: number
  readonly #random: Random
  readonly #ends: readonly End[]
  readonly #cuts = new Set<string>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #recorded: Datagram[] | undefined
  #isClosed = false

  /** It listens when this returns, and is gone when the test has ended. */
  constructor(t: ExecutionContext, hosts: readonly Host[], { seed, faults = {} }: RelayOptions) {
    this.faults = { ...NO_FAULTS, ...faults }
    this.seed = seed
    this.#random = new Random(seed)
    this.#ends = hosts.map(host => ({
      host,
      face: this.#listen(host),
      bound: [host.address],
    }))
    t.teardown(() => {
      this.close()
      if (!t.passed) t.log(`relay, seed ${seed}: ${JSON.stringify(this.counts)}`)
    })
  }

  /** From now on every datagram is kept. */
  record(): void {
    this.#recorded ??= []
  }

  /** What was kept, oldest first. */
  get recorded(): readonly Datagram[] {
    return this.#recorded ?? []
  }

  /** Nothing arrives from the one at the other; what the other sends does. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from} ${to}`)
  }

  /** Nothing arrives from or at this one. */
  isolate(id: number): void {
    for (const { host } of this.#ends) {
      this.cut(id, host.id)
      this.cut(host.id, id)
    }
  }

  /** Nothing is cut off any longer. */
  heal(): void {
    this.#cuts.clear()
  }

  /** Two machines have the address of one host: both speak from there, and both hear. */
  clone(id: number, address: string): void {
    this.#end(id).bound.push(address)
  }

  /** Sends this to a host from where it believes another to be. */
  inject(from: number, to: number, bytes: Uint8Array): Promise<void> {
    const { address, port } = this.#end(to).host
    return new Promise((resolve, reject) => {
      this.#end(from).face.send(bytes, port, address, error => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const { face } of this.#ends) face.close()
  }

  #listen(host: Host): Socket {
    const face = createSocket({
      type: 'udp4',
      recvBufferSize: BUFFER_BYTES,
      sendBufferSize: BUFFER_BYTES,
      // Only with a lookup of our own do binding and sending happen at once.
      lookup: (address, _options, done) => done(null, address, 4),
    })
    face.on('message', (bytes, { address, port }) => this.#receive(host, address, port, bytes))
    face.bind({ address: host.face, port: host.port, exclusive: true })
    return face
  }

  #receive(to: Host, address: string, port: number, bytes: Uint8Array): void {
    const from = this.#ends.find(({ bound }) => bound.includes(address) && port === to.port)
    if (from === undefined) {
      this.counts.stray += 1
      return
    }
    const datagram = { from: from.host.id, to: to.id, bytes, at: performance.now() }
    const fate = this.#fate(datagram)
    this.counts[fate] += 1
    this.#keep({ ...datagram, fate })
    if (fate !== 'passed') return
    this.#forward(from, to, bytes)
    if (!this.#random.chance(this.faults.duplicate)) return
    this.counts.duplicated += 1
    this.#forward(from, to, bytes)
  }

  #fate(datagram: Omit<Datagram, 'fate'>): Datagram['fate'] {
    if (this.intercept?.({ ...datagram, fate: 'taken' }) === true) return 'taken'
    if (this.#cuts.has(`${datagram.from} ${datagram.to}`)) return 'cut'
    return this.#random.chance(this.faults.loss) ? 'lost' : 'passed'
  }

  #forward({ face }: End, to: Host, bytes: Uint8Array): void {
    const { delayMs, reorder, holdMs } = this.faults
    const isHeld = this.#random.chance(reorder)
    if (isHeld) this.counts.held += 1
    const wait = delayMs + (isHeld ? this.#random.between(0, holdMs) : 0)
    const send = (): void => {
      for (const address of this.#end(to.id).bound) face.send(bytes, to.port, address)
    }
    if (wait === 0) {
      send()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      send()
    }, wait)
    this.#timers.add(timer)
  }

  #keep(datagram: Datagram): void {
    if (this.#recorded === undefined) return
    this.#recorded.push(datagram)
    if (this.#recorded.length > RECORDED_MAX) this.#recorded.splice(0, RECORDED_MAX / 10)
  }

  #end(id: number): End {
    const end = this.#ends.find(({ host }) => host.id === id)
    if (end === undefined) throw new Error(`host ${id} is not one of those between whom this is`)
    return end
  }
}
