import { spawn } from 'node:child_process'
import { createCipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import test from 'ava'
import { createCrypto } from '../../src/daemon/crypto.ts'

/** Where each is written out after it was generated, one in twenty thousand stops its process for good. */
const PAIRS = 150_000

test('keys are made without end, and no process hangs of it', async t => {
  const crypto = new URL('../../src/daemon/crypto.js', import.meta.url).href
  const program = `
    import { createCrypto } from ${JSON.stringify(crypto)}
    const crypto = createCrypto()
    for (let i = 0; i < ${PAIRS}; i++) crypto.createPair()
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: 'inherit',
    timeout: 100_000,
  })
  t.deepEqual(await once(child, 'exit'), [0, null])
})

test('two pairs agree on a secret, each time another', t => {
  const crypto = createCrypto()
  const [ours, theirs, third] = [crypto.createPair(), crypto.createPair(), crypto.createPair()]
  const secret = ours.agree(theirs.publicKey)
  t.is(secret?.length, 32)
  t.deepEqual(theirs.agree(ours.publicKey), secret)
  t.notDeepEqual(third.agree(ours.publicKey), secret)
  t.notDeepEqual(ours.publicKey, third.publicKey)
})

const TAG_BYTES = 16

/** What it has to be: a nonce of ours is a number, little-endian behind four zeroes (Noise §12.3). */
function sealedByNode(key: Uint8Array, nonce: number, aad: Uint8Array, plain: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32LE(nonce, 4)
  const cipher = createCipheriv('chacha20-poly1305', key, bytes, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad, { plaintextLength: plain.length })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

test('packets of every length are sealed as node:crypto seals them, and opened', t => {
  for (let length = 0; length <= 600; length++) {
    const [key, aad, plain] = [randomBytes(32), randomBytes(length % 40), randomBytes(length)]
    const cipher = createCrypto().createCipher(key)
    const nonce = length * 7_000_000
    const expected = sealedByNode(key, nonce, aad, plain)
    // Where it lies already, as in a packet, and with something on either side.
    const packet = new Uint8Array(length + TAG_BYTES + 16).fill(0xee)
    packet.set(plain, 8)
    cipher.seal(nonce, aad, packet.subarray(8, 8 + length), packet, 8)
    t.deepEqual(Buffer.from(packet.subarray(8, -8)), expected, `${length}`)
    t.true([...packet.subarray(0, 8), ...packet.subarray(-8)].every(byte => byte === 0xee))
    const opened = cipher.open(nonce, aad, packet.subarray(8, -8))
    t.deepEqual(opened && Buffer.from(opened), plain, `${length}`)
  }
})

test('what was changed in any bit, or anywhere else, does not open', t => {
  for (const length of [0, 1, 40, 256, 257, 400]) {
    const [key, aad, plain] = [randomBytes(32), randomBytes(8), randomBytes(length)]
    const cipher = createCrypto().createCipher(key)
    const sealed = sealedByNode(key, 5, aad, plain)
    t.truthy(cipher.open(5, aad, sealed))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const forged = new Uint8Array(sealed)
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      t.is(cipher.open(5, aad, forged), undefined, `bit ${bit} of ${length}`)
    }
    for (let cut = 0; cut < sealed.length; cut++) {
      t.is(cipher.open(5, aad, sealed.subarray(0, cut)), undefined, `${cut} of ${length}`)
    }
    t.is(cipher.open(6, aad, sealed), undefined)
    t.is(cipher.open(5, new Uint8Array(8), sealed), undefined)
    t.is(createCrypto().createCipher(randomBytes(32)).open(5, aad, sealed), undefined)
  }
})

test('a key that was forgotten opens nothing, and seals nothing', t => {
  for (const length of [40, 400]) {
    const key = randomBytes(32)
    const cipher = createCrypto().createCipher(key)
    const [aad, plain] = [new Uint8Array(8), new Uint8Array(length)]
    const sealed = sealedByNode(key, 0, aad, plain)
    t.truthy(cipher.open(0, aad, sealed))
    cipher.forget()
    t.is(cipher.open(0, aad, sealed), undefined)
    // Not by the key of zeroes either that is left.
    const zeroes = sealedByNode(new Uint8Array(32), 0, aad, plain)
    t.is(cipher.open(0, aad, zeroes), undefined)
    t.throws(() => cipher.seal(0, aad, plain, new Uint8Array(length + TAG_BYTES), 0))
  }
})

test('a packet without room for its tag is an error of ours, whatever its length', t => {
  for (const length of [40, 400]) {
    const cipher = createCrypto().createCipher(randomBytes(32))
    const packet = new Uint8Array(length + TAG_BYTES - 1)
    t.throws(() => cipher.seal(1, new Uint8Array(8), packet.subarray(0, length), packet, 0))
  }
})
