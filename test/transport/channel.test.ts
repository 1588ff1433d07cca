import test from 'ava'
import fc from 'fast-check'

import { Random } from '../../src/lib/random.ts'
import { ReceiveChannel, REORDER_MAX, SendChannel } from '../../src/transport/channel.ts'

import type { Segment } from '../../src/transport/channel.ts'
import type { SegmentFrame } from '../../src/transport/packet.ts'

function frameOf({ channel, seq, payload, start, end }: Segment): SegmentFrame {
  return {
    type: 'segment',
    channel,
    seq,
    isBegin: start === 0,
    isEnd: end === payload.length,
    total: payload.length,
    data: payload.subarray(start, end),
  }
}

test('payloads come out once and in order, whatever the order of segments, across the wrap', t => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(4000), { minLength: 1, maxLength: 40 }),
      fc.integer(),
      fc.integer({ min: 0, max: 80 }),
      (lengths, seed, beforeWrap) => {
        const random = new Random(seed)
        const first = (2 ** 32 - beforeWrap) >>> 0
        const sending = new SendChannel(1, first)
        const receiving = new ReceiveChannel(first)
        const payloads = lengths.map(length => random.bytes(length))
        for (const payload of payloads) sending.push(payload)
        const out: Uint8Array[] = []
        const flying: Segment[] = []
        for (;;) {
          const cut = random.chance(0.5) ? sending.cut(200 + random.below(1000)) : undefined
          if (cut !== undefined) flying.push(cut)
          if (flying.length === 0) {
            if (sending.hasNew) continue
            break
          }
          const segment = random.pick(flying)
          const reception = receiving.receive(frameOf(segment), payload => {
            out.push(payload.slice())
            return true
          })
          if (typeof reception === 'object') return false
          if (random.chance(0.3)) continue
          flying.splice(flying.indexOf(segment), 1)
          sending.acknowledge(segment)
        }
        t.deepEqual(out, payloads)
        return sending.bytes === 0 && sending.payloads === 0 && receiving.earlyBytes === 0
      },
    ),
    { numRuns: 150 },
  )
})

test('the sender stops before the receiver would refuse', t => {
  const sending = new SendChannel(0, 0)
  const receiving = new ReceiveChannel(0)
  for (let i = 0; i < 2 * REORDER_MAX; i++) sending.push(new Uint8Array(1))
  const cut: Segment[] = []
  for (let next = sending.cut(1000); next !== undefined; next = sending.cut(1000)) cut.push(next)
  t.is(cut.length, REORDER_MAX)
  t.true(cut.every(({ seq }) => receiving.accepts(seq)))
  t.false(receiving.accepts(REORDER_MAX))
  for (const segment of cut.slice(1)) sending.acknowledge(segment)
  t.false(sending.hasNew)
  sending.acknowledge(cut[0]!)
  t.true(sending.hasNew)
  t.is(sending.payloads, REORDER_MAX)
})

test('a payload that one datagram holds is not torn apart', t => {
  const sending = new SendChannel(0, 0)
  sending.push(new Uint8Array(600))
  sending.push(new Uint8Array(5000))
  t.is(sending.cut(500), undefined)
  t.is(sending.cut(700)?.end, 600)
  t.is(sending.cut(100), undefined, 'nor a longer one for a few bytes')
  t.is(sending.cut(700)?.end, 689)
})

test('segments that wait for their turn are copies', t => {
  const receiving = new ReceiveChannel(0)
  const data = Uint8Array.of(1, 2, 3)
  const shape = { type: 'segment', channel: 0, isBegin: true, isEnd: true, total: 3 } as const
  const out: string[] = []
  const deliver = (payload: Uint8Array): boolean => {
    out.push(payload.join())
    return true
  }
  t.is(receiving.receive({ ...shape, seq: 1, data }, deliver), 'early')
  data.fill(9)
  t.is(receiving.receive({ ...shape, seq: 1, data }, deliver), 'duplicate')
  t.is(receiving.receive({ ...shape, seq: 0, data }, deliver), 'in-order')
  t.is(receiving.receive({ ...shape, seq: 0, data }, deliver), 'duplicate')
  t.deepEqual(out, ['9,9,9', '1,2,3'])
})
