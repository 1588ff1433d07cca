import test from 'ava'
import type { HostId } from '../../src/core/clock.ts'
import type { CommandId, Response } from '../../src/core/command.ts'
import { isMet, nextValue, variableOf, type Variable } from '../../src/core/variable.ts'
import type { VariableValue } from '../../src/core/variable.ts'
import { Random } from '../../src/lib/random.ts'
import { Agenda } from '../../src/sim/agenda.ts'
import {
  VariableClients,
  type VariableHabits,
  type VariableWorld,
} from '../../src/sim/variable-clients.ts'
import { bytesOf, textOf, type VariableCommand } from '../../src/sim/variable-history.ts'

const HABITS: VariableHabits = {
  names: ['x', 'y'],
  clientsPerHost: 2,
  thinkMsMax: 50,
  waitMsMax: 100,
  gets: 0.3,
  unsets: 0.1,
  conditional: 0.3,
  creations: 0.1,
  paddingMax: 100,
}

/** What this world does wrong. */
type Fault =
  | 'none'
  | 'silent'
  | 'twice'
  | 'unequal'
  | 'stale'
  | 'backwards'
  | 'lying'
  | 'mute'
  | 'alien'
  | 'down'

/** Three hosts with one register a name between them; each answer takes ten milliseconds. */
class FakeWorld implements VariableWorld {
  now = 0
  readonly ids: readonly HostId[] = [1, 2, 3]
  readonly clients: VariableClients
  readonly #fault: Fault
  readonly #agenda = new Agenda()
  readonly #values = new Map<string, VariableValue>()
  #lives = 1
  #commands = 0

  constructor(fault: Fault) {
    this.#fault = fault
    const options = { habits: HABITS, slowDisks: undefined, random: new Random(1) }
    this.clients = new VariableClients(this, options)
  }

  after(ms: number, run: () => void): void {
    this.#agenda.add(this.now + ms, run)
  }

  isRunning(): boolean {
    return true
  }

  lifeOf(): number {
    return this.#lives
  }

  execute(host: HostId, command: VariableCommand): CommandId {
    this.#commands += 1
    const id = this.#commands
    const isEven = id % 2 === 0
    if ((this.#fault === 'silent' || this.#fault === 'down') && this.now > 300 && this.now < 400) {
      if (this.#fault === 'down') this.after(1, () => (this.#lives += 1))
      return id
    }
    this.after(5, () => {
      const response = this.#perform(host, id, command)
      const alien: Response = { type: 'released' }
      const told = this.#fault === 'alien' && isEven ? alien : response
      for (let i = 0; i < (this.#fault === 'twice' && isEven ? 2 : 1); i++)
        this.after(5, () => this.clients.response(host, id, told))
    })
    return id
  }

  variable(host: HostId, name: string): Variable {
    const value = this.#values.get(name)
    return variableOf(name, this.#fault === 'unequal' && host === 2 ? undefined : value)
  }

  run(ms: number): void {
    const end = this.now + ms
    while (this.#agenda.next <= end) {
      const entry = this.#agenda.take()
      this.now = entry?.at ?? end
      entry?.run()
    }
    this.now = end
  }

  #told(before: Variable, after: Variable, isWrong: boolean): Variable {
    if (isWrong && this.#fault === 'backwards') return before
    if (isWrong && this.#fault === 'lying') return { ...after, writer: { host: 1, time: 5000 } }
    return after
  }

  #perform(host: HostId, time: number, command: VariableCommand): Response {
    const { name } = command
    const value = this.#values.get(name)
    const current = variableOf(name, value)
    if (command.type === 'get') {
      const isStale = this.#fault === 'stale' && time % 7 === 0
      return { type: 'value', variable: isStale ? variableOf(name, undefined) : current }
    }
    if (!isMet(command.condition, value)) return { type: 'differs', current }
    const next = nextValue(value, command.bytes, { host, time })
    this.#values.set(name, next)
    const variable = variableOf(name, next)
    const told = this.#told(current, variable, time % 5 === 0)
    const listeners = this.#fault === 'mute' && this.now > 300 ? [] : this.ids
    for (const id of listeners) this.clients.event(id, { type: 'change', variable: told })
    return { type: 'changed', variable }
  }
}

function verdict(fault: Fault): { readonly texts: string; readonly clients: VariableClients } {
  const world = new FakeWorld(fault)
  const { clients } = world
  clients.start()
  world.run(1000)
  clients.finish(ms => world.run(ms))
  return { texts: clients.violations.map(({ text }) => text).join('\n'), clients }
}

test('where a register does what it should, nothing is found', t => {
  const { texts, clients } = verdict('none')
  t.is(texts, '')
  t.true(clients.counts.variableOperations > 100)
  t.is(clients.counts.uncertainChanges, 0)
  const types = new Set(clients.entries.map(({ outcome }) => outcome.type))
  for (const type of ['value', 'changed', 'differs'] as const) t.true(types.has(type), type)
})

const faults: readonly (readonly [Fault, RegExp])[] = [
  ['silent', /host \d has not answered a \w+ of [xy] that had \d+ ms after \d+/],
  ['twice', /host \d answers command \d+ once more: /],
  ['unequal', /host 2 knows version 0 of [xy] at the end, and there is \d+/],
  ['stale', /no order of [xy] explains/],
  ['backwards', /host \d tells of version \d+ of [xy] after \d+/],
  ['lying', /no order of [xy] explains.*client watch/],
  ['mute', /host \d told of version \d+ of [xy] and not of \d+/],
  ['alien', /host \d answers (get|change) with released/],
]

for (const [fault, text] of faults)
  test(`a world that is ${fault} is found out`, t => {
    t.regex(verdict(fault).texts, text)
  })

test('whoever asked a host that goes down waits no longer, and its change is uncertain', t => {
  const { texts, clients } = verdict('down')
  t.is(texts, '')
  t.true(clients.counts.uncertainChanges > 0)
  t.true(clients.entries.some(({ client, invoked }) => client === '1.1' && invoked > 600))
})

test('values are short texts, however long they are', t => {
  t.is(textOf(bytesOf('v7', 0)), 'v7')
  t.is(textOf(bytesOf('v7', 2000)), 'v7+2000')
  t.is(textOf(undefined), undefined)
})
