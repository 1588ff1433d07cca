import { spawn } from 'node:child_process'
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
