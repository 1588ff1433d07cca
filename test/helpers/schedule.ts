import type { HostId, Token } from '../../src/core/clock.ts'
import type { CommandId, Response } from '../../src/core/command.ts'
import type { MessageType } from '../../src/core/message.ts'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { Random } from '../../src/lib/random.ts'
import { BREADTH_TIMING } from '../../src/sim/breadth.ts'
import { IdealWorld } from '../../src/sim/ideal.ts'

type Options = {
  /** Of host 1, 2, and so on. */
  readonly votes?: readonly number[]
  readonly rules?: Partial<Rules>
  readonly seed?: number
  readonly syncMs?: (host: HostId) => number
}

/** Messages that do not arrive for the time being; 0 stands for any host. */
type Block = { readonly from: HostId; readonly to: HostId; readonly types: readonly MessageType[] }

/** A world in which everything takes one millisecond, to be led through one schedule by hand. */
export class Schedule {
  readonly world: IdealWorld
  readonly responses: Map<CommandId, Response> = new Map()
  readonly lost: Token[] = []
  /** Every install, as `2: view 3: 1 2`. */
  readonly installs: string[] = []
  /** Called at every trace event. */
  watch: IdealWorld['onTrace'] = () => undefined
  #blocks: Block[] = []

  constructor({ votes = [1, 1, 1], rules = {}, seed = 1, syncMs = () => 1 }: Options = {}) {
    this.world = new IdealWorld({
      hosts: votes.map((share, i) => ({ id: i + 1, name: `h${i + 1}`, votes: share })),
      timing: BREADTH_TIMING,
      rules: { ...RULES, ...rules },
      random: new Random(seed),
      delayMs: () => 1,
      handshakeMs: () => 10,
      syncMs,
      heartbeatLoss: 0,
    })
    this.world.onResponse = (_, id, response) => this.responses.set(id, response)
    this.world.onLost = (_, token) => this.lost.push(token)
    this.world.onTrace = (host, event, time, incarnation) => {
      if (event.type === 'install') {
        const members = [...event.view.members.keys()].join(' ')
        this.installs.push(`${host}: view ${event.view.number}: ${members}`)
      }
      this.watch(host, event, time, incarnation)
    }
    this.world.wires.mayPass = (from, to, { type }) =>
      !this.#blocks.some(
        block =>
          (block.from === 0 || block.from === from) &&
          (block.to === 0 || block.to === to) &&
          block.types.includes(type),
      )
  }

  /** Boots hosts, all of them unless told otherwise, and lets them find each other. */
  start(hosts: readonly HostId[] = this.world.ids, ms = 1000): this {
    for (const id of hosts) this.world.boot(id)
    this.run(ms)
    return this
  }

  run(ms: number): this {
    this.world.run(this.world.now + ms)
    return this
  }

  /** Runs until this holds; fails if it does not within so many milliseconds. */
  until(holds: () => boolean, msMax = 5000): this {
    const end = this.world.now + msMax
    while (!holds()) {
      if (this.world.now >= end) throw new Error(`it does not come to that: ${holds.toString()}`)
      this.run(1)
    }
    return this
  }

  /** These messages wait from now on, with all that follow on their channels. */
  block(from: HostId, to: HostId, ...types: readonly MessageType[]): this {
    this.#blocks.push({ from, to, types })
    return this
  }

  unblock(): this {
    this.#blocks = []
    this.world.wires.pump()
    return this
  }

  acquire(host: HostId, name = 'door'): CommandId {
    return this.world.acquire(host, { names: [name], limit: 1 })
  }

  /** The token of a grant; undefined while it waits or where it was refused. */
  token(id: CommandId): Token | undefined {
    const response = this.responses.get(id)
    return response?.type === 'granted' ? response.token : undefined
  }

  /** Acquires, and runs until it is granted. */
  hold(host: HostId, name = 'door'): Token {
    const id = this.acquire(host, name)
    this.until(() => this.token(id) !== undefined)
    return this.token(id) ?? 0
  }

  /** Takes and gives back a lock so many times. */
  cycle(host: HostId, times: number): this {
    for (let i = 0; i < times; i++) this.world.release(host, this.hold(host, 'mill'))
    return this.run(5)
  }

  /** The present view of a host: `3: 1 2`; `-` where it is not a member of one. */
  view(host: HostId): string {
    const { view, isMember } = this.world.machine(host).host.status(this.world.reading(host))
    return view === undefined || !isMember ? '-' : `${view.number}: ${view.members.join(' ')}`
  }

  members(host: HostId): string {
    return this.view(host).replace(/^\d+: /, '')
  }

  get violations(): readonly string[] {
    return this.world.violations.map(({ text }) => text)
  }
}
