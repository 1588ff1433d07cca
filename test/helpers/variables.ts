import { LamportClock } from '../../src/core/clock.ts'
import type { Command, Response, StoreEntry } from '../../src/core/command.ts'
import { isCopyMessage, type CatchUpMessage, type VariableMessage } from '../../src/core/message.ts'
import { RULES, type Rules } from '../../src/core/rules.ts'
import { NOTHING_DURABLE, recover, type Durable } from '../../src/core/store.ts'
import type { Condition, Variable } from '../../src/core/variable.ts'
import { VARIABLE_LIMITS, Variables, type VariableLimits } from '../../src/core/variables.ts'
import { Votes } from '../../src/core/view.ts'
import { Random } from '../../src/lib/random.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'

type Sent = {
  readonly from: number
  readonly to: number
  readonly life: number
  readonly message: VariableMessage | CatchUpMessage
  /** Batches of the sender that must be on its disk first. */
  readonly rests: number
}

type Machine = {
  readonly id: number
  readonly disk: Map<string, Uint8Array>
  readonly unsynced: (readonly StoreEntry[])[]
  variables: Variables
  synced: number
  appended: number
  life: number
  isUp: boolean
}

const always: Condition = { type: 'always' }

/** Hosts with variables and nothing else; messages, disks and time move when a test says so. */
export class VariablesSite {
  now = 0
  readonly responses: Map<number, Response> = new Map<number, Response>()
  readonly changes: { readonly host: number; readonly variable: Variable }[] = []
  /** On their way, in the order sent. */
  messages: Sent[] = []
  /** All that were ever sent from one host to another, by type. */
  readonly counts: Map<string, number> = new Map<string, number>()
  /** What is lost on its way. */
  isLost: (sent: Sent) => boolean = () => false
  /** Whether disks write by themselves. */
  isDiskFast = true
  readonly #machines = new Map<number, Machine>()
  readonly #rules: Rules
  readonly #limits: VariableLimits
  #nextId = 1

  constructor(hosts: number, rules: Rules = RULES, limits: VariableLimits = VARIABLE_LIMITS) {
    this.#rules = rules
    this.#limits = limits
    for (let id = 1; id <= hosts; id++) {
      const disk = new Map<string, Uint8Array>()
      const machine = { id, disk, unsynced: [], synced: 0, appended: 0, life: 0, isUp: false }
      this.#machines.set(id, machine as unknown as Machine)
    }
    for (const id of this.#machines.keys()) this.start(id)
  }

  host(id: number): Variables {
    return this.#machine(id).variables
  }

  disk(id: number): Map<string, Uint8Array> {
    return this.#machine(id).disk
  }

  start(id: number): this {
    const machine = this.#machine(id)
    const durable = recover(machine.disk)
    if ('damaged' in durable) throw new Error(`${durable.damaged} is damaged`)
    machine.life += 1
    machine.isUp = true
    machine.variables = this.#make(machine, { ...NOTHING_DURABLE, ...durable })
    for (const other of this.#up()) if (other.id !== id) this.#connect(machine, other)
    return this
  }

  /** Power off: what was not written is gone. */
  stop(id: number): this {
    const machine = this.#machine(id)
    machine.isUp = false
    machine.unsynced.length = 0
    machine.appended = machine.synced
    this.messages = this.messages.filter(({ from, to }) => from !== id && to !== id)
    for (const other of this.#up()) other.variables.close(id)
    return this
  }

  /** Writes all that was asked for. */
  sync(id: number): this {
    const machine = this.#machine(id)
    for (const { key, value } of machine.unsynced.splice(0).flat()) machine.disk.set(key, value)
    machine.synced = machine.appended
    return this
  }

  do(host: number, command: Extract<Command, { readonly type: 'get' | 'change' }>): number {
    const id = this.#nextId++
    this.host(host).execute(toInstant(this.now), id, command)
    return id
  }

  get(host: number, name = 'x', wait = 5000): number {
    return this.do(host, { type: 'get', name, wait: milliseconds(wait) })
  }

  set(host: number, text: string | undefined, condition: Condition = always, wait = 5000): number {
    const bytes = text === undefined ? undefined : new TextEncoder().encode(text)
    return this.do(host, {
      type: 'change',
      name: 'x',
      bytes,
      condition,
      wait: milliseconds(wait),
    })
  }

  /** Delivers everything, until nothing is on its way. */
  settle(): this {
    for (let rounds = 0; this.messages.length > 0; rounds++) {
      if (rounds > 100_000) throw new Error('it never settles')
      if (!this.deliver(() => true)) return this
    }
    return this
  }

  /** Delivers the first that may be; false where there is none. */
  deliver(isWanted: (sent: Sent) => boolean): boolean {
    const at = this.messages.findIndex(sent => {
      return isWanted(sent) && sent.rests <= this.#machine(sent.from).synced
    })
    const [sent] = at < 0 ? [] : this.messages.splice(at, 1)
    if (sent === undefined) return false
    const { variables, isUp } = this.#machine(sent.to)
    if (!isUp || this.isLost(sent)) return true
    if (isCopyMessage(sent.message)) {
      variables.copy(sent.from, sent.message)
    } else variables.receive(toInstant(this.now), sent.from, sent.message)
    return true
  }

  /** Time passes; heartbeats tell digests. */
  pass(ms: number): this {
    const end = this.now + ms
    while (this.now < end) {
      const due = Math.min(...this.#up().map(({ variables }) => variables.deadline))
      this.now = Math.min(end, Math.max(due, this.now), this.now + 50)
      const now = toInstant(this.now)
      for (const machine of this.#up()) {
        for (const other of this.#up()) {
          if (other !== machine) {
            const { digest, isWhole } = other.variables
            machine.variables.hear(now, other.id, digest, isWhole)
          }
        }
        machine.variables.tick(now)
      }
      this.settle()
      if (due <= this.now && this.now < end) this.now += 0.5
    }
    return this
  }

  text(host: number, name = 'x'): string | undefined {
    const { bytes } = this.host(host).variable(name)
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes)
  }

  #make(machine: Machine, durable: Durable): Variables {
    const { id, life } = machine
    const votes = new Votes([...this.#machines.keys()].map(host => ({ id: host, votes: 1 })))
    const clock = new LamportClock(durable.clockCeiling + 1000 * life)
    const start = toInstant(this.now)
    const random = new Random(id * 100 + life)
    const others = [...this.#machines.keys()].filter(host => host !== id)
    return new Variables(
      { self: id, others },
      votes,
      clock,
      random,
      this.#rules,
      durable,
      start,
      this.#limits,
      {
        send: (to, message, isResting) => {
          const rests = isResting ? machine.appended : 0
          for (const host of to) {
            if (host !== id) this.counts.set(message.type, 1 + (this.counts.get(message.type) ?? 0))
            this.messages.push({ from: id, to: host, life, message, rests })
          }
        },
        append: entries => {
          machine.appended += 1
          machine.unsynced.push(entries)
          if (this.isDiskFast) this.sync(id)
        },
        respond: (command, response) => this.responses.set(command, response),
        changed: variable => this.changes.push({ host: id, variable }),
        reachable: () => this.#up().map(other => other.id),
        explain: () => 'the others are silent',
      },
    )
  }

  #connect(a: Machine, b: Machine): void {
    const now = toInstant(this.now)
    a.variables.open(now, b.id)
    b.variables.open(now, a.id)
  }

  #up(): Machine[] {
    return [...this.#machines.values()].filter(({ isUp }) => isUp)
  }

  #machine(id: number): Machine {
    const machine = this.#machines.get(id)
    if (machine === undefined) throw new Error(`there is no host ${id}`)
    return machine
  }
}
