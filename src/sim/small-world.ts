import type { HostId, Token } from '../core/clock.ts'
import type { CommandId, Lsn, NodeEvent, Response, StoreEntry } from '../core/command.ts'
import { canonical } from '../core/fingerprint.ts'
import type { Heartbeat } from '../core/hearing.ts'
import { Host, type HostOutput } from '../core/host.ts'
import { CHANNELS, channelOf, isVariableMessage, type Message } from '../core/message.ts'
import type { Rules } from '../core/rules.ts'
import { recover } from '../core/store.ts'
import { assert, unreachable } from '../lib/assert.ts'
import { Random } from '../lib/random.ts'
import { milliseconds, toInstant, type Instant } from '../lib/time.ts'
import { Beliefs } from './beliefs.ts'
import { Digest } from './digest.ts'
import { Findings, type Violation } from './findings.ts'

/** How much may happen in an exploration: it goes through every order of all that. */
export type Bounds = {
  readonly hosts: number
  /** Of clients, each for the same lock; dealt out to the hosts in turn. */
  readonly requests: number
  readonly crashes: number
  /** Whether who crashed comes up again. */
  readonly restarts: boolean
  /** How often the timers of one host go off. */
  readonly timers: number
}

/** One thing that may happen next. */
export type SmallEvent =
  | { readonly type: 'deliver'; readonly from: HostId; readonly to: HostId; readonly way: 0 | 1 }
  | { readonly type: 'hear'; readonly from: HostId; readonly to: HostId }
  | { readonly type: 'connect'; readonly a: HostId; readonly b: HostId }
  | { readonly type: 'acquire' | 'release'; readonly request: number }
  | { readonly type: 'sync' | 'timer' | 'crash' | 'boot'; readonly host: HostId }

/** For people: `deliver 1>2`. */
export function describeEvent(event: SmallEvent): string {
  switch (event.type) {
    case 'deliver':
      return `deliver ${event.from}>${event.to}/${event.way}`
    case 'hear':
      return `hear ${event.from}>${event.to}`
    case 'connect':
      return `connect ${event.a}-${event.b}`
    case 'acquire':
    case 'release':
      return `${event.type} ${event.request}`
    case 'sync':
    case 'timer':
    case 'crash':
    case 'boot':
      return `${event.type} ${event.host}`
    default:
      return unreachable(event)
  }
}

const TIMING = {
  heartbeat: milliseconds(50),
  suspect: milliseconds(250),
  lease: milliseconds(300),
  drift: 0.02,
}

const NAME = 'door'

type Machine = {
  readonly id: HostId
  disk: Map<string, Uint8Array>
  host: Host
  life: number
  isUp: boolean
  unsynced: { readonly lsn: Lsn; readonly entries: readonly StoreEntry[] }[]
  readonly sessions: Map<HostId, number>
  timers: number
  /** What the host has to be told once it has returned. */
  closing: HostId[]
}

type Channel = { message: Message; session: number }[]

type Client = {
  readonly host: HostId
  state: 'idle' | 'waits' | 'holds' | 'done'
  life: number
  command: CommandId
  token: Token
}

/** Chance is not explored: every draw is the same. */
class Even extends Random {
  override fraction(): number {
    return 0.5
  }
}

/**
 * A cluster whose every next event is chosen from outside. Time stands still but for timers, which
 * take it to their deadline; what is not chosen is late, and a heartbeat that is overtaken is lost.
 */
export class SmallWorld {
  readonly #bounds: Bounds
  readonly #rules: Rules
  readonly #machines = new Map<HostId, Machine>()
  readonly #channels = new Map<string, Channel>()
  /** The newest heartbeat of each ordered pair. */
  readonly #heartbeats = new Map<string, { heartbeat: Heartbeat; session: number }>()
  readonly #findings = new Findings()
  readonly #beliefs = new Beliefs(this.#findings)
  readonly #highest = new Map<string, Token>()
  readonly #clients: Client[] = []
  #crashes = 0
  #sessions = 0
  #now = toInstant(0)

  /** Boots all and lets them found the cluster, each with a lease and complete; then they stand. */
  constructor(bounds: Bounds, rules: Rules) {
    this.#bounds = bounds
    this.#rules = rules
    for (let id = 1; id <= bounds.hosts; id++) this.#addMachine(id)
    for (const { id } of this.#machines.values()) this.#boot(id)
    for (let round = 0; !this.#isSettled(); round++) {
      assert(round < 1000, 'a calm cluster is founded')
      this.#calm()
      for (const { id } of this.#machines.values()) this.#timer(id)
    }
    this.#calm()
    for (const machine of this.#machines.values()) machine.timers = 0
    for (let i = 0; i < bounds.requests; i++) {
      const host = 1 + (i % bounds.hosts)
      this.#clients.push({ host, state: 'idle', life: 0, command: i, token: 0 })
    }
  }

  get violations(): readonly Violation[] {
    return this.#findings.all
  }

  /** How many clients have been served. */
  get served(): number {
    return this.#clients.filter(({ state }) => state === 'done').length
  }

  /** All that may happen next. */
  events(): SmallEvent[] {
    const events: SmallEvent[] = []
    for (const [key, queue] of this.#channels) {
      const { from, to, way } = parseKey(key)
      const session = queue[0]?.session
      if (session === undefined || !this.#machine(to).isUp) continue
      if (this.#machine(to).sessions.get(from) === session) {
        events.push({ type: 'deliver', from, to, way })
      }
    }
    for (const [key, { session }] of this.#heartbeats) {
      const { from, to } = parseKey(key)
      if (this.#machine(to).isUp && this.#machine(to).sessions.get(from) === session) {
        events.push({ type: 'hear', from, to })
      }
    }
    for (const a of this.#machines.values()) {
      for (const b of this.#machines.values()) {
        if (a.id < b.id && this.#canConnect(a, b)) {
          events.push({ type: 'connect', a: a.id, b: b.id })
        }
      }
    }
    for (const [request, { host, state }] of this.#clients.entries()) {
      if (state === 'idle' && this.#machine(host).isUp) events.push({ type: 'acquire', request })
    }
    for (const machine of this.#machines.values()) this.#eventsOf(machine, events)
    for (const [request, { host, state, life }] of this.#clients.entries()) {
      const machine = this.#machine(host)
      if (state === 'holds' && machine.isUp && machine.life === life) {
        events.push({ type: 'release', request })
      }
    }
    return events
  }

  apply(event: SmallEvent): void {
    switch (event.type) {
      case 'deliver':
        this.#deliver(event.from, event.to, event.way)
        return
      case 'hear':
        this.#hear(event.from, event.to)
        return
      case 'connect':
        this.#connect(this.#machine(event.a), this.#machine(event.b))
        return
      case 'acquire':
        this.#acquire(event.request)
        return
      case 'release':
        this.#release(event.request)
        return
      case 'sync':
        this.#sync(event.host)
        return
      case 'timer':
        this.#machine(event.host).timers += 1
        this.#timer(event.host)
        return
      case 'crash':
        this.#crash(event.host)
        return
      case 'boot':
        this.#boot(event.host)
        return
      default:
        unreachable(event)
    }
  }

  /**
   * The whole state, so that equal states have equal fingerprints. Lamport times are moved together
   * where no more than the gap could be bridged by what may still happen.
   */
  fingerprint(): string {
    const text = canonical([
      [...this.#machines.values()].map(machine => this.#fingerprintOf(machine)),
      new Map([...this.#channels].map(([key, queue]) => [key, this.#open(key, queue)])),
      [...this.#heartbeats].map(([key, { heartbeat, session }]) => {
        const { from, to } = parseKey(key)
        if (this.#machine(to).sessions.get(from) !== session) return key
        const { stamp, echo, ...rest } = heartbeat
        return [key, this.#now - stamp, echo === undefined ? -1 : this.#now - echo, rest]
      }),
      this.#clients.map(({ state, token }) => ({ state, token })),
      this.#beliefs.at(this.#now).map(({ token, until }) => ({ token, ahead: until - this.#now })),
      [...this.#highest.values()].map(token => ({ token })),
      this.#crashes,
    ])
    const digest = new Digest()
    digest.text(squeeze(text))
    return digest.hex
  }

  #eventsOf(machine: Machine, events: SmallEvent[]): void {
    const { crashes, restarts, timers } = this.#bounds
    const { id: host } = machine
    if (!machine.isUp) {
      if (restarts) events.push({ type: 'boot', host })
      return
    }
    if (machine.unsynced.length > 0) events.push({ type: 'sync', host })
    if (this.#crashes < crashes) events.push({ type: 'crash', host })
    if (machine.timers < timers && machine.host.deadline !== Infinity) {
      events.push({ type: 'timer', host })
    }
  }

  #fingerprintOf(machine: Machine): unknown {
    const { id, disk, host, isUp, unsynced, timers } = machine
    const sessions = [...machine.sessions].map(([peer, session]) => [
      peer,
      this.#machine(peer).sessions.get(id) === session,
    ])
    const records = recover(disk)
    const writes = unsynced.map(({ entries }) =>
      recover(new Map(entries.map(e => [e.key, e.value]))),
    )
    const state = isUp ? host.fingerprint(this.#now) : 'down'
    const { clockCeiling: ceilings, ...rest } = 'damaged' in records ? { clockCeiling: 0 } : records
    return [id, { ceilings }, rest, writes.length, sessions, timers, state]
  }

  /** What is in a channel and still counts. */
  #open(key: string, queue: Channel): unknown {
    const { from, to } = parseKey(key)
    const session = this.#machine(to).sessions.get(from)
    return queue.filter(item => item.session === session).map(item => item.message)
  }

  #addMachine(id: HostId): void {
    this.#machines.set(id, {
      id,
      disk: new Map(),
      host: undefined as unknown as Host,
      life: 0,
      isUp: false,
      unsynced: [],
      sessions: new Map(),
      timers: 0,
      closing: [],
    })
  }

  #machine(id: HostId): Machine {
    const machine = this.#machines.get(id)
    assert(machine !== undefined, `host ${id} is of this world`)
    return machine
  }

  #isSettled(): boolean {
    const all = [...this.#machines.values()]
    return all.every(({ host }) => {
      const { view, complete, majority } = host.status(this.#now)
      return complete && majority && view?.members.length === all.length
    })
  }

  /** Everything but time goes on until nothing is left to do. */
  #calm(): void {
    const isCalm = ({ type }: SmallEvent): boolean =>
      type === 'deliver' || type === 'hear' || type === 'connect' || type === 'sync'
    for (;;) {
      const next = this.events().find(isCalm)
      if (next === undefined) return
      this.apply(next)
    }
  }

  #boot(id: HostId): void {
    const machine = this.#machine(id)
    machine.life += 1
    machine.isUp = true
    machine.unsynced = []
    machine.sessions.clear()
    const durable = recover(machine.disk)
    assert(!('damaged' in durable), 'a disk that keeps what was synced keeps it whole')
    const hosts = [...this.#machines.keys()].map(host => ({ id: host, name: `h${host}`, votes: 1 }))
    const config = { self: id, hosts, timing: TIMING }
    machine.host = new Host(config, durable, new Even(1), this.#rules, this.#outputOf(machine))
  }

  #crash(id: HostId): void {
    const machine = this.#machine(id)
    this.#crashes += 1
    machine.isUp = false
    machine.life += 1
    machine.closing = []
    for (const client of this.#clients) {
      if (client.host === id && client.state === 'waits') client.state = 'done'
    }
  }

  #outputOf(machine: Machine): HostOutput {
    return {
      send: (to, message) => {
        // No variable is set in this world: that hosts tell each other so only makes it larger.
        if (isVariableMessage(message)) return
        const session = machine.sessions.get(to)
        if (session === undefined) return
        const key = `${machine.id}>${to} ${channelOf(message)}`
        const queue = this.#channels.get(key) ?? []
        this.#channels.set(key, queue)
        queue.push({ message, session })
      },
      sendHeartbeat: (to, heartbeat) => {
        const session = machine.sessions.get(to)
        if (session !== undefined)
          this.#heartbeats.set(`${machine.id}>${to}`, { heartbeat, session })
      },
      reincarnate: () => {
        machine.closing = [...machine.sessions.keys()]
        machine.sessions.clear()
      },
      append: (lsn, entries) => machine.unsynced.push({ lsn, entries }),
      respond: (id, response) => this.#respond(machine, id, response),
      event: event => this.#event(machine, event),
      trace: () => undefined,
      isDrained: () => true,
      isCongested: () => false,
    }
  }

  /** One step of a host, and what it cannot be told from within. */
  #step(machine: Machine, give: (host: Host, now: Instant) => void): void {
    give(machine.host, this.#now)
    for (let peer = machine.closing.pop(); peer !== undefined; peer = machine.closing.pop()) {
      machine.host.close(this.#now, peer)
    }
  }

  #deliver(from: HostId, to: HostId, way: 0 | 1): void {
    const item = this.#channels.get(`${from}>${to} ${way}`)?.shift()
    if (item === undefined) return
    this.#step(this.#machine(to), (host, now) => host.deliver(now, from, item.message))
  }

  #hear(from: HostId, to: HostId): void {
    const key = `${from}>${to}`
    const item = this.#heartbeats.get(key)
    this.#heartbeats.delete(key)
    if (item === undefined) return
    this.#step(this.#machine(to), (host, now) => host.hear(now, from, item.heartbeat))
  }

  #canConnect(a: Machine, b: Machine): boolean {
    if (!a.isUp || !b.isUp || !a.host.isAwake || !b.host.isAwake) return false
    const session = a.sessions.get(b.id)
    return session === undefined || session !== b.sessions.get(a.id)
  }

  #connect(a: Machine, b: Machine): void {
    for (const [end, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      if (end.sessions.delete(peer.id)) this.#step(end, (host, now) => host.close(now, peer.id))
      for (const way of CHANNELS) this.#channels.delete(`${end.id}>${peer.id} ${way}`)
      this.#heartbeats.delete(`${end.id}>${peer.id}`)
    }
    this.#sessions += 1
    a.sessions.set(b.id, this.#sessions)
    b.sessions.set(a.id, this.#sessions)
    const incarnation = { a: a.host.incarnation, b: b.host.incarnation }
    this.#step(a, (host, now) => host.open(now, b.id, incarnation.b))
    this.#step(b, (host, now) => host.open(now, a.id, incarnation.a))
  }

  #sync(id: HostId): void {
    const machine = this.#machine(id)
    const batch = machine.unsynced.shift()
    if (batch === undefined) return
    for (const { key, value } of batch.entries) machine.disk.set(key, value)
    this.#step(machine, (host, now) => host.synced(now, batch.lsn))
  }

  #timer(id: HostId): void {
    const machine = this.#machine(id)
    const { deadline } = machine.host
    if (deadline !== Infinity) this.#now = toInstant(Math.max(this.#now, deadline))
    this.#step(machine, (host, now) => host.tick(now))
  }

  #acquire(request: number): void {
    const client = this.#clients[request]
    if (client === undefined) return
    const machine = this.#machine(client.host)
    client.state = 'waits'
    client.life = machine.life
    const wanted = { names: [NAME], limit: 1, wait: undefined, info: '' }
    this.#step(machine, (host, now) =>
      host.execute(now, client.command, { type: 'acquire', ...wanted }),
    )
  }

  #release(request: number): void {
    const client = this.#clients[request]
    if (client === undefined) return
    client.state = 'done'
    const { token } = client
    this.#beliefs.stopped(client.host, belief => belief.token === token)
    this.#step(this.#machine(client.host), (host, now) =>
      host.execute(now, -1, { type: 'release', token }),
    )
  }

  #respond(machine: Machine, id: CommandId, response: Response): void {
    const client = this.#clients[id]
    if (client === undefined || response.type !== 'granted') return
    const { token, until } = response
    client.state = 'holds'
    client.token = token
    this.#highest.set(NAME, Math.max(token, this.#highest.get(NAME) ?? 0))
    const { id: host, life } = machine
    const belief = { host, life, command: id, token, names: [NAME], limit: 1, until, isLost: false }
    this.#beliefs.granted(this.#now, belief, until > this.#now)
  }

  #event(machine: Machine, event: NodeEvent): void {
    if (event.type === 'lost') this.#beliefs.lost(machine.id, event.token)
    else if (event.type === 'lease') {
      this.#beliefs.renewed(this.#now, machine.id, machine.life, event.until)
    }
  }
}

function parseKey(key: string): { from: HostId; to: HostId; way: 0 | 1 } {
  const [from = 0, to = 0, way = 0] = key.split(/[> ]/).map(Number)
  return { from, to, way: way === 0 ? 0 : 1 }
}

/** More than the ticks that an exploration of the bounds that are feasible can still make. */
const GAP_MAX = 256

/** Moves the Lamport times of a state together, so that only their order and small gaps are left. */
function squeeze(text: string): string {
  const times = [...new Set([...text.matchAll(/@(\d+)/g)].map(([, time]) => Number(time)))]
  times.sort((a, b) => a - b)
  const moved = new Map<number, number>()
  let [last = 0] = times
  let place = 0
  for (const time of times) {
    place += Math.min(time - last, GAP_MAX)
    moved.set(time, place)
    last = time
  }
  return text.replace(/@(\d+)/g, (_, time) => `@${moved.get(Number(time)) ?? 0}`)
}
