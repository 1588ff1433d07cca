import { assert } from '../../src/lib/assert.ts'
import { decode, encode } from '../../src/lib/cbor.ts'
import {
  decodeAcceptor,
  decodeHeartbeat,
  decodeMessage,
  encodeAcceptor,
  encodeHeartbeat,
  encodeMessage,
} from '../../src/core/codec.ts'
import { channelOf } from '../../src/core/message.ts'
import { milliseconds } from '../../src/lib/time.ts'

import type { Message } from '../../src/core/message.ts'
import type { View } from '../../src/core/view.ts'
import type { Target } from './engine.ts'

const view: View = {
  number: 7,
  members: new Map([
    [1, { incarnation: 3, since: 7 }],
    [2, { incarnation: 1, since: 5 }],
  ]),
  retired: new Map([[3, 9]]),
  isFirst: false,
}
const table = {
  hosts: [1, 2, 3].map(id => ({ id, votes: id })),
  timing: { lease: milliseconds(2000), drift: 0.02 },
}
const ballot = { counter: 12, host: 2 }
const wanted = { names: ['backup', 'door'], limit: 1, info: '{"pid":4711,"why":"cron"}' }
const request = { ...wanted, span: 16, used: 3 }

const messages: readonly Message[] = [
  { type: 'request', time: 40, view: 7, ...wanted, span: 16 },
  { type: 'request', time: 1e12, view: 7, names: ['ü'], limit: Infinity, info: '', span: 1 },
  { type: 'pass', time: 61, view: 7, request: 40, used: 3, info: '' },
  { type: 'reply', time: 41, view: 7, request: 40 },
  { type: 'release', time: 42, view: 7, request: 40 },
  {
    type: 'sync',
    time: 43,
    view: 8,
    basis: true,
    requests: [{ time: 40, ...request }],
    ghosts: [{ time: 12, host: 3, remaining: 812.5, ...request }],
    last: true,
  },
  { type: 'leave', time: 44, view: 8, incarnation: 3, since: 12 },
  { type: 'prepare', time: 45, ballot },
  { type: 'promise', time: 46, ballot, accepted: ballot, value: view },
  { type: 'promise', time: 46, ballot, accepted: ballot, value: undefined },
  { type: 'conflict', time: 47, ballot, promised: ballot },
  { type: 'accept', time: 48, ballot, value: view },
  { type: 'accepted', time: 49, ballot },
  { type: 'learn', time: 50, value: view },
  { type: 'blank', time: 51, life: 123456789, phase: 2, floor: 12, remembers: true },
  {
    type: 'answer',
    time: 52,
    to: 123456789,
    phase: 1,
    ready: true,
    life: 987654321,
    newcomer: 0,
    isNewcomer: false,
    memory: { voted: table, pledged: table },
    foundedWith: 0,
    accepted: ballot,
    value: view,
    known: 3,
    records: 2,
  },
]

/** Messages, heartbeats and stored records: any bytes are one or none, and have one meaning. */
export function messagesTarget(read: (bytes: Uint8Array) => unknown = decode): Target {
  return {
    name: 'messages',
    sources: /\/(core\/codec|lib\/cbor)\.js$/,
    lengthMax: 2000,
    seeds: [
      ...messages.map(encodeMessage),
      encodeHeartbeat({
        incarnation: 3,
        stamp: 17.25,
        echo: 12.5,
        view: 7,
        heard: [1, 2, 3],
        digest: 99,
        whole: true,
        isCalm: true,
        isRare: false,
      }),
      encodeHeartbeat({
        incarnation: 3,
        stamp: 17.25,
        echo: undefined,
        view: 7,
        heard: [],
        digest: 0,
        whole: false,
        isCalm: false,
        isRare: true,
      }),
      encodeAcceptor({ promised: ballot, accepted: ballot, value: view }),
      encode([{ a: [true, false, null], b: new Uint8Array(3), c: -5, d: 'text'.repeat(20) }]),
    ],
    take(input) {
      isPlain(read(input), 0)
      const message = decodeMessage(input)
      if (!('malformed' in message)) {
        channelOf(message)
        const again = decodeMessage(encodeMessage(message))
        assert(text(again) === text(message), 'a message that was read is written the same')
      }
      const heartbeat = decodeHeartbeat(input)
      if (!('malformed' in heartbeat)) {
        const again = decodeHeartbeat(encodeHeartbeat(heartbeat))
        assert(text(again) === text(heartbeat), 'a heartbeat that was read is written the same')
      }
      const record = decodeAcceptor(input)
      if (!('malformed' in record)) {
        const again = decodeAcceptor(encodeAcceptor(record))
        assert(text(again) === text(record), 'a record that was read is written the same')
      }
    },
  }
}

/** Only what JSON knows, and bytes: nothing that has behaviour, or refers to itself. */
function isPlain(value: unknown, depth: number): void {
  assert(depth < 20, 'nothing is nested without end')
  if (typeof value !== 'object' || value === null) {
    assert(typeof value !== 'bigint' && typeof value !== 'symbol', 'a plain value')
    return
  }
  if (value instanceof Uint8Array) return
  const prototype: unknown = Object.getPrototypeOf(value)
  assert(prototype === Object.prototype || Array.isArray(value), 'a list or a map')
  for (const each of Object.values(value)) isPlain(each, depth + 1)
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each instanceof Map ? [...(each as Map<unknown, unknown>)] : each,
  )
}
