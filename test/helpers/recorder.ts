import { LamportError } from '../../src/client/client.ts'
import type { Client, Variable } from '../../src/client/client.ts'
import { monotonicNow } from '../../src/control/monotonic.ts'
import type { Entry, Held, Operation, Outcome } from '../../src/sim/history.ts'
import type { Cluster } from './cluster.ts'
import type { ReturningClient } from './returning-client.ts'

/** How long a majority is waited for: short, so that much happens in a cut. */
const WAIT_MS = 700

/** Writes down what clients ask of variables, when, and what they are told. */
export class Recorder {
  readonly entries: Entry[] = []
  readonly #ids: ReadonlyMap<string, number>

  constructor(cluster: Cluster) {
    this.#ids = new Map(cluster.hosts.map(({ name, id }) => [name, id]))
  }

  /** Done when there is an answer, or can be none; false where the daemon cannot be asked. */
  async ask(
    title: string,
    client: ReturningClient,
    name: string,
    operation: Operation,
  ): Promise<Outcome | undefined> {
    const host = client.host.id
    let invoked = monotonicNow()
    let outcome: Outcome
    try {
      const told = await client.do(connected => {
        invoked = monotonicNow()
        return perform(connected, name, operation)
      })
      outcome = operation.type === 'get' ? this.#held('value', told) : this.#changed(told)
    } catch (error) {
      if (!(error instanceof LamportError)) throw error
      // No connection came about: nothing was asked.
      if (error.code === 'unreachable') return undefined
      outcome = this.#failed(error)
    }
    const returned = outcome.type === 'uncertain' ? undefined : monotonicNow()
    this.entries.push({ name, client: title, host, invoked, returned, operation, outcome })
    return outcome
  }

  #failed(error: LamportError): Outcome {
    switch (error.code) {
      case 'versionDiffers':
        if (error.current === undefined) throw error
        return this.#held('differs', error.current)
      case 'uncertain':
        return { type: 'uncertain' }
      case 'noMajority':
      case 'leaving':
      case 'disconnected':
        return { type: 'none' }
      default:
        throw error
    }
  }

  #held<Type extends 'value' | 'differs'>(type: Type, variable: Variable): Held & { type: Type } {
    const { version, value, writer } = variable
    if (value !== undefined && typeof value !== 'string') throw new Error('nobody wrote bytes')
    return { type, version, value, writer: this.#writer(writer) }
  }

  #changed({ version, writer }: Variable): Outcome {
    return { type: 'changed', version, writer: this.#writer(writer) }
  }

  #writer(writer: Variable['writer']): Held['writer'] {
    if (writer === undefined) return undefined
    const host = this.#ids.get(writer.host)
    if (host === undefined) throw new Error(`there is no host ${writer.host} here`)
    return { host, time: writer.time }
  }
}

function perform(client: Client, name: string, operation: Operation): Promise<Variable> {
  if (operation.type === 'get') return client.get(name, { waitMs: WAIT_MS })
  const { value, condition } = operation
  const waitMs = WAIT_MS
  const ifVersion = condition.type === 'version' ? { ifVersion: condition.version } : {}
  if (value === undefined) return client.unset(name, { waitMs, ...ifVersion })
  const create = condition.type === 'absent' ? { create: true } : {}
  return client.set(name, value, { waitMs, ...ifVersion, ...create })
}
