import { RULES } from '../../src/core/rules.ts'
import { Random } from '../../src/lib/random.ts'
import { earliest, milliseconds, NEVER, toInstant } from '../../src/lib/time.ts'
import { Node, NOTHING_DURABLE } from '../../src/node.ts'
import { ClearSeal } from '../../src/transport/clear-seal.ts'

import type { Instant } from '../../src/lib/time.ts'
import type { Command, Effect, Input, NodeConfig, NodeEvent, Response } from '../../src/node.ts'
import type { Seal } from '../../src/transport/seal.ts'

const SUSPECT_MS = 2000

/** Nodes side by side, a network between them without delay, and disks that never wait. */
export class Site {
  readonly responses: Map<number, Response> = new Map<number, Response>()
  readonly events: NodeEvent[] = []
  /** Called with each answer to a command. */
  onResponse: (host: number, response: Response) => void = () => undefined
  /** Whether packets from one to the other are lost. */
  isCut: (from: number, to: number) => boolean = () => false
  readonly #nodes = new Map<number, Node>()
  #now = 0
  #commands = 0
  #later: [number, Command][] = []

  constructor(
    ids: readonly number[],
    createSeal: (host: number) => Seal = host => new ClearSeal(new Random(host)),
    change: (config: NodeConfig) => NodeConfig = config => config,
    start = 0,
  ) {
    this.#now = start
    const hosts = ids.map(id => {
      return { id, name: `host${id}`, address: { ip: `10.0.0.${id}`, port: 7411 }, votes: 1 }
    })
    const timing = {
      heartbeat: milliseconds(100),
      suspect: milliseconds(SUSPECT_MS),
      lease: milliseconds(5000),
      drift: 0.02,
    }
    for (const self of ids) {
      const config = change({ cluster: 'home', self, hosts, timing })
      const node = new Node(
        config,
        NOTHING_DURABLE,
        new Random(self),
        () => undefined,
        RULES,
        createSeal(self),
      )
      this.#nodes.set(self, node)
    }
    for (const id of ids) this.give(id, { type: 'tick' })
  }

  node(id: number): Node {
    const node = this.#nodes.get(id)
    if (node === undefined) throw new Error(`there is no host ${id}`)
    return node
  }

  get now(): Instant {
    return toInstant(this.#now)
  }

  give(id: number, input: Input): void {
    for (const effect of this.node(id).step(this.now, input)) this.#perform(id, effect)
  }

  command(id: number, command: Command): Response | undefined {
    this.#commands++
    this.give(id, { type: 'command', id: this.#commands, command })
    return this.responses.get(this.#commands)
  }

  /** A command; the result names its answer in `responses`. */
  ask(id: number, command: Command): number {
    this.command(id, command)
    return this.#commands
  }

  /** A command that is given after what is under way. */
  later(id: number, command: Command): void {
    this.#later.push([id, command])
  }

  run(duration: number, until: () => boolean = () => false): boolean {
    const end = this.#now + duration
    while (!until()) {
      for (const [id, command] of this.#later.splice(0)) this.command(id, command)
      const next = [...this.#nodes.values()].reduce((a, b) => earliest(a, b.deadline), NEVER)
      if (next > end) {
        this.#now = Math.max(this.#now, end)
        return until()
      }
      this.#now = Math.max(this.#now, next)
      for (const [id, { deadline }] of this.#nodes) {
        if (deadline <= this.#now) this.give(id, { type: 'tick' })
      }
      this.#now += 0.05
    }
    return true
  }

  #perform(id: number, effect: Effect): void {
    switch (effect.type) {
      case 'datagram': {
        const to = Number(effect.to.ip.split('.')[3])
        if (this.isCut(id, to)) return
        this.give(to, {
          type: 'datagram',
          from: { ip: `10.0.0.${id}`, port: 7411 },
          bytes: effect.bytes,
        })
        return
      }
      case 'append':
        this.give(id, { type: 'synced', lsn: effect.lsn })
        return
      case 'response':
        this.responses.set(effect.id, effect.response)
        this.onResponse(id, effect.response)
        return
      case 'event':
        this.events.push(effect.event)
    }
  }
}
