import { Connection } from '../../client/connection.ts'
import { LamportError } from '../../client/error.ts'
import { findSocketPath } from '../../control/paths.ts'
import type { ValueField } from '../../control/protocol.ts'

/** A variable, or one change of it, with its value as bytes. */
export type Entry = {
  readonly name: string
  /** `undefined`: not set. */
  readonly bytes: Buffer | undefined
  readonly version: number
  readonly writer: { readonly host: string; readonly time: number } | null
}

/** What `watch` is about. */
export type Target = { readonly name: string } | { readonly prefix: string }

export type WriteOptions = {
  readonly ifVersion?: number | undefined
  readonly create?: boolean | undefined
  readonly waitMs?: number | undefined
}

/** Shared variables over one connection to lamportd. */
export class Variables {
  readonly #connection: Connection
  readonly #changes: Queue<Entry>

  private constructor(connection: Connection, changes: Queue<Entry>) {
    this.#connection = connection
    this.#changes = changes
  }

  static async open(socket: string | undefined, signal?: AbortSignal): Promise<Variables> {
    const found = findSocketPath(socket)
    if ('problem' in found) throw new LamportError('socket', found.problem)
    const changes = new Queue<Entry>()
    const output = {
      notified: (method: string, params: unknown) => {
        if (method === 'change') changes.push(entryOf(params as Wire))
      },
      ended: (error: LamportError) => changes.end(error),
    }
    return new Variables(await Connection.open(found.path, output, signal), changes)
  }

  get host(): string {
    return this.#connection.hello.host.name
  }

  async get(
    name: string,
    options: { local?: boolean; waitMs?: number | undefined } = {},
  ): Promise<Entry & { readonly majority?: boolean }> {
    const wire = await this.#ask<Wire>('get', { name, ...defined(options) })
    return { ...entryOf(wire), ...(wire.majority === undefined ? {} : { majority: wire.majority }) }
  }

  async set(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<Entry> {
    const params = { name, value: valueField(Buffer.from(bytes)), ...defined(options) }
    return entryOf(await this.#ask<Wire>('set', params))
  }

  async unset(name: string, options: WriteOptions = {}): Promise<Entry> {
    return entryOf(await this.#ask<Wire>('unset', { name, ...defined(options) }))
  }

  async list(
    prefix: string,
    values: boolean,
  ): Promise<readonly (Entry & { readonly size: number })[]> {
    const all: (Entry & { readonly size: number })[] = []
    for (let after: string | null | undefined; after !== null; ) {
      const page: { variables: (Wire & { size: number })[]; next: string | null } =
        await this.#ask('vars', { prefix, values, ...defined({ after }) })
      for (const wire of page.variables) all.push({ ...entryOf(wire), size: wire.size })
      after = page.next
    }
    return all
  }

  async history(name: string): Promise<readonly (Entry & { readonly size?: number })[]> {
    const list = await this.#ask<(Wire & { size?: number })[]>('history', { name })
    return list.map(wire => ({ ...entryOf(wire), ...defined({ size: wire.size }) }))
  }

  /** What is set now first. */
  async *watch(target: Target): AsyncGenerator<Entry, undefined> {
    await this.#ask('watch', { ...target, initial: true })
    for (;;) yield await this.#changes.next()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #ask<T>(method: string, params: unknown): Promise<T> {
    const take = (result: unknown): T => result as T
    return this.#connection.request(method, params, { take, timeoutMs: 20_000 }).answer
  }
}

class Queue<T> {
  #items: T[] = []
  #error: Error | undefined
  #wake: () => void = () => undefined

  push(item: T): void {
    this.#items.push(item)
    this.#wake()
  }

  end(error: Error): void {
    this.#error = error
    this.#wake()
  }

  async next(): Promise<T> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) return item
      if (this.#error !== undefined) throw this.#error
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }
}

type Wire = {
  name: string
  value?: ValueField
  version: number
  writer: Entry['writer']
  majority?: boolean
}

export function entryOf({ name, value, version, writer }: Wire): Entry {
  const bytes =
    value === undefined
      ? undefined
      : typeof value === 'string'
        ? Buffer.from(value)
        : Buffer.from(value.base64, 'base64')
  return { name, bytes, version, writer }
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<T>
}

function valueField(bytes: Buffer): ValueField {
  const text = bytes.toString()
  return Buffer.from(text).equals(bytes) ? text : { base64: bytes.toString('base64') }
}
