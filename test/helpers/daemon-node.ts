import { milliseconds, NEVER } from '../../src/lib/time.ts'
import { MESSAGE_TYPES } from '../../src/core/message.ts'
import type { CommandId, Input, LockStatus, Response, Status, WhyStatus } from '../../src/node.ts'
import type { Condition, PastVersion, Variable } from '../../src/core/variable.ts'
import type { Server, ServedNode } from '../../src/daemon/server.ts'

type Counts = Status['messages']['sent']

type Wait = { readonly id: CommandId; readonly names: readonly string[]; readonly info: string }

/** In a node's place: exclusive locks of one host, first come first served. */
export class StandInNode implements ServedNode {
  readonly inputs: Input[] = []
  /** Set once both exist. */
  server: Server | undefined
  /** Cancels are kept back until the grant that they cross has been given. */
  grantsBeforeCancels = false
  /** Whether it has left as soon as it is asked to. */
  leaves = true
  /** What `locks` says of other hosts. */
  foreign: readonly LockStatus[] = []
  /** Whether gets and changes are answered; else the test does. */
  answers = true
  majority = true
  readonly known: Map<string, Variable> = new Map()
  readonly past: Map<string, readonly PastVersion[]> = new Map()
  readonly #held = new Map<number, Wait>()
  #waiting: Wait[] = []
  #lastToken = 0

  get held(): readonly string[] {
    return [...this.#held.values()].flatMap(({ names }) => names)
  }

  get tokens(): readonly number[] {
    return [...this.#held.keys()]
  }

  drive(input: Input): void {
    this.inputs.push(input)
    if (input.type === 'cancel') this.#cancel(input.id)
    if (input.type === 'leave' && this.leaves) this.server?.notify({ type: 'left' })
    if (input.type !== 'command') return
    const { id, command } = input
    if (command.type === 'release') {
      const isHeld = this.#held.delete(command.token)
      this.respond(
        id,
        isHeld
          ? { type: 'released' }
          : { type: 'refused', reason: 'not-held', detail: 'no such token' },
      )
      this.#proceed()
      return
    }
    if (command.type === 'found') {
      this.respond(id, { type: 'founding' })
      return
    }
    if (command.type === 'get') {
      const { name } = command
      if (this.answers) this.respond(id, { type: 'value', variable: this.variable(name) })
      return
    }
    if (command.type === 'change') {
      if (this.answers) this.#change(id, command.name, command.bytes, command.condition)
      return
    }
    if (command.type === 'adopt') {
      const refused = { reason: 'not-held', detail: 'it has ended' } as const
      this.respond(id, { type: 'refused', ...refused })
      return
    }
    const { names, info, wait } = command
    this.#waiting.push({ id, names, info })
    if (!this.#proceed() && wait === 0) {
      this.#waiting.pop()
      this.respond(id, { type: 'refused', reason: 'not-acquired', detail: 'it is held' })
    } else if (this.#waiting.some(each => each.id === id)) {
      this.server?.notify({ type: 'queued', id, position: this.#waiting.length })
    }
  }

  respond(id: CommandId, response: Response): void {
    this.server?.respond(id, response)
  }

  /** As a node whose lease has ended says it. */
  lose(token: number, reason: string): void {
    this.#held.delete(token)
    this.server?.notify({ type: 'lost', token, cause: 'lease', reason })
    this.#proceed()
  }

  /** As a node that leaves says it: the lock stays until its client has gone. */
  tellLost(token: number, reason: string): void {
    this.server?.notify({ type: 'lost', token, cause: 'leaving', reason })
  }

  variable(name: string): Variable {
    return this.known.get(name) ?? { name, bytes: undefined, version: 0, writer: undefined }
  }

  variables(): readonly Variable[] {
    return [...this.known.values()]
      .filter(({ bytes }) => bytes !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  history(name: string): readonly PastVersion[] {
    return this.past.get(name) ?? []
  }

  /** As a node that has learned a newer version says it. */
  learn(name: string, value: string | Uint8Array | undefined): Variable {
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
    const version = this.variable(name).version + 1
    const variable = { name, bytes, version, writer: { host: 10, time: 100 + version } }
    this.known.set(name, variable)
    this.server?.notify({ type: 'change', variable })
    return variable
  }

  locks(): readonly LockStatus[] {
    const own = [...this.#held].map(([token, { names, info }]) => ({
      name: names[0] ?? '',
      holders: [
        {
          host: 2,
          token,
          limit: 1,
          info,
          since: milliseconds(5),
          position: 0,
          ghostFor: undefined,
        },
      ],
      waiters: this.#waiting.map((each, index) => ({
        host: 2,
        token: 10_000 + index,
        limit: Infinity,
        info: each.info,
        since: milliseconds(5),
        position: index + 1,
        ghostFor: undefined,
      })),
    }))
    return [...own, ...this.foreign]
  }

  why(name: string): WhyStatus {
    const lock = { name, holders: [], waiters: [] }
    return { lock, awaited: [], reasons: [`${name} is scripted`] }
  }

  status(): Status {
    const messages = Object.fromEntries(MESSAGE_TYPES.map(type => [type, 0])) as Counts
    const peer = { id: 1, name: 'kitchen', address: { ip: '127.0.0.1', port: 7411 } }
    return {
      host: { id: 2, name: 'garage', votes: 1 },
      cluster: 'demo',
      keys: [],
      incarnation: 7,
      clock: 42,
      view: { number: 3, members: [1, 2] },
      isMember: true,
      majority: this.majority,
      lease: milliseconds(1900),
      blank: undefined,
      views: 3,
      complete: true,
      variables: { count: 3, bytes: 120, complete: false },
      peers: [
        {
          ...peer,
          state: 'member',
          votes: 1,
          incarnation: 3,
          key: undefined,
          rtt: milliseconds(0.12345),
          loss: 0.5,
          silent: milliseconds(12.3456),
          notice: undefined,
          about: undefined,
          drift: undefined,
          copy: { agrees: true, whole: true },
        },
      ],
      notices: [],
      whole: true,
      messages: { sent: messages, received: messages },
      datagrams: {
        sent: 1,
        received: 2,
        bytesSent: 100,
        bytesReceived: 200,
        beats: 0,
        retransmitted: 3,
        dropped: { malformed: 4 },
      },
      grants: this.#lastToken,
    }
  }

  #change(id: CommandId, name: string, bytes: Uint8Array | undefined, on: Condition): void {
    const current = this.variable(name)
    const holds =
      on.type === 'always' ||
      (on.type === 'absent' ? current.bytes === undefined : on.version === current.version)
    if (holds) this.respond(id, { type: 'changed', variable: this.learn(name, bytes) })
    else this.respond(id, { type: 'differs', current })
  }

  #cancel(id: CommandId): void {
    const index = this.#waiting.findIndex(each => each.id === id)
    if (index < 0) return
    if (this.grantsBeforeCancels) {
      this.#grant(index)
      return
    }
    this.#waiting.splice(index, 1)
    this.respond(id, { type: 'cancelled', wasGranted: false })
  }

  #proceed(): boolean {
    const before = this.#waiting.length
    for (let index = 0; index < this.#waiting.length;) {
      const { names } = this.#waiting[index] as Wait
      const ahead = [...this.#held.values(), ...this.#waiting.slice(0, index)]
      const isFree = names.every(name => !ahead.some(each => each.names.includes(name)))
      if (isFree) this.#grant(index)
      else index += 1
    }
    return this.#waiting.length < before
  }

  #grant(index: number): void {
    const [wait] = this.#waiting.splice(index, 1)
    if (wait === undefined) return
    this.#lastToken += 1024
    this.#held.set(this.#lastToken, wait)
    this.respond(wait.id, { type: 'granted', token: this.#lastToken, until: NEVER })
  }
}
