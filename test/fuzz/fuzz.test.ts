import test from 'ava'
import { Encoder } from 'cbor-x/encode'

import { parseLine } from '../../src/daemon/requests.ts'
import { decodeFrames, HEADER_SIZE, PacketType, TAG_SIZE } from '../../src/transport/packet.ts'
import { ReceiveChannel } from '../../src/transport/channel.ts'
import { ClearKeys } from '../../src/transport/clear-seal.ts'
import { controlTarget } from './control.ts'
import { run } from './engine.ts'
import { framesTarget } from './frames.ts'
import { Insider } from './insider.ts'
import { Member } from './member.ts'
import { messagesTarget } from './messages.ts'
import { clearSeal, noiseSeal } from './seals.ts'
import { Stranger } from './stranger.ts'

import type { Frame } from '../../src/transport/packet.ts'
import type { ParsedLine } from '../../src/daemon/requests.ts'
import type { Outcome, Target } from './engine.ts'

/** What may be on the heap in the end that was not there early on: inputs come and go. */
const GROWTH_MAX = 2 * 1024 * 1024

function grown({ heap: [before, after] }: Outcome): number {
  return after - before
}

const RUNS: readonly (readonly [string, number, () => Target])[] = [
  ['the frame decoder', 60_000, () => framesTarget()],
  ['an endpoint that a stranger writes to', 80_000, () => new Stranger()],
  ['an endpoint that a hostile member writes to', 10_000, () => new Member()],
  ['a sealed endpoint that a stranger writes to', 40_000, () => new Stranger(noiseSeal)],
  ['a sealed endpoint that a hostile member writes to', 1_000, () => new Member(noiseSeal)],
  ['a cluster with a member that lies', 300, () => new Insider()],
  ['the decoder of messages', 20_000, () => messagesTarget()],
  ['the control socket', 30_000, () => controlTarget()],
]

for (const [what, count, make] of RUNS) {
  test.serial(`${what} takes anything, and keeps nothing of it`, t => {
    const outcome = run(make(), { count, seed: 1 })
    t.is(outcome.failure?.text, undefined)
    t.true(outcome.inputs >= count)
    t.true(grown(outcome) < GROWTH_MAX, `${grown(outcome)} bytes more`)
  })
}

/** Whoever runs into something finds it within so many inputs. */
const FOUND_WITHIN = 20_000

function finds(target: Target): string | undefined {
  return run(target, { count: FOUND_WITHIN, seed: 1 }).failure?.text
}

test.serial('a frame decoder that trusts a length is found out', t => {
  const trusting = (bytes: Uint8Array): ReturnType<typeof decodeFrames> => {
    if (bytes[0] !== 5 || bytes.length < 3) return decodeFrames(bytes)
    const length = (bytes[1] as number) + 256 * (bytes[2] as number)
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset + 3, length)
    return [{ type: 'datagram', data }] satisfies readonly Frame[]
  }
  t.regex(
    finds(framesTarget(trusting)) ?? '',
    /Invalid typed array length|no frame has more data than there is/,
  )
})

test.serial('a frame decoder that reads other than it writes is found out', t => {
  const muddled = (bytes: Uint8Array): ReturnType<typeof decodeFrames> => {
    const frames = decodeFrames(bytes)
    if ('malformed' in frames) return frames
    return frames.map(each =>
      each.type === 'close' ? { ...each, reason: (each.reason + 1) & 0xff } : each,
    )
  }
  t.regex(finds(framesTarget(muddled)) ?? '', /what is read is written the same/)
})

test.serial('an endpoint that takes a packet before it is opened is found out', t => {
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { open } = ClearKeys.prototype
  ClearKeys.prototype.open = (_number, packet) =>
    packet.subarray(HEADER_SIZE, packet.length - TAG_SIZE)
  try {
    t.not(finds(new Stranger()), undefined)
  } finally {
    ClearKeys.prototype.open = open
  }
})

test.serial('an endpoint that follows a peer to wherever a packet came from is found out', t => {
  const roaming = new Stranger(clearSeal, (endpoint, now, from, bytes) => {
    if (bytes[0] === PacketType.data && from.ip === '10.0.0.2') {
      endpoint.setAddress(now, 2, from)
    }
    endpoint.receive(now, from, bytes)
  })
  t.not(finds(roaming), undefined)
})

test.serial('an endpoint that notes something of what it refuses is found out', t => {
  let refused = 0
  const noting = new Stranger(clearSeal, (endpoint, now, from, bytes) => {
    endpoint.receive(now, from, bytes)
    if (++refused % 5000 === 0) endpoint.sendDatagram(now, 2, new Uint8Array(1))
  })
  t.not(finds(noting), undefined)
})

test.serial('an endpoint that a member can make throw is found out', t => {
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { accepts } = ReceiveChannel.prototype
  ReceiveChannel.prototype.accepts = () => true
  try {
    t.regex(finds(new Member()) ?? '', /only what is accepted is received/)
  } finally {
    ReceiveChannel.prototype.accepts = accepts
  }
})

test.serial('a decoder of messages that makes more than plain values is found out', t => {
  const coder = new Encoder({ useRecords: false, mapsAsObjects: true })
  const read = (bytes: Uint8Array): unknown => {
    try {
      return coder.decode(bytes)
    } catch {
      return undefined
    }
  }
  t.regex(finds(messagesTarget(read)) ?? '', /a plain value|a list or a map/)
})

test.serial('a control socket that trusts JSON is found out', t => {
  const trusting = (line: string): ParsedLine => {
    JSON.parse(line)
    return parseLine(line)
  }
  t.regex(finds(controlTarget(trusting)) ?? '', /SyntaxError/)
})

test.serial('what keeps its inputs is found out', t => {
  const kept: Uint8Array[] = []
  const decoder = framesTarget()
  const keeping: Target = { ...decoder, take: input => void kept.push(input.slice()) }
  t.true(grown(run(keeping, { count: 60_000, seed: 1 })) > GROWTH_MAX)
})
