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
  readonly #closed = new Map<CommandId, Entry>()
  /** What hosts told unasked, by what they told; the first time is enough. */
  readonly #told = new Map<string, Entry>()

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** All of it up to now: what is not answered may take effect yet. */
  get entries(): readonly Entry[] {
    return [...this.#closed.values(), ...[...this.#open.values()].map(entryOf)]
  }

  /** What hosts told unasked: as if somebody had read it at any time before. */
  get told(): Iterable<Entry> {
    return this.#told.values()
  }

  get openCount(): number {
    return this.#open.size
  }

  isOpen(id: CommandId): boolean {
    return this.#open.has(id)
  }

  /** What has become of an operation; `undefined`: nothing yet. */
  entry(id: CommandId): Entry | undefined {
    return this.#closed.get(id)
  }

  asked(open: Open): void {
    this.#open.set(open.id, open)
  }

  /** A host says that it has learned a version: by now it must have been there. */
  learned(at: number, host: HostId, variable: Variable): void {
    const held = heldOf(variable)
    const key = JSON.stringify([variable.name, held])
    if (this.#told.has(key)) return
    this.#told.set(key, {
      name: variable.name,
      client: 'watch',
      host,
      invoked: toInstant(0),
      returned: toInstant(at),
      operation: { type: 'get' },
      outcome: { type: 'value', ...held },
    })
  }

  /** Whether this was the answer to an operation on a variable; each has one. */
  answered(at: number, host: HostId, id: CommandId, response: Response): boolean {
    const open = this.#open.get(id)
    if (open === undefined) {
      if (this.#closed.has(id))
        this.#findings.add(at, `host ${host} answers command ${id} once more: ${response.type}`)
      return false
    }
    this.#open.delete(id)
    const outcome = outcomeOf(open, response)
    const isKnown = typeof outcome !== 'string'
    if (!isKnown) this.#findings.add(at, `host ${host} ${outcome}`)
    this.#closed.set(id, { ...entryOf(open), returned: toInstant(at), ...(isKnown && { outcome }) })
    return true
  }

  /** Its host has gone, or is late: nobody waits for it any more. */
  abandoned(open: Open): void {
    this.#open.delete(open.id)
    this.#closed.set(open.id, entryOf(open))
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
        const wanted = textOf(command.bytes) ?? 'nothing'
        return `says that a change of ${name} to ${wanted} made ${value ?? 'nothing'}`
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

/** A variable in the terms of a history. */
export function heldOf({ bytes, version, writer }: Variable): Held {
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
