import test from 'ava'

import { Random } from '../../src/lib/random.ts'
import { milliseconds, toInstant } from '../../src/lib/time.ts'
import {
  decodeFrames,
  PACKET_NUMBER_MAX,
  PacketWriter,
  readNumber,
} from '../../src/transport/packet.ts'
import { Budget } from '../../src/transport/budget.ts'
import { Epoch } from '../../src/transport/epoch.ts'
import { Rtt } from '../../src/transport/rtt.ts'
import { ClearKeys } from '../../src/transport/clear-seal.ts'
import { Session } from '../../src/transport/session.ts'

import type { Counters } from '../../src/transport/endpoint.ts'

const PEER = {
  incarnation: { counter: 1, life: '0000000000000000' },
  datagramMax: 1200,
  windowBytes: 256 * 1024,
  ackDelayMs: 2,
  tableDigest: '0000000000000000',
  tableLine: 0,
}

/** Two sessions back to back; `pass` hands on what the one has transmitted to the other. */
const START = toInstant(0)

class Pair {
  readonly delivered: string[] = []
  readonly sessions: readonly [Session, Session]
  readonly epochs: readonly [Epoch, Epoch]
  now = 0
  readonly #wires: readonly [Uint8Array[], Uint8Array[]] = [[], []]

  constructor(firstSeq: number, firstNumber: number) {
    const keys = [new ClearKeys([1, 2], [3, 4]), new ClearKeys([3, 4], [1, 2])] as const
    const make = (which: 0 | 1): [Session, Epoch] => {
      const counters: Counters = {
        sent: 0,
        received: 0,
        bytesSent: 0,
        bytesReceived: 0,
        beats: 0,
        retransmitted: 0,
        dropped: {},
      }
      const writer = new PacketWriter()
      const session = new Session(
        PEER,
        new Rtt(toInstant(0), milliseconds(1)),
        { writer, counters, budget: new Budget() },
        {
          transmit: bytes => this.#wires[which].push(bytes),
          deliver: (_channel, payload) => this.delivered.push(Buffer.from(payload).toString()),
          deliverDatagram: () => undefined,
          carried: () => undefined,
        },
        firstSeq,
      )
      const epoch = new Epoch(which, 1 - which, keys[which])
      epoch.next = firstNumber
      epoch.isConfirmed = true
      session.adopt(toInstant(0), epoch)
      return [session, epoch]
    }
    const [a, b] = [make(0), make(1)]
    this.sessions = [a[0], b[0]]
    this.epochs = [a[1], b[1]]
  }

  /** `disturb` changes the order of what is on the wire, or repeats some of it. */
  pass(
    isLost: () => boolean,
    disturb: (wire: Uint8Array[], from: 0 | 1) => Uint8Array[] = wire => wire,
  ): void {
    this.now += 0.5
    const now = toInstant(this.now)
    for (const from of [0, 1] as const) {
      const to = this.sessions[1 - from] as Session
      const epoch = this.epochs[1 - from] as Epoch
      for (const bytes of disturb(this.#wires[from].splice(0), from)) {
        if (isLost()) continue
        const opened = epoch.keys.open(readNumber(bytes), bytes)
        if (opened === undefined) throw new Error('it opens')
        const frames = decodeFrames(opened)
        if ('malformed' in frames) throw new Error(frames.malformed)
        if (!epoch.received.isFresh(readNumber(bytes))) continue
        const result = to.receive(now, epoch, readNumber(bytes), frames)
        if (result !== undefined) throw new Error(JSON.stringify(result))
      }
    }
    for (const session of this.sessions) {
      if (session.deadline <= now) session.tick(now)
      while (session.sender.flush(now));
    }
  }
}

test('channels go on across the wrap of their sequence numbers', t => {
  const pair = new Pair(2 ** 32 - 100, 0)
  const random = new Random(5)
  const [a] = pair.sessions
  const expected: string[] = []
  for (let i = 0; i < 300; i++) {
    a.sender.send(START, 2, Buffer.from(`payload ${i}`), 'now')
    expected.push(`payload ${i}`)
    if (i % 3 === 0) pair.pass(() => random.chance(0.2))
  }
  for (let i = 0; i < 2000 && pair.delivered.length < 300; i++) pair.pass(() => random.chance(0.2))
  t.deepEqual(pair.delivered, expected)
})

test('the wrap is no place where loss, another order or a copy does harm', t => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed)
    const pair = new Pair(2 ** 32 - 1 - random.below(40), 0)
    const [a] = pair.sessions
    const held: readonly [Uint8Array[], Uint8Array[]] = [[], []]
    const disturb = (wire: Uint8Array[], from: 0 | 1): Uint8Array[] => {
      const now = [
        ...held[from].splice(0),
        ...wire.flatMap(each => [each, each].slice(random.below(2))),
      ]
      // Any order, and some only with those that come next.
      now.sort(() => random.below(3) - 1)
      held[from].push(...now.splice(0, random.below(now.length + 1)))
      return now
    }
    const expected = Array.from({ length: 120 }, (_, i) => `${i} ${'.'.repeat((i * 97) % 1500)}`)
    for (const [i, text] of expected.entries()) {
      a.sender.send(START, 0, Buffer.from(text), 'now')
      if (i % 4 === 0) pair.pass(() => random.chance(0.2), disturb)
    }
    for (let i = 0; i < 5000 && pair.delivered.length < expected.length; i++) {
      pair.pass(() => random.chance(0.2), disturb)
    }
    t.deepEqual(pair.delivered, expected, `seed ${seed}`)
  }
})

test('new keys are wanted at packet 2^28, and none is sent with a number of 2^31', t => {
  const pair = new Pair(0, 2 ** 28 - 2)
  const [a] = pair.sessions
  t.false(a.wantsKeys)
  for (let i = 0; i < 5; i++) {
    a.sender.send(START, 0, Buffer.from('x'), 'now')
    pair.pass(() => false)
  }
  t.true(a.wantsKeys)
  const last = new Pair(0, PACKET_NUMBER_MAX - 3)
  for (let i = 0; i < 20; i++) {
    last.sessions[0].sender.send(START, 0, Buffer.from(`${i}`), 'now')
    last.pass(() => false)
  }
  t.true(last.delivered.length >= 2)
  t.true(last.delivered.length <= 4)
  t.true(last.epochs[0].next <= PACKET_NUMBER_MAX)
  t.is(PACKET_NUMBER_MAX, 2 ** 31 - 1)
})

test('a probe is two datagrams that ask for an ACK at once, and one from the fourth on', t => {
  const pair = new Pair(0, 0)
  const [a] = pair.sessions
  a.sender.send(START, 0, Buffer.from('x'), 'now')
  pair.pass(() => true)
  const counts: number[] = []
  for (let i = 0; i < 2000; i++) {
    const { next } = pair.epochs[0]
    pair.pass(() => true)
    if (pair.epochs[0].next > next) counts.push(pair.epochs[0].next - next)
  }
  t.deepEqual(counts.slice(0, 6), [2, 2, 2, 1, 1, 1])
})
