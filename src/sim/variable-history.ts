import type { HostId } from '../core/clock.ts'
import type { Command, CommandId, Response } from '../core/command.ts'
import type { Variable } from '../core/variable.ts'
import { unreachable } from '../lib/assert.ts'
import { toInstant } from '../lib/time.ts'
import type { Findings } from './findings.ts'
import type { Entry, Held, Operation, Outcome } from './history.ts'

export type VariableCommand = Extract<Command, { readonly type: 'get' | 'change' }>

/** An operation whose client has no answer. */
export type Open = {
  readonly id: CommandId
  readonly client: string
  readonly host: HostId
  /** Of the host: no later one answers. */
  readonly life: number
  readonly invoked: number
  readonly command: VariableCommand
}

/** What clients asked of shared variables in a run, and what they were told, in true time. */
export class VariableHistory {
  readonly #findings: Findings
  readonly #open = new Map<CommandId, Open>()
  readonly #answered = new Set<CommandId>()
  readonly #entries: Entry[] = []

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** All of it up to now: what is not answered may take effect yet. */
  get entries(): readonly Entry[] {
    return [...this.#entries, ...[...this.#open.values()].map(open => entryOf(open))]
  }

  get open(): Iterable<Open> {
    return this.#open.values()
  }

  isOpen(id: CommandId): boolean {
    return this.#open.has(id)
  }

  asked(open: Open): void {
    this.#open.set(open.id, open)
  }

  /** Whether this was the answer to an operation on a variable; each has one. */
  answered(at: number, host: HostId, id: CommandId, response: Response): boolean {
    const open = this.#open.get(id)
    if (open === undefined) {
      if (this.#answered.has(id)) {
        this.#findings.add(at, `host ${host} answers once more: ${response.type}, to command ${id}`)
      }
      return false
    }
    this.#open.delete(id)
    this.#answered.add(id)
    const outcome = outcomeOf(open, response)
    if (typeof outcome === 'string') this.#findings.add(at, `host ${host} ${outcome}`)
    else this.#entries.push({ ...entryOf(open), returned: toInstant(at), outcome })
    return true
  }

  /** Its host has gone: nobody will ever answer. */
  abandoned(open: Open): void {
    this.#open.delete(open.id)
    this.#answered.add(open.id)
    this.#entries.push(entryOf(open))
  }
}

function entryOf({ client, host, invoked, command }: Open): Entry {
  return {
    name: command.name,
    client,
    host,
    invoked: toInstant(invoked),
    returned: undefined,
    operation: operationOf(command),
    outcome: { type: command.type === 'get' ? 'none' : 'uncertain' },
  }
}

function operationOf(command: VariableCommand): Operation {
  if (command.type === 'get') return { type: 'get' }
  const { bytes, condition } = command
  return { type: 'change', value: textOf(bytes), condition }
}

/** What its client was told; or what is wrong with that. */
function outcomeOf({ host, command }: Open, response: Response): Outcome | string {
  const { name, type } = command
  switch (response.type) {
    case 'value':
      if (type !== 'get' || response.variable.name !== name) return `answers ${type} with a value`
      return { type: 'value', ...heldOf(response.variable) }
    case 'changed': {
      const { variable } = response
      if (type !== 'change' || variable.name !== name) return `answers ${type} with a change`
      const { version, value, writer } = heldOf(variable)
      if (value !== textOf(command.bytes) || writer?.host !== host) {
        return `says that a change of ${name} to ${textOf(command.bytes) ?? 'nothing'} made ${value ?? 'nothing'}`
      }
      return { type: 'changed', version, writer }
    }
    case 'differs':
      if (type !== 'change') return `answers ${type} with a difference`
      return { type: 'differs', ...heldOf(response.current) }
    case 'uncertain':
      return type === 'change' ? { type: 'uncertain' } : `answers ${type} with uncertain`
    case 'refused':
      return { type: 'none' }
    case 'granted':
    case 'released':
    case 'founding':
    case 'cancelled':
      return `answers ${type} with ${response.type}`
    default:
      return unreachable(response)
  }
}

function heldOf({ bytes, version, writer }: Variable): Held {
  return { value: textOf(bytes), version, writer }
}

/** A value of the simulator: a short text, with so many more bytes that nobody reads. */
export function bytesOf(text: string, padding: number): Uint8Array {
  const bytes = new Uint8Array(text.length + padding)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** The padding as its length, or a history would be hard to read. */
export function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined
  const end = bytes.indexOf(0)
  if (end < 0) return String.fromCharCode(...bytes)
  return `${String.fromCharCode(...bytes.subarray(0, end))}+${bytes.length - end}`
}
