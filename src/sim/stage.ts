import { timestampOf, tokenOf, type HostId, type Token } from '../core/clock.ts'
import type { Message } from '../core/message.ts'
import { unreachable } from '../lib/assert.ts'
import { milliseconds, type Duration } from '../lib/time.ts'
import type { TraceEvent } from '../node.ts'
import type { Outcome } from './clients.ts'
import { FAULTLESS } from './network.ts'
import type { Observation } from './observation.ts'
import { CALM, Simulation } from './simulation.ts'

/** What is wrong with a line of a scenario: its writer's mistake. */
class ScenarioError extends Error {}

type Claim = {
  readonly host: HostId
  readonly client: number
  readonly id: number
  readonly names: string
}

/** Nothing happens for so long: the transport tries again at least once a second. */
const SETTLED_MS = 1500
const SETTLE_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000

/** The hosts of one scenario, and the lines that tell what they do. */
export class Stage {
  #simulation: Simulation | undefined
  /** The time that all clocks read when the scenario began: it is called 0. */
  #start = 0
  #isLoud = true
  #delayMs = 1
  #lines: string[] = []
  #sending: { readonly message: Message; readonly to: HostId[]; readonly from: HostId } | undefined
  #lastChange = 0
  #claims: Claim[] = []
  readonly #replies = new Map<Token, HostId[]>()
  readonly #counts = new Map<Message['type'], number>()

  /** What a command brings about, line by line. */
  perform(line: string): readonly string[] {
    const words = line.split(/\s+/).filter(word => word !== '')
    const [verb, ...rest] = words
    if (verb === undefined || verb.startsWith('#')) return []
    this.#lines = []
    const host = Number(verb)
    try {
      if (Number.isInteger(host)) this.#act(host, rest)
      else this.#direct(verb, rest)
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error
      this.#say(`error: ${error.message}`)
    }
    this.#flush()
    return this.#lines
  }

  #direct(verb: string, words: readonly string[]): void {
    switch (verb) {
      case 'hosts': {
        this.#gather(words.map(Number))
        return
      }
      case 'show':
        this.#isLoud = words[0] === 'all'
        return
      case 'delay': {
        this.#delay(words)
        return
      }
      case 'run': {
        this.#world.run(parseMs(words[0]))
        return
      }
      case 'settle': {
        this.#settle()
        return
      }
      case 'cut':
      case 'heal': {
        this.#sever(verb, words.map(Number))
        return
      }
      case 'down':
        for (const host of words.map(Number)) {
          this.#claims = this.#claims.filter(claim => claim.host !== host)
          this.#world.crash(host)
        }
        return
      case 'up':
        for (const host of words.map(Number)) this.#world.boot(host)
        return
      case 'queues':
        for (const host of this.#world.hosts) this.#say(this.#queues(host))
        return
      case 'replies':
        for (const [token, from] of this.#replies)
          this.#say(`${this.#spell(token)} has REPLIES from ${list(from)}`)
        return
      case 'clocks':
        for (const host of this.#world.hosts)
          this.#say(`the clock of ${host} reads ${this.#clock(host) - this.#start}`)
        return
      case 'count': {
        this.#count()
        return
      }
      default:
        throw new ScenarioError(`no command ${verb}`)
    }
  }

  #act(host: HostId, words: readonly string[]): void {
    const [verb, ...rest] = words
    switch (verb) {
      case 'lock':
      case 'try': {
        this.#acquire(host, rest, verb === 'try')
        return
      }
      case 'unlock':
      case 'cancel': {
        const names = (rest[0] ?? '').split('+').sort().join(' and ')
        const claim = this.#claims.find(each => each.host === host && each.names === names)
        if (claim === undefined) throw new ScenarioError(`${host} has not asked for ${names}`)
        this.#claims = this.#claims.filter(each => each !== claim)
        if (verb === 'unlock') this.#clients.release(claim.id)
        else this.#clients.cancel(claim.id)
        return
      }
      case 'dies':
        for (const claim of this.#claims) if (claim.host === host) this.#clients.crash(claim.client)
        this.#claims = this.#claims.filter(claim => claim.host !== host)
        return
      case undefined:
      default:
        throw new ScenarioError(`no command ${words.join(' ')}`)
    }
  }

  /** `door`, `door+window`; then `shared`, `of 3`, `for 5ms` in any order. */
  #acquire(host: HostId, words: readonly string[], isTry: boolean): void {
    const names = (words[0] ?? '').split('+').sort()
    const text = names.join(' and ')
    let limit = words.includes('shared') ? Infinity : 1
    const of = words.indexOf('of')
    if (of > 0) limit = Number(words[of + 1])
    let wait: Duration | undefined = isTry ? milliseconds(0) : undefined
    const span = words.indexOf('for')
    if (span > 0) wait = milliseconds(parseMs(words[span + 1]))
    const client = this.#clients.connect()
    const told = (outcome: Outcome): void => {
      if (outcome === 'granted' || outcome === 'died') return
      this.#claims = this.#claims.filter(claim => claim.id !== id)
      this.#say(`${host} does not get ${text}: ${outcome}`)
    }
    const id = this.#clients.acquire(host, client, { names, limit, wait }, told)
    this.#claims.push({ host, client, id, names: text })
  }

  /** Connects the hosts, and brings their clocks to one reading, which is called 0. */
  #gather(hosts: readonly HostId[]): void {
    const link = { ...FAULTLESS, delayMs: this.#delayMs }
    const simulation = new Simulation({ ...CALM, seed: 1, hosts, link })
    this.#simulation = simulation
    if (!simulation.connect(CONNECT_MS_MAX)) throw new ScenarioError('the hosts do not connect')
    this.#settle()
    // All others end at one more than the time of its RELEASE, which is after all they have sent.
    const [leveller, other] = hosts
    if (leveller === undefined) throw new ScenarioError('hosts of which ids?')
    const wish = { names: ['level'], limit: 1, wait: undefined }
    const id = simulation.clients.acquire(leveller, simulation.clients.connect(), wish, () =>
      simulation.clients.release(id),
    )
    this.#settle()
    this.#start = this.#clock(other ?? leveller)
    simulation.watch(observation => this.#observe(observation))
  }

  #delay(words: readonly string[]): void {
    const [from, to] = words.map(Number)
    const link = { ...FAULTLESS, delayMs: parseMs(words.at(-1)) }
    if (words.length === 3 && from !== undefined && to !== undefined)
      this.#world.network.set(from, to, link)
    else if (this.#simulation === undefined) this.#delayMs = link.delayMs
    else this.#world.network.reset(link)
  }

  #sever(verb: 'cut' | 'heal', hosts: readonly HostId[]): void {
    const [a, b] = hosts
    if (a === undefined || b === undefined) throw new ScenarioError(`${verb} which two?`)
    this.#world.network[verb](a, b)
    this.#world.network[verb](b, a)
  }

  #settle(): void {
    const { world } = this.#stage
    this.#lastChange = world.now
    const end = world.now + SETTLE_MS_MAX
    while (world.now - this.#lastChange < SETTLED_MS && world.now < end) world.run(100)
  }

  #observe(observation: Observation): void {
    if (observation.type !== 'trace') return
    this.#lastChange = observation.at
    const { host, event } = observation
    if (event.type === 'send') {
      const { type } = event.message
      this.#counts.set(type, 1 + (this.#counts.get(type) ?? 0))
    }
    if (event.type === 'deliver' && event.message.type === 'reply') {
      const token = tokenOf({ time: event.message.request, host })
      this.#replies.set(token, [...(this.#replies.get(token) ?? []), event.from])
    }
    if (event.type === 'request') this.#replies.set(event.token, [])
    if (event.type === 'leave') this.#replies.delete(event.token)
    this.#tell(host, event)
  }

  #tell(host: HostId, event: TraceEvent): void {
    switch (event.type) {
      case 'send': {
        this.#tellSend(host, event.to, event.message)
        return
      }
      case 'deliver':
        if (this.#isLoud)
          this.#say(
            `${host} gets ${this.#describe(event.from, host, event.message)} from ${event.from}`,
          )
        return
      case 'request':
        if (this.#isLoud) this.#say(`${host} asks for ${this.#wanted(event)}`)
        return
      case 'enter': {
        this.#say(
          `${host} enters ${this.#wanted(event)} token=${event.token - tokenOf({ time: this.#start, host: 0 })}`,
        )
        return
      }
      case 'leave': {
        this.#say(`${host} leaves ${event.names.join(' and ')}`)
        return
      }
      case 'session-up':
        this.#say(`${host} is connected with ${event.peer}`)
        return
      case 'session-lost':
        this.#say(`${host} is no longer connected with ${event.peer}`)
        return
      default:
        return unreachable(event)
    }
  }

  /** Copies of one message are one line. */
  #tellSend(from: HostId, to: HostId, message: Message): void {
    if (!this.#isLoud) return
    if (this.#sending?.message === message) {
      this.#sending.to.push(to)
      return
    }
    this.#flush()
    this.#sending = { from, message, to: [to] }
  }

  #flush(): void {
    if (this.#sending === undefined) return
    const { from, message, to } = this.#sending
    this.#sending = undefined
    this.#lines.push(`${from} sends ${this.#describe(from, to[0] ?? from, message)} to ${list(to)}`)
  }

  #describe(from: HostId, to: HostId, message: Message): string {
    const stamp = `${from}@${message.time - this.#start}`
    switch (message.type) {
      case 'request':
        return `REQUEST ${stamp} for ${wanted(message.names, message.limit)}`
      case 'reply':
        return `REPLY ${stamp} for ${to}@${message.request - this.#start}`
      case 'release':
        return `RELEASE ${stamp} of ${from}@${message.request - this.#start}`
      case 'sync':
        return `SYNC ${stamp} of ${message.requests.length}`
      default:
        return unreachable(message)
    }
  }

  #wanted(event: Extract<TraceEvent, { type: 'request' | 'enter' | 'leave' }>): string {
    return wanted(event.names, event.limit)
  }

  #queues(host: HostId): string {
    const { world } = this.#stage
    if (!world.isUp(host)) return `${host} is down`
    const locks = world.node(host).locks(world.reading(host))
    if (locks.length === 0) return `queue of ${host}: empty`
    const lines = locks.map(({ name, holders, waiters }) => {
      const entries = [
        ...holders.map(each => `${this.#spell(each.token)} inside`),
        ...waiters.map(each => this.#spell(each.token)),
      ]
      return `${name} ${entries.join(', ')}`
    })
    return `queue of ${host}: ${lines.join('; ')}`
  }

  /** Since the last count. */
  #count(): void {
    let sum = 0
    const parts: string[] = []
    for (const [type, count] of this.#counts) {
      parts.push(`${count} ${type.toUpperCase()}`)
      sum += count
    }
    this.#counts.clear()
    this.#say(parts.length === 0 ? 'no messages' : `${parts.join(' + ')} = ${sum} messages`)
  }

  #clock(host: HostId): number {
    const { world } = this.#stage
    return world.node(host).status(world.reading(host)).clock
  }

  #spell(token: Token): string {
    const { time, host } = timestampOf(token)
    return `${host}@${time - this.#start}`
  }

  #say(text: string): void {
    this.#flush()
    this.#lines.push(text)
  }

  get #stage(): Simulation {
    if (this.#simulation === undefined) throw new ScenarioError('a scenario begins with its hosts')
    return this.#simulation
  }

  get #world(): Simulation['world'] {
    return this.#stage.world
  }

  get #clients(): Simulation['clients'] {
    return this.#stage.clients
  }
}

function wanted(names: readonly string[], limit: number): string {
  const text = names.join(' and ')
  if (limit === 1) return text
  return limit === Infinity ? `${text} shared` : `${text} of ${limit}`
}

function list(hosts: readonly HostId[]): string {
  return hosts.length === 0 ? 'nobody' : hosts.join(', ')
}

function parseMs(word: string | undefined): number {
  const match = /^(\d+(?:\.\d+)?)ms$/.exec(word ?? '')
  if (match === null) throw new ScenarioError(`"${word ?? ''}" is no time (write 5ms)`)
  return Number(match[1])
}
