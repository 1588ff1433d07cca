import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { Random } from '../../src/lib/random.ts'
import { PacketType } from '../../src/transport/packet.ts'
import { describeTimes } from '../helpers/cluster.ts'
import { folderOf } from '../helpers/daemon-folder.ts'
import { eventually } from '../helpers/processes.ts'
import { Siege, Stranger } from '../helpers/siege.ts'

/** Of one flood, and how many a second. */
const FLOOD = 20_000
const FLOOD_RATE = 10_000

/** What a daemon may grow by while it drops what it is flooded with, in MiB. */
const GROWTH_MAX = 48

/** Of the messages of the handshake, which have one length each. */
const SIZES: ReadonlyMap<number, number> = new Map([
  [PacketType.hello, 128],
  [PacketType.helloAck, 104],
  [PacketType.cookie, 44],
])

/** So many datagrams, evenly; locks are taken and let go meanwhile. */
async function flood(siege: Siege, send: (number: number) => Promise<void>): Promise<void> {
  const start = performance.now()
  let sent = 0
  const times: number[] = []
  const locks = (async () => {
    while (sent < FLOOD) {
      const begin = performance.now()
      await (await siege.client(siege.one).lock('door')).release()
      times.push(performance.now() - begin)
    }
  })()
  while (sent < FLOOD) {
    const due = ((performance.now() - start) / 1000) * FLOOD_RATE
    const turn: Promise<void>[] = []
    for (; sent < Math.min(due, FLOOD); sent += 1) turn.push(send(sent))
    await Promise.all(turn)
    await pause(1)
  }
  await locks
  const rate = Math.round(FLOOD / ((performance.now() - start) / 1000))
  siege.t.log(`${rate} datagrams a second; ${times.length} locks: ${describeTimes(times)}`)
  siege.t.true(times.length > 100, 'locks went on')
}

test.serial(
  'a flood of garbage from a stranger: locks go on, and nothing is said to it',
  async t => {
    const siege = await Siege.start(t)
    const { one } = siege
    const stranger = await Stranger.at(t)
    const random = new Random(2)
    const types = [...Object.values(PacketType), 0x77]
    const garbage = Array.from({ length: 500 }, (_, at) => {
      const bytes = random.bytes(1 + random.below(1200))
      bytes[0] = random.pick(types)
      // Of the right length, too.
      if (at % 5 === 0) return bytes
      return bytes.slice(0, SIZES.get(bytes[0]) ?? bytes.length)
    })
    const dropped = await siege.dropped(1000, () =>
      siege.bounded(one, GROWTH_MAX, () =>
        flood(siege, number => stranger.send(one, garbage[number % garbage.length]!)),
      ),
    )
    t.log(dropped)
    t.deepEqual(stranger.heard, [])
    await siege.save()
    await siege.stands()
  },
)

test.serial('a flood of packets with an index that is in use opens none of them', async t => {
  const siege = await Siege.start(t)
  const { one, two, relay } = siege
  const last = siege.captured(PacketType.data).filter(({ from, to }) => from === 2 && to === 1)
  const { bytes } = last.at(-1)!
  const forged = new Uint8Array(1200)
  forged.set(bytes.subarray(0, 8))
  const dropped = await siege.dropped(1000, () =>
    siege.bounded(one, GROWTH_MAX, () =>
      flood(siege, number => {
        const packet = new Uint8Array(forged)
        new DataView(packet.buffer).setUint32(4, 1_000_000 + number, true)
        return relay.inject(2, 1, packet)
      }),
    ),
  )
  t.deepEqual(Object.keys(dropped), ['forged'], JSON.stringify(dropped))
  t.is((await siege.status(two)).incarnation, 1)
  await siege.save()
  await siege.stands()
})

test.serial('a flood of HELLOs that were seen before gets no more bytes than it has', async t => {
  const siege = await Siege.start(t)
  const { one, two, three, relay } = siege
  await three.kill()
  siege.forget(three)
  await eventually('it is excluded', async () => (await siege.status(one)).view?.number === 3)
  await siege.save([one, two])
  const hellos = siege.captured(PacketType.hello).filter(({ from }) => from === 3)
  const since = relay.recorded.length
  const dropped = await siege.dropped(1000, () =>
    siege.bounded(one, GROWTH_MAX, () =>
      flood(siege, number => {
        const { bytes } = hellos[number % hellos.length]!
        return relay.inject(3, 1, bytes)
      }),
    ),
  )
  t.log(dropped)
  const answers = relay.recorded
    .slice(since)
    .filter(({ to, bytes }) => to === 3 && bytes[0] !== PacketType.hello)
  const sent = answers.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const received = Object.values(dropped).reduce((sum, count) => sum + count, 0) * 128
  t.log(`${answers.length} answers, ${sent} bytes for at least ${received}`)
  t.true(sent <= received)
  await siege.stands([one, two])
})

test.serial(
  'no clock on the wall is read: hosts whose clocks jump at each look are as others',
  async t => {
    const folder = folderOf(t)
    const jumping = join(folder, 'jumping.cjs')
    writeFileSync(
      jumping,
      `const Real = Date
    const now = () => Math.floor(Math.random() * 8e12) - 4e12
    globalThis.Date = class extends Real {
      constructor(...args) { super(...(args.length === 0 ? [now()] : args)) }
      static now() { return now() }
    }
    process.stderr.write('the clock jumps: ' + new Date().toISOString() + '\\n')
    `,
    )
    const siege = await Siege.start(t, { env: { NODE_OPTIONS: `--require=${jumping}` } })
    for (const host of siege.hosts) t.regex(host.daemon.stderr, /the clock jumps/)
    await siege.stands()
    const { three } = siege
    await three.kill()
    await three.start()
    await siege.restarted(three)
    await siege.save()
    await siege.stands()
  },
)
