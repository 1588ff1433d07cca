import test from 'ava'
import fc from 'fast-check'

import { milliseconds } from '../../src/lib/time.ts'
import { Impostor } from '../helpers/impostor.ts'
import { addressOf, World } from '../helpers/pair.ts'

import type { Datagram } from '../helpers/pair.ts'

/** A connected world that has exchanged some payloads, and what was on the wire. */
function talked(seed: number): { readonly world: World; readonly wire: readonly Datagram[] } {
  const world = new World(seed)
  world.isRecording = true
  world.connect()
  world.run(1)
  for (const host of world.hosts.values()) {
    const other = 3 - host.id
    for (const channel of [0, 1, 2, 3] as const) host.send(other, channel, `hello ${channel}`)
  }
  world.run(20)
  world.isRecording = false
  return { world, wire: world.wire }
}

function told(world: World): string {
  return JSON.stringify([...world.hosts.values()].map(({ log, deliveries }) => [log, deliveries]))
}

function droppedBy(world: World, id: number): number {
  const { dropped } = world.host(id).endpoint.counters
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}

test('a datagram with any one bit turned over is dropped, counted and changes nothing', t => {
  const { wire } = talked(1)
  t.deepEqual([...new Set(wire.map(({ bytes }) => bytes[0]))], [0x01, 0x02, 0x10])
  for (const [which, { at }] of wire.entries()) {
    // The same world again, up to the moment before that datagram arrives: then it comes damaged.
    const bit = which % 8
    for (let i = 0; i < wire[which]!.bytes.length; i++) {
      if (which > 3 && i % 16 !== 0) continue
      const world = new World(1)
      let count = 0
      world.intercept = datagram => {
        if (count++ !== which) return false
        const damaged = datagram.bytes.slice()
        damaged[i] = damaged[i]! ^ (1 << bit)
        world.at(0.1, () => {
          const host = world.host(datagram.to)
          // Without a session, something with an index unknown is a reason to call sooner.
          const wait = (): number => (host.up.size === 0 ? 0 : host.endpoint.deadline)
          const before = [droppedBy(world, host.id), told(world), wait()]
          host.endpoint.receive(world.now, addressOf(datagram.from), damaged)
          const after = [droppedBy(world, host.id) - 1, told(world), wait()]
          t.deepEqual(after, before, `byte ${i} of datagram ${which}`)
        })
        return true
      }
      world.connect()
      world.run(1)
      for (const host of world.hosts.values()) {
        for (const channel of [0, 1, 2, 3] as const) {
          host.send(3 - host.id, channel, `hello ${channel}`)
        }
      }
      world.run(Math.max(20, at))
      t.true(count > which)
    }
  }
})

test('a datagram cut short or made longer is dropped', t => {
  const { world, wire } = talked(2)
  const before = told(world)
  let count = 0
  for (const { from, to, bytes } of wire) {
    for (let length = 0; length < bytes.length; length++) {
      world.host(to).endpoint.receive(world.now, addressOf(from), bytes.slice(0, length))
      count++
    }
    for (const longer of [1, 16, 1201]) {
      const padded = new Uint8Array(bytes.length + longer)
      padded.set(bytes)
      world.host(to).endpoint.receive(world.now, addressOf(from), padded)
      count++
    }
  }
  t.is(droppedBy(world, 1) + droppedBy(world, 2), count + 1, 'and one simultaneous HELLO')
  t.is(told(world), before)
  t.true(world.host(1).endpoint.counters.dropped.oversized! > 0)
})

test('any bytes at all are dropped without harm', t => {
  const { world } = talked(3)
  const before = told(world)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1300 }),
      fc.constantFrom(undefined, 0x01, 0x02, 0x03, 0x10),
      fc.constantFrom(1, 2, 9),
      (bytes, type, from) => {
        if (type !== undefined && bytes.length > 0) bytes[0] = type
        world.host(1).endpoint.receive(world.now, addressOf(from), bytes)
      },
    ),
    { seed: 1, numRuns: 2000 },
  )
  world.run(5000)
  t.is(told(world), before)
})

test('what comes from another address than the configured one is ignored', t => {
  const { world, wire } = talked(4)
  const before = told(world)
  for (const { to, bytes } of wire) {
    for (const from of [
      { ip: '10.0.0.7', port: 7411 },
      { ip: `10.0.0.${3 - to}`, port: 7412 },
    ]) {
      world.host(to).endpoint.receive(world.now, from, bytes)
    }
  }
  t.is(told(world), before)
  t.true(world.host(1).endpoint.counters.dropped.address! > 0)
  t.is(world.host(1).notices.length, 1)
  t.regex(world.host(1).notices[0]!, /host 2 calls from 10\.0\.0\.7:7411.*10\.0\.0\.2:7411/)
})

test('hosts of two clusters ignore each other, and say so once', t => {
  const world = new World(1, {
    change: config => (config.self === 1 ? config : { ...config, cluster: 'office' }),
  })
  world.run(30_000)
  for (const host of world.hosts.values()) {
    t.deepEqual(host.log, [])
    t.is(host.notices.length, 1)
    t.regex(host.notices[0]!, /another cluster/)
    t.true(host.endpoint.counters.dropped.cluster! > 10)
  }
})

test('hosts whose tables differ ignore each other, and say so once', t => {
  const world = new World(1, {
    change: config =>
      config.self === 1 ? config : { ...config, tableDigest: new Uint8Array(8).fill(9) },
  })
  world.run(30_000)
  for (const host of world.hosts.values()) {
    t.deepEqual(host.log, [])
    t.is(host.notices.length, 1)
    t.regex(
      host.notices[0]!,
      /host \d has another hosts.yml, with votes; it is ignored until both files agree/,
    )
    t.true(host.endpoint.counters.dropped.table! > 10)
  }
  world.host(2).restart(2, { tableDigest: world.configOf(1).tableDigest })
  t.true(world.run(2000, () => world.isConnected))
})

test('of a table that differs each HELLO tells another line, until all are known', t => {
  const heard: (readonly number[])[] = []
  const world = new World(1, {
    change: config =>
      config.self === 1
        ? { ...config, tableLines: [11, 12, 13] }
        : {
            ...config,
            tableDigest: new Uint8Array(8).fill(9),
            describeDifference: (_, lines) => {
              const known = [...lines]
              if (known.length > 0) heard.push(known)
              return known.join()
            },
          },
  })
  world.run(30_000)
  t.deepEqual(heard[0], [11])
  t.deepEqual(heard.at(-1), [11, 12, 13])
  // The first is told at once, and then what has become of it, not every line by itself.
  const told = world.host(2).notices
  t.true(told.length >= 2 && told.length <= 3, told.join('\n'))
  t.regex(told.at(-1)!, /11,12,13/)
})

test('a HELLO of nobody we know, for somebody else, of another version is ignored', t => {
  const world = new World(1)
  const impostor = new Impostor(world)
  const { endpoint, notices } = world.host(1)
  const receive = (hello: Uint8Array, from = 2): void =>
    endpoint.receive(world.now, addressOf(from), hello)
  world.run(10)
  receive(impostor.hello({ from: 9 }), 9)
  receive(impostor.hello({ from: 9 }), 9)
  receive(impostor.hello({ to: 3 }))
  receive(impostor.hello({ from: 1 }))
  receive(impostor.hello({}, { datagramMax: 500 }))
  const { dropped } = endpoint.counters
  t.is(dropped['unknown-host'], 2)
  t.is(dropped.misdirected, 2)
  t.is(dropped.malformed, 1)
  t.is(notices.length, 1)
  t.regex(notices[0]!, /calls itself host 9/)
})

const VIOLATIONS: readonly (readonly [string, (impostor: Impostor) => void])[] = [
  [
    'acknowledges what was never sent',
    impostor =>
      impostor.send(writer => {
        const bitmap = new Uint8Array(0)
        writer.ack({ type: 'ack', largest: 99, delay: 0 as never, window: 9999, bitmap })
      }),
  ],
  [
    'announces more than 1 MiB',
    impostor =>
      impostor.send(writer => {
        const data = new Uint8Array(9)
        const total = 1024 * 1024 + 1
        const shape = { channel: 2, seq: 0, isBegin: true, isEnd: false } as const
        writer.segment({ type: 'segment', ...shape, total, data })
      }),
  ],
  [
    'goes on with what it has not begun',
    impostor =>
      impostor.send(writer => {
        const shape = { channel: 2, seq: 0, isBegin: false, isEnd: true } as const
        writer.segment({ type: 'segment', ...shape, total: 9, data: new Uint8Array(9) })
      }),
  ],
  [
    'sends more than it announced',
    impostor =>
      impostor.send(writer => {
        const begin = { channel: 0, seq: 0, isBegin: true, isEnd: false } as const
        writer.segment({ type: 'segment', ...begin, total: 10, data: new Uint8Array(9) })
        const end = { channel: 0, seq: 1, isBegin: false, isEnd: true } as const
        writer.segment({ type: 'segment', ...end, total: 0, data: new Uint8Array(9) })
      }),
  ],
  [
    'sends less than it announced',
    impostor =>
      impostor.send(writer => {
        const begin = { channel: 0, seq: 0, isBegin: true, isEnd: false } as const
        writer.segment({ type: 'segment', ...begin, total: 100, data: new Uint8Array(9) })
        const end = { channel: 0, seq: 1, isBegin: false, isEnd: true } as const
        writer.segment({ type: 'segment', ...end, total: 0, data: new Uint8Array(9) })
      }),
  ],
  [
    'sends a frame that does not exist',
    impostor => {
      impostor.send(writer => {
        writer.ping()
        writer.bytes[8] = 0x3f
      })
    },
  ],
]

for (const [what, violate] of VIOLATIONS) {
  test(`a peer that ${what} loses its session, is told, and stays out in this incarnation`, t => {
    const world = new World(1)
    const impostor = new Impostor(world)
    impostor.connect()
    const host = world.host(1)
    violate(impostor)
    t.is(host.log.length, 2)
    t.regex(host.log[1]!, /^lost 2\.5: host 2 breaks the protocol: /)
    t.deepEqual(impostor.frames.filter(({ type }) => type === 'close').length, 1)
    impostor.isAnswering = true
    world.run(10_000)
    t.is(host.log.length, 2)
    host.reincarnate(2)
    t.true(world.run(2000, () => host.up.has(2)))
  })
}

test('segments far ahead are refused and not acknowledged, and memory for early ones is bounded', t => {
  const world = new World(1)
  const impostor = new Impostor(world)
  impostor.connect()
  const segment = (seq: number, length: number): void =>
    impostor.send(writer => {
      const shape = { channel: 0, seq, isBegin: true, isEnd: true } as const
      writer.segment({ type: 'segment', ...shape, total: length, data: new Uint8Array(length) })
    })
  segment(1024, 1)
  t.is(world.host(1).endpoint.counters.dropped.window, 1)
  t.false(impostor.frames.some(({ type }) => type === 'ack'))
  for (let seq = 1; seq < 1024; seq++) segment(seq, 1100)
  const refused = world.host(1).endpoint.counters.dropped.window!
  t.true((1023 - refused) * 1100 <= 512 * 1024)
  t.is(world.host(1).deliveries.length, 0)
  const acks = impostor.frames.filter(frame => frame.type === 'ack')
  t.is(acks.at(-1)?.window, 0)
  segment(0, 1)
  t.is(world.host(1).deliveries.length, 1 + 1023 - (refused - 1))
})

test('no packet with a number of 2^31 or more is taken, and the last ones before it are', t => {
  const world = new World(1)
  const impostor = new Impostor(world)
  impostor.connect()
  const { endpoint } = world.host(1)
  for (const number of [2 ** 31, 2 ** 32 - 8192, 2 ** 32 - 1]) {
    impostor.send(writer => writer.ping(), number)
  }
  t.is(endpoint.counters.dropped.malformed, 3)
  t.deepEqual(endpoint.counters.dropped, { ...endpoint.counters.dropped, malformed: 3 })
  for (const number of [2 ** 31 - 3, 2 ** 31 - 1, 2 ** 31 - 2, 2 ** 31 - 1]) {
    impostor.send(writer => writer.ping(), number)
  }
  t.is(endpoint.counters.dropped.malformed, 3)
  t.is(endpoint.counters.dropped.duplicate, 1)
  const acks = impostor.frames.filter(frame => frame.type === 'ack')
  t.is(acks.at(-1)?.largest, 2 ** 31 - 1)
})

test('a window of zero is probed, and what waited goes on when it opens', t => {
  const world = new World(1)
  const impostor = new Impostor(world)
  impostor.connect()
  const host = world.host(1)
  const acknowledge = (window: number): void => {
    impostor.send(writer => {
      const bitmap = new Uint8Array(32).fill(0xff)
      writer.ack({ type: 'ack', largest: impostor.largest, delay: milliseconds(0), window, bitmap })
    })
  }
  world.run(5)
  acknowledge(0)
  for (let i = 0; i < 20; i++) host.endpoint.send(world.now, 2, 3, new Uint8Array(1000))
  world.run(3000)
  const segments = (): number =>
    new Set(impostor.frames.flatMap(each => (each.type === 'segment' ? [each.seq] : []))).size
  t.is(segments(), 1, 'one segment goes, and again, to find out')
  t.true(impostor.frames.filter(({ type }) => type === 'ack-now').length >= 5)
  acknowledge(0)
  world.run(100)
  t.is(segments(), 2)
  for (let i = 0; i < 10; i++) {
    acknowledge(256 * 1024)
    world.run(10)
  }
  t.is(segments(), 20)
})

test('PAD and unknown CLOSE reasons are understood', t => {
  const world = new World(1)
  const impostor = new Impostor(world)
  impostor.connect()
  impostor.send(writer => {
    writer.ping()
    writer.bytes[8] = 0x00
    writer.ping()
  })
  t.is(world.host(1).log.length, 1)
  impostor.send(writer => writer.close({ type: 'close', reason: 77, next: [0, 0, 0, 0] }))
  t.deepEqual(world.host(1).log.slice(1), ['lost 2.5: host 2 closed it: its reason is 77'])
})
