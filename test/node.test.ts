import test from 'ava'

import { RULES } from '../src/core/rules.ts'
import { Random } from '../src/lib/random.ts'
import { earliest, milliseconds, NEVER, toInstant } from '../src/lib/time.ts'
import { ClearSeal } from '../src/transport/clear-seal.ts'
import { Node, NOTHING_DURABLE } from '../src/node.ts'

import type { Command, Effect, Input, NodeEvent, Response } from '../src/node.ts'

const SUSPECT_MS = 2000

/** Nodes side by side, a network between them without delay, and disks that never wait. */
class Site {
  readonly responses = new Map<number, Response>()
  readonly events: NodeEvent[] = []
  /** Whether packets from one to the other are lost. */
  isCut: (from: number, to: number) => boolean = () => false
  readonly #nodes = new Map<number, Node>()
  #now = 0
  #commands = 0

  constructor(ids: readonly number[]) {
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
      const config = { cluster: 'home', self, hosts, timing }
      const node = new Node(
        config,
        NOTHING_DURABLE,
        new Random(self),
        () => undefined,
        RULES,
        new ClearSeal(new Random(self)),
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

  get now(): ReturnType<typeof toInstant> {
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

  run(duration: number, until: () => boolean = () => false): boolean {
    const end = this.#now + duration
    while (!until()) {
      const next = [...this.#nodes.values()].reduce((a, b) => earliest(a, b.deadline), NEVER)
      if (next > end) {
        this.#now = end
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
        return
      case 'event':
        this.events.push(effect.event)
    }
  }
}

/** An acquire as large as any. */
function large(i: number): Command {
  const names = Array.from(
    { length: 64 },
    (_, k) => `${`${i}`.padStart(5, '0')}${`${k}`.padStart(250, '0')}`,
  )
  return { type: 'acquire', names, limit: 1, wait: undefined, info: '' }
}

test('above the high-water mark of a member new requests are refused as busy, then taken again', t => {
  const site = new Site([1, 2, 3])
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.run(100)
  site.isCut = (from, to) => from === 1 && to === 2
  let taken = 0
  let refusal: Response | undefined
  while (refusal === undefined && taken < 100) {
    refusal = site.command(1, large(taken++))
    site.run(1)
  }
  t.true(taken > 10 && taken < 25, `${taken} requests of 16 KiB`)
  t.deepEqual(refusal, {
    type: 'refused',
    reason: 'busy',
    detail: 'host2 (2) does not keep up with what it is sent',
  })
  // What is there already can be withdrawn all the same.
  site.give(1, { type: 'cancel', id: 1 })
  t.is(site.responses.get(1)?.type, 'cancelled')
  site.isCut = () => false
  site.run(1500)
  t.is(site.command(1, large(101)), undefined)
  t.is(site.node(1).status(site.now).incarnation, 1)
})

test('what waits for a host outside the view makes nobody busy', t => {
  const site = new Site([1, 2, 3])
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 3))
  site.isCut = (from, to) => from === 2 || to === 2
  for (let i = 0; i < 40; i++) site.command(1, large(i))
  t.true(site.run(20_000, () => site.node(1).status(site.now).view?.members.length === 2))
  site.run(1000)
  t.is(site.command(1, large(50))?.type, undefined)
})
