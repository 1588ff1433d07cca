import { connect, type Client, type Variable } from '../../client/client.ts'

/** A variable, or one change of it, with its value as the bytes that files and commands take. */
export type Entry = {
  readonly name: string
  /** `undefined`: not set. */
  readonly bytes: Buffer | undefined
  /** 0: never set. */
  readonly version: number
  readonly writer: { readonly host: string; readonly time: number } | undefined
}

/** What is watched: one name, or all that begin so (with `/` at its end, or empty). */
export type Target = { readonly name: string } | { readonly prefix: string }

/** Of one past version: `size` is absent where it was unset. */
export type Past = Entry & { readonly size: number | undefined }

export type WriteOptions = {
  readonly ifVersion?: number | undefined
  readonly create?: boolean | undefined
  readonly waitMs?: number | undefined
}

/** Shared variables over one connection to lamportd. */
export class Variables {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async open(socket: string | undefined, signal?: AbortSignal): Promise<Variables> {
    return new Variables(await connect({ socket, signal }))
  }

  /** The name of the host whose lamportd this is. */
  get host(): string {
    return this.#client.host.name
  }

  async get(
    name: string,
    options: { readonly local?: boolean; readonly waitMs?: number | undefined } = {},
  ): Promise<Entry & { readonly majority: boolean | undefined }> {
    const variable = await this.#client.get(name, options)
    return { ...entryOf(variable), majority: variable.majority }
  }

  async set(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<Entry> {
    return entryOf(await this.#client.set(name, bytes, options))
  }

  async unset(name: string, options: Omit<WriteOptions, 'create'> = {}): Promise<Entry> {
    return entryOf(await this.#client.unset(name, options))
  }

  async list(
    prefix: string,
    values: boolean,
  ): Promise<readonly (Entry & { readonly size: number })[]> {
    const list: (Entry & { readonly size: number })[] = []
    for await (const variable of this.#client.vars(prefix, { values })) {
      list.push({ ...entryOf(variable), size: variable.size })
    }
    return list
  }

  async history(name: string): Promise<readonly Past[]> {
    const list = await this.#client.history(name)
    return list.map(past => ({ ...entryOf(past), size: past.size }))
  }

  /** How things are first, then each change, across restarts of the daemon. */
  async *watch(target: Target, signal: AbortSignal): AsyncGenerator<Entry, undefined> {
    const topic = 'name' in target ? target.name : target.prefix
    for await (const change of this.#client.watch(topic, { initial: true, signal })) {
      yield entryOf(change)
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

export function entryOf({ name, value, version, writer }: Variable): Entry {
  return { name, bytes: value === undefined ? undefined : Buffer.from(value), version, writer }
}
