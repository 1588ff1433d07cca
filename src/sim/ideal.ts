import type { HostId, Token } from '../core/clock.ts'
import type {
  Command,
  CommandId,
  Lsn,
  NodeEvent,
  Response,
  StoreEntry,
  TraceEvent,
} from '../core/command.ts'
import { Host, type HostOutput } from '../core/host.ts'
import { recover } from '../core/store.ts'
import { isSameTable } from '../core/table.ts'
import type { Variable } from '../core/variable.ts'
import { Votes } from '../core/view.ts'
import { assert } from '../lib/assert.ts'
import { toInstant, type Instant } from '../lib/time.ts'
import { Agenda } from './agenda.ts'
import { Beliefs, type Belief } from './beliefs.ts'
import { Findings, type Violation } from './findings.ts'
import type { Asked, IdealOptions, Machine, WorldTable } from './ideal-machine.ts'
import { RestlessCheck } from './restless.ts'
import { Wires } from './wires.ts'

/** After so many findings a run is over: the rest follow from the first. */
const FINDINGS_ENOUGH = 3

/**
 * A world of hosts above channels that are reliable by nature: no packets, so that a second goes
 * through many more schedules. What it checks, it checks in true time, clients of dead hosts
 * included: exclusion, and that tokens of exclusive grants rise.
 */
export class IdealWorld {
  readonly machines: ReadonlyMap<HostId, Machine>
  readonly wires: Wires
  readonly votes: Votes
  readonly counts: {
    grants: number
    /** Those of them by a request that stands. */
    again: number
    adopted: number
    lost: number
    views: number
  } = {
    grants: 0,
    again: 0,
    adopted: 0,
    lost: 0,
    views: 0,
  }
  /** What clients were answered; set by whoever plays the clients. */
  onResponse: (host: HostId, id: CommandId, response: Response) => void = () => undefined
  onLost: (host: HostId, token: Token) => void = () => undefined
  /** Everything that hosts tell unasked. */
  onEvent: (host: HostId, event: NodeEvent) => void = () => undefined
  /** A daemon has come up. */
  onBoot: (host: HostId) => void = () => undefined
  /** With the Lamport time and the incarnation of the host. */
  onTrace: (host: HostId, event: TraceEvent, time: number, incarnation: number) => void = () =>
    undefined
  readonly #options: IdealOptions
  readonly #agenda = new Agenda()
  readonly #findings = new Findings()
  readonly #beliefs = new Beliefs(this.#findings)
  /** Acquires under way or granted; those that their client has given up are absent. */
  readonly #asked = new Map<CommandId, Asked>()
  /** Adoptions under way. */
  readonly #adopting = new Map<CommandId, Token>()
  #commands = 0
  #now = 0

  constructor(options: IdealOptions) {
    this.#options = options
    this.votes = new Votes(options.hosts)
    this.machines = new Map(options.hosts.map(({ id }) => [id, this.#machine(id)]))
    this.wires = new Wires(options, this.machines, {
      after: (ms, run) => this.after(ms, run),
      agree: (a, b) => isSameTable(this.machine(a.id).running, this.machine(b.id).running),
      input: (end, give) => this.#input(end.id, give),
    })
  }

  get now(): number {
    return this.#now
  }

  get violations(): readonly Violation[] {
    return this.#findings.all
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
    const { isUp, isPaused } = this.machine(id)
    return isUp && !isPaused
  }

  lifeOf(id: HostId): number {
    return this.machine(id).life
  }

  /** What this host knows of a variable, without asking anybody. */
  variable(id: HostId, name: string): Variable {
    return this.machine(id).host.variable(name)
  }

  /** Whether this host's disk holds what it has voted for or may vote with; it may be down. */
  hasVoteOnDisk(id: HostId): boolean {
    const durable = recover(this.machine(id).disk)
    if ('damaged' in durable) return false
    // A recovery that a crash cut short may have left a view, and the host is blank all the same.
    if (this.#options.rules.blankHosts) return durable.ready !== undefined
    return durable.acceptor?.value !== undefined
  }

  /** This host's own clock, now. */
  reading(id: HostId): Instant {
    const { offset, rate } = this.machine(id)
    return toInstant(offset + this.#now * rate)
  }

  after(ms: number, run: () => void): void {
    this.#agenda.add(this.#now + ms, run)
  }

  run(untilMs: number): void {
    while (this.#agenda.next <= untilMs && this.violations.length < FINDINGS_ENOUGH) {
      const entry = this.#agenda.take()
      if (entry === undefined) break
      this.#now = entry.at
      entry.run()
    }
    this.#now = Math.max(this.#now, untilMs)
  }

  /** Somebody writes another hosts.yml; it is read at the next boot. */
  edit(id: HostId, table: WorldTable): void {
    this.machine(id).table = table
  }

  /** A host that its own hosts.yml does not name refuses to start. */
  boot(id: HostId): void {
    const machine = this.machine(id)
    assert(!machine.isUp, 'only what is down comes up')
    if (!machine.table.hosts.some(host => host.id === id)) return
    machine.running = machine.table
    machine.life += 1
    machine.isUp = true
    machine.unsynced = []
    machine.wakeAt = Infinity
    machine.sessions.clear()
    const durable = recover(machine.disk)
    assert(!('damaged' in durable), 'a disk that keeps what was synced keeps it whole')
    const { rules, random } = this.#options
    const config = { self: id, ...machine.running }
    machine.host = new Host(config, durable, random.fork(), rules, this.#outputOf(machine))
    this.#rearm(machine)
    this.onBoot(id)
  }

  /**
   * The machine stops at once; its clients go on until their deadlines. Of what it had sent and of
   * what it had written but not synced, some may be lost; or all.
   */
  crash(id: HostId, loses: 'some' | 'all' = 'some'): void {
    const machine = this.machine(id)
    const { random } = this.#options
    machine.isUp = false
    machine.isPaused = false
    machine.late = []
    machine.life += 1
    if (loses === 'all' || random.chance(0.5)) this.wires.dropSent(machine)
    const kept = loses === 'all' ? 0 : random.below(machine.unsynced.length + 1)
    for (const { entries } of machine.unsynced.slice(0, kept)) this.#write(machine, entries)
  }

  loseDisk(id: HostId): void {
    const machine = this.machine(id)
    assert(!machine.isUp, 'a disk is changed while its host is down')
    machine.disk = new Map()
  }

  /** Daemon and clients stand still; true time goes on. */
  pause(id: HostId): void {
    this.machine(id).isPaused = true
  }

  resume(id: HostId): void {
    const machine = this.machine(id)
    const { late } = machine
    machine.isPaused = false
    machine.late = []
    for (const run of late) run()
    if (machine.isUp) this.#rearm(machine)
  }

  /** Nothing passes between the two until it is healed. */
  cut(a: HostId, b: HostId): void {
    this.wires.cut(a, b)
    this.wires.cut(b, a)
  }

  heal(a: HostId, b: HostId): void {
    this.wires.heal(a, b)
    this.wires.heal(b, a)
  }

  acquire(host: HostId, { names, limit, wait }: Asked): CommandId {
    this.#asked.set(this.#commands + 1, { names, limit })
    return this.execute(host, { type: 'acquire', names, limit, wait, info: '' })
  }

  /** What a client that was granted this by an earlier life asks the present one, while it believes. */
  adopt(host: HostId, token: Token): CommandId | undefined {
    const machine = this.machine(host)
    const belief = this.beliefs().find(each => each.host === host && each.token === token)
    if (belief === undefined || belief.isLost || belief.life === machine.life) return undefined
    const until = toInstant(machine.offset + belief.until * machine.rate)
    this.#adopting.set(this.#commands + 1, token)
    return this.execute(host, { type: 'adopt', token, names: belief.names, until })
  }

  /** One that should have stopped long ago asks for it all the same, and believes the answer. */
  adoptLate(host: HostId, token: Token, name: string): CommandId {
    const { offset, rate } = this.machine(host)
    const until = toInstant(offset + (this.#now + 1000) * rate)
    this.#asked.set(this.#commands + 1, { names: [name], limit: 1 })
    return this.execute(host, { type: 'adopt', token, names: [name], until })
  }

  /** The client has stopped, and says so. */
  release(host: HostId, token: Token): void {
    this.#beliefs.stopped(host, belief => belief.token === token)
    this.execute(host, { type: 'release', token })
  }

  /** The client gives up what it asked for, whatever has become of it. */
  cancel(host: HostId, id: CommandId): void {
    this.#asked.delete(id)
    const adopting = this.#adopting.get(id)
    this.#adopting.delete(id)
    this.#beliefs.stopped(host, ({ command, token }) => command === id || token === adopting)
    this.#input(host, (to, at) => to.cancel(at, id))
  }

  /** Hands a command to a host; of locks, whoever asks believes nothing that it is granted. */
  execute(host: HostId, command: Command): CommandId {
    this.#commands += 1
    const id = this.#commands
    this.#input(host, (to, at) => to.execute(at, id, command))
    return id
  }

  found(host: HostId): CommandId {
    return this.execute(host, { type: 'found' })
  }

  leave(host: HostId): void {
    this.#input(host, (to, at) => to.leave(at))
  }

  /** What the daemon does when it sees that its machine was suspended. */
  rebirth(host: HostId): void {
    this.#input(host, (to, at) => to.rebirth(at, 'the machine was suspended'))
  }

  /** Everything that this host has written is durable now. */
  sync(id: HostId): void {
    const machine = this.machine(id)
    const last = machine.unsynced.at(-1)
    if (last !== undefined) this.#sync(machine, last.lsn)
  }

  /** What clients believe at this moment. */
  beliefs(): readonly Belief[] {
    return this.#beliefs.at(this.#now)
  }

  #machine(id: HostId): Machine {
    const { random, hosts, timing } = this.#options
    // At the bounds as often as between them: that is where a promise breaks.
    const drift = random.chance(0.5) ? random.pick([-1, 1]) : random.between(-1, 1)
    return {
      id,
      table: { hosts, timing },
      running: { hosts, timing },
      rate: 1 + drift * timing.drift,
      offset: random.between(0, 1e6),
      disk: new Map(),
      host: undefined as unknown as Host,
      life: 0,
      isUp: false,
      isPaused: false,
      late: [],
      unsynced: [],
      sessions: new Map(),
      wakeAt: Infinity,
      restless: new RestlessCheck(),
    }
  }

  /** In a step of its own, so that a host is never entered from within itself. */
  #input(id: HostId, give: (host: Host, at: Instant) => void): void {
    const machine = this.machine(id)
    const { life } = machine
    const run = (): void => {
      if (machine.life !== life || !machine.isUp) return
      if (machine.isPaused) machine.late.push(run)
      else {
        give(machine.host, this.reading(id))
        this.#rearm(machine)
      }
    }
    this.after(0, run)
  }

  #trueTime({ offset, rate }: Machine, reading: number): number {
    return (reading - offset) / rate
  }

  #rearm(machine: Machine): void {
    const { deadline } = machine.host
    if (deadline === Infinity) return
    const due = Math.max(this.#now, this.#trueTime(machine, deadline) + 1e-6)
    if (due >= machine.wakeAt && machine.wakeAt > this.#now) return
    machine.wakeAt = due
    const { life } = machine
    const run = (): void => {
      if (machine.life !== life || !machine.isUp || machine.wakeAt !== due) return
      if (machine.isPaused) {
        machine.late.push(run)
        return
      }
      machine.wakeAt = Infinity
      const reading = this.reading(machine.id)
      machine.host.tick(reading)
      machine.restless.ticked(reading, machine.host.deadline)
      this.#rearm(machine)
    }
    this.#agenda.add(due, run)
  }

  #outputOf(machine: Machine): HostOutput {
    const { id, life } = machine
    return {
      send: (to, message) => this.wires.send(machine, to, message),
      sendHeartbeat: (to, heartbeat) => this.wires.heartbeat(machine, to, heartbeat),
      reincarnate: () => this.wires.closeAll(machine),
      append: (lsn, entries) => {
        machine.unsynced.push({ lsn, entries })
        const ms = this.#options.syncMs(id)
        if (ms === Infinity) return
        this.after(ms, () => {
          if (machine.life === life) this.#sync(machine, lsn)
        })
      },
      respond: (command, response) => this.#respond(machine, command, response),
      event: event => this.#event(machine, event),
      trace: (event, time, incarnation) => {
        if (event.type === 'install') {
          this.counts.views = Math.max(this.counts.views, event.view.number)
        }
        if (event.type === 'request' && event.standing !== undefined) this.counts.again += 1
        this.onTrace(id, event, time, incarnation)
      },
      isDrained: () => this.wires.isDrained(machine),
      isCongested: () => false,
    }
  }

  /** Batches become durable in order. */
  #sync(machine: Machine, lsn: Lsn): void {
    const done = machine.unsynced.filter(batch => batch.lsn <= lsn)
    if (done.length === 0) return
    machine.unsynced = machine.unsynced.filter(batch => batch.lsn > lsn)
    for (const { entries } of done) this.#write(machine, entries)
    this.#input(machine.id, (host, at) => host.synced(at, lsn))
  }

  #write(machine: Machine, entries: readonly StoreEntry[]): void {
    for (const { key, value } of entries) machine.disk.set(key, value)
  }

  #respond(machine: Machine, command: CommandId, response: Response): void {
    const { id: host, life } = machine
    if (response.type === 'granted') {
      const { token } = response
      const until = this.#trueTime(machine, response.until)
      if (machine.isUp && this.#adopting.delete(command)) {
        this.counts.adopted += 1
        this.#beliefs.adopted(this.#now, host, token, life, until)
        this.onResponse(host, command, response)
        return
      }
      const asked = this.#asked.get(command)
      const { names, limit } = asked ?? { names: [], limit: Infinity }
      this.counts.grants += 1
      const belief = { host, life, command, token, names, limit, until, isLost: false }
      // A client ignores a grant whose time has passed.
      this.#beliefs.granted(this.#now, belief, asked !== undefined && until > this.#now)
    }
    this.onResponse(host, command, response)
  }

  #event(machine: Machine, event: NodeEvent): void {
    this.onEvent(machine.id, event)
    if (event.type === 'lost') {
      this.counts.lost += 1
      this.#beliefs.lost(machine.id, event.token)
      this.onLost(machine.id, event.token)
    } else if (event.type === 'lease') {
      const until = this.#trueTime(machine, event.until)
      this.#beliefs.renewed(this.#now, machine.id, machine.life, until)
    } else if (event.type === 'left') {
      const { life } = machine
      this.after(0, () => {
        if (machine.isUp && machine.life === life) this.crash(machine.id)
      })
    }
  }
}
