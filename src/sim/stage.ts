import type { HostId } from '../core/clock.ts'
import { milliseconds, type Duration } from '../lib/time.ts'
import type { Outcome } from './clients.ts'
import { Narrator } from './narrator.ts'
import { FAULTLESS } from './network.ts'
import { CALM, Simulation, SIMULATION_RULES, type SimulationRules } from './simulation.ts'

/** What is wrong with a line of a scenario: its writer's mistake. */
class ScenarioError extends Error {}

type Claim = {
  readonly host: HostId
  readonly client: number
  readonly id: number
  readonly names: string
}

/** Nothing happens for so long: silence and ghosts take up to a little more than a lease. */
const SETTLED_MS = 2500
const SETTLE_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000

/** The hosts of one scenario, and the lines that tell what they do. */
export class Stage {
  #simulation: Simulation | undefined
  #delayMs = 1
  #rules: SimulationRules = SIMULATION_RULES
  #claims: Claim[] = []
  readonly #narrator = new Narrator()

  /** What a command brings about, line by line. */
  perform(line: string): readonly string[] {
    const words = line.split(/\s+/).filter(word => word !== '')
    const [verb, ...rest] = words
    if (verb === undefined || verb.startsWith('#')) return []
    const host = Number(verb)
    try {
      if (Number.isInteger(host)) this.#act(host, rest)
      else this.#direct(verb, rest)
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error
      this.#narrator.say(`error: ${error.message}`)
    }
    return this.#narrator.take()
  }

  #direct(verb: string, words: readonly string[]): void {
    switch (verb) {
      case 'hosts': {
        this.#gather(words.map(Number))
        return
      }
      case 'without':
        for (const rule of words) this.#without(rule)
        return
      case 'show':
        this.#narrator.isLoud = words[0] === 'all'
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
      case 'up':
        for (const host of words.map(Number)) this.#power(verb, host)
        return
      case 'queues':
        for (const host of this.#world.hosts) this.#narrator.say(this.#queues(host))
        return
      case 'replies':
        this.#narrator.tellReplies()
        return
      case 'clocks':
        for (const host of this.#world.hosts) this.#narrator.tellClock(host, this.#clock(host))
        return
      case 'count': {
        this.#narrator.tellCount()
        return
      }
      default:
        throw new ScenarioError(`no command ${verb}`)
    }
  }

  #act(host: HostId, words: readonly string[]): void {
    const [verb, ...rest] = words
    this.#check(host)
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
    if (!(limit >= 1)) throw new ScenarioError(`of how many? (write of 2)`)
    let wait: Duration | undefined = isTry ? milliseconds(0) : undefined
    const span = words.indexOf('for')
    if (span > 0) wait = milliseconds(parseMs(words[span + 1]))
    const client = this.#clients.connect()
    const told = (outcome: Outcome): void => {
      if (outcome === 'granted' || outcome === 'died') return
      this.#claims = this.#claims.filter(claim => claim.id !== id)
      this.#narrator.say(
        outcome === 'lost' ? `${host} loses ${text}` : `${host} does not get ${text}: ${outcome}`,
      )
    }
    const id = this.#clients.acquire(host, client, { names, limit, wait }, told)
    this.#claims.push({ host, client, id, names: text })
  }

  /** Connects the hosts, and brings their clocks to one reading, which is called 0. */
  #gather(hosts: readonly HostId[]): void {
    const link = { ...FAULTLESS, delayMs: this.#delayMs }
    const simulation = new Simulation({ ...CALM, seed: 1, hosts, link, rules: this.#rules })
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
    this.#narrator.start = this.#clock(other ?? leveller)
    simulation.watch(observation => this.#narrator.observe(observation))
  }

  #without(rule: string): void {
    if (this.#simulation !== undefined) throw new ScenarioError('rules end before there are hosts')
    if (!(rule in this.#rules)) throw new ScenarioError(`there is no rule ${rule}`)
    this.#rules = { ...this.#rules, [rule]: false }
  }

  #delay(words: readonly string[]): void {
    const [from, to] = words.map(Number)
    const link = { ...FAULTLESS, delayMs: parseMs(words.at(-1)) }
    if (words.length === 3 && from !== undefined && to !== undefined)
      this.#world.network.set(from, to, link)
    else if (this.#simulation === undefined) this.#delayMs = link.delayMs
    else this.#world.network.reset(link)
  }

  #power(verb: 'down' | 'up', host: HostId): void {
    this.#check(host)
    if (this.#world.isUp(host) === (verb === 'up')) throw new ScenarioError(`${host} is ${verb}`)
    this.#claims = this.#claims.filter(claim => claim.host !== host)
    if (verb === 'up') this.#world.boot(host)
    else this.#world.crash(host)
  }

  #sever(verb: 'cut' | 'heal', hosts: readonly HostId[]): void {
    const [a, b] = hosts
    if (a === undefined || b === undefined) throw new ScenarioError(`${verb} which two?`)
    this.#world.network[verb](a, b)
    this.#world.network[verb](b, a)
  }

  #settle(): void {
    const { world } = this.#stage
    const start = world.now
    const quiet = (): number => world.now - Math.max(start, this.#narrator.lastChange)
    while (quiet() < SETTLED_MS && world.now < start + SETTLE_MS_MAX) world.run(100)
  }

  #queues(host: HostId): string {
    const { world } = this.#stage
    if (!world.isUp(host)) return `${host} is down`
    const locks = world.node(host).locks(world.reading(host))
    if (locks.length === 0) return `queue of ${host}: empty`
    const lines = locks.map(({ name, holders, waiters }) => {
      const entries = [
        ...holders.map(each => `${this.#narrator.spell(each.token)} inside`),
        ...waiters.map(each => this.#narrator.spell(each.token)),
      ]
      return `${name} ${entries.join(', ')}`
    })
    return `queue of ${host}: ${lines.join('; ')}`
  }

  #check(host: HostId): void {
    if (!this.#world.hosts.includes(host)) throw new ScenarioError(`there is no host ${host}`)
  }

  #clock(host: HostId): number {
    const { world } = this.#stage
    return world.node(host).status(world.reading(host)).clock
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

function parseMs(word: string | undefined): number {
  const match = /^(\d+(?:\.\d+)?)ms$/.exec(word ?? '')
  if (match === null) throw new ScenarioError(`"${word ?? ''}" is no time (write 5ms)`)
  return Number(match[1])
}
