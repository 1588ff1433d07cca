import test from 'ava'
import { createCrypto } from '../../src/daemon/crypto.ts'
import { Random } from '../../src/lib/random.ts'
import {
  PacketType,
  PacketWriter,
  readIndex,
  readNumber,
  TAG_SIZE,
} from '../../src/transport/packet.ts'
import { difference } from '../helpers/cluster.ts'
import { eventually } from '../helpers/processes.ts'
import type { Datagram } from '../helpers/relay.ts'
import { Siege, Stranger } from '../helpers/siege.ts'

/** Locks while an attack goes on. */
const CYCLES = 50

/** Bytes of a HELLO that are looked at before its MAC: type, version, key, ids and cluster. */
const HELLO_CLEAR = 12

/** CLOSEs with the index that is in use and numbers still to come, sealed with anything else. */
function closes({ from, to, bytes }: Datagram): Pick<Datagram, 'from' | 'to' | 'bytes'>[] {
  const crypto = createCrypto()
  return Array.from({ length: 100 }, (_, ahead) => {
    const number = readNumber(bytes) + ahead + 1
    const writer = new PacketWriter()
    writer.begin(readIndex(bytes), number)
    writer.close({ type: 'close', reason: 1, next: [0, 0, 0, 0] })
    const clear = new Uint8Array(writer.length + TAG_SIZE)
    clear.set(writer.bytes.subarray(0, writer.length))
    const sealed = new Uint8Array(clear)
    const [header, frames] = [clear.subarray(0, 8), clear.subarray(8, writer.length)]
    crypto.createCipher(new Uint8Array(32)).seal(number, header, frames, sealed, 8)
    return [clear, sealed]
  })
    .flat()
    .map(each => ({ from, to, bytes: each }))
}

/** One bit of each byte, one after another. */
function flipped(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, at) => {
    const copy = new Uint8Array(bytes)
    copy[at] = (copy[at] ?? 0) ^ (1 << (at & 7))
    return copy
  })
}

/** Every shorter form, the empty one too. */
function truncated(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, length) => new Uint8Array(bytes.subarray(0, length)))
}

function total(dropped: Readonly<Record<string, number>>): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0)
}

test.serial('each datagram comes a second time at once: nothing is handled twice', async t => {
  const siege = await Siege.start(t)
  const { cluster, relay, one } = siege
  const before = await cluster.messages()
  const duplicated = relay.counts.duplicated
  // The last ACK may still be on its way when the last lock has been released.
  const doubled = (): number => relay.counts.duplicated - duplicated
  const dropped = await siege.dropped(doubled, async () => {
    relay.faults = { ...relay.faults, duplicate: 1 }
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      // Each asks the others.
      await (await siege.client(one).lock(`door ${cycle}`)).release()
    }
    relay.faults = { ...relay.faults, duplicate: 0 }
  })
  const each = CYCLES * 2
  t.deepEqual(difference(await cluster.messages(), before), {
    request: each,
    reply: each,
    release: each,
  })
  t.true(doubled() >= CYCLES * 4)
  t.deepEqual(dropped, { duplicate: doubled() })
  await siege.save()
  await siege.stands()
})

test.serial('every data packet comes again later: each is counted as a duplicate', async t => {
  const siege = await Siege.start(t)
  const packets = siege.captured(PacketType.data)
  t.true(packets.length > 100)
  const dropped = await siege.dropped(packets.length, () => siege.inject(packets))
  t.deepEqual(dropped, { duplicate: packets.length })
  await siege.stands()
  // Backwards as well, and long after.
  const reversed = [...siege.captured(PacketType.data)].reverse()
  const again = await siege.dropped(reversed.length, () => siege.inject(reversed))
  t.deepEqual(again, { duplicate: reversed.length })
  await siege.stands()
})

test.serial('HELLOs and their answers come again: no session is made anew', async t => {
  const siege = await Siege.start(t)
  const hellos = [...siege.captured(PacketType.hello), ...siege.captured(PacketType.helloAck)]
  t.true(hellos.length >= 6)
  const dropped = await siege.dropped(hellos.length, () => siege.inject(hellos))
  t.is(total(dropped), hellos.length, JSON.stringify(dropped))
  t.true((dropped.replay ?? 0) >= 3 && (dropped.unexpected ?? 0) >= 3, JSON.stringify(dropped))
  await siege.stands()
})

test.serial('HELLOs from before a restart of either side lead nowhere', async t => {
  const siege = await Siege.start(t)
  const { one, three, relay } = siege
  const old = {
    hellos: siege.captured(PacketType.hello).filter(({ from, to }) => from === 3 || to === 3),
    answers: siege.captured(PacketType.helloAck).filter(({ from, to }) => from === 3 || to === 3),
    first: siege.captured(PacketType.data).filter(({ to }) => to === 3),
  }
  await three.kill()
  await three.start()
  await siege.restarted(three)
  await siege.save()
  const sessions = await siege.status(one)
  const since = relay.recorded.length
  const all = [...old.hellos, ...old.answers]
  const dropped = await siege.dropped(all.length, () => siege.inject(all))
  t.is(total(dropped), all.length, JSON.stringify(dropped))
  await siege.stands()
  // The new process answers a HELLO that it cannot know: who repeats it does not get further.
  const answers = relay.recorded
    .slice(since)
    .filter(({ from, bytes }) => from === 3 && bytes[0] === PacketType.helloAck)
  t.true(answers.length > 0)
  const confirmations = answers.flatMap(answer =>
    old.first.slice(0, 20).map(({ bytes }) => {
      const forged = new Uint8Array(bytes)
      forged.set(answer.bytes.subarray(4, 7), 1)
      return { from: answer.to, to: 3, bytes: forged }
    }),
  )
  const count = confirmations.length
  const refused = await siege.dropped(count, () => siege.inject(confirmations))
  t.deepEqual(refused, { forged: count })
  t.is((await siege.status(one)).incarnation, sessions.incarnation)
  await siege.stands()
})

test.serial(
  'a stranger who sends what hosts have sent is not heard, and hears nothing',
  async t => {
    const siege = await Siege.start(t)
    const stranger = await Stranger.at(t)
    const all = siege.relay.recorded.slice()
    const dropped = await siege.dropped(all.length, () => siege.throwFrom(stranger, all))
    t.is(total(dropped), all.length)
    t.deepEqual(Object.keys(dropped).sort(), ['address', 'unexpected'], JSON.stringify(dropped))
    await siege.stands()
    const forged = siege.captured(PacketType.data).flatMap(({ to, bytes }) => {
      const unknown = new Uint8Array(bytes)
      unknown.set([1, 2, 3], 1)
      return { to, bytes: unknown }
    })
    const more = await siege.dropped(forged.length, () => siege.throwFrom(stranger, forged))
    t.deepEqual(more, { 'unknown-index': forged.length })
    await siege.stands()
    t.deepEqual(stranger.heard, [])
  },
)

test.serial('who has the address of a host that is down is not taken for it', async t => {
  const siege = await Siege.start(t)
  const { one, two, three, relay } = siege
  await siege.kill(three)
  const alive = [one, two]
  const own = relay.recorded.filter(({ from }) => from === 3)
  const random = new Random(1)
  const forged = siege.captured(PacketType.data).flatMap(({ from, to, bytes }) => {
    if (from !== 3) return []
    const changed = new Uint8Array(bytes)
    // A packet that the index leads to, with a number that was never used.
    changed.set(random.bytes(bytes.length - 6), 6)
    return [{ from, to, bytes: changed }]
  })
  const since = relay.recorded.length
  const hellos = own.filter(({ bytes }) => bytes[0] === PacketType.hello)
  const dropped = await siege.dropped(own.length + forged.length - hellos.length, async () => {
    await siege.inject(own)
    await siege.inject(forged)
  })
  t.log(dropped)
  // One that went unheard when it was sent is answered: to nobody, and by nothing.
  const answers = relay.recorded
    .slice(since)
    .filter(({ to, bytes }) => to === 3 && bytes[0] === PacketType.helloAck)
  t.is(total(dropped) + answers.length, own.length + forged.length)
  t.true((dropped.duplicate ?? 0) > 10 && (dropped.forged ?? 0) > 10)
  const seen = (await siege.status(one)).hosts.find(({ id }) => id === 3)
  t.true((seen?.silentMs ?? 0) > 1000, 'it is not heard')
  await siege.stands(alive)
  await three.start()
  await siege.restarted(three)
})

test.serial('its own packets come back to a host: they lead nowhere', async t => {
  const siege = await Siege.start(t)
  const all = siege.relay.recorded.slice()
  // From where the one to whom it was sent is believed to be.
  const back = all.map(({ from, to, bytes }) => ({ from: to, to: from, bytes }))
  const dropped = await siege.dropped(back.length, () => siege.inject(back))
  t.is(total(dropped), back.length)
  const count = (type: number): number => all.filter(({ bytes }) => bytes[0] === type).length
  t.deepEqual(dropped, {
    misdirected: count(PacketType.hello),
    unexpected: count(PacketType.helloAck),
    'unknown-index': count(PacketType.data),
  })
  await siege.stands()
  // With the index that the host itself gave out: only the keys tell them apart.
  const indexOf = (from: number, to: number): Uint8Array | undefined =>
    siege
      .captured(PacketType.data)
      .filter(each => each.from === from && each.to === to)
      .at(-1)
      ?.bytes.subarray(1, 4)
  const turned = siege.captured(PacketType.data).map(({ from, to, bytes }) => {
    const changed = new Uint8Array(bytes)
    changed.set(indexOf(to, from) ?? [], 1)
    // A number that was never used.
    changed[7] = 1
    return { from: to, to: from, bytes: changed }
  })
  const refused = await siege.dropped(turned.length, () => siege.inject(turned))
  t.deepEqual(refused, { forged: turned.length })
  await siege.stands()
})

test.serial('a CLOSE that its peer has not sealed ends nothing', async t => {
  const siege = await Siege.start(t)
  const latest = new Map(
    siege.captured(PacketType.data).map(each => [`${each.from} ${each.to}`, each]),
  )
  const forged = [...latest.values()].flatMap(each => closes(each))
  t.is(forged.length, 6 * 200)
  const dropped = await siege.dropped(forged.length, () => siege.inject(forged))
  // Whose number was used meanwhile is a duplicate.
  const { duplicate = 0, ...others } = dropped
  t.deepEqual(others, { forged: forged.length - duplicate })
  t.true(duplicate < 200)
  await siege.stands()
})

test.serial(
  'a bit is flipped in each byte, or the end is missing: it counts for nothing',
  async t => {
    const siege = await Siege.start(t)
    const { relay, one } = siege
    const [hello] = siege.captured(PacketType.hello)
    const [answer] = siege.captured(PacketType.helloAck)
    for (const captured of [hello, answer]) {
      if (captured === undefined) throw new Error('a handshake was seen')
      const bad = [...flipped(captured.bytes), ...truncated(captured.bytes)]
      const packets = bad.map(bytes => ({ ...captured, bytes }))
      const dropped = await siege.dropped(bad.length, () => siege.inject(packets))
      t.is(total(dropped), bad.length, JSON.stringify(dropped))
      t.true((dropped.truncated ?? 0) >= captured.bytes.length)
      // A change in a HELLO shows in its MAC, before anything that costs more.
      if (captured === hello) t.is(dropped.damaged, 128 - HELLO_CLEAR)
      await siege.stands()
    }
    // A packet that is held back has not been seen: what resembles it must not take its place.
    const kept: Datagram[] = []
    relay.intercept = datagram => {
      if (datagram.bytes[0] !== PacketType.data || kept.length >= 20) return false
      kept.push(datagram)
      return true
    }
    await (await siege.client(one).lock('door')).release()
    await eventually('enough are held back', () => kept.length === 20)
    relay.intercept = undefined
    const bad = kept.flatMap(({ bytes, ...way }) =>
      [...flipped(bytes), ...truncated(bytes)].map(each => ({ ...way, bytes: each })),
    )
    const dropped = await siege.dropped(bad.length, () => siege.inject(bad))
    t.is(total(dropped), bad.length, JSON.stringify(dropped))
    t.log(dropped)
    const late = await siege.dropped(0, () => siege.inject(kept))
    t.deepEqual(late, {}, 'the packets themselves are taken')
    const twice = await siege.dropped(kept.length, () => siege.inject(kept))
    t.deepEqual(twice, { duplicate: kept.length })
    await siege.save()
    await siege.stands()
  },
)
