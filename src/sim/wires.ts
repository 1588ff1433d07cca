import type { HostId } from '../core/clock.ts'
import type { Heartbeat } from '../core/hearing.ts'
import type { Host } from '../core/host.ts'
import { channelOf, type Message } from '../core/message.ts'
import type { Random } from '../lib/random.ts'
import type { Instant } from '../lib/time.ts'

/** One end of the wires: a machine, as far as the network is concerned. */
export type End = {
  readonly id: HostId
  host: Host
  /** Rises at each boot and each crash: what was under way for an earlier life is void. */
  life: number
  isUp: boolean
  readonly isPaused: boolean
  /** For each other host the session that its channels belong to, as this end sees it. */
  readonly sessions: Map<HostId, number>
}

export type WiresOptions = {
  readonly random: Random
  /** Of a message, drawn for each. */
  readonly delayMs: () => number
  /** From one try to open a session to the next, and until the second end has opened too. */
  readonly handshakeMs: () => number
  readonly heartbeatLoss: number
}

export type WiresOutput = {
  after(ms: number, run: () => void): void
  /** Whether a handshake of these two succeeds: their tables are the same. */
  agree(a: End, b: End): boolean
  /** Something for the host at this end, as soon as it runs. */
  input(end: End, give: (host: Host, at: Instant) => void): void
}

type Channel = {
  readonly from: End
  readonly to: End
  readonly queue: { message: Message; session: number }[]
  isBusy: boolean
}

/**
 * Channels that are reliable and FIFO by nature, two for each ordered pair, and datagrams for
 * heartbeats. A session belongs to one incarnation at each end; a cut stalls what it carries and
 * loses nothing, as retransmission would have it.
 */
export class Wires {
  /** Whether a message may pass at this moment, whatever else there is; for directed schedules. */
  mayPass: (from: HostId, to: HostId, message: Message) => boolean = () => true
  /** The same for heartbeats; those that may not are lost. */
  mayHear: (from: HostId, to: HostId) => boolean = () => true
  readonly #options: WiresOptions
  readonly #output: WiresOutput
  readonly #ends: ReadonlyMap<HostId, End>
  readonly #channels = new Map<string, Channel>()
  readonly #cut = new Set<string>()
  #sessions = 0

  constructor(options: WiresOptions, ends: ReadonlyMap<HostId, End>, output: WiresOutput) {
    this.#options = options
    this.#ends = ends
    this.#output = output
    for (const a of ends.values()) {
      for (const b of ends.values()) if (a.id < b.id) this.#connectForEver(a, b)
    }
  }

  cut(from: HostId, to: HostId): void {
    this.#cut.add(`${from}>${to}`)
  }

  heal(from: HostId, to: HostId): void {
    this.#cut.delete(`${from}>${to}`)
    this.pump()
  }

  /** Tries every channel again, after something that held a message back has changed. */
  pump(): void {
    for (const channel of this.#channels.values()) this.#pump(channel)
  }

  send(from: End, to: HostId, message: Message): void {
    const session = from.sessions.get(to)
    if (session === undefined) return
    const channel = this.#channel(from, to, channelOf(message))
    channel.queue.push({ message, session })
    this.#pump(channel)
  }

  /** A datagram: it may be lost, and it may overtake. */
  heartbeat(from: End, to: HostId, heartbeat: Heartbeat): void {
    const session = from.sessions.get(to)
    const end = this.#ends.get(to)
    if (session === undefined || end === undefined) return
    if (this.#options.random.chance(this.#options.heartbeatLoss)) return
    const isSame = (): boolean => end.sessions.get(from.id) === session
    this.#output.after(this.#options.delayMs(), () => {
      if (this.#cut.has(`${from.id}>${to}`) || !this.mayHear(from.id, to) || !isSame()) return
      this.#output.input(end, (host, at) => {
        if (isSame()) host.hear(at, from.id, heartbeat)
      })
    })
  }

  /** Whether everything that this end has sent to hosts it is connected to has arrived. */
  isDrained(from: End): boolean {
    return [...from.sessions.keys()].every(to => this.#channel(from, to, 0).queue.length === 0)
  }

  /** What this end has sent and what has not left it is lost. */
  dropSent(from: End): void {
    for (const channel of this.#channels.values()) {
      if (channel.from === from) channel.queue.length = 0
    }
  }

  /** All sessions of this end are over: it begins a new incarnation. */
  closeAll(end: End): void {
    for (const peer of [...end.sessions.keys()]) this.#close(end, peer)
  }

  #channel(from: End, to: HostId, way: number): Channel {
    const key = `${from.id}>${to} ${way}`
    const present = this.#channels.get(key)
    if (present !== undefined) return present
    const channel = { from, to: this.#ends.get(to) as End, queue: [], isBusy: false }
    this.#channels.set(key, channel)
    return channel
  }

  /** One message at a time, in order; a session that has ended at both ends empties the channel. */
  #pump(channel: Channel): void {
    const { from, to, queue } = channel
    const isCut = (): boolean => this.#cut.has(`${from.id}>${to.id}`)
    const head = queue[0]
    if (channel.isBusy || head === undefined || isCut()) return
    if (!this.mayPass(from.id, to.id, head.message)) return
    channel.isBusy = true
    this.#output.after(this.#options.delayMs(), () => {
      channel.isBusy = false
      const first = queue[0]
      if (isCut() || first === undefined) return
      if (to.sessions.get(from.id) === first.session && to.isUp) {
        queue.shift()
        this.#deliver(channel, first.session, first.message)
      } else if (from.sessions.get(to.id) !== first.session) queue.shift()
      // Else the other end has not opened yet: it stays at the head.
      this.#pump(channel)
    })
  }

  #deliver({ from, to }: Channel, session: number, message: Message): void {
    this.#output.input(to, (host, at) => {
      if (to.sessions.get(from.id) === session) host.deliver(at, from.id, message)
    })
  }

  /** The handshake of two machines, tried again and again: a session belongs to two incarnations. */
  #connectForEver(a: End, b: End): void {
    const { random, handshakeMs } = this.#options
    let pair = ''
    const attempt = (): void => {
      this.#output.after(handshakeMs(), attempt)
      const [first, second] = random.chance(0.5) ? [a, b] : [b, a]
      const isReady = ({ isUp, isPaused, host }: End): boolean => isUp && !isPaused && host.isAwake
      if (!isReady(a) || !isReady(b) || !this.#output.agree(a, b)) return
      if (this.#cut.has(`${a.id}>${b.id}`) || this.#cut.has(`${b.id}>${a.id}`)) return
      const present = [a, b].map(end => `${end.life}/${end.host.incarnation}`).join(' ')
      if (present === pair && a.sessions.has(b.id) && b.sessions.has(a.id)) return
      pair = present
      this.#sessions += 1
      const session = this.#sessions
      const { life } = second
      const incarnations = { first: first.host.incarnation, second: second.host.incarnation }
      this.#open(first, second.id, session, incarnations.second)
      this.#output.after(handshakeMs() / 4, () => {
        if (second.life !== life || second.host.incarnation !== incarnations.second) return
        if (first.sessions.get(second.id) !== session) return
        this.#open(second, first.id, session, incarnations.first)
      })
    }
    this.#output.after(handshakeMs() / 2, attempt)
  }

  #open(end: End, peer: HostId, session: number, incarnation: number): void {
    this.#close(end, peer)
    end.sessions.set(peer, session)
    this.#output.input(end, (host, at) => {
      if (end.sessions.get(peer) === session) host.open(at, peer, incarnation)
    })
  }

  #close(end: End, peer: HostId): void {
    if (!end.sessions.delete(peer)) return
    this.#output.input(end, (host, at) => host.close(at, peer))
  }
}
