import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Random } from '../../src/lib/random.ts'
import { toHex } from '../../src/transport/bytes.ts'
import { PacketType } from '../../src/transport/packet.ts'
import { describeTimes } from '../helpers/cluster.ts'
import { folderOf } from '../helpers/daemon-folder.ts'
import { Insider } from '../helpers/insider.ts'
import type { Datagram } from '../helpers/relay.ts'
import { Siege, Stranger } from '../helpers/siege.ts'

/** Of one flood, and how many a second. */
const FLOOD = 10_000
const FLOOD_RATE = 5000
/** What the buffer of a socket holds beside the usual. */
const AT_A_TIME = 50

/** A machine that is busy and flooded may keep a daemon from being heard for a second. */
const PATIENT = { timing: '{ heartbeat: 150ms, suspect: 2500ms, lease: 3s }' }

/** What a daemon may grow by while it drops what it is flooded with, in MiB. */
const GROWTH_MAX = 48

/** Of the messages of the handshake, which have one length each. */
const SIZES: ReadonlyMap<number, number> = new Map([
  [PacketType.hello, 128],
  [PacketType.helloAck, 104],
  [PacketType.cookie, 44],
])

/** What a HELLO may be answered by. */
const ANSWERS: ReadonlySet<number> = new Set([PacketType.helloAck, PacketType.cookie])

/** Datagrams without end, evenly, until it is over; locks are taken and let go meanwhile. */
async function flood(
  siege: Siege,
  send: (number: number) => Promise<void>,
  isOver: (sent: number) => boolean = sent => sent >= FLOOD,
): Promise<number> {
  const start = performance.now()
  let sent = 0
  const times: number[] = []
  const locks = (async () => {
    while (!isOver(sent)) {
      const begin = performance.now()
      await (await siege.client(siege.one).lock(`door ${times.length % 1000}`)).release()
      times.push(performance.now() - begin)
    }
  })()
  while (!isOver(sent)) {
    const due = ((performance.now() - start) / 1000) * FLOOD_RATE
    const turn: Promise<void>[] = []
    // Not more at a time than a socket takes: what the kernel drops is no attack.
    for (; sent < due && turn.length < AT_A_TIME; sent += 1) turn.push(send(sent))
    await Promise.all(turn)
    await pause(1)
  }
  await locks
  const rate = Math.round(sent / ((performance.now() - start) / 1000))
  siege.t.log(`${rate} datagrams a second; ${times.length} locks: ${describeTimes(times)}`)
  siege.t.true(times.length >= 3, 'locks went on')
  return sent
}

/** What was answered to where host 3 is believed to be, for HELLOs that seemed to come from there. */
function amplifiesNothing(t: ExecutionContext, answers: readonly Datagram[], hellos: number): void {
  const cookies = answers.filter(({ bytes }) => bytes[0] === PacketType.cookie).length
  const sent = answers.reduce((sum, { bytes }) => sum + bytes.length, 0)
  t.log(`${answers.length} answers, of them ${cookies} cookies: ${sent} for ${hellos * 128} bytes`)
  t.true(sent <= hellos * 128)
}

/** Answers of host 1 to host 3 since then, beside calls of its own. */
function answersSince({ relay }: Siege, since: number): readonly Datagram[] {
  return relay.recorded
    .slice(since)
    .filter(({ from, to, bytes }) => from === 1 && to === 3 && ANSWERS.has(bytes[0] ?? 0))
}

test.serial(
  'a flood of garbage from a stranger: locks go on, and nothing is said to it',
  async t => {
    const siege = await Siege.start(t, PATIENT)
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
  const siege = await Siege.start(t, PATIENT)
  const { one, relay } = siege
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
  await siege.save()
  await siege.stands()
})

test.serial('a flood of HELLOs that were seen before gets no more bytes than it has', async t => {
  const siege = await Siege.start(t, PATIENT)
  const { one, two, three, relay } = siege
  await siege.kill(three)
  const hellos = siege.captured(PacketType.hello).filter(({ from, to }) => from === 3 && to === 1)
  const since = relay.recorded.length
  await siege.bounded(one, GROWTH_MAX, async () => {
    const sent = await flood(siege, number =>
      relay.inject(3, 1, hellos[number % hellos.length]!.bytes),
    )
    amplifiesNothing(t, answersSince(siege, since), sent)
  })
  // One that went unheard when it was sent has an answer, always the same.
  const distinct = new Set(answersSince(siege, since).map(({ bytes }) => toHex(bytes)))
  t.true(distinct.size <= hellos.length)
  await siege.stands([one, two])
})

test.serial('a flood of HELLOs of a member gets cookies, and the host itself comes in', async t => {
  const siege = await Siege.start(t, PATIENT)
  const { one, two, three, relay, cluster } = siege
  await siege.kill(three)
  const insider = new Insider(cluster)
  const hellos: Uint8Array[] = []
  for (let made = 0; made < 300; made += 1) {
    hellos.push(insider.hello(3, 1))
    await pause(1)
  }
  const inject = (number: number): Promise<void> =>
    relay.inject(3, 1, hellos[number % hellos.length]!)
  const since = relay.recorded.length
  const begin = performance.now()
  const dropped = await siege.dropped(500, () =>
    siege.bounded(one, GROWTH_MAX, async () => {
      const sent = await flood(siege, inject)
      amplifiesNothing(t, answersSince(siege, since), sent)
    }),
  )
  const seconds = Math.ceil((performance.now() - begin) / 1000)
  const answers = answersSince(siege, since)
  const handshakes = answers.filter(({ bytes }) => bytes[0] === PacketType.helloAck)
  const distinct = new Set(handshakes.map(({ bytes }) => toHex(bytes))).size
  t.log(`${distinct} handshakes`, dropped)
  t.true(distinct <= 8 + 4 * seconds, '8 at once, 4 a second')
  t.true((dropped.cookie ?? 0) > 500)
  await siege.stands([one, two])
  // The real one proves its address, and is let in while the flood goes on.
  const told = one.log.length
  const isIn = (): boolean => /host-3 \(3\) is connected/.test(one.log.slice(told))
  const start = performance.now()
  const isOver = (): boolean => isIn() || performance.now() - start > 20_000
  await Promise.all([three.start(), flood(siege, inject, isOver)])
  t.true(isIn())
  t.log(`the host was connected ${(performance.now() - start).toFixed(0)} ms after its start`)
  await siege.restarted(three)
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
