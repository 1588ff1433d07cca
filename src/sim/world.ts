import type { HostId } from '../core/clock.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import { milliseconds, toInstant } from '../lib/time.ts'
import type { Instant } from '../lib/time.ts'
import { recover } from '../node.ts'
import type {
  CommandId,
  Durable,
  Effect,
  Input,
  Lsn,
  NodeConfig,
  NodeEvent,
  Response,
  Trace,
} from '../node.ts'
import type { Address } from '../transport/endpoint.ts'
import { Agenda } from './agenda.ts'
import { Digest } from './digest.ts'
import { Disk, type DiskOptions } from './disk.ts'
import {
  configOf,
  keyOf,
  newMachine,
  readClock,
  trueTimeOf,
  type Machine,
  type Steppable,
} from './machine.ts'
import { Network } from './network.ts'
import type { LinkOptions } from './network.ts'
import type { Observe } from './observation.ts'

export type NodeMaker = (
  config: NodeConfig,
  durable: Durable,
  random: Random,
  trace: Trace,
) => Steppable

export type WorldOptions = {
  readonly seed: number
  readonly hosts: readonly HostId[]
  /** Of those who have not one vote. */
  readonly votes: ReadonlyMap<HostId, number>
  readonly link: LinkOptions
  readonly disk: DiskOptions
  readonly timing: NodeConfig['timing']
  /** Hosts' clocks read up to this much apart, in milliseconds. */
  readonly skewMaxMs: number
  /** The rate of each clock is up to this much from true time. */
  readonly drift: number
  /** A tick that is asked for at once comes up to this much later: the event loop has its turns. */
  readonly turnMaxMs: number
  /** More events than these are a livelock. */
  readonly eventsMax: number
  readonly createNode: NodeMaker
}

/** What a world tells of its nodes' answers to clients. */
export type WorldOutput = {
  readonly observe: Observe
  response(host: HostId, id: CommandId, response: Response): void
  event(host: HostId, event: NodeEvent): void
}

/** A deadline converted to true time and back may come out this much early. */
const ROUNDING_MS = 1e-6

/**
 * The second driver: all nodes in one thread, in virtual time, from one seed. The same law as the
 * daemon's: step, perform all effects in order, wait for the deadline or the next input.
 */
export class World {
  readonly network: Network
  readonly random: Random
  readonly #options: WorldOptions
  readonly #output: WorldOutput
  readonly #hosts = new Map<HostId, Machine>()
  readonly #byAddress = new Map<string, Machine>()
  readonly #agenda = new Agenda()
  readonly #digest = new Digest()
  #now = 0
  #events = 0
  #commands = 0
  #stepping = false

  constructor(options: WorldOptions, output: WorldOutput) {
    this.#options = options
    this.#output = output
    this.random = new Random(options.seed)
    this.network = new Network(options.link, this.random.fork())
    for (const id of options.hosts) this.#install(id)
  }

  /** True time, in milliseconds since the start. */
  get now(): number {
    return this.#now
  }

  get events(): number {
    return this.#events
  }

  get hosts(): readonly HostId[] {
    return this.#options.hosts
  }

  /** Of those who have not one vote. */
  get votes(): ReadonlyMap<HostId, number> {
    return this.#options.votes
  }

  /** Whether the run was ended because it used up its events. */
  get isExhausted(): boolean {
    return this.#events >= this.#options.eventsMax
  }

  /** The fingerprint of every effect and trace event so far, in order and with their times. */
  get hash(): string {
    return this.#digest.hex
  }

  node(id: HostId): Steppable {
    return this.#host(id).node
  }

  isUp(id: HostId): boolean {
    return this.#host(id).isUp
  }

  /** Counts its boots; it may be down. */
  lifeOf(id: HostId): number {
    return this.#host(id).life
  }

  isLeaving(id: HostId): boolean {
    return this.#host(id).isLeaving
  }

  isPaused(id: HostId): boolean {
    return this.#now < this.#host(id).pausedUntil
  }

  disk(id: HostId): Disk {
    return this.#host(id).disk
  }

  /** The reading of a host's own clock. */
  reading(id: HostId): Instant {
    return this.#read(this.#host(id))
  }

  /** The true time at which a host's own clock shows a reading. */
  trueTime(id: HostId, reading: Instant): number {
    return trueTimeOf(this.#host(id), reading)
  }

  /** Puts something on the agenda. */
  after(delayMs: number, run: () => void): void {
    this.#agenda.add(this.#now + delayMs, run)
  }

  /** A name for a command, never used before. */
  nextCommand(): CommandId {
    this.#commands += 1
    return this.#commands
  }

  /** Hands a client's input to a node, as soon as that is awake; another life does not get it. */
  input(id: HostId, input: Input): void {
    const host = this.#host(id)
    const { life } = host
    this.after(0, () => this.#receive(host, input, life))
  }

  /**
   * The host goes down, with its node; its clients are cut off. Its ticks die with it; a datagram on
   * its way does not, and meets whatever life there is when it arrives.
   */
  crash(id: HostId): void {
    const host = this.#host(id)
    assert(host.isUp, 'only a host that is up can go down')
    host.isUp = false
    host.isLeaving = false
    host.wakeAt = Infinity
    host.pausedUntil = 0
    host.disk.crash()
    this.#output.observe({ type: 'died', at: this.#now, host: id })
  }

  /** The host comes up again, in a new life that knows what its disk has kept. */
  boot(id: HostId): void {
    const host = this.#host(id)
    assert(!host.isUp, 'only a host that is down can come up')
    host.life += 1
    host.isUp = true
    host.node = this.#createNode(host.config, host.disk)
    this.#start(host)
  }

  /** SIGTERM: the host goes down when its node says so. */
  leave(id: HostId): void {
    this.#host(id).isLeaving = true
    this.input(id, { type: 'leave' })
  }

  /** The host does nothing for a while, and then all that has arrived at once. */
  pause(id: HostId, ms: number): void {
    const host = this.#host(id)
    host.pausedUntil = Math.max(host.pausedUntil, this.#now + ms)
    const { life, rate } = host
    // As the daemon's driver does: first of all its node hears of it.
    const stalled: Input = { type: 'stalled', lag: milliseconds(ms * rate) }
    this.#agenda.add(host.pausedUntil, () => this.#receive(host, stalled, life))
  }

  /** Runs for so long, and no further. */
  run(ms: number): void {
    const end = this.#now + ms
    while (this.#agenda.next <= end && !this.isExhausted) this.#next()
    this.#now = Math.max(this.#now, end)
  }

  /** Runs until `done`, asked after every event; false if that was not within `limitMs`. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.#now + limitMs
    while (!done()) {
      if (this.isExhausted || this.#agenda.next > end) return false
      this.#next()
    }
    return true
  }

  #next(): void {
    const entry = this.#agenda.take()
    assert(entry !== undefined, 'something is on the agenda')
    assert(entry.at >= this.#now, 'true time does not run backwards')
    this.#now = entry.at
    this.#events += 1
    entry.run()
  }

  #install(id: HostId): void {
    const { random } = this
    const { skewMaxMs, drift } = this.#options
    const config = configOf(this.#options, id)
    const skew = random.between(0, skewMaxMs)
    const disk = new Disk(this.#options.disk, random.fork())
    const node = this.#createNode(config, disk)
    const rate = 1 + random.between(-drift, drift)
    const host = newMachine({ id, config, disk, node, skew, rate })
    this.#hosts.set(id, host)
    this.#byAddress.set(keyOf(host.address), host)
    this.#start(host)
  }

  #createNode(config: NodeConfig, disk: Disk): Steppable {
    const { self } = config
    const durable = recover(disk.records)
    assert(!('damaged' in durable), 'a disk that keeps what was synced keeps it whole')
    this.#output.observe({ type: 'booted', at: this.#now, host: self })
    return this.#options.createNode(
      config,
      durable,
      this.random.fork(),
      (event, time, incarnation) => {
        const at = this.#now
        this.#digest.trace(at, self, event)
        this.#output.observe({ type: 'trace', at, host: self, event, time, incarnation })
      },
    )
  }

  /** A first tick brings out what a node wants to begin with. */
  #start(host: Machine): void {
    this.input(host.id, { type: 'tick' })
  }

  #host(id: HostId): Machine {
    const host = this.#hosts.get(id)
    assert(host !== undefined, `host ${id} is of this world`)
    return host
  }

  #read(host: Machine): Instant {
    return readClock(host, this.#now)
  }

  /** `life`: of the host for which it is, where that matters. */
  #receive(host: Machine, input: Input, life?: number): void {
    if (!host.isUp || (life !== undefined && life !== host.life)) return
    if (this.#now < host.pausedUntil)
      this.#agenda.add(host.pausedUntil, () => this.#receive(host, input, life))
    else this.#step(host, this.#read(host), input)
  }

  #wake(host: Machine, life: number): void {
    if (!host.isUp || life !== host.life) return
    if (this.#now < host.pausedUntil) {
      this.#agenda.add(host.pausedUntil, () => this.#wake(host, life))
      return
    }
    host.wakeAt = Infinity
    const reading = this.#read(host)
    const { deadline } = host.node
    if (deadline > reading + ROUNDING_MS) this.#rearm(host)
    else {
      const at = toInstant(Math.max(reading, deadline))
      this.#step(host, at, { type: 'tick' })
      host.restless.ticked(at, host.node.deadline)
    }
  }

  #step(host: Machine, reading: Instant, input: Input): void {
    assert(!this.#stepping, 'an effect never steps a node')
    this.#stepping = true
    host.lastReading = reading
    for (const effect of host.node.step(reading, input)) this.#perform(host, effect)
    this.#stepping = false
    this.#rearm(host)
  }

  #perform(host: Machine, effect: Effect): void {
    this.#digest.number(this.#now)
    this.#digest.number(host.id)
    switch (effect.type) {
      case 'datagram':
        this.#digest.text(keyOf(effect.to))
        this.#digest.bytes(effect.bytes)
        this.#transmit(host, effect.to, effect.bytes)
        return
      case 'append':
        this.#digest.number(effect.lsn)
        for (const { key, value } of effect.entries) {
          this.#digest.text(key)
          this.#digest.bytes(value)
        }
        this.#append(host, effect)
        return
      case 'response':
        this.#digest.text(JSON.stringify(effect))
        this.#output.response(host.id, effect.id, effect.response)
        return
      case 'event':
        this.#digest.text(JSON.stringify(effect))
        this.#output.event(host.id, effect.event)
        if (effect.event.type === 'left') this.#exit(host)
        return
      default:
        return unreachable(effect)
    }
  }

  #transmit(from: Machine, address: Address, bytes: Uint8Array): void {
    const to = this.#byAddress.get(keyOf(address))
    if (to === undefined) return
    for (const delivery of this.network.route(from.id, to.id, bytes))
      this.after(delivery.delayMs, () => {
        if (this.network.isCut(from.id, to.id)) this.network.counters.severed += 1
        else this.#receive(to, { type: 'datagram', from: from.address, bytes: delivery.bytes })
      })
  }

  /** The disk goes on while its host is paused, not while it is down. */
  #append(host: Machine, { lsn, entries }: Extract<Effect, { type: 'append' }>): void {
    const { life, disk } = host
    const dueAt = disk.append(this.#now, lsn, entries)
    const record = recover(new Map(entries.map(({ key, value }) => [key, value])))
    const incarnation = 'damaged' in record ? 0 : record.incarnation
    this.#agenda.add(dueAt, () => {
      if (!host.isUp || host.life !== life) return
      disk.sync(lsn)
      this.#synced(host, lsn, incarnation)
    })
  }

  #synced(host: Machine, lsn: Lsn, incarnation: number): void {
    if (this.isPaused(host.id)) {
      const { life } = host
      this.#agenda.add(host.pausedUntil, () => {
        if (host.isUp && host.life === life) this.#synced(host, lsn, incarnation)
      })
      return
    }
    if (incarnation > 0)
      this.#output.observe({ type: 'incarnated', at: this.#now, host: host.id, incarnation })
    this.#receive(host, { type: 'synced', lsn }, host.life)
  }

  /** Its process ends of its own accord. */
  #exit(host: Machine): void {
    const { life } = host
    this.after(0, () => {
      if (host.isUp && host.life === life) this.crash(host.id)
    })
  }

  /** A tick that comes too early finds the deadline moved, and is put down again. */
  #rearm(host: Machine): void {
    const { deadline } = host.node
    if (deadline === Infinity) return
    const due = trueTimeOf(host, deadline)
    const at = due > this.#now ? due : this.#now + this.random.between(0, this.#options.turnMaxMs)
    if (at >= host.wakeAt) return
    host.wakeAt = at
    const { life } = host
    this.#agenda.add(at, () => {
      if (host.wakeAt === at) this.#wake(host, life)
    })
  }
}
