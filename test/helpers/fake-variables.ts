import type { ExecutionContext } from 'ava'
import type { ErrorCode, ValueField } from '../../src/control/protocol.ts'
import { FakeDaemon, type FakeConnection, type Heard } from './fake-daemon.ts'
import { lamportctl, type RunOptions, type Running } from './lamportctl.ts'

type Version = {
  readonly name: string
  readonly value?: ValueField
  readonly deleted?: true
  readonly version: number
  readonly writer: { readonly host: string; readonly time: number } | null
}

type Watch = {
  readonly connection: FakeConnection
  readonly watch: number
  readonly name: unknown
  readonly prefix: unknown
}

/** What goes wrong with the next request of a method; `isDone`: it takes effect all the same. */
export type Mishap = {
  readonly method: string
  readonly code?: keyof typeof ErrorCode
  readonly data?: unknown
  readonly isDone?: boolean
  /** The connection ends instead of an answer. */
  readonly isCut?: boolean
}

export type Ran = {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Shared variables as lamportd gives them, of one host that is alone and always right. */
export class FakeVariables {
  readonly daemon: FakeDaemon
  /** Of each name all versions, the newest last. */
  readonly versions: Map<string, Version[]> = new Map<string, Version[]>()
  readonly mishaps: Mishap[] = []
  majority: boolean = true
  #watches: Watch[] = []
  #time = 100
  #watch = 0

  private constructor(daemon: FakeDaemon) {
    this.daemon = daemon
  }

  static async start(t: ExecutionContext): Promise<FakeVariables> {
    t.timeout(60_000)
    const serve = (heard: Heard): boolean => fake.#serve(heard)
    const fake: FakeVariables = new FakeVariables(await FakeDaemon.start({ serve }))
    t.teardown(() => fake.daemon.stop())
    return fake
  }

  run(t: ExecutionContext, args: readonly string[], options: RunOptions = {}): Running {
    const running = lamportctl(args, { socket: this.daemon.path, ...options })
    t.teardown(() => running.process.kill('SIGKILL'))
    return running
  }

  /** To its end. */
  async ran(t: ExecutionContext, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const running = this.run(t, args, { input: '', ...options })
    const code = await running.ended
    return { code, stdout: running.stdout, stderr: running.stderr }
  }

  /** Another host writes; `undefined`: it unsets. */
  write(name: string, value: ValueField | undefined, host = 'attic'): Version {
    const old = this.now(name)
    const about = { name, version: old.version + 1, writer: { host, time: this.#time++ } }
    const version: Version =
      value === undefined ? { ...about, deleted: true } : { ...about, value: canonical(value) }
    this.versions.set(name, [...(this.versions.get(name) ?? []), version])
    for (const watch of this.#watches) if (concerns(watch, name)) tell(watch, version)
    return version
  }

  now(name: string): Version {
    return this.versions.get(name)?.at(-1) ?? { name, deleted: true, version: 0, writer: null }
  }

  value(name: string): ValueField | undefined {
    return this.now(name).value
  }

  /** Its value as text, also where it is not set. */
  text(name: string): string {
    const value = this.value(name) ?? ''
    return typeof value === 'string' ? value : value.base64
  }

  /** Resolves once so many watches are there. */
  async watched(count = 1): Promise<void> {
    while (this.#watches.length < count) await new Promise(resolve => setTimeout(resolve, 5))
  }

  /** Gone for a while. */
  async restart(meanwhile: () => void = () => undefined): Promise<void> {
    this.#watches = []
    await this.daemon.kill()
    meanwhile()
    await this.daemon.listen()
  }

  #serve(heard: Heard): boolean {
    const at = this.mishaps.findIndex(({ method }) => method === heard.method)
    const [mishap] = at === -1 ? [] : this.mishaps.splice(at, 1)
    if (mishap !== undefined) {
      if (mishap.isDone === true) this.#change(heard)
      if (mishap.isCut === true) heard.connection.socket.destroy()
      else this.daemon.refuse(heard, mishap.code ?? 'internal', 'as the test wants it', mishap.data)
      return true
    }
    switch (heard.method) {
      case 'get':
      case 'set':
      case 'unset':
        if (!this.majority && heard.params.local !== true) {
          this.daemon.refuse(heard, 'noMajority', 'no majority of hosts', { effect: 'none' })
        } else if (heard.method === 'get') {
          const isLocal = heard.params.local === true
          const about = isLocal ? { majority: this.majority } : {}
          this.daemon.answer(heard, { ...this.now(String(heard.params.name)), ...about })
        } else this.#set(heard)
        return true
      case 'vars':
        this.daemon.answer(heard, this.#page(heard.params))
        return true
      case 'history':
        this.daemon.answer(heard, this.#history(String(heard.params.name)))
        return true
      case 'watch':
        this.#begin(heard)
        return true
      case 'status':
        this.daemon.answer(heard, statusOf(this.majority))
        return true
      default:
        return false
    }
  }

  #set(heard: Heard): void {
    const { name, ifVersion, create } = heard.params
    const current = this.now(String(name))
    const isWanted = ifVersion === undefined || ifVersion === current.version
    if (!isWanted || (create === true && current.value !== undefined)) {
      this.daemon.refuse(heard, 'versionDiffers', 'it has another version', { current })
    } else this.daemon.answer(heard, this.#change(heard))
  }

  #change({ method, params }: Heard): Version {
    const value = method === 'set' ? (params.value as ValueField) : undefined
    const name = String(params.name)
    if (value === undefined && this.value(name) === undefined) return this.now(name)
    return this.write(name, value, 'garage')
  }

  /** Two on a page, so that there are several. */
  #page({ prefix = '', values, after = '' }: Record<string, unknown>): unknown {
    const names = [...this.versions.keys()].sort().filter(name => name.startsWith(String(prefix)))
    const rest = names.filter(name => name > String(after) && this.now(name).value !== undefined)
    const variables = rest.slice(0, 2).map(name => {
      const { value, ...about } = this.now(name)
      return { ...about, ...(values === true ? { value } : {}), size: sizeOf(value!) }
    })
    return { variables, next: rest.length > 2 ? rest[1] : null }
  }

  #history(name: string): unknown {
    const all = [...(this.versions.get(name) ?? [])].reverse()
    return all.map((version, age) => {
      const { value, ...about } = version
      if (value === undefined) return version
      // The oldest are known by their size alone.
      return age < 3 ? { ...version, size: sizeOf(value) } : { ...about, size: sizeOf(value) }
    })
  }

  #begin(heard: Heard): void {
    const { name, prefix, initial } = heard.params
    const watch = { connection: heard.connection, watch: ++this.#watch, name, prefix }
    this.daemon.answer(heard, { watch: watch.watch })
    if (initial === true) {
      if (typeof name === 'string') tell(watch, this.now(name), { initial: true })
      for (const known of this.versions.keys()) {
        if (name === undefined && concerns(watch, known) && this.value(known) !== undefined) {
          tell(watch, this.now(known), { initial: true })
        }
      }
      heard.connection.notify('current', { watch: watch.watch })
    }
    this.#watches.push(watch)
  }
}

function tell({ connection, watch }: Watch, version: Version, about: object = {}): void {
  if (connection.isClosed) return
  connection.notify('change', { watches: [watch], ...about, ...version })
}

function concerns({ name: one, prefix }: Watch, name: string): boolean {
  return one === undefined ? name.startsWith(String(prefix)) : one === name
}

function sizeOf(value: ValueField): number {
  return typeof value === 'string'
    ? Buffer.byteLength(value)
    : Buffer.from(value.base64, 'base64').length
}

/** Text wherever it is text, as the daemon has it. */
function canonical(value: ValueField): ValueField {
  if (typeof value === 'string') return value
  const bytes = Buffer.from(value.base64, 'base64')
  return Buffer.from(bytes.toString()).equals(bytes) ? bytes.toString() : value
}

function statusOf(majority: boolean): unknown {
  return {
    host: { id: 2, name: 'garage' },
    cluster: 'workshop',
    version: '1.2.3',
    keys: [],
    incarnation: 1,
    uptimeMs: 1,
    clock: 1,
    view: null,
    majority,
    leaseMs: 0,
    complete: true,
    blank: null,
    grants: 0,
    connections: 1,
    variables: { count: 0, bytes: 0, complete: true },
    hosts: [],
    notices: [],
    messages: { sent: {}, received: {} },
    datagrams: { sent: 0, received: 0, retransmitted: 0, dropped: {} },
  }
}
