import test from 'ava'

import { createCrypto } from '../../src/daemon/crypto.ts'
import { NoiseSeal } from '../../src/transport/noise-seal.ts'
import { PacketWriter, readIndex, readNumber, TAG_SIZE } from '../../src/transport/packet.ts'
import { World } from '../helpers/pair.ts'
import { KEY_1 } from '../helpers/sealed.ts'

import type { Crypto } from '../../src/transport/crypto.ts'

const DATA = 0x10

/** Opens whatever it is given, with the right key: of a stream cipher without its tag. */
function tagless(): Crypto {
  const crypto = createCrypto()
  return {
    ...crypto,
    createCipher: key => {
      const cipher = crypto.createCipher(key)
      return {
        seal: (...all) => cipher.seal(...all),
        open: (nonce, aad, sealed) => {
          const cut = sealed.subarray(0, sealed.length - TAG_SIZE)
          const into = new Uint8Array(sealed.length)
          // The same stream once more takes away what it had put there.
          cipher.seal(nonce, aad, cut, into, 0)
          return into.subarray(0, cut.length)
        },
        forget: () => cipher.forget(),
      }
    },
  }
}

/** What becomes of a session when a stranger sends a CLOSE with its index and a number to come. */
function afterForgedClose(crypto: () => Crypto): readonly string[] {
  const world = new World(1, {
    seal: ({ cluster }) => new NoiseSeal(crypto(), cluster, [KEY_1]),
  })
  world.isRecording = true
  world.run(1000, () => world.isConnected)
  world.host(2).send(1, 0, 'something')
  world.run(50)
  const { bytes } = world.wire.findLast(({ from, bytes: [type] }) => from === 2 && type === DATA)!
  const writer = new PacketWriter()
  writer.begin(readIndex(bytes), readNumber(bytes) + 100)
  writer.close({ type: 'close', reason: 1, next: [0, 0, 0, 0] })
  const forged = new Uint8Array(writer.length + TAG_SIZE)
  forged.set(writer.bytes.subarray(0, writer.length))
  world.inject(2, 1, forged)
  world.run(10)
  return world.host(1).log.filter(line => line.startsWith('lost'))
}

test('without its tag a forged packet ends a session, with it none does', t => {
  t.deepEqual(afterForgedClose(createCrypto), [])
  t.is(afterForgedClose(tagless).length, 1)
})
