import { assert } from '../lib/assert.ts'
import { after, earliest, elapsed, milliseconds, toInstant } from '../lib/time.ts'
import { Doubles } from './doubles.ts'
import { EndedSessions, pairOf } from './ended.ts'
import { Handshake } from './handshake.ts'
import { DATAGRAM_MAX, decodeFrames, PACKET_NUMBER_MAX, readNumber } from './packet.ts'
import { describeStrange, Notices } from './notices.ts'
import { Renewal } from './renewal.ts'
import { Rtt } from './rtt.ts'
import { readKeyId } from './seal.ts'
import { EPOCH_KEPT, Session, WINDOW_BYTES } from './session.ts'

import type { Random } from '../lib/random.ts'
import type { Duration, Instant } from '../lib/time.ts'
import type {
  Address,
  ChannelId,
  EndpointOutput,
  PeerId,
  PeerState,
  SessionEnd,
  Urgency,
} from './endpoint.ts'
import type { EndedEpoch } from './ended.ts'
import type { Agreement, Slot } from './handshake.ts'
import type { CloseFrame } from './packet.ts'
import type { Epoch } from './epoch.ts'
import type { Gate } from './gate.ts'
import type { Incarnation, Introduction, KeyName, Seal } from './seal.ts'
import type { SessionTools } from './sender.ts'
import type { Ending } from './session.ts'

/** Without any answer for so long, the peer may have lost our keys: a new handshake finds out. */
const SILENCE_MAX: Duration = milliseconds(1000)
/** Old keys that the peer still uses after this are all it has. */
const KEYS_CROSSED_AFTER: Duration = milliseconds(1000)
const HINT_SPACE: Duration = milliseconds(1000)
/** A peer that was heard within this time is using the keys of its session. */
const LIVE_WITHIN: Duration = milliseconds(10_000)
/** What a peer promises of its acknowledgements is not more than this. */
const ACK_DELAY_MS = 2

/** Ids that there can be. */
const TABLE_LINES_MAX = 1023

/** Why a session was closed, on the wire. */
const CloseCode = { violation: 1, queueFull: 2, replaced: 3, ended: 4 } as const

const CLOSE_TEXTS: Readonly<Record<number, string>> = {
  [CloseCode.violation]: 'it saw a breach of the protocol',
  [CloseCode.queueFull]: 'its queue to this host was full',
  [CloseCode.replaced]: 'another process has taken the place of this session',
  [CloseCode.ended]: 'it had ended this session before',
}

/** What a receiver index leads to. */
export type Route =
  | { readonly type: 'attempt'; readonly peer: Peer }
  | { readonly type: 'slot'; readonly peer: Peer; readonly slot: Slot }
  | { readonly type: 'epoch'; readonly peer: Peer; readonly epoch: Epoch }
  | { readonly type: 'ended'; readonly peer: Peer; readonly ended: EndedEpoch }

/** What the peers of one endpoint share. */
export type Local = {
  readonly self: PeerId
  readonly cluster: number
  readonly tableDigest: string
  readonly tableLines: readonly number[]
  readonly describeDifference: (theirs: string, lines: Iterable<number>) => string
  incarnation: Incarnation
  seal: Seal
  readonly gate: Gate
  now: Instant
  readonly tools: SessionTools
  readonly random: Random
  /** For what must not move the draws of `random`. */
  readonly jitter: Random
  readonly routes: Map<number, Route>
  readonly output: EndpointOutput
}

/** One other machine: at most one session with it, the handshakes, and what must not come back. */
export class Peer {
  readonly id: PeerId
  /** It is on the endpoint's list of peers to flush. */
  isDirty = false
  /** Its deadline as the endpoint saw it last: asked for anew only when something has happened. */
  dueAt: Instant = toInstant(0)
  readonly #local: Local
  readonly #handshake: Handshake
  #address: Address | undefined
  #session: Session | undefined
  #lastReceived: Instant | undefined
  #hintAt: Instant = toInstant(-Infinity)
  /** Our incarnation and the peer's, between which the session is. */
  #pair = ''
  readonly #ended: EndedSessions
  readonly #doubles = new Doubles()
  readonly #notices = new Notices()
  /** Of a table that differs: the lines that have come, and whose they are. */
  #theirTable = { digest: '', lines: new Set<number>() }
  #introductions = 0
  readonly #renewal: Renewal

  constructor(id: PeerId, address: Address | undefined, local: Local) {
    this.id = id
    this.#local = local
    this.#renewal = new Renewal(local.jitter)
    this.#address = address
    this.#ended = new EndedSessions(index => local.routes.delete(index))
    this.#handshake = new Handshake(local.random, local.self < id, {
      transmit: bytes => this.#transmit(bytes),
      claim: () => this.#claim(),
      assign: (index, use) =>
        local.routes.set(
          index,
          use === 'attempt'
            ? { type: 'attempt', peer: this }
            : { type: 'slot', peer: this, slot: use },
        ),
      release: index => local.routes.delete(index),
      introduction: () => this.#introduction(),
      writeHello: index =>
        local.seal.call(
          { index, from: local.self, to: id, cluster: local.cluster },
          this.#introduction(),
        ),
      objection: introduction => this.#objection(introduction),
    })
    if (address !== undefined) this.#handshake.start(local.now, 'no-session')
  }

  get isUp(): boolean {
    return this.#session !== undefined
  }

  get address(): Address | undefined {
    return this.#address
  }

  get state(): PeerState {
    const session = this.#session
    return {
      up: session !== undefined,
      incarnation: session?.incarnation.counter,
      key: session?.epoch.isRevoked === false ? session.epoch.keys.name : undefined,
      srtt: session?.rtt.smoothed,
      loss: session?.sender.recovery.loss ?? 0,
      lastReceived: this.#lastReceived,
      queuedBytes: session?.sender.queuedBytes ?? 0,
      inFlight: session?.sender.recovery.inFlight ?? 0,
    }
  }

  isAt({ ip, port }: Address): boolean {
    return this.#address !== undefined && this.#address.ip === ip && this.#address.port === port
  }

  setAddress(now: Instant, address: Address): void {
    if (this.isAt(address)) return
    this.#address = address
    this.#notices.forget('address')
    if (this.#session === undefined) {
      this.#handshake.start(now, 'no-session')
      this.#handshake.nudge(now)
    }
  }

  /** Tells people, once until it changes and not too often. */
  notice(topic: string, value: string, text: string): void {
    if (!this.#notices.isNews(this.#local.now, topic, value)) return
    this.#local.output.notice(this.id, text)
  }

  send(
    now: Instant,
    channel: ChannelId,
    payload: Uint8Array,
    urgency: Urgency,
    isAnswer: boolean,
  ): boolean {
    const session = this.#session
    assert(session !== undefined, `host ${this.id} is sent something only while it has a session`)
    const result = session.sender.send(now, channel, payload, urgency, isAnswer)
    if (result === 'full') this.#close(now, CloseCode.queueFull, 'the queue to it is full')
    return result === 'queued'
  }

  sendDatagram(payload: Uint8Array): void {
    this.#session?.sender.sendDatagram(payload)
  }

  /** A HELLO that names this peer, from its address. */
  receiveHello(now: Instant, from: Address, bytes: Uint8Array): string | undefined {
    const { seal, gate } = this.#local
    const hello = seal.receive(bytes)
    if (typeof hello === 'string') {
      const text = describeStrange(hello, { id: this.id, from, names: seal.names }, bytes)
      this.notice(hello, hello === 'damaged' ? '' : `${readKeyId(bytes)}`, text)
      return hello
    }
    return this.#handshake.receiveHello(now, hello, () => gate.admit(seal, from, hello))
  }

  /** A COOKIE with the index of our attempt, from the peer's address. */
  receiveCookie(now: Instant, cookie: Uint8Array): string | undefined {
    return this.#handshake.receiveCookie(now, cookie)
  }

  /** A HELLO_ACK with the index of our attempt, from the peer's address. */
  receiveAnswer(now: Instant, answer: Uint8Array): string | undefined {
    const agreement = this.#handshake.receiveAnswer(now, answer)
    if (typeof agreement === 'string') return agreement
    this.#commit(now, agreement)
    return undefined
  }

  /** A packet with one of our indices, from the peer's address. A text is why it is ignored. */
  receivePacket(now: Instant, route: Route, packet: Uint8Array): string | undefined {
    const number = readNumber(packet)
    if (number > PACKET_NUMBER_MAX) return 'malformed'
    if (route.type === 'attempt') return 'unexpected'
    const epoch =
      route.type === 'slot'
        ? route.slot.epoch
        : route.type === 'epoch'
          ? route.epoch
          : route.ended.epoch
    if (!epoch.received.isFresh(number)) return 'duplicate'
    const frames = epoch.keys.open(number, packet)
    if (frames === undefined) return this.#forged(epoch)
    if (route.type === 'ended') return this.#answerEnded(now, route.ended, frames)
    this.#lastReceived = now
    if (route.type === 'slot') {
      this.#local.routes.delete(route.slot.index)
      if (!this.#commit(now, this.#handshake.confirm(now, route.slot))) return 'ended'
    }
    // Still the old keys, long after: then it does not know the new ones, or takes older for newer.
    if (elapsed(now, epoch.expires) < EPOCH_KEPT - KEYS_CROSSED_AFTER) {
      this.#handshake.start(now, 'new-keys')
    }
    return this.#receiveFrames(now, epoch, number, frames)
  }

  /** Something came from its address with an index that we do not know: it believes in a session. */
  hint(now: Instant): void {
    if (this.isUp || elapsed(this.#hintAt, now) < HINT_SPACE) return
    this.#hintAt = now
    this.#handshake.nudge(now)
  }

  get deadline(): Instant {
    let deadline = earliest(this.#handshake.deadline, this.#ended.deadline)
    const session = this.#session
    if (session === undefined) return deadline
    if (this.#handshake.cause === undefined) {
      deadline = earliest(deadline, after(session.sender.recovery.waitingSince, SILENCE_MAX))
      deadline = earliest(deadline, this.#renewal.at)
    }
    return earliest(deadline, session.deadline)
  }

  tick(now: Instant): void {
    this.#handshake.tick(now)
    this.#ended.tick(now)
    const session = this.#session
    if (session === undefined) return
    for (const epoch of session.expire(now)) this.#forget(epoch)
    session.tick(now)
    if (this.#renewal.at <= now) this.#handshake.start(now, 'new-keys')
    if (after(session.sender.recovery.waitingSince, SILENCE_MAX) > now) return
    this.#handshake.start(now, 'silence')
  }

  wantsFlush(now: Instant): boolean {
    return this.#session?.sender.wantsFlush(now) ?? false
  }

  /** True: there is more. */
  flush(now: Instant): boolean {
    const session = this.#session
    if (session === undefined) return false
    const isMore = session.sender.flush(now)
    if (session.wantsKeys) this.#handshake.start(now, 'new-keys')
    return isMore
  }

  /** We have another incarnation from now on, so every peer's is a new pair. */
  reincarnate(now: Instant): void {
    this.#handshake.reset()
    this.#ended.clear()
    if (this.#address !== undefined) this.#handshake.start(now, 'no-session')
    this.#lose(now, 'own-incarnation', 'this host began another incarnation', undefined)
  }

  /** The key that a live session with this peer uses, where it is none of these. */
  missesKey(now: Instant, names: readonly KeyName[]): KeyName | undefined {
    const { key } = this.state
    if (key === undefined || names.includes(key)) return undefined
    const heardAt = this.#lastReceived ?? toInstant(-Infinity)
    return elapsed(heardAt, now) < LIVE_WITHIN ? key : undefined
  }

  /** The seal has other keys. What the session is and has in its queues stays. */
  changeKeys(now: Instant): void {
    const { names } = this.#local.seal
    this.#handshake.changeKeys(names)
    const session = this.#session
    if (session === undefined) return
    for (const epoch of session.epochs) {
      const { name } = epoch.keys
      if (name !== undefined && names.includes(name)) continue
      // Nobody was heard under it for long. Whoever comes back needs a key that is accepted.
      epoch.isRevoked = true
      this.#local.routes.delete(epoch.index)
    }
    this.#renewal.changed(now, session.epoch.keys.name, names[0])
  }

  /** A packet with the right index that does not open. */
  #forged(epoch: Epoch): string {
    const { now } = this.#local
    epoch.failures++
    if (this.#renewal.failed(now, epoch.failures)) {
      const text = `${epoch.failures} packets from the address of host ${this.id} were forged; new keys are agreed on (somebody in your network is at work)`
      this.notice('forged', `${now}`, text)
    }
    return 'forged'
  }

  #receiveFrames(
    now: Instant,
    epoch: Epoch,
    number: number,
    bytes: Uint8Array,
  ): string | undefined {
    const session = this.#session
    assert(session !== undefined, 'an epoch belongs to a session')
    const frames = decodeFrames(bytes)
    if ('malformed' in frames) {
      this.#finish(now, { type: 'violation', text: frames.malformed })
      return 'violation'
    }
    const result = session.receive(now, epoch, number, frames)
    if (result === 'refused') return 'window'
    if (session.takeProgress() && this.#handshake.cause === 'silence') this.#handshake.cancel()
    // The owner may have ended it from within.
    if (result === undefined || this.#session !== session) return undefined
    this.#finish(now, result)
    return result.type === 'violation' ? 'violation' : undefined
  }

  #finish(now: Instant, ending: Ending): void {
    if (ending.type === 'violation') {
      this.#close(now, CloseCode.violation, `host ${this.id} breaks the protocol: ${ending.text}`)
      return
    }
    const why = CLOSE_TEXTS[ending.code] ?? `its reason is ${ending.code}`
    this.#handshake.start(now, 'no-session', true)
    this.#lose(now, 'broken', `host ${this.id} closed it: ${why}`, undefined)
  }

  /** Ends the session from our side and tells the peer. */
  #close(now: Instant, code: number, reason: string): void {
    const session = this.#session
    assert(session !== undefined, 'there is a session to close')
    const close = session.closeFrame(code)
    this.#transmitClose(session.epoch, close)
    this.#handshake.start(now, 'no-session', true)
    this.#lose(now, 'broken', reason, close)
  }

  /** A handshake is complete. False: it leads to no session. */
  #commit(now: Instant, { epoch, introduction, rtt }: Agreement): boolean {
    this.#lastReceived = now
    const { incarnation } = introduction
    const pair = pairOf(this.#local.incarnation, incarnation)
    if (this.#ended.has(pair)) {
      const close: CloseFrame = { type: 'close', reason: CloseCode.ended, next: [0, 0, 0, 0] }
      this.#transmitClose(epoch, close)
      this.#retire(now, epoch, close)
      if (this.#session === undefined) this.#handshake.start(now, 'no-session', true)
      return false
    }
    const current = this.#session
    if (current !== undefined && this.#pair === pair) {
      this.#adopt(now, current, epoch)
      return true
    }
    if (this.#doubles.witness(now, incarnation.life)) {
      const text = `two processes call themselves host ${this.id} and take turns; only the present one is heard for 30 s (give each machine an id and an address of its own)`
      this.notice('doubled', `${now}`, text)
    }
    const { incarnation: ours, tools } = this.#local
    if (current !== undefined) {
      const reason = `host ${this.id} began incarnation ${incarnation.counter}`
      this.#lose(now, 'peer-incarnation', reason, current.closeFrame(CloseCode.replaced))
      // The owner may have answered with an incarnation of its own: then this pair is out of date.
      if (this.#local.incarnation !== ours) return false
    }
    const { output } = this.#local
    const session = new Session(introduction, new Rtt(now, rtt), tools, {
      transmit: bytes => this.#transmit(bytes),
      deliver: (channel, payload) => output.deliver(this.id, channel, payload),
      deliverDatagram: payload => output.deliverDatagram(this.id, payload),
      carried: (what, payload) => output.carried?.(what, this.id, payload),
    })
    this.#session = session
    this.#pair = pair
    this.#notices.clear()
    this.#adopt(now, session, epoch)
    output.sessionUp(this.id, incarnation.counter)
    return this.#session === session
  }

  #adopt(now: Instant, session: Session, epoch: Epoch): void {
    const { routes, seal } = this.#local
    for (const forgotten of session.adopt(now, epoch)) this.#forget(forgotten)
    routes.set(epoch.index, { type: 'epoch', peer: this, epoch })
    this.#renewal.adopted(now, epoch.keys.name, seal.names[0])
  }

  #forget(epoch: Epoch): void {
    this.#local.routes.delete(epoch.index)
    epoch.keys.forget()
  }

  /** The session, if there is one, has ended for ever. */
  #lose(now: Instant, end: SessionEnd, reason: string, close: CloseFrame | undefined): void {
    const session = this.#session
    if (session === undefined) return
    this.#session = undefined
    session.end()
    this.#ended.add(this.#pair)
    for (const epoch of session.epochs) this.#retire(now, epoch, close)
    this.#local.output.sessionLost(this.id, end, reason)
  }

  #retire(now: Instant, epoch: Epoch, close: CloseFrame | undefined): void {
    if (epoch.isRevoked) return
    const ended = this.#ended.keep(now, epoch, close)
    this.#local.routes.set(epoch.index, { type: 'ended', peer: this, ended })
  }

  /** A peer that has not heard of the end, or an older one of two processes with one id. */
  #answerEnded(now: Instant, ended: EndedEpoch, bytes: Uint8Array): string {
    const close = this.#ended.answer(now, ended, bytes)
    if (close !== undefined) this.#transmitClose(ended.epoch, close)
    return 'ended'
  }

  #transmitClose(epoch: Epoch, close: CloseFrame): void {
    if (epoch.next >= PACKET_NUMBER_MAX) return
    const { writer } = this.#local.tools
    writer.begin(epoch.peerIndex, epoch.next)
    writer.close(close)
    const length = epoch.keys.seal(epoch.next++, writer.bytes, writer.length)
    this.#transmit(writer.take(length))
  }

  #objection(introduction: Introduction): string | undefined {
    const { incarnation, datagramMax, tableDigest, tableLine } = introduction
    if (tableDigest !== this.#local.tableDigest) {
      if (this.#theirTable.digest !== tableDigest) {
        this.#theirTable = { digest: tableDigest, lines: new Set() }
      }
      const { lines } = this.#theirTable
      if (lines.size < TABLE_LINES_MAX) lines.add(tableLine)
      const where = this.#local.describeDifference(tableDigest, lines)
      const isVague = where === this.#local.describeDifference(tableDigest, [])
      const text = `host ${this.id} has another hosts.yml, with ${where}; it is ignored until both files agree`
      // What the lines add is news at once.
      this.notice(isVague ? 'table' : 'lines', text, text)
      return 'table'
    }
    if (datagramMax < DATAGRAM_MAX) return 'malformed'
    return this.#doubles.isHeldDown(this.#local.now, incarnation.life) ? 'held-down' : undefined
  }

  #introduction(): Introduction {
    const { incarnation, tableDigest, tableLines } = this.#local
    const tableLine = tableLines[this.#introductions++ % tableLines.length] ?? 0
    const limits = { datagramMax: DATAGRAM_MAX, windowBytes: WINDOW_BYTES }
    return { incarnation, tableDigest, tableLine, ...limits, ackDelayMs: ACK_DELAY_MS }
  }

  #claim(): number {
    const { random, routes } = this.#local
    for (;;) {
      const index = random.word() >>> 8
      if (!routes.has(index)) return index
    }
  }

  #transmit(bytes: Uint8Array): void {
    if (this.#address === undefined) return
    const { counters } = this.#local.tools
    counters.sent++
    counters.bytesSent += bytes.length
    this.#local.output.transmit(this.#address, bytes)
  }
}
