import test from 'ava'

import { createCrypto, createPair } from '../../src/daemon/crypto.ts'
import { fromHex, toHex, utf8 } from '../../src/transport/bytes.ts'
import { NoiseInitiator, NoiseResponder } from '../../src/transport/noise.ts'

import type { Crypto } from '../../src/transport/crypto.ts'

/**
 * Noise_NNpsk0_25519_ChaChaPoly_SHA256 of the test vectors of cacophony, the Haskell implementation
 * of Noise (its vectors/cacophony.txt), which most implementations are checked against.
 */
const VECTOR = {
  prologue: '4a6f686e2047616c74',
  psk: '54686973206973206d7920417573747269616e20706572737065637469766521',
  initiatorEphemeral: '893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a',
  responderEphemeral: 'bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b',
  hash: 'f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf',
  messages: [
    [
      '4c756477696720766f6e204d69736573',
      'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944' +
        '79b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67a0d1266b6a54',
    ],
    [
      '4d757272617920526f746862617264',
      '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843' +
        'd6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030fb584221e3',
    ],
    ['462e20412e20486179656b', 'e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f'],
    ['4361726c204d656e676572', '64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e'],
    [
      '4a65616e2d426170746973746520536179',
      'e2fa0bed0603b62d3ccac2ecabbf3fe33f3e86514909b323361626266cb2471cc8',
    ],
    [
      '457567656e2042f6686d20766f6e2042617765726b',
      '0c01dc9cec1fe4ddd692e8dd32188aa351088dc91183639a53b57aa4692b5ebdef8b8ca111',
    ],
  ],
} as const

const crypto = createCrypto()
const prologue = fromHex(VECTOR.prologue)
const psk = fromHex(VECTOR.psk)

function withPair(secret: string): Crypto {
  return { ...crypto, createPair: () => createPair(fromHex(secret)) }
}

function payload(index: number): Uint8Array {
  return fromHex(VECTOR.messages[index]![0])
}

test('a handshake and the messages after it are those of the published vector, byte for byte', t => {
  const initiator = new NoiseInitiator(
    withPair(VECTOR.initiatorEphemeral),
    prologue,
    psk,
    payload(0),
  )
  t.is(toHex(initiator.message), VECTOR.messages[0][1])
  const responder = NoiseResponder.read(
    withPair(VECTOR.responderEphemeral),
    prologue,
    psk,
    initiator.message,
  )
  t.deepEqual(responder && toHex(responder.payload), VECTOR.messages[0][0])
  const answer = responder?.write(payload(1))
  t.is(answer && toHex(answer.message), VECTOR.messages[1][1])
  const read = initiator.read(answer!.message)
  t.is(read && toHex(read.payload), VECTOR.messages[1][0])
  t.deepEqual(read!.keys, answer!.keys)
  t.is(toHex(read!.keys.hash), VECTOR.hash)
  const ciphers = [read!.keys.forth, read!.keys.back].map(key => crypto.createCipher(key))
  const nothing = new Uint8Array(0)
  for (let index = 2; index < VECTOR.messages.length; index++) {
    const cipher = ciphers[index % 2]!
    const nonce = index >> 1
    const plain = payload(index)
    const sealed = new Uint8Array(plain.length + 16)
    cipher.seal(nonce - 1, nothing, plain, sealed, 0)
    t.is(toHex(sealed), VECTOR.messages[index]![1])
    t.deepEqual(new Uint8Array(cipher.open(nonce - 1, nothing, sealed)!), plain)
    t.is(cipher.open(nonce, nothing, sealed), undefined, 'under another nonce')
    t.is(cipher.open(nonce - 1, plain, sealed), undefined, 'beside other data')
    t.is(ciphers[1 - (index % 2)]!.open(nonce - 1, nothing, sealed), undefined, 'of the other side')
  }
})

test('nothing opens with another key, under another prologue, or with a byte changed', t => {
  const { message } = new NoiseInitiator(crypto, prologue, psk, payload(0))
  const read = (bytes: Uint8Array, about = prologue, key = psk): NoiseResponder | undefined =>
    NoiseResponder.read(crypto, about, key, bytes)
  t.truthy(read(message))
  t.is(read(message, utf8('John Gald')), undefined)
  t.is(
    read(
      message,
      prologue,
      psk.map(byte => byte ^ 1),
    ),
    undefined,
  )
  for (let at = 0; at < message.length; at++) {
    const changed = message.slice()
    changed[at] = changed[at]! ^ 0x80
    t.is(read(changed), undefined, `byte ${at}`)
  }
})

test('a forged answer leaves the initiator as it was', t => {
  const initiator = new NoiseInitiator(crypto, prologue, psk, payload(0))
  const answer = NoiseResponder.read(crypto, prologue, psk, initiator.message)!.write(payload(1))!
  for (let at = 0; at < answer.message.length; at++) {
    const changed = answer.message.slice()
    changed[at] = changed[at]! ^ 1
    t.is(initiator.read(changed), undefined, `byte ${at}`)
  }
  t.is(initiator.read(answer.message.slice(0, 40)), undefined)
  t.deepEqual(initiator.read(answer.message)?.keys, answer.keys)
})

/** Points of small order on Curve25519, all that are canonical (RFC 7748 §7). */
const SMALL_ORDER = [
  '00'.repeat(32),
  '01' + '00'.repeat(31),
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

test('a public key that leads to a secret of zeroes is refused', t => {
  for (const point of SMALL_ORDER) t.is(crypto.createPair().agree(fromHex(point)), undefined, point)
  const weak = { ...crypto.createPair(), publicKey: new Uint8Array(32) }
  const { message } = new NoiseInitiator(
    { ...crypto, createPair: () => weak },
    prologue,
    psk,
    payload(0),
  )
  t.is(NoiseResponder.read(crypto, prologue, psk, message)!.write(payload(1)), undefined)
})

test('two pairs agree, as in RFC 7748 §6.1', t => {
  const bob = createPair(
    fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
  )
  t.is(toHex(bob.publicKey), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
  const alice = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
  const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
  t.is(toHex(bob.agree(alice)!), shared)
  const [one, other] = [crypto.createPair(), crypto.createPair()]
  t.deepEqual(one.agree(other.publicKey), other.agree(one.publicKey))
})

test('a key that was forgotten opens nothing', t => {
  const cipher = crypto.createCipher(psk)
  const sealed = new Uint8Array(17)
  cipher.seal(0, prologue, new Uint8Array(1), sealed, 0)
  t.truthy(cipher.open(0, prologue, sealed))
  cipher.forget()
  t.is(cipher.open(0, prologue, sealed), undefined)
  t.throws(() => cipher.seal(1, prologue, new Uint8Array(1), sealed, 0), { message: /zeroed/ })
  t.truthy(
    psk.some(byte => byte !== 0),
    'only its own copy',
  )
})

test('text becomes UTF-8', t => {
  for (const text of ['', 'workshop', 'Werkstätte', '工房', '🔒 a', '\ud800x']) {
    t.deepEqual([...utf8(text)], [...Buffer.from(text)], text)
  }
})
