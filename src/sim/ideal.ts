import { describeToken, type HostId, type Token } from '../core/clock.ts'
import type { Command, CommandId, Lsn, NodeEvent, Response, StoreEntry } from '../core/command.ts'
import type { Heartbeat } from '../core/hearing.ts'
import { Host, type HostConfig } from '../core/host.ts'
import { channelOf, type Message } from '../core/message.ts'
import type { Rules } from '../core/rules.ts'
import { recover } from '../core/store.ts'
import { assert } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import { toInstant, type Instant } from '../lib/time.ts'
import { Agenda } from './agenda.ts'
import { Findings, type Violation } from './findings.ts'

/** How long things take in a world of ideal channels, in milliseconds of true time. */
export type IdealOptions = {
  readonly hosts: HostConfig['hosts']
  readonly timing: HostConfig['timing']
  readonly rules: Rules
  readonly random: Random
  /** Of a message, drawn for each. */
  readonly delayMs: () => number
  /** Of a write to the disk until it is synced. */
  readonly syncMs: () => number
  readonly heartbeatLoss: number
}

type Channel = { readonly queue: { message: Message; session: number }[]; isBusy: boolean }

/** One machine: what survives a crash, and the host that runs on it at present. */
type Machine = {
  readonly id: HostId
  readonly rate: number
  readonly offset: number
  disk: Map<string, Uint8Array>
  host: Host
  /** Rises at each boot: what was under way for an earlier life is void. */
  life: number
  isUp: boolean
  paused: (() => void)[] | undefined
  /** Batches that are not durable. */
  unsynced: { lsn: Lsn; entries: readonly StoreEntry[] }[]
  /** The session that each other host's channels belong to, as this end sees it. */
  readonly sessions: Map<HostId, number>
  wakeAt: number
}

/** A lock as its client believes in it. */
export type Belief = {
  readonly host: HostId
  readonly token: Token
  readonly names: readonly string[]
  readonly limit: number
  /** By the true clock; a client stops itself there. */
  until: number
}

/**
 * A world of hosts above channels that are reliable by nature: no packets, so that a second goes
 * through many more schedules. What it checks, it checks in true time, clients of dead hosts
 * included: exclusion, and that tokens of exclusive grants rise.
 */
export class IdealWorld {
  readonly machines: Map<HostId, Machine> = new Map()
  readonly findings: Findings = new Findings()
  readonly counts: { grants: number; lost: number; views: number; messages: number } = {
    grants: 0,
    lost: 0,
    views: 0,
    messages: 0,
  }
  /** What clients were answered; set by whoever plays the clients. */
  onResponse: (host: HostId, id: CommandId, response: Response) => void = () => undefined
  onLost: (host: HostId, token: Token) => void = () => undefined
  /** Whether a message may pass at this moment, whatever else there is; for directed schedules. */
  mayPass: (from: HostId, to: HostId, message: Message) => boolean = () => true
  readonly #options: IdealOptions
  readonly #agenda = new Agenda()
  readonly #channels = new Map<string, Channel>()
  readonly #cut = new Set<string>()
  readonly #asked = new Map<string, Extract<Command, { readonly type: 'acquire' }>>()
  #beliefs: Belief[] = []
  readonly #highest = new Map<string, Token>()
  #sessions = 0
  #commands = 0
  #now = 0

  constructor(options: IdealOptions) {
    this.#options = options
    const { random, timing } = options
    for (const { id } of options.hosts) {
      const rate = 1 + random.between(-timing.drift, timing.drift)
      const offset = random.between(0, 1e6)
      const machine: Machine = {
        id,
        rate,
        offset,
        disk: new Map(),
        host: undefined as unknown as Host,
        life: 0,
        isUp: false,
        paused: undefined,
        unsynced: [],
        sessions: new Map(),
        wakeAt: Infinity,
      }
      this.machines.set(id, machine)
    }
    for (const a of this.machines.keys()) {
      for (const b of this.machines.keys()) if (a < b) this.#connectForEver(a, b)
    }
  }

  get now(): number {
    return this.#now
  }

  get violations(): readonly Violation[] {
    return this.findings.all
  }

  get ids(): readonly HostId[] {
    return [...this.machines.keys()]
  }

  machine(id: HostId): Machine {
    const machine = this.machines.get(id)
    assert(machine !== undefined, `host ${id} is of this world`)
    return machine
  }

  isRunning(id: HostId): boolean {
    const { isUp, paused } = this.machine(id)
    return isUp && paused === undefined
  }

  after(ms: number, run: () => void): void {
    this.#agenda.add(this.#now + ms, run)
  }

  run(untilMs: number): void {
    while (this.#agenda.next <= untilMs && this.findings.all.length < 3) {
      const entry = this.#agenda.take()
      if (entry === undefined) break
      this.#now = entry.at
      entry.run()
      this.#checkExclusion()
    }
    this.#now = Math.max(this.#now, untilMs)
  }

  boot(id: HostId): void {
    const machine = this.machine(id)
    assert(!machine.isUp, 'only what is down comes up')
    machine.life += 1
    machine.isUp = true
    machine.unsynced = []
    machine.sessions.clear()
    const durable = recover(machine.disk)
    assert(!('damaged' in durable), 'a disk that keeps what was synced keeps it whole')
    const { hosts, timing, rules, random } = this.#options
    const output = this.#outputOf(machine)
    machine.host = new Host({ self: id, hosts, timing }, durable, random.fork(), rules, output)
    this.#rearm(machine)
  }

  /** The machine stops at once; its clients go on until their deadlines. */
  crash(id: HostId): void {
    const machine = this.machine(id)
    machine.isUp = false
    machine.paused = undefined
    machine.life += 1
    // What it had sent may be under way, or not have left.
    for (const [key, channel] of this.#channels) {
      if (key.startsWith(`${id}>`) && this.#options.random.chance(0.5)) channel.queue.length = 0
    }
    // Of what was not synced, a part may have reached the disk, in order.
    const kept = this.#options.random.below(machine.unsynced.length + 1)
    for (const { entries } of machine.unsynced.slice(0, kept)) this.#write(machine, entries)
  }

  loseDisk(id: HostId): void {
    this.machine(id).disk = new Map()
  }

  pause(id: HostId): void {
    this.machine(id).paused ??= []
  }

  resume(id: HostId): void {
    const machine = this.machine(id)
    const late = machine.paused ?? []
    machine.paused = undefined
    for (const run of late) run()
    if (machine.isUp) this.#rearm(machine)
  }

  /** Nothing passes from one to the other until it is healed. */
  cut(from: HostId, to: HostId): void {
    this.#cut.add(`${from}>${to}`)
  }

  heal(from: HostId, to: HostId): void {
    this.#cut.delete(`${from}>${to}`)
    this.pump()
  }

  /** Tries every channel again, after something that held a message back has changed. */
  pump(): void {
    for (const [key, channel] of this.#channels) {
      const [from, to] = key.split(/[> ]/).map(Number)
      if (from !== undefined && to !== undefined) this.#pump(from, to, channel)
    }
  }

  acquire(host: HostId, names: readonly string[], limit: number): CommandId {
    this.#commands += 1
    const id = this.#commands
    const command: Command = { type: 'acquire', names, limit, wait: undefined, info: '' }
    this.#asked.set(`${host}/${id}`, command)
    this.#input(host, at => this.machine(host).host.execute(at, id, command))
    return id
  }

  release(host: HostId, token: Token): void {
    this.#forget(host, token)
    this.#commands += 1
    const id = this.#commands
    this.#input(host, at => this.machine(host).host.execute(at, id, { type: 'release', token }))
  }

  found(host: HostId): void {
    this.#commands += 1
    const id = this.#commands
    this.#input(host, at => this.machine(host).host.execute(at, id, { type: 'found' }))
  }

  leave(host: HostId): void {
    this.#input(host, at => this.machine(host).host.leave(at))
  }

  /** What clients believe at this moment. */
  beliefs(): readonly Belief[] {
    this.#beliefs = this.#beliefs.filter(belief => this.#now < belief.until)
    return this.#beliefs
  }

  #input(host: HostId, give: (at: Instant) => void): void {
    const machine = this.machine(host)
    const { life } = machine
    const run = (): void => {
      if (machine.life !== life || !machine.isUp) return
      if (machine.paused !== undefined) machine.paused.push(run)
      else {
        give(this.#reading(machine))
        this.#rearm(machine)
      }
    }
    this.after(0, run)
  }

  #reading(machine: Machine): Instant {
    return toInstant(machine.offset + this.#now * machine.rate)
  }

  #trueTime(machine: Machine, reading: number): number {
    return (reading - machine.offset) / machine.rate
  }

  #rearm(machine: Machine): void {
    const { deadline } = machine.host
    if (deadline === Infinity) return
    const due = Math.max(this.#now, this.#trueTime(machine, deadline) + 1e-6)
    if (due >= machine.wakeAt && machine.wakeAt > this.#now) return
    machine.wakeAt = due
    const { life } = machine
    const run = (): void => {
      if (machine.life !== life || !machine.isUp) return
      if (machine.paused !== undefined) {
        machine.paused.push(run)
        return
      }
      if (machine.wakeAt !== due) return
      machine.wakeAt = Infinity
      machine.host.tick(this.#reading(machine))
      this.#rearm(machine)
    }
    this.#agenda.add(due, run)
  }

  #outputOf(machine: Machine): ConstructorParameters<typeof Host>[4] {
    const { id, life } = machine
    const isCurrent = (): boolean => machine.life === life && machine.isUp
    return {
      send: (to, message) => this.#send(machine, to, message),
      sendHeartbeat: (to, heartbeat) => this.#heartbeat(machine, to, heartbeat),
      reincarnate: () => {
        for (const peer of [...machine.sessions.keys()]) this.#close(machine, peer)
      },
      append: (lsn, entries) => {
        machine.unsynced.push({ lsn, entries })
        this.after(this.#options.syncMs(), () => {
          if (isCurrent()) this.#sync(machine, lsn)
        })
      },
      respond: (command, response) => this.#respond(id, command, response),
      event: event => this.#event(machine, event),
      trace: event => {
        if (event.type === 'install') this.counts.views += 1
      },
      isDrained: () =>
        [...machine.sessions.keys()].every(to => this.#channel(id, to, 0).queue.length === 0),
    }
  }

  #sync(machine: Machine, lsn: Lsn): void {
    const done = machine.unsynced.filter(batch => batch.lsn <= lsn)
    if (done.length === 0) return
    machine.unsynced = machine.unsynced.filter(batch => batch.lsn > lsn)
    for (const { entries } of done) this.#write(machine, entries)
    this.#input(machine.id, at => machine.host.synced(at, lsn))
  }

  #write(machine: Machine, entries: readonly StoreEntry[]): void {
    for (const { key, value } of entries) machine.disk.set(key, value)
  }

  #respond(host: HostId, id: CommandId, response: Response): void {
    if (response.type === 'granted') {
      const { token, until } = response
      const asked = this.#asked.get(`${host}/${id}`)
      assert(asked !== undefined, 'only what was asked for is granted')
      this.counts.grants += 1
      const { names, limit } = asked
      const end = this.#trueTime(this.machine(host), until)
      this.#beliefs.push({ host, token, names, limit, until: end })
      if (limit === 1) for (const name of names) this.#checkToken(name, token)
      this.#checkExclusion()
    }
    this.onResponse(host, id, response)
  }

  #event(machine: Machine, event: NodeEvent): void {
    if (event.type === 'lost') {
      this.counts.lost += 1
      this.#forget(machine.id, event.token)
      this.onLost(machine.id, event.token)
    } else if (event.type === 'lease') {
      const until = this.#trueTime(machine, event.until)
      for (const belief of this.beliefs()) {
        if (belief.host === machine.id) belief.until = Math.max(belief.until, until)
      }
    } else if (event.type === 'left') {
      this.after(0, () => {
        if (machine.isUp) this.crash(machine.id)
      })
    }
  }

  #forget(host: HostId, token: Token): void {
    this.#beliefs = this.#beliefs.filter(belief => belief.host !== host || belief.token !== token)
  }

  #checkToken(name: string, token: Token): void {
    const highest = this.#highest.get(name) ?? 0
    if (token <= highest) {
      this.findings.add(
        this.#now,
        `${describeToken(token)} of ${name} is not above ${describeToken(highest)}`,
      )
    }
    this.#highest.set(name, Math.max(highest, token))
  }

  #checkExclusion(): void {
    const inside = new Map<string, Belief[]>()
    for (const belief of this.beliefs()) {
      for (const name of belief.names) {
        const holders = inside.get(name) ?? []
        inside.set(name, holders)
        holders.push(belief)
      }
    }
    for (const [name, holders] of inside) {
      if (holders.length <= Math.min(...holders.map(holder => holder.limit))) continue
      const who = holders.map(({ token, limit }) => `${describeToken(token)}/${limit}`).join(', ')
      this.findings.add(this.#now, `${holders.length} are inside ${name}: ${who}`)
    }
  }

  #send(machine: Machine, to: HostId, message: Message): void {
    const session = machine.sessions.get(to)
    if (session === undefined) return
    this.counts.messages += 1
    const channel = this.#channel(machine.id, to, channelOf(message))
    channel.queue.push({ message, session })
    this.#pump(machine.id, to, channel)
  }

  #channel(from: HostId, to: HostId, way: number): Channel {
    const key = `${from}>${to} ${way}`
    const channel = this.#channels.get(key) ?? { queue: [], isBusy: false }
    this.#channels.set(key, channel)
    return channel
  }

  /** One message at a time, in order; a cut stalls it, a session that has ended empties it. */
  #pump(from: HostId, to: HostId, channel: Channel): void {
    const head = channel.queue[0]
    if (channel.isBusy || head === undefined || this.#cut.has(`${from}>${to}`)) return
    if (!this.mayPass(from, to, head.message)) return
    channel.isBusy = true
    this.after(this.#options.delayMs(), () => {
      channel.isBusy = false
      if (this.#cut.has(`${from}>${to}`)) return
      const first = channel.queue[0]
      if (first === undefined) return
      const receiver = this.machine(to)
      const isOver =
        this.machine(from).sessions.get(to) !== first.session &&
        receiver.sessions.get(from) !== first.session
      if (receiver.sessions.get(from) === first.session && receiver.isUp) {
        channel.queue.shift()
        this.#deliver(receiver, from, first.session, first.message)
      } else if (isOver) channel.queue.shift()
      // Else the other end has not opened yet: it stays at the head.
      this.#pump(from, to, channel)
    })
  }

  #deliver(receiver: Machine, from: HostId, session: number, message: Message): void {
    this.#input(receiver.id, at => {
      if (receiver.sessions.get(from) === session) receiver.host.deliver(at, from, message)
    })
  }

  /** A datagram: it may be lost, and it may overtake. */
  #heartbeat(machine: Machine, to: HostId, heartbeat: Heartbeat): void {
    const session = machine.sessions.get(to)
    if (session === undefined || this.#options.random.chance(this.#options.heartbeatLoss)) return
    const receiver = this.machine(to)
    this.after(this.#options.delayMs(), () => {
      if (this.#cut.has(`${machine.id}>${to}`) || receiver.sessions.get(machine.id) !== session)
        return
      this.#input(to, at => {
        if (receiver.sessions.get(machine.id) === session)
          receiver.host.hear(at, machine.id, heartbeat)
      })
    })
  }

  /** The handshake of two machines, tried again and again: a session belongs to two incarnations. */
  #connectForEver(a: HostId, b: HostId): void {
    let pair = ''
    const attempt = (): void => {
      this.after(this.#options.random.between(5, 40), attempt)
      const [first, second] = this.#options.random.chance(0.5) ? [a, b] : [b, a]
      const [one, other] = [this.machine(first), this.machine(second)]
      if (!one.isUp || !other.isUp || !one.host.isAwake || !other.host.isAwake) return
      if (one.paused !== undefined || other.paused !== undefined) return
      if (this.#cut.has(`${a}>${b}`) || this.#cut.has(`${b}>${a}`)) return
      const ends = [one, other].sort((x, y) => x.id - y.id)
      const now = ends.map(end => `${end.life}/${end.host.incarnation}`).join(' ')
      const isOpen = one.sessions.has(second) && other.sessions.has(first)
      if (now === pair && isOpen) return
      pair = now
      this.#sessions += 1
      const session = this.#sessions
      const incarnations = { one: one.host.incarnation, other: other.host.incarnation }
      this.#open(one, second, session, incarnations.other)
      const { life } = other
      this.after(this.#options.delayMs(), () => {
        if (other.life !== life || other.host.incarnation !== incarnations.other) return
        this.#open(other, first, session, incarnations.one)
      })
    }
    this.after(this.#options.random.between(0, 20), attempt)
  }

  #open(machine: Machine, peer: HostId, session: number, incarnation: number): void {
    this.#close(machine, peer)
    machine.sessions.set(peer, session)
    this.#input(machine.id, at => {
      if (machine.sessions.get(peer) === session) machine.host.open(at, peer, incarnation)
    })
  }

  #close(machine: Machine, peer: HostId): void {
    if (!machine.sessions.delete(peer)) return
    this.#input(machine.id, at => machine.host.close(at, peer))
  }
}
