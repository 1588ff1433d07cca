import type { HostId, Token } from '../core/clock.ts'
import { unreachable } from '../lib/assert.ts'
import type { Duration } from '../lib/time.ts'
import type { CommandId, NodeEvent, Response } from '../node.ts'
import type { Observe } from './observation.ts'
import type { World } from './world.ts'

/** A connection to one host's control socket, and whoever is at the other end of it. */
export type ClientId = number

export type Wish = {
  readonly names: readonly string[]
  readonly limit: number
  readonly wait: Duration | undefined
}

/** How an acquire came out, told to the client after the step that decided it. */
export type Outcome = 'granted' | 'refused' | 'cancelled' | 'lost' | 'died'

type Request = {
  readonly id: CommandId
  readonly host: HostId
  readonly client: ClientId
  readonly wish: Wish
  readonly told: (outcome: Outcome) => void
  state: 'waiting' | 'cancelling' | 'held' | 'abandoned'
  token: Token | undefined
}

/**
 * The clients of all hosts, as their hosts' lamportd sees them: what a connection asked for ends
 * with the connection. A client believes that it holds a lock from the very instant of the grant
 * until it hands the release in, which is longer than any real one can.
 */
export class Clients {
  readonly #world: World
  readonly #observe: Observe
  /** False: what a dead client had or waited for stays as it is, which must stop the others. */
  readonly #releasesOnDeath: boolean
  readonly #requests = new Map<CommandId, Request>()
  readonly #byToken = new Map<string, CommandId>()
  #clients = 0
  #asked = 0
  #granted = 0

  constructor(world: World, observe: Observe, options: { readonly releasesOnDeath: boolean }) {
    this.#world = world
    this.#observe = observe
    this.#releasesOnDeath = options.releasesOnDeath
  }

  get asked(): number {
    return this.#asked
  }

  get granted(): number {
    return this.#granted
  }

  /** Requests of live clients that wait, or whose lock is held. */
  get outstanding(): number {
    let count = 0
    for (const request of this.#requests.values()) if (request.state !== 'abandoned') count += 1
    return count
  }

  connect(): ClientId {
    this.#clients += 1
    return this.#clients
  }

  acquire(host: HostId, client: ClientId, wish: Wish, told: (outcome: Outcome) => void): CommandId {
    const id = this.#world.nextCommand()
    const { names, limit } = wish
    if (!this.#world.isUp(host)) {
      // Nobody listens on the socket.
      this.#world.after(0, () => told('refused'))
      return id
    }
    this.#requests.set(id, { id, host, client, wish, told, state: 'waiting', token: undefined })
    this.#asked += 1
    this.#observe({ type: 'asked', at: this.#world.now, host, id, names, limit })
    const command = { type: 'acquire', ...wish, info: '' } as const
    this.#world.input(host, { type: 'command', id, command })
    return id
  }

  /** Lets go of a held lock; anything else is left alone. */
  release(id: CommandId): void {
    const request = this.#requests.get(id)
    if (request?.state !== 'held' || request.token === undefined) return
    this.#letGo(request, request.token)
    const command = { type: 'release', token: request.token } as const
    this.#world.input(request.host, { type: 'command', id: this.#world.nextCommand(), command })
  }

  /** Withdraws a request, granted or not: the grant may be on its way. */
  cancel(id: CommandId): void {
    const request = this.#requests.get(id)
    if (request?.state !== 'waiting' && request?.state !== 'held') return
    if (request.token !== undefined) this.#letGo(request, request.token)
    else request.state = 'cancelling'
    this.#world.input(request.host, { type: 'cancel', id })
  }

  /** The connection closes: nobody is there any more to be told anything. */
  crash(client: ClientId): void {
    for (const request of [...this.#requests.values()]) {
      if (request.client !== client || request.state === 'abandoned') continue
      if (request.token === undefined) {
        this.#settled(request)
        if (this.#releasesOnDeath)
          this.#world.input(request.host, { type: 'cancel', id: request.id })
      } else if (this.#releasesOnDeath) this.release(request.id)
      else this.#letGo(request, request.token)
      request.state = 'abandoned'
    }
  }

  /** The host went down: its clients are told, as a closed socket tells them. */
  hostDied(host: HostId): void {
    for (const request of [...this.#requests.values()]) {
      if (request.host !== host) continue
      if (request.token !== undefined) this.#letGo(request, request.token)
      else if (request.state !== 'abandoned') this.#settled(request)
      this.#requests.delete(request.id)
      this.#tell(request, 'died')
    }
  }

  /** For the world: a node's answer to a command. */
  response(id: CommandId, response: Response): void {
    const request = this.#requests.get(id)
    if (request === undefined) return
    switch (response.type) {
      case 'granted': {
        this.#grant(request, response.token)
        return
      }
      case 'cancelled':
      case 'refused':
        this.#requests.delete(id)
        if (request.state === 'abandoned') return
        this.#settled(request)
        {
          this.#tell(request, response.type)
          return
        }
      case 'released':
        return
      default:
        return unreachable(response)
    }
  }

  /** For the world: what a node tells unasked. */
  event(host: HostId, event: NodeEvent): void {
    if (event.type !== 'lost') return
    const id = this.#byToken.get(keyOf(host, event.token))
    const request = id === undefined ? undefined : this.#requests.get(id)
    if (request?.state !== 'held') return
    this.#letGo(request, event.token)
    this.#tell(request, 'lost')
  }

  #grant(request: Request, token: Token): void {
    if (request.state === 'abandoned') return
    const { host, wish } = request
    this.#granted += 1
    request.token = token
    this.#byToken.set(keyOf(host, token), request.id)
    this.#settled(request)
    this.#observe({
      type: 'holds',
      at: this.#world.now,
      host,
      token,
      names: wish.names,
      limit: wish.limit,
    })
    // Its cancel is on its way, and releases what was granted meanwhile.
    if (request.state === 'cancelling') {
      this.#letGo(request, token)
      return
    }
    request.state = 'held'
    this.#tell(request, 'granted')
  }

  /** An effect never steps a node, so that a client acts only after the step. */
  #tell(request: Request, outcome: Outcome): void {
    this.#world.after(0, () => {
      if (request.state !== 'abandoned') request.told(outcome)
    })
  }

  #settled(request: Request): void {
    const { id, host } = request
    this.#observe({ type: 'settled', at: this.#world.now, host, id })
  }

  #letGo(request: Request, token: Token): void {
    this.#requests.delete(request.id)
    this.#byToken.delete(keyOf(request.host, token))
    this.#observe({ type: 'lets-go', at: this.#world.now, host: request.host, token })
  }
}

function keyOf(host: HostId, token: Token): string {
  return `${host} ${token}`
}
