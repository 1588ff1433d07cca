import { createHmac, hkdfSync } from 'node:crypto'
import test from 'ava'

import { createCrypto } from '../../src/daemon/crypto.ts'
import { readU32, writeU16, writeU24 } from '../../src/transport/bytes.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { NoiseResponder } from '../../src/transport/noise.ts'
import { clusterHash, keyName, readKeyId } from '../../src/transport/seal.ts'
import { addressOf } from '../helpers/pair.ts'
import { KEY_1, KEY_2, KEY_3, SealedWorld } from '../helpers/sealed.ts'

import type { ExecutionContext } from 'ava'
import type { Address, PeerId } from '../../src/transport/endpoint.ts'
import type { HelloHeader, Introduction } from '../../src/transport/seal.ts'
import type { Datagram, World } from '../helpers/pair.ts'

const HELLO = 0x01
const HELLO_ACK = 0x02
const COOKIE = 0x03
const DATA = 0x10

const INTRODUCTION: Introduction = {
  incarnation: { counter: 5, life: 'abcdef0123456789' },
  datagramMax: 1200,
  windowBytes: 256 * 1024,
  ackDelayMs: 2,
  tableDigest: '0102030405060708',
  tableLine: 0x010203,
}

/** A HELLO of an insider who calls himself host 2, made with a key. */
function hello(
  change: Partial<HelloHeader & Introduction> = {},
  { key = KEY_1, cluster = 'home' } = {},
): Uint8Array {
  const header = { index: 4711, from: 2, to: 1, cluster: clusterHash(cluster), ...change }
  const seal = new NoiseSeal(createCrypto(), cluster, [key])
  return seal.call(header, { ...INTRODUCTION, ...change }).bytes
}

function dropped(world: World, id: PeerId): Readonly<Record<string, number>> {
  return { ...world.host(id).endpoint.counters.dropped }
}

/** The only reason that was counted, and how often, while something was done. */
function reasonOf(world: World, id: PeerId, act: () => void): string {
  const before = dropped(world, id)
  act()
  const after = dropped(world, id)
  return Object.entries(after)
    .filter(([reason, count]) => count !== (before[reason] ?? 0))
    .map(([reason, count]) => `${reason} ${count - (before[reason] ?? 0)}`)
    .join(', ')
}

/** All that owners have been told. */
function told(world: World): string {
  const hosts = [...world.hosts.values()]
  return JSON.stringify(hosts.map(({ log, deliveries, datagrams }) => [log, deliveries, datagrams]))
}

function receive(world: World, bytes: Uint8Array, from: Address = addressOf(2)): void {
  world.host(1).endpoint.receive(world.now, from, bytes)
}

/** Payloads go both ways. */
function canTalk(world: World): boolean {
  if (!world.run(5000, () => world.isConnected)) return false
  world.run(1)
  const [a, b] = [world.host(1), world.host(2)]
  const before = a.deliveries.length + b.deliveries.length
  a.send(2, 0, `to 2 at ${world.now}`)
  b.send(1, 0, `to 1 at ${world.now}`)
  return world.run(5000, () => a.deliveries.length + b.deliveries.length === before + 2)
}

/** Nobody but host 1 runs; what it sends is kept. Its own HELLO goes before those of others. */
function alone(seed = 1): { readonly world: SealedWorld; readonly answers: Uint8Array[] } {
  const world = new SealedWorld(seed)
  world.host(2).crash()
  const answers: Uint8Array[] = []
  world.intercept = ({ bytes }) => {
    if (bytes[0] !== HELLO) answers.push(bytes)
    return true
  }
  return { world, answers }
}

test('two hosts with one key talk, nothing of it can be read, and both say which key it is', t => {
  const world = new SealedWorld(1)
  world.isRecording = true
  t.true(canTalk(world))
  const secret = 'a payload that nobody else may read'
  world.host(1).send(2, 0, secret)
  world.host(1).endpoint.sendDatagram(world.now, 2, Buffer.from(secret))
  world.run(50)
  t.is(world.host(2).deliveries.at(-1)?.text, secret)
  t.is(world.host(2).datagrams.at(-1)?.text, secret)
  const wire = Buffer.concat(world.wire.map(({ bytes }) => bytes))
  for (const hidden of [secret, 'to 2 at', Buffer.from('0102030405060708', 'hex')]) {
    t.false(wire.includes(hidden))
  }
  const [first] = world.wire
  t.deepEqual(world.host(1).endpoint.keys, [keyName(readKeyId(first!.bytes))])
  for (const host of world.hosts.values()) {
    t.is(host.endpoint.peer(3 - host.id).key, keyName(readKeyId(first!.bytes)))
    t.deepEqual(host.notices, [])
  }
  t.deepEqual(
    world.wire.slice(0, 4).map(({ bytes }) => [bytes[0], bytes.length]),
    [
      [HELLO, 128],
      [HELLO, 128],
      [HELLO_ACK, 104],
      [DATA, 25],
    ],
  )
})

test('each reason to drop a HELLO is counted, costs no agreement on keys, and changes nothing', t => {
  const { world, answers } = alone()
  const short = hello().slice(0, 127)
  const otherVersion = hello()
  otherVersion[4] = 2
  const unsealed = hello()
  writeU16(unsealed, 6, 0)
  const damaged = hello()
  damaged[60] = damaged[60]! ^ 1
  const reasons: readonly (readonly [string, Uint8Array, Address?])[] = [
    ['truncated', short],
    ['truncated', new Uint8Array([...hello(), 0])],
    ['version', otherVersion],
    ['cluster', hello({}, { cluster: 'office' })],
    ['unknown-host', hello({ from: 9 })],
    ['misdirected', hello({ from: 1 })],
    ['misdirected', hello({ to: 3 })],
    ['address', hello(), { ip: '10.0.0.2', port: 7412 }],
    ['address', hello(), { ip: '10.0.0.3', port: 7411 }],
    ['unsealed', unsealed],
    ['key', hello({}, { key: KEY_2 })],
    ['damaged', damaged],
    ['table', hello({ tableDigest: 'ffffffffffffffff' })],
    ['malformed', hello({ datagramMax: 500 })],
    ['simultaneous', hello()],
  ]
  for (const [reason, bytes, from] of reasons) {
    t.is(
      reasonOf(world, 1, () => receive(world, bytes, from)),
      `${reason} 1`,
    )
  }
  t.is(world.agreements(1), 0)
  t.deepEqual(answers, [])
  t.is(told(world), told(alone().world))
  t.deepEqual(
    world.host(1).notices.map(text => text.replace(/(?<=keys? |keys are )[0-9a-f]{4}/g, 'abcd')),
    [
      '2: the host at 10.0.0.2:7411 speaks another version of the protocol; it is ignored until both run the same release of lamportd',
      '2: the host at 10.0.0.2:7411 is of another cluster than home; it is ignored (compare the names and addresses in both hosts.yml)',
      '?: 10.0.0.2:7411 calls itself host 9, which hosts.yml does not name; it is ignored (stop it, or write the same hosts.yml on all hosts)',
      '2: host 2 calls from 10.0.0.2:7412, but its address is 10.0.0.2:7411; it is ignored there (correct hosts.yml)',
      '2: packets that are not sealed come from the address of host 2 (10.0.0.2:7411); they are ignored, for this host has a key (give that host the same key file)',
      '2: a HELLO with key abcd, which is not in the key file, came from the address of host 2 (10.0.0.2:7411); it is ignored, for here the keys are abcd (copy the key file of one of them to the other; then SIGHUP, or restart)',
      '2: a HELLO that names key abcd but was not made with it came from the address of host 2 (10.0.0.2:7411); it is ignored (if it goes on, two different keys have the same name: make another with lamportctl keygen)',
      '2: host 2 has another hosts.yml, with votes; it is ignored until both files agree',
    ],
  )
})

/** The world up to the first datagram of a type that is sent to a host, and that datagram. */
function until(
  world: World,
  type: number,
  to: PeerId,
): { readonly datagram: Datagram; readonly deliver: () => void } {
  let caught: Datagram | undefined
  const { intercept } = world
  world.intercept = datagram => {
    if (caught !== undefined || datagram.bytes[0] !== type || datagram.to !== to) {
      return intercept(datagram)
    }
    caught = datagram
    return true
  }
  if (!world.run(20_000, () => caught !== undefined)) throw new Error('no such datagram')
  const datagram = caught!
  world.intercept = intercept
  return { datagram, deliver: () => world.inject(datagram.from, to, datagram.bytes) }
}

/** With any bit of any byte turned over it is dropped, and as it is it does what it should. */
function turnOver(t: ExecutionContext, world: SealedWorld, type: number, to: PeerId): void {
  const { datagram, deliver } = until(world, type, to)
  const host = world.host(to)
  const sent = host.endpoint.counters.sent
  const [agreements, before] = [world.agreements(to), told(world)]
  for (let bit = 0; bit < datagram.bytes.length * 8; bit++) {
    if (type === DATA && bit >= 512 && bit % 8 !== 0) continue
    const damaged = datagram.bytes.slice()
    damaged[bit >>> 3] = damaged[bit >>> 3]! ^ (1 << (bit & 7))
    const reason = reasonOf(world, to, () => {
      host.endpoint.receive(world.now, addressOf(datagram.from), damaged)
    })
    t.regex(reason, /^[a-z-]+ 1$/, `bit ${bit}`)
  }
  t.is(host.endpoint.counters.sent, sent, 'nothing is answered')
  t.is(world.agreements(to), agreements)
  t.is(told(world), before)
  deliver()
}

test('with any one bit turned over, HELLO, HELLO_ACK, data and CLOSE are dropped', t => {
  const world = new SealedWorld(3)
  turnOver(t, world, HELLO, 2)
  turnOver(t, world, HELLO_ACK, 1)
  turnOver(t, world, DATA, 2)
  t.true(world.run(100, () => world.isConnected))
  world.run(50)
  world.host(2).send(1, 2, 'a payload')
  turnOver(t, world, DATA, 1)
  t.true(world.run(50, () => world.host(1).deliveries.length === 1))
  // The queue to it is full: that ends the session, by a CLOSE.
  world.run(50)
  const payload = new Uint8Array(1024 * 1024)
  world.isCut = () => true
  for (let i = 0; i < 9 && world.host(1).up.has(2); i++) world.host(1).send(2, 3, payload)
  world.isCut = () => false
  t.is(world.host(1).log.at(-1), 'lost 2.1: the queue to it is full')
  world.host(2).send(1, 0, 'to an end that is known there')
  turnOver(t, world, DATA, 2)
  t.true(
    world.run(100, () => world.host(2).log.at(-1)!.includes('its queue to this host was full')),
  )
})

test('everything that was ever sent changes nothing when it comes again, even after a restart', t => {
  for (const seed of [1, 2]) {
    const world = new SealedWorld(seed)
    world.isRecording = true
    t.true(canTalk(world))
    for (const id of seed === 1 ? [1] : [2, 1]) {
      world.host(id).restart(2)
      t.true(canTalk(world))
    }
    world.run(100)
    const before = told(world)
    const old: Datagram[] = [...world.wire]
    const agreements = world.agreements(1) + world.agreements(2)
    for (let i = 0; i < 600; i++) {
      const { from, to, bytes } = world.random.pick(old)
      world.inject(from, to, bytes, world.random.between(0, 20_000))
    }
    world.run(40_000)
    t.is(told(world), before, `seed ${seed}`)
    // A HELLO of a life before is new to whoever has forgotten it: once.
    const more = world.agreements(1) + world.agreements(2) - agreements
    t.true(more <= 12, `${more}`)
    t.true(canTalk(world))
    t.is(told(world).includes('lost'), true)
  }
})

test("a host's own packets that come back to it change nothing", t => {
  const world = new SealedWorld(4)
  world.isRecording = true
  t.true(canTalk(world))
  const before = told(world)
  const agreements = world.agreements(1)
  for (const { from, bytes } of [...world.wire]) {
    const host = world.host(from)
    // From the other's address, and with the index that it listens to.
    const reflected = bytes.slice()
    const own = world.wire.find(other => other.from !== from && other.bytes[0] === DATA)
    for (const packet of [bytes, reflected]) {
      if (packet === reflected) reflected.set(own!.bytes.subarray(1, 4), 1)
      const reason = reasonOf(world, from, () => {
        host.endpoint.receive(world.now, addressOf(3 - from), packet)
      })
      t.regex(reason, /^(misdirected|unknown-index|unexpected|forged|duplicate) 1$/)
    }
  }
  // The HELLO of host 1 with the ids exchanged is none of host 2.
  const own = world.wire.find(({ from, bytes }) => from === 1 && bytes[0] === HELLO)!.bytes.slice()
  writeU16(own, 8, 2)
  writeU16(own, 10, 1)
  t.is(
    reasonOf(world, 1, () => receive(world, own)),
    'damaged 1',
  )
  t.is(world.agreements(1), agreements)
  t.is(told(world), before)
})

const DIFFERENT: readonly (readonly [string, readonly (Uint8Array | undefined)[], RegExp[]])[] = [
  [
    'another key',
    [KEY_1, KEY_2],
    [/HELLO with key [0-9a-f]{4}, which is not in the key file/, /with key [0-9a-f]{4}, which/],
  ],
  [
    'no key at one of them',
    [KEY_1, undefined],
    [/packets that are not sealed come from the address of host 2/, /packets sealed with key/],
  ],
]

for (const [what, keys, patterns] of DIFFERENT) {
  test(`hosts with ${what} ignore each other, and each says once why and what to do`, t => {
    const world = new SealedWorld(1, {
      keys: id => (keys[id - 1] === undefined ? undefined : [keys[id - 1]!]),
    })
    world.run(60_000)
    for (const host of world.hosts.values()) {
      t.deepEqual(host.log, [])
      t.is(host.notices.length, 1)
      t.regex(host.notices[0]!, patterns[host.id - 1]!)
      t.regex(
        host.notices[0]!,
        /\(10\.0\.0\.\d:7411\); (it is|they are) ignored, .* \(.*key file.*\)$/,
      )
    }
    t.is(world.agreements(1) + world.agreements(2), 0)
  })
}

test('a stranger who floods one address with wrong keys is told of once in ten seconds', t => {
  const { world } = alone()
  const seal = (byte: number): Uint8Array =>
    hello({}, { key: new Uint8Array(32).fill(byte), cluster: 'home' })
  for (let byte = 10; byte < 110; byte++) {
    receive(world, seal(byte))
    world.run(250)
  }
  t.true(world.host(1).notices.length <= 3, String(world.host(1).notices.length))
  t.true(world.host(1).notices.length >= 2)
})

test('hosts of another cluster with the same key have other keys', t => {
  const { world } = alone()
  const foreign = hello({ cluster: clusterHash('home') }, { cluster: 'office' })
  t.is(
    reasonOf(world, 1, () => receive(world, foreign)),
    'key 1',
  )
  // And if the names of both keys were the same.
  const [own] = world.host(1).endpoint.keys
  writeU16(foreign, 6, parseInt(own!, 16))
  t.is(
    reasonOf(world, 1, () => receive(world, foreign)),
    'damaged 1',
  )
})

/** Two keys whose names in the cluster home are the same, found by trying. */
function namesakes(): readonly [Uint8Array, Uint8Array] {
  const seen = new Map<string, Uint8Array>()
  const crypto = createCrypto()
  for (let n = 0; n < 5000; n++) {
    const key = new Uint8Array(32)
    writeU24(key, 0, n + 1)
    const [name] = new NoiseSeal(crypto, 'home', [key]).names
    const other = seen.get(name!)
    if (other !== undefined) return [other, key]
    seen.set(name!, key)
  }
  throw new Error('no two of 5000 keys have the same name')
}

test('of two keys with one name, both are accepted', t => {
  const [one, other] = namesakes()
  t.notDeepEqual(one, other)
  const world = new SealedWorld(1, { keys: id => (id === 1 ? [one, other] : [other, one]) })
  t.true(canTalk(world))
  const wrong = new SealedWorld(1, { keys: id => (id === 1 ? [one] : [other]) })
  wrong.run(10_000)
  for (const host of wrong.hosts.values()) {
    t.deepEqual(host.log, [])
    t.regex(host.notices[0]!, /names key [0-9a-f]{4} but was not made with it/)
  }
})

test('hosts call with their first key and accept all', t => {
  const world = new SealedWorld(1, {
    hosts: 3,
    keys: id =>
      [
        [KEY_1, KEY_2],
        [KEY_2, KEY_1],
        [KEY_3, KEY_2, KEY_1],
      ][id - 1],
  })
  // Nobody has the third one but host 3, so the others have to call it.
  t.true(world.run(5000, () => world.isConnected))
  t.true(canTalk(world))
  const first = world.host(1).endpoint.keys
  for (const id of [1, 2]) t.true(first.includes(world.host(3).endpoint.peer(id).key!))
})

/** More HELLOs of members than are looked at for nothing: replays of one. */
function load(world: World): void {
  const bytes = hello({ from: 2 })
  for (let i = 0; i < 25; i++) receive(world, bytes)
}

test('under load a HELLO has to carry the cookie that was sent to its address', t => {
  const { world, answers } = alone()
  load(world)
  answers.length = 0
  const agreements = world.agreements(1)
  const seal = new NoiseSeal(createCrypto(), 'home', [KEY_1])
  const header = { index: 99, from: 2, to: 1, cluster: clusterHash('home') }
  const call = seal.call(header, INTRODUCTION)
  t.is(
    reasonOf(world, 1, () => receive(world, call.bytes.slice())),
    'cookie 1',
  )
  t.is(world.agreements(1), agreements)
  const [cookie] = answers.splice(0)
  t.is(cookie?.length, 44)
  t.is(cookie![0], COOKIE)
  for (let bit = 0; bit < cookie!.length * 8; bit++) {
    const damaged = cookie!.slice()
    damaged[bit >>> 3] = damaged[bit >>> 3]! ^ (1 << (bit & 7))
    t.is(call.prove(damaged), 'damaged', `bit ${bit}`)
  }
  t.is(seal.call(header, INTRODUCTION).prove(cookie!), 'damaged', 'of another HELLO')
  t.is(call.prove(cookie!), 'proved')
  t.is(
    reasonOf(world, 1, () => receive(world, call.bytes.slice())),
    'simultaneous 1',
  )
  // It is that of one address and one index, and good for two minutes at most.
  const proof = call.bytes.slice(96, 112)
  const attempt = (change: Partial<HelloHeader> = {}): Uint8Array => {
    const other = seal.call({ ...header, ...change }, INTRODUCTION)
    const demand = cookie!.slice()
    demand.set(other.bytes.subarray(1, 4), 1)
    return withProof(other.bytes, proof)
  }
  t.is(
    reasonOf(world, 1, () => receive(world, attempt())),
    'simultaneous 1',
    'a new e_i',
  )
  t.is(
    reasonOf(world, 1, () => receive(world, attempt({ index: 98 }))),
    'cookie 1',
  )
  world.host(1).endpoint.setAddress(world.now, 2, { ip: '10.0.0.77', port: 7411 })
  const moved = { ip: '10.0.0.77', port: 7411 }
  t.is(
    reasonOf(world, 1, () => receive(world, attempt(), moved)),
    'cookie 1',
  )
  world.host(1).endpoint.setAddress(world.now, 2, addressOf(2))
  t.is(
    reasonOf(world, 1, () => receive(world, attempt())),
    'simultaneous 1',
  )
  world.run(120_000)
  load(world)
  t.is(
    reasonOf(world, 1, () => receive(world, attempt())),
    'cookie 1',
  )
})

/** The HELLO with another cookie in it, and the MAC that a member can make. */
function withProof(bytes: Uint8Array, proof: Uint8Array): Uint8Array {
  const crypto = createCrypto()
  const derive = (key: Uint8Array, salt: string, info: string): Uint8Array =>
    crypto.hmac(crypto.hmac(Buffer.from(salt), key), Buffer.from(`${info}\u0001`))
  const root = derive(KEY_1, 'lamportd/1', 'home')
  const copy = bytes.slice()
  copy.set(proof, 96)
  copy.set(crypto.hmac(derive(root, '', 'mac1'), copy.subarray(0, 112)).subarray(0, 16), 112)
  return copy
}

test('hosts that call each other under load connect all the same', t => {
  for (const seed of [1, 2, 3]) {
    const world = new SealedWorld(seed, { faults: { drop: seed === 3 ? 0.2 : 0 } })
    world.isRecording = true
    // Each is flooded with replays of a HELLO that it knows, 100 a second.
    const flood = (id: PeerId, bytes: Uint8Array): void => {
      const host = world.host(id)
      if (host.isRunning) host.endpoint.receive(world.now, addressOf(3 - id), bytes)
      world.at(10, () => flood(id, bytes))
    }
    const toOne = hello({ from: 2, to: 1 })
    const toTwo = hello({ from: 1, to: 2 })
    for (let i = 0; i < 30; i++) {
      receive(world, toOne)
      world.host(2).endpoint.receive(world.now, addressOf(1), toTwo)
    }
    flood(1, toOne)
    flood(2, toTwo)
    t.true(
      world.run(4000, () => world.isConnected),
      `seed ${seed}`,
    )
    t.true(world.wire.some(({ bytes }) => bytes[0] === COOKIE))
    t.true(canTalk(world))
  }
})

test('a flood of HELLOs of a member costs eight agreements on keys at once, and four a second', t => {
  for (const proves of [false, true]) {
    const world = new SealedWorld(1)
    world.host(1).crash()
    const cookies: Uint8Array[] = []
    let answers = 0
    world.intercept = ({ bytes }) => {
      if (bytes[0] === HELLO_ACK) answers++
      if (bytes[0] === COOKIE) cookies.push(bytes)
      return true
    }
    const seal = new NoiseSeal(createCrypto(), 'home', [KEY_1])
    const { endpoint } = world.host(2)
    for (let i = 0; i < 500; i++) {
      const header = { index: i, from: 1, to: 2, cluster: clusterHash('home') }
      const call = seal.call(header, INTRODUCTION)
      endpoint.receive(world.now, addressOf(1), call.bytes.slice())
      // Whoever sits at that address gets its cookies, too.
      for (const cookie of cookies.splice(0)) {
        if (!proves) continue
        t.is(call.prove(cookie), 'proved')
        endpoint.receive(world.now, addressOf(1), call.bytes.slice())
      }
      world.run(10)
    }
    const bound = 8 + 4 * 5
    t.is(answers, world.agreements(2))
    t.true(answers >= 8 && answers <= bound + 1, `${answers} of 500`)
    t.true(endpoint.counters.dropped.cookie! > 300)
    t.true(!proves || endpoint.counters.dropped.rate! > 300)
    t.deepEqual(world.host(2).log, [])
  }
})

test('the tag of a HELLO covers what its mac does, and more is mixed in than is sent', t => {
  // The same HELLO for another pair of hosts: the pre-shared key differs, though the mac is right.
  const { world } = alone()
  const foreign = hello({ from: 3, to: 1 })
  writeU16(foreign, 8, 2)
  const bytes = withProof(foreign, new Uint8Array(16))
  t.is(readU32(bytes, 8), readU32(hello(), 8))
  t.is(
    reasonOf(world, 1, () => receive(world, bytes)),
    'forged 1',
  )
})

test('everything is derived from the key as docs/protocol.md says', t => {
  const text = (value: string): Buffer => Buffer.from(value)
  const derive = (secret: Uint8Array, salt: string, info: Uint8Array): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, text(salt), info, 32))
  const mac = (key: Uint8Array, data: Uint8Array): Buffer =>
    createHmac('sha256', key).update(data).digest()
  const ids = (...numbers: readonly number[]): Buffer =>
    Buffer.concat(numbers.map(number => Buffer.of(number & 255, number >>> 8)))
  const root = derive(KEY_1, 'lamportd/1', text('home'))
  const psk = derive(root, '', Buffer.concat([text('psk'), ids(2, 700)]))
  const keyId = mac(root, text('id')).readUInt16LE(0)
  const seal = new NoiseSeal(createCrypto(), 'home', [KEY_1])
  for (const [from, to] of [
    [2, 700],
    [700, 2],
  ] as const) {
    const call = seal.call({ index: 1, from, to, cluster: clusterHash('home') }, INTRODUCTION)
    const prologue = Buffer.concat([text('lamportd/1home'), ids(from, to, keyId)])
    t.is(readKeyId(call.bytes), keyId)
    t.deepEqual(
      call.bytes.subarray(112),
      new Uint8Array(
        mac(derive(root, '', text('mac1')), call.bytes.subarray(0, 112)).subarray(0, 16),
      ),
    )
    const crypto = createCrypto()
    const responder = NoiseResponder.read(crypto, prologue, psk, call.bytes.subarray(16, 96))
    t.truthy(responder)
    // The keys of an epoch: forth for what the initiator sends, the header beside it.
    const { message, keys } = responder!.write(new Uint8Array(responder!.payload))!
    const cipher = crypto.createCipher(keys.forth)
    const answer = new Uint8Array(104)
    answer.set([2, 1, 0, 0, 9, 0, 0, 1])
    answer.set(message, 8)
    answer.set(mac(derive(root, '', text('mac1')), answer.subarray(0, 88)).subarray(0, 16), 88)
    const read = call.read(answer)
    if (typeof read === 'string') return t.fail(read)
    t.deepEqual(read.introduction, INTRODUCTION)
    const packet = new Uint8Array([0x10, 9, 0, 0, 77, 0, 0, 0, 0x02, ...new Uint8Array(16)])
    t.is(read.keys.seal(77, packet, 9), 25)
    t.deepEqual([...cipher.open(77, packet.slice(0, 8), packet.slice(8))!], [0x02])
  }
})

test('a host that has only the older key is let in by one that calls with a newer, whoever is lower', t => {
  for (const newer of [1, 2]) {
    const world = new SealedWorld(1, { keys: id => (id === newer ? [KEY_2, KEY_1] : [KEY_1]) })
    t.true(
      world.run(3000, () => world.isConnected),
      `host ${newer} calls with the newer key`,
    )
    t.true(canTalk(world))
  }
})

test('a COOKIE that comes again and again does not make a host call without a pause', t => {
  const world = new SealedWorld(1)
  world.host(2).crash()
  let hellos = 0
  let last: Uint8Array | undefined
  world.intercept = ({ bytes }) => {
    if (bytes[0] === HELLO) {
      hellos++
      last = bytes
    }
    return true
  }
  world.run(10)
  const received = new NoiseSeal(createCrypto(), 'home', [KEY_1]).receive(last!)
  if (typeof received === 'string') return t.fail(received)
  const cookie = received.demand(new Uint8Array(16).fill(7))
  receive(world, cookie)
  world.run(12)
  t.is(hellos, 2)
  t.deepEqual(last!.slice(96, 112), new Uint8Array(16).fill(7))
  for (let i = 0; i < 100; i++) {
    t.is(
      reasonOf(world, 1, () => receive(world, cookie)),
      'replay 1',
    )
    world.run(1)
  }
  t.true(hellos <= 4, `${hellos} HELLOs`)
})

test('a host whose keys have changed calls with the new one from its next HELLO on', t => {
  const world = new SealedWorld(1)
  world.host(2).crash()
  const names: string[] = []
  world.intercept = ({ bytes }) => {
    names.push(keyName(readKeyId(bytes)))
    return true
  }
  world.run(10)
  const [before] = world.host(1).endpoint.keys
  t.deepEqual(world.changeKeys(1, [KEY_2]), [])
  const [after] = world.host(1).endpoint.keys
  world.run(130)
  t.deepEqual(names, [before, after])
})
