import type { HostId, Token } from '../core/clock.ts'
import { unreachable } from '../lib/assert.ts'
import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'
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

/**
 * How an acquire came out, told to the client after the step that decided it. `lost` and `died` may
 * follow `granted`.
 */
export type Outcome = 'granted' | 'refused' | 'cancelled' | 'lost' | 'died'

type Request = {
  readonly id: CommandId
  readonly host: HostId
  readonly client: ClientId
  readonly wish: Wish
  readonly told: (outcome: Outcome) => void
  /**
   * `stopping`: told that the lock is lost, but not out yet. `orphaned`: inside, and its host is
   * down. `abandoned`: it is dead, and nobody tells its host.
   */
  state: 'waiting' | 'cancelling' | 'held' | 'stopping' | 'orphaned' | 'abandoned'
  token: Token | undefined
  /** True time at which it stops by itself. */
  until: number
}

export type ClientsOptions = {
  /** False: what a dead client had or waited for stays as it is, which must stop the others. */
  readonly releasesOnDeath: boolean
  /** One that is told that its lock is lost goes on for up to this, and never beyond its `until`. */
  readonly stopMsMax: number
  readonly random: Random
}

/**
 * The clients of all hosts, as their hosts' lamportd sees them: what a connection asked for ends
 * with the connection. A client believes that it holds a lock from the very instant of the grant
 * until it hands the release in, has stopped because it was told to, or has reached its `until`,
 * which the clients of a dead or frozen lamportd do.
 */
export class Clients {
  readonly #world: World
  readonly #observe: Observe
  readonly #options: ClientsOptions
  readonly #requests = new Map<CommandId, Request>()
  readonly #byToken = new Map<string, CommandId>()
  #clients = 0
  #asked = 0
  #granted = 0
  #lost = 0

  constructor(world: World, observe: Observe, options: ClientsOptions) {
    this.#world = world
    this.#observe = observe
    this.#options = options
  }

  get asked(): number {
    return this.#asked
  }

  get granted(): number {
    return this.#granted
  }

  /** Locks that ended before their clients had done with them. */
  get lost(): number {
    return this.#lost
  }

  /** Requests of live clients that wait, or whose lock is held. */
  get outstanding(): number {
    let count = 0
    for (const { state } of this.#requests.values())
      if (state !== 'abandoned' && state !== 'orphaned') count += 1
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
    const state = { state: 'waiting', token: undefined, until: Infinity } as const
    this.#requests.set(id, { id, host, client, wish, told, ...state })
    this.#asked += 1
    this.#observe({ type: 'asked', at: this.#world.now, host, id, names, limit })
    const command = { type: 'acquire', ...wish, info: '' } as const
    this.#world.input(host, { type: 'command', id, command })
    return id
  }

  /** Lets go of a lock that it believes in; anything else is left alone. */
  release(id: CommandId): void {
    const request = this.#requests.get(id)
    if (request?.token === undefined || request.state === 'abandoned') return
    if (request.state !== 'orphaned') this.#sendRelease(request, request.token)
    this.#letGo(request, request.token)
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
    const { releasesOnDeath } = this.#options
    for (const request of [...this.#requests.values()]) {
      if (request.client !== client || request.state === 'abandoned') continue
      if (request.token === undefined) {
        this.#settled(request)
        if (releasesOnDeath) this.#world.input(request.host, { type: 'cancel', id: request.id })
      } else if (releasesOnDeath) this.release(request.id)
      else this.#letGo(request, request.token)
      request.state = 'abandoned'
    }
  }

  /** The host went down: whoever waits is told, as a closed socket tells; holders go on. */
  hostDied(host: HostId): void {
    for (const request of [...this.#requests.values()]) {
      if (request.host !== host || request.state === 'orphaned') continue
      if (request.token === undefined) {
        if (request.state !== 'abandoned') this.#settled(request)
        this.#requests.delete(request.id)
      }
      this.#tell(request, 'died')
      if (request.token !== undefined) request.state = 'orphaned'
    }
  }

  /** For the world: a node's answer to a command. */
  response(id: CommandId, response: Response): void {
    const request = this.#requests.get(id)
    if (request === undefined) return
    switch (response.type) {
      case 'granted':
        this.#grant(request, response.token, response.until)
        return
      case 'cancelled':
      case 'refused':
        this.#requests.delete(id)
        if (request.state === 'abandoned') return
        this.#settled(request)
        this.#tell(request, response.type)
        return
      case 'released':
      case 'founding':
      case 'value':
      case 'changed':
      case 'differs':
      case 'uncertain':
        return
      default:
        return unreachable(response)
    }
  }

  /** For the world: what a node tells unasked. */
  event(host: HostId, event: NodeEvent): void {
    if (event.type === 'lost') {
      const id = this.#byToken.get(keyOf(host, event.token))
      const request = id === undefined ? undefined : this.#requests.get(id)
      if (request?.state === 'held') this.#stop(request)
    } else if (event.type === 'lease') {
      for (const request of this.#requests.values())
        if (request.host === host && request.state === 'held')
          request.until = Math.max(request.until, this.#world.trueTime(host, event.until))
    }
  }

  #grant(request: Request, token: Token, until: Instant): void {
    if (request.state === 'abandoned') return
    const { host, wish } = request
    const { now } = this.#world
    request.until = this.#world.trueTime(host, until)
    this.#settled(request)
    if (request.until <= now) {
      // Too late to be begun with.
      this.#requests.delete(request.id)
      this.#sendRelease(request, token)
      this.#tell(request, 'lost')
      return
    }
    this.#granted += 1
    request.token = token
    this.#byToken.set(keyOf(host, token), request.id)
    this.#observe({ type: 'holds', at: now, host, token, names: wish.names, limit: wish.limit })
    // Its cancel is on its way, and releases what was granted meanwhile.
    if (request.state === 'cancelling') {
      this.#letGo(request, token)
      return
    }
    request.state = 'held'
    this.#watch(request)
    this.#tell(request, 'granted')
  }

  /** Stops the client when its time is up, which renewals put off. */
  #watch(request: Request): void {
    this.#world.after(request.until - this.#world.now, () => {
      if (!this.#requests.has(request.id)) return
      if (request.until > this.#world.now) this.#watch(request)
      else this.#end(request)
    })
  }

  /** It has been told that its lock is lost, and takes its time to stop. */
  #stop(request: Request): void {
    request.state = 'stopping'
    const { random, stopMsMax } = this.#options
    const wait = Math.min(random.between(0, stopMsMax), request.until - this.#world.now)
    if (wait <= 0) this.#end(request)
    else
      this.#world.after(wait, () => {
        if (request.state === 'stopping') this.#end(request)
      })
  }

  /** It has stopped, and its connection closes. */
  #end(request: Request): void {
    const { state, token } = request
    if (token === undefined || !this.#requests.has(request.id)) return
    this.#lost += 1
    this.#letGo(request, token)
    if (state === 'orphaned') return
    this.#sendRelease(request, token)
    this.#tell(request, 'lost')
  }

  #sendRelease({ host }: Request, token: Token): void {
    const command = { type: 'release', token } as const
    this.#world.input(host, { type: 'command', id: this.#world.nextCommand(), command })
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
