import { timestampOf, tokenOf, type HostId, type Token } from '../core/clock.ts'
import { channelOf, isMutexMessage, type Message } from '../core/message.ts'
import { describeView } from '../core/view.ts'
import { unreachable } from '../lib/assert.ts'
import type { TraceEvent } from '../node.ts'
import type { Observation } from './observation.ts'

/** Tells what hosts do, a line an event, with times as if all clocks had begun at 0. */
export class Narrator {
  /** The time that all clocks read when the scenario began: it is told as 0. */
  start = 0
  /** Messages are told, too. */
  isLoud = true
  /** True time of the last event. */
  lastChange = 0
  #lines: string[] = []
  #sending: { readonly message: Message; readonly to: HostId[]; readonly from: HostId } | undefined
  readonly #replies = new Map<Token, HostId[]>()
  readonly #counts = new Map<Message['type'], number>()

  /** The lines since the last time. */
  take(): readonly string[] {
    this.#flush()
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  say(text: string): void {
    this.#flush()
    this.#lines.push(text)
  }

  /** A token as its request's timestamp, host@time. */
  spell(token: Token): string {
    const { time, host } = timestampOf(token)
    return `${host}@${time - this.start}`
  }

  observe(observation: Observation): void {
    if (observation.type !== 'trace') return
    this.lastChange = observation.at
    const { host, event } = observation
    if (event.type === 'send') this.#count(event.message)
    if (event.type === 'deliver' && event.message.type === 'reply') {
      const token = tokenOf({ time: event.message.request, host })
      this.#replies.set(token, [...(this.#replies.get(token) ?? []), event.from])
    }
    if (event.type === 'request') this.#replies.set(event.token, [])
    if (event.type === 'send' && event.message.type === 'release')
      this.#replies.delete(tokenOf({ time: event.message.request, host }))
    this.#tell(host, event)
  }

  #count({ type }: Message): void {
    if (type === 'request' || type === 'reply' || type === 'release')
      this.#counts.set(type, 1 + (this.#counts.get(type) ?? 0))
  }

  /** How many messages of the mutex were sent since the last time. */
  tellCount(): void {
    let sum = 0
    const parts: string[] = []
    for (const [type, count] of this.#counts) {
      parts.push(`${count} ${type.toUpperCase()}`)
      sum += count
    }
    this.#counts.clear()
    this.say(parts.length === 0 ? 'no messages' : `${parts.join(' + ')} = ${sum} messages`)
  }

  /** Who has REPLIED to each request that is under way. */
  tellReplies(): void {
    for (const [token, from] of this.#replies)
      this.say(`${this.spell(token)} has REPLIES from ${list(from)}`)
  }

  tellClock(host: HostId, time: number): void {
    this.say(`the clock of ${host} reads ${time - this.start}`)
  }

  #tell(host: HostId, event: TraceEvent): void {
    switch (event.type) {
      case 'send': {
        this.#tellSend(host, event.to, event.message)
        return
      }
      case 'deliver':
        if (this.#isTold(event.message))
          this.say(
            `${host} gets ${this.#describe(event.from, host, event.message)} from ${event.from}`,
          )
        return
      case 'request':
        if (this.isLoud) this.say(`${host} asks for ${wanted(event.names, event.limit)}`)
        return
      case 'enter': {
        this.say(
          `${host} enters ${wanted(event.names, event.limit)} token=${event.token - tokenOf({ time: this.start, host: 0 })}`,
        )
        return
      }
      case 'leave': {
        this.say(`${host} leaves ${event.names.join(' and ')}`)
        return
      }
      case 'install':
        this.say(`${host} installs ${describeView(event.view)}`)
        return
      case 'complete':
      case 'lose':
      case 'retransmit':
      case 'insert':
      case 'remove':
        return
      case 'reincarnate':
        this.say(`${host} begins a new incarnation: ${event.reason}`)
        return
      case 'session-up':
        this.say(`${host} is connected with ${event.peer}`)
        return
      case 'session-lost':
        this.say(`${host} is no longer connected with ${event.peer}`)
        return
      default:
        return unreachable(event)
    }
  }

  /** How views are agreed on is not told, only which. */
  #isTold(message: Message): boolean {
    return this.isLoud && channelOf(message) === 0
  }

  /** Copies of one message are one line. */
  #tellSend(from: HostId, to: HostId, message: Message): void {
    if (!this.#isTold(message)) return
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

  #spellTime(time: number): string {
    return `@${time - this.start}`
  }

  #describe(from: HostId, to: HostId, message: Message): string {
    const stamp = `${from}@${message.time - this.start}`
    if (!isMutexMessage(message)) return `${message.type.toUpperCase()} ${stamp}`
    switch (message.type) {
      case 'request':
        return `REQUEST ${stamp} for ${wanted(message.names, message.limit)}`
      case 'reply':
        return `REPLY ${stamp} for ${to}@${message.request - this.start}`
      case 'release':
        return `RELEASE ${stamp} of ${from}@${message.request - this.start}`
      case 'pass':
        return `PASS ${stamp} of ${from}@${message.request - this.start}`
      case 'adopt':
        return `ADOPT ${stamp} of ${from}@${message.request - this.start}`
      case 'sync':
        return `SYNC ${stamp} of ${list(message.requests.map(({ time }) => this.#spellTime(time)))}`
      case 'leave':
        return `LEAVE ${stamp}`
      default:
        return unreachable(message)
    }
  }
}

function wanted(names: readonly string[], limit: number): string {
  const text = names.join(' and ')
  if (limit === 1) return text
  return limit === Infinity ? `${text} shared` : `${text} of ${limit}`
}

function list(hosts: readonly (HostId | string)[]): string {
  return hosts.length === 0 ? 'nobody' : hosts.join(', ')
}
